"""Reads files of tasks, whoever wrote them, and names everything that is wrong with one at once, line by line."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import IO, Any
from weakref import finalize

from pydantic import ValidationError

from jobs.checkers import Case, ExpectedCall
from jobs.errors import DatasetError
from jobs.hashed_ids import HashedIds
from jobs.languages import Language
from jobs.wire import Wire

from . import KNOWN_TO_FIT, MAY_BE_USELESS, PartialLimits, Task, the_larger
from .containers import Container, rows_in
from .formats import ForeignRowError
from .lines import Problem, kept_in_a_file, refusal
from .named import HUMAN_EVAL
from .reading import AS_IT_IS, FORMAT_NAMES, Reading

_SHOWN_CHARACTERS = 100
_KEPT_PROBLEMS = 1000
_LOOKED_AT = 1000
_ALIKE = 0.8
_SHOWN_IDS = 5
_A_LINE = 'write one JSON object a line, such as {"prompt": "Print 1."}'
_HOW_TO_WRITE: Mapping[Container | None, str] = {
    Container.CSV: "name the columns in the first line, such as  id,prompt,stdin,expect  and write a task a line below",
    Container.PARQUET: "name a file that has rows",
    Container.TEXT: "write a prompt a line",
}
_NOTHING = "nothing was queued"


class Dataset:
    """Tasks that were all checked when it was made, and are read again, one by one, each time they are gone through.

    However many there are, one at most is kept in memory.
    """

    largest: Task | None = None
    """That with the most room for its files, of those that leave it to the run how much there is."""

    n_unchecked = 0
    """How many tasks have nothing that says what is right."""

    def __init__(
        self,
        read: Callable[[], Iterable[str]],
        name: str,
        how: Reading = AS_IT_IS,
    ) -> None:
        """Check the lines that `read` gives, the same ones each time; empty lines count as lines but hold no task.

        Raises:
            DatasetError: some lines are bad, an id comes twice, or there is no task at all.
        """
        self.name = name
        findings = how.findings
        self.excluded: Mapping[str, str] = findings.excluded if findings else {}
        """Why a task is left out of the score, by its id."""
        self._repeated = findings.duplicates if findings else frozenset()
        self._unmet = {*self.excluded}
        self._how = how
        self.languages: Counter[Language] = Counter()
        """How many tasks are to be solved in each."""
        self.requires: Counter[str] = Counter()
        """How many tasks need each module beyond the standard library; of those that count."""
        self._read = read
        self._problems: list[Problem] = []
        self._n_left_out = self._n_rows = 0
        self._reading = how.of_first(next((line for _, line in self._rows()), ""))
        self.form = self._reading.name
        """The format of its rows."""
        ids = HashedIds(self._good_ids())
        if not how.takes_faulty:
            self._check_ids(ids)
        if self._problems:
            problems, n_left_out = self._problems, self._n_left_out
            error = refusal(name, problems, self._n_rows, note=_NOTHING, n_left_out=n_left_out)
            if not self._reading.is_certain:
                error.facts["formats tried"] = ", ".join(FORMAT_NAMES)
            raise error
        if not self._n_rows:
            raise DatasetError(
                f"{name} holds no task",
                fixes=[_HOW_TO_WRITE.get(self._reading.container, _A_LINE)],
                note=_NOTHING,
            )
        self._refuse_unknown_exclusions()

    def __len__(self) -> int:
        return self._n_rows

    @property
    def n_rows(self) -> int:
        """How many there are: all of them are meant."""
        return self._n_rows

    def __iter__(self) -> Iterator[Task]:
        met: set[str] = set()
        for number, line in self._rows():
            try:
                task = self._task(line, number, KNOWN_TO_FIT)
            except (ValidationError, ForeignRowError):
                raise DatasetError(
                    f"{self.name} has changed since it was checked: line {number} is no task any more",
                    fixes=["let it be, and run the same command again"],
                ) from None
            if not self._is_met(task, met):
                yield task

    def _rows(self) -> Iterator[tuple[int, str]]:
        return ((number, line) for number, line in enumerate(self._read(), 1) if line.strip())

    def _new_task(self, line: str, number: int) -> Task:
        """One that nobody has checked yet; where it is left out of the score, it is known what is wrong with it."""
        task = self._task(line, number, MAY_BE_USELESS)
        may_be_useless = self._how.takes_faulty or task.id in self.excluded
        if not may_be_useless and (why := task.why_useless):
            raise _invalid(why)
        _refuse_repeated_keys(line)
        return task

    def _task(self, line: str, number: int, context: str | None = None) -> Task:
        task = Task.model_validate_json(self._reading.row_of(line), context=context)
        return task if task.id is not None else task.model_copy(update={"id": f"line-{number}"})

    def _is_met(self, task: Task, met: set[str]) -> bool:
        """Whether it is left out because an earlier one of its id is not; of ids that are known to come twice."""
        if task.id in met:
            return True
        if task.id in self._repeated:
            met.add(task.id)
        return False

    def _good_ids(self) -> Iterator[str]:
        met: set[str] = set()
        for number, line in self._rows():
            self._n_rows += 1
            try:
                task = self._new_task(line, number)
            except ForeignRowError as error:
                what = f"no row of {self._reading.name}: {error}"
                self._refuse([Problem(f"line {number}", what)])
                continue
            except ValidationError as error:
                self._refuse(_problems_of(line, number, error, self._reading))
                continue
            if self._is_met(task, met):
                self._n_rows -= 1
                continue
            self.languages[task.language] += 1
            self.n_unchecked += task.is_unchecked
            self.largest = the_larger(self.largest, task)
            self._unmet.discard(task.id or "")
            if task.id not in self.excluded:
                self.requires.update(task.requires)
            yield task.id or ""

    def _check_ids(self, ids: HashedIds) -> None:
        suspected, first = (
            ids.repeated() - {hash(name) for name in self._repeated},
            dict[str, int](),
        )
        for number, line in self._rows() if suspected else ():
            try:
                task_id = self._task(line, number, KNOWN_TO_FIT).id or ""
            except (ValidationError, ForeignRowError):
                continue
            if hash(task_id) in suspected and first.setdefault(task_id, number) != number:
                what = f"id {task_id!r} was already used on line {first[task_id]}"
                self._refuse([Problem(f"line {number}", what)])

    def _refuse_unknown_exclusions(self) -> None:
        if self._unmet:
            named = ", ".join(map(repr, sorted(self._unmet)[:_SHOWN_IDS]))
            raise DatasetError(
                f"what is to be left out of {self.name} names {len(self._unmet)} rows that it does not have: {named}",
                fixes=[
                    "check the dataset as it is now:  promptmill dataset check DATASET --output FILE"
                ],
                note=_NOTHING,
            )

    def _refuse(self, problems: Iterable[Problem]) -> None:
        if len(self._problems) < _KEPT_PROBLEMS:
            self._problems += problems
        else:
            self._n_left_out += 1


def read_tasks(path: Path | Traversable, how: Reading = AS_IT_IS) -> Dataset:
    """The tasks of a file: JSON Lines, an array, CSV, Parquet or text, gzipped or not, in any format that is known.

    Raises:
        DatasetError: it cannot be read, or it has bad lines; all of them are named by line.
    """
    try:
        with path.open("rb") as file:
            if not file.seekable():
                return piped_tasks(file, str(path), how)
            how = how.of_file(file, str(path))
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}",
            facts=_nearly_called(str(path)) if isinstance(error, FileNotFoundError) else {},
            fixes=["name a JSONL file that is there and may be read"],
            note=_NOTHING,
        ) from None

    def read() -> Iterator[str]:
        with path.open("rb") as file:
            yield from rows_in(file, str(path), how.container)

    return Dataset(read, str(path), how)


def piped_tasks(file: IO[bytes], name: str, how: Reading = AS_IT_IS) -> Dataset:
    """The same of what can be read only once; `name` is what messages call it.

    Raises:
        DatasetError: it is no text, or it has bad lines; all of them are named by line.
    """
    kept = kept_in_a_file(file, name, note=_NOTHING)
    how = how.of_file(kept, name)
    try:
        tasks = Dataset(lambda: rows_in(kept, name, how.container), name, how)
    except DatasetError:
        kept.close()
        raise
    finalize(tasks, kept.close)
    return tasks


def demo_tasks() -> Dataset:
    """The tasks that ship with promptmill."""
    return read_tasks(resources.files("jobs.datasets").joinpath("demo.jsonl"))


def _nearly_called(name: str) -> dict[str, str]:
    """What may have been meant by a name under which there is no file."""
    path = Path(name)
    beside: list[str] = []
    with suppress(OSError):
        beside += (each.name for each in islice(path.parent.iterdir(), _LOOKED_AT))
    if near := difflib.get_close_matches(path.name, beside, 1, _ALIKE):
        return {"did you mean": str(path.with_name(near[0]))}
    near = difflib.get_close_matches(name.lower(), [HUMAN_EVAL], 1, _ALIKE)
    return {"did you mean": near[0]} if near else {}


def _refuse_repeated_keys(line: str) -> None:
    if key := _repeated_key(line):
        raise _invalid(f'the key "{key}" comes twice')


def _invalid(why: str) -> ValidationError:
    """The error that a row's own check would be."""
    told = {"error": ValueError(why)}
    return ValidationError.from_exception_data(
        "Task", [{"type": "value_error", "ctx": told, "input": None}]
    )


