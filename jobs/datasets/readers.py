"""Reads files of tasks, and names everything that is wrong with one at once, line by line."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobs.checkers import Case, ExpectedCall
from jobs.errors import DatasetError
from jobs.wire import Wire

from . import PartialLimits, Task
from .documents import read_document
from .lines import Problem, lines_of, refusal

_SHOWN_CHARACTERS = 100
_NOTHING = "nothing was queued"


def read_tasks(path: Path) -> list[Task]:
    """The tasks of a JSONL file, gzipped or not.

    Raises:
        DatasetError: it cannot be read, or it has bad lines; all of them are named by line.
    """
    try:
        with path.open("rb") as file:
            raw = read_document(file, str(path))
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}",
            fixes=["name a JSONL file that is there and may be read"],
            note=_NOTHING,
        ) from None
    return tasks_in(raw, str(path))


def tasks_in(raw: bytes, name: str) -> list[Task]:
    """The tasks of a JSONL document, gzipped or not; `name` is what messages call it.

    Raises:
        DatasetError: it is no text, or it has bad lines; all of them are named by line.
    """
    return parse_tasks(lines_of(raw, name, note=_NOTHING), name)


def demo_tasks() -> list[Task]:
    """The tasks that ship with promptmill."""
    raw = resources.files("jobs.datasets").joinpath("demo.jsonl").read_bytes()
    return tasks_in(raw, "the built-in demo")


def parse_tasks(lines: Iterable[str], name: str) -> list[Task]:
    """The tasks of JSONL lines; empty lines count as lines but hold no task.

    Raises:
        DatasetError: some lines are bad, an id comes twice, or there is no task at all.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    n_rows = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        n_rows += 1
        try:
            task = _task(line, number)
        except ValidationError as error:
            problems += _problems_of(line, number, error)
            continue
        tasks.append(task)
        first = seen.setdefault(task.id or "", number)
        if first != number:
            what = f"id {task.id!r} was already used on line {first}"
            problems.append(Problem(f"line {number}", what))
    if problems:
        raise refusal(name, problems, n_rows, note=_NOTHING)
    if not tasks:
        raise DatasetError(
            f"{name} holds no task",
            fixes=['write one JSON object a line, such as {"prompt": "Print 1."}'],
            note=_NOTHING,
        )
    return tasks


def _task(line: str, number: int) -> Task:
    task = Task.model_validate_json(line)
    if key := _repeated_key(line):
        why = {"error": ValueError(f'the key "{key}" comes twice')}
        raise ValidationError.from_exception_data(
            "Task", [{"type": "value_error", "ctx": why, "input": None}]
        )
    return task if task.id is not None else task.model_copy(update={"id": f"line-{number}"})


def _repeated_key(line: str) -> str | None:
    """A key that an object of the line has twice, of which a reader silently takes the last."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, n in counts.items() if n > 1)

    json.loads(line, object_pairs_hook=look)
    return repeated[0] if repeated else None


def _problems_of(line: str, number: int, invalid: ValidationError) -> Iterator[Problem]:
    # Asked a second time of Python's own reader, which says where a line stops being JSON.
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        yield Problem(
            f"line {number}, column {error.colno}",
            f"not JSON: {_within_a_sentence(error.msg)}",
        )
        return
    except RecursionError:
        yield Problem(f"line {number}", "nested too deeply")
        return
    except ValueError:
        # Python reads no integer of more than some thousand digits.
        yield Problem(f"line {number}", "a number has too many digits")
        return
    if not isinstance(row, dict):
        yield Problem(f"line {number}", f"a JSON object is expected, not {_json_word(row)}")
        return
    details = invalid.errors()
    for detail in details:
        # Where an item of a list is refused, the list is said to be too short as well.
        if detail["type"] == "too_short" and any(
            _is_below(detail["loc"], other["loc"]) for other in details
        ):
            continue
        yield Problem(
            f"line {number}", _in_words(detail["loc"], detail["type"], _message_of(detail), row)
        )


def _message_of(detail: ErrorDetails) -> str:
    """What is wrong, without the words for what became of a list on its way."""
    match detail:
        case {"type": "too_short", "ctx": {"min_length": least}}:
            return f"at least {least} of them is needed"
        case {"type": "too_long", "ctx": {"max_length": most}}:
            return f"at most {most:,} of them are allowed"
        case _:
            return detail["msg"]


def _is_below(location: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(other) > len(location) and other[: len(location)] == location


def _in_words(
    location: tuple[int | str, ...], kind: str, message: str, row: dict[str, object]
) -> str:
    name, message = ".".join(map(str, location)), message.removeprefix("Value error, ")
    if kind == "missing":
        return f'the field "{name}" is missing'
    if kind == "extra_forbidden":
        return f'unknown field "{name}"; {_advice(location)}'
    if not location:
        return message
    return f'field "{name}" is {_shown(row, location)}: {_within_a_sentence(message)}'


def _advice(location: tuple[int | str, ...]) -> str:
    models: dict[int | str, type[Wire]] = {
        "limits": PartialLimits,
        "calls": ExpectedCall,
        "cases": Case,
    }
    model = models.get(location[0], Task) if len(location) > 1 else Task
    names = [field.alias or "" for field in model.model_fields.values()]
    near = difflib.get_close_matches(str(location[-1]), names, 1)
    if near:
        return f'did you mean "{".".join([*map(str, location[:-1]), near[0]])}"?'
    return "put it into metadata" if model is Task else f"known are {', '.join(names)}"


def _shown(row: object, location: tuple[int | str, ...]) -> str:
    for step in location:
        match row, step:
            case dict(), str():
                row = row.get(step)
            case list(), int():
                row = row[step]
            case _:
                return "wrong"
    text = json.dumps(row, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _json_word(value: object) -> str:
    return {list: "an array", str: "a string", type(None): "null"}.get(type(value), "a bare value")


def _within_a_sentence(message: str) -> str:
    """With a small letter at its beginning, unless that begins a name such as JSON."""
    return message if message[1:2].isupper() else f"{message[:1].lower()}{message[1:]}"
