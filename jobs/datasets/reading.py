"""How a file of tasks is read: as what it is said to be, or as what its first row shows."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

from jobs.errors import UsageError

from .containers import OURS, Container, container_of, of_columns
from .findings import Findings
from .formats import FORMATS, ForeignRowError, Format, format_of

_OWN = "promptmill"
_TABLE = "table"
_TABLES = (Container.CSV, Container.PARQUET)
_CONTAINERS = {each.value: each for each in (Container.CSV, Container.TEXT)}
FORMAT_NAMES = (_OWN, *(each.name for each in FORMATS), *_CONTAINERS)
"""What `--format` may say."""


@dataclass(frozen=True)
class Reading:
    """What is known of how a file is to be read."""

    name: str | None = None
    """The format of its rows; None leaves it to the first of them."""
    container: Container | None = None
    """What they stand in; None leaves it to the file."""
    takes_faulty: bool = False
    """Whether rows that share an id are taken, each by itself, and such as no program could be judged by."""
    is_certain: bool = True
    """Whether somebody has said so, or its rows show it."""
    form: Format | None = None
    """None of rows of our own."""
    findings: Findings | None = None
    """What was found out about its rows: which are left out of the score, and which ids come twice."""

    def of_file(self, file: IO[bytes], name: str) -> "Reading":
        """The same, settled by the file where nobody has said what its rows stand in."""
        return self if self.container else replace(self, container=container_of(file, name))

    def of_first(self, line: str) -> "Reading":
        """The same, settled by the first row where nobody has said what they are."""
        if self.name is not None:
            return self
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        is_ours = not isinstance(row, dict) or not row.keys() - OURS.keys()
        form = None if is_ours else format_of(row)
        if form is not None:
            return replace(self, name=form.name, form=form)
        if self.container in _TABLES:
            return replace(self, name=_TABLE)
        return replace(self, name=_OWN, is_certain=is_ours or _is_nearly_ours(row))

    def row_of(self, line: str) -> str:
        """A line as one of ours.

        Raises:
            ForeignRowError: it is none of its format.
        """
        if self.form is None and self.name != _TABLE:
            return line
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return line
        if not isinstance(row, dict):
            return line
        made = of_columns(row) if self.form is None else _made(self.form, row)
        try:
            return json.dumps(made)
        except RecursionError:
            # A little of what can be read cannot be written; read as it is, it is refused as well.
            return line


AS_IT_IS = Reading()


def reading_as(name: str | None) -> Reading:
    """How a file is read of which somebody says what it is; None leaves it open.

    Raises:
        UsageError: nobody knows that format.
    """
    if name is None:
        return AS_IT_IS
    if name in _CONTAINERS:
        return Reading(container=_CONTAINERS[name])
    form = next((each for each in FORMATS if each.name == name), None)
    if form is None and name != _OWN:
        raise UsageError(
            f"{name!r} is no format of a dataset",
            facts={"known are": ", ".join(FORMAT_NAMES)},
            fixes=["leave out --format, and the first row tells"],
            note="nothing was queued",
        )
    return Reading(name=name, form=form)


def _is_nearly_ours(row: Mapping[str, object]) -> bool:
    """Whether somebody wrote it for us, with a slip of the pen at most."""
    return bool(difflib.get_close_matches("prompt", row, 1))


def _made(form: Format, row: Mapping[str, Any]) -> dict[str, Any]:
    missing = sorted(form.keys - row.keys())
    if missing:
        raise ForeignRowError(f"the key {missing[0]!r} is missing")
    try:
        task = form.task(row)
    except KeyError as error:
        raise ForeignRowError(f"the key {error} is missing") from None
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        raise ForeignRowError(f"it is made otherwise: {error}") from None
    except RecursionError:
        raise ForeignRowError("it is nested too deeply") from None
    if isinstance(task.get("id"), int):
        task["id"] = str(task["id"])
    return {key: value for key, value in task.items() if value not in (None, {}, [])}