def _repeated_key(line: str) -> str | None:
    """A key that an object of the line has twice, of which a reader silently takes the last."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, n in counts.items() if n > 1)

    json.loads(line, object_pairs_hook=look)
    return repeated[0] if repeated else None


def _problems_of(
    line: str, number: int, invalid: ValidationError, how: Reading
) -> Iterator[Problem]:
    # Asked a second time of Python's own reader, which says where a line stops being JSON.
    try:
        row = json.loads(how.row_of(line))
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


def _message_of(detail: Mapping[str, Any]) -> str:
    """What is wrong, without the words for what became of a list on its way."""
    match detail:
        case {"type": "too_short", "ctx": {"min_length": least}}:
            return f"at least {least} of them is needed"
        case {"type": "too_long", "ctx": {"max_length": most}}:
            return f"at most {most:,} of them are allowed"
        case _:
            return str(detail["msg"])


def _is_below(location: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(other) > len(location) and other[: len(location)] == location


def _in_words(
    location: tuple[int | str, ...], kind: str, message: str, row: dict[str, object]
) -> str:
    name, message = ".".join(map(str, location)), message.removeprefix("Value error, ")
    if kind == "missing":
        return f'the field "{name}" is missing'
    if kind == "extra_forbidden":
        twin = Task.model_fields.get(name)
        if twin is not None and twin.alias in row:
            return f'"{name}" and "{twin.alias}" are one field, and both are given'
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
