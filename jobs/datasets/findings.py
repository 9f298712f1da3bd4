"""What was found wrong with the rows of a dataset, and the file in which it is kept for runs that leave them out."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from jobs.errors import UsageError
from jobs.wire import Wire


class Fault(StrEnum):
    """What can be wrong with a row, whatever a model answers."""

    BROKEN = "broken"
    """Its own reference does not pass, or no program could."""
    FLAKY = "flaky"
    """Its reference passes at some times and not at others."""
    SLOW = "slow"
    """Its reference uses more than half of the CPU time that it may."""
    UNFALSIFIABLE = "unfalsifiable"
    """A program passes that is known to be wrong, or there is nothing that could fail."""
    NEEDS_PACKAGES = "needs-packages"
    """A package that it needs is not there."""
    DUPLICATE = "duplicate"
    """An earlier row has its id; only that one is judged."""


class Found(Wire):
    """A fault of a row."""

    id: str
    fault: Fault
    why: str


class Findings(Wire):
    """All that was found in a dataset."""

    schema_version: Literal[1] = 1
    dataset: str
    n_rows: int
    n_with_reference: int
    n_repeats: int
    """How often each reference was run, each time with another hash seed."""
    found: tuple[Found, ...] = ()

    @property
    def counts(self) -> dict[Fault, int]:
        """How many rows have each fault."""
        return dict(Counter(each.fault for each in self.found))

    @property
    def excluded(self) -> dict[str, str]:
        """Why each row is left out of a score, by its id. Of rows that share an id the first one is judged."""
        return {
            each.id: each.fault.value for each in self.found if each.fault is not Fault.DUPLICATE
        }

    @property
    def duplicates(self) -> frozenset[str]:
        """The ids that come twice."""
        return frozenset(each.id for each in self.found if each.fault is Fault.DUPLICATE)


def duplicates_in(ids: Iterable[str]) -> list[Found]:
    """Each id that comes more than once."""
    return [
        Found(id=name, fault=Fault.DUPLICATE, why=f"{n} rows have this id; the first one is judged")
        for name, n in Counter(ids).items()
        if n > 1
    ]


def read_findings(path: Path) -> Findings:
    """What `dataset check` wrote.

    Raises:
        UsageError: there is no such file, or it holds something else.
    """
    try:
        return Findings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}",
            fixes=["write it:  promptmill dataset check DATASET --output FILE"],
            note="nothing was queued",
        ) from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(
            f"{path} is no list of rows to be left out: {fault['msg']}",
            fixes=["write it:  promptmill dataset check DATASET --output FILE"],
            note="nothing was queued",
        ) from None
