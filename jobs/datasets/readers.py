"""Reads files of tasks, and names everything that is wrong with one at once, line by line."""

import difflib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from jobs.errors import DatasetError

from . import PartialLimits, Task
from .documents import read_document

_SHOWN_PROBLEMS = 20
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True)
class _Problem:
    place: str
    what: str


def read_tasks(path: Path) -> list[Task]:
    """The tasks of a JSONL file, gzipped or not.

    Raises:
        DatasetError: it cannot be read, or it has bad lines; all of them are named by line.
    """
    try:
        with path.open("rb") as file:
            raw = read_document(file, str(path))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None
    return tasks_in(raw, str(path))


def tasks_in(raw: bytes, name: str) -> list[Task]:
    """The tasks of a JSONL document, gzipped or not; `name` is what messages call it.

    Raises:
        DatasetError: it is no text, or it has bad lines; all of them are named by line.
    """
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{name} is a damaged gzip file: {error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{name} is not UTF-8 text: the first bad byte is on line {line}"
        ) from None
    # Not splitlines: JSON strings may hold U+2028, which is no line end in JSONL.
    return parse_tasks(text.split("\n"), name)


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
    problems: list[_Problem] = []
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
            problems.append(_Problem(f"line {number}", what))
    if problems:
        raise _refusal(name, problems, n_rows)
    if not tasks:
        raise DatasetError(
            f"{name} holds no task",
            fixes=['write one JSON object a line, such as {"prompt": "Print 1."}'],
        )
    return tasks


def _task(line: str, number: int) -> Task:
    task = Task.model_validate_json(line)
    return task if task.id is not None else task.model_copy(update={"id": f"line-{number}"})


def _problems_of(line: str, number: int, refusal: ValidationError) -> Iterator[_Problem]:
    # Asked a second time of Python's own reader, which says where a line stops being JSON.
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        yield _Problem(
            f"line {number}, column {error.colno}",
            f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}",
        )
        return
    except RecursionError:
        yield _Problem(f"line {number}", "nested too deeply")
        return
    except ValueError:
        # Python reads no integer of more than some thousand digits.
        yield _Problem(f"line {number}", "a number has too many digits")
        return
    if not isinstance(row, dict):
        yield _Problem(f"line {number}", f"a JSON object is expected, not {_json_word(row)}")
        return
    for detail in refusal.errors():
        yield _Problem(
            f"line {number}", _in_words(detail["loc"], detail["type"], detail["msg"], row)
        )


def _in_words(
    location: tuple[int | str, ...], kind: str, message: str, row: dict[str, object]
) -> str:
    name = ".".join(map(str, location))
    if kind == "missing":
        return f'the field "{name}" is missing'
    if kind == "extra_forbidden":
        return f'unknown field "{name}"; {_advice(location)}'
    if not location:
        return message.removeprefix("Value error, ")
    return f'field "{name}" is {_shown(row, location)}: {message[:1].lower()}{message[1:]}'


def _advice(location: tuple[int | str, ...]) -> str:
    model = PartialLimits if len(location) > 1 else Task
    names = [field.alias or "" for field in model.model_fields.values()]
    near = difflib.get_close_matches(str(location[-1]), names, 1)
    if near:
        return f'did you mean "{".".join([*map(str, location[:-1]), near[0]])}"?'
    return f"known are {', '.join(names)}" if model is PartialLimits else "put it into metadata"


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


def _refusal(name: str, problems: list[_Problem], n_rows: int) -> DatasetError:
    n_bad = len({problem.place.partition(",")[0] for problem in problems})
    facts: dict[str, str] = {}
    for problem in problems[:_SHOWN_PROBLEMS]:
        facts[problem.place] = (
            f"{facts[problem.place]}; {problem.what}" if problem.place in facts else problem.what
        )
    if len(problems) > _SHOWN_PROBLEMS:
        facts["and"] = f"{len(problems) - _SHOWN_PROBLEMS} more"
    return DatasetError(
        f"{name} has {n_bad} bad line{'s' if n_bad > 1 else ''} of {n_rows}",
        facts=facts,
        fixes=["mend these lines and run the same command again"],
        note="nothing was queued",
    )
