"""What the stand-in is told to say, and what it remembers of what was asked."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from jobs.wire import Wire

Call = Literal["generate", "metadata", "batch"]


class Step(Wire):
    """One HTTP answer. `tests.standin.steps` makes them in the shapes that Google sends."""

    status: int = 200
    body: JsonValue = None
    text: str | None = None
    """Sent as it is, in place of `body`."""
    headers: dict[str, str] = Field(default_factory=dict)
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    """Send no more than this of the body, then drop the connection."""


class Rule(Wire):
    """Steps for the requests that match, one after the other, from the start for every first user text."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    on: Call = "generate"
    first: str = ""
    """Must occur in the text of the first user turn: what the job asked."""
    last: str = ""
    """Must occur in the text of the last user turn: what was fed back, from the second attempt on."""
    repeats: bool = False
    """The last step answers for ever; without it a request too many is told so with a 400."""


class BatchPlan(Wire):
    """What becomes of one batch. What its lines are answered with, the rules say; results come in no order."""

    states: Annotated[tuple[str, ...], Field(min_length=1)] = ("PENDING", "RUNNING", "SUCCEEDED")
    """One for its creation, and one for every look at it; the last one for ever."""
    missing: tuple[int, ...] = ()
    """Lines, from 0, of which the results say nothing."""
    failing: dict[int, Step] = Field(default_factory=dict)
    """Lines that are answered with this, whatever the rules say."""
    extra_lines: tuple[str, ...] = ()
    """What stands in the results beside the answers."""
    is_gone: bool = False
    """The file of its results cannot be had any more."""
    refusal: Step | None = None
    """The batch is made, and whoever asked for it is told this instead."""


class Script(Wire):
    """All rules; the first that matches answers."""

    rules: tuple[Rule, ...] = ()
    batches: Annotated[tuple[BatchPlan, ...], Field(min_length=1)] = (BatchPlan(),)
    """One for each batch since the start, the last one for all that follow."""


class Request(Wire):
    """One request as it arrived, without the key's value."""

    method: str
    path: str
    headers: dict[str, str]
    key_matched: bool
    body: JsonValue
    at_seconds: float
    """On a clock of the stand-in's own that never goes back."""
    status: int = 0
    """What it was answered with."""


class Log(Wire):
    """Every request so far, in the order of arrival."""

    requests: tuple[Request, ...] = ()


class Reader:
    """Reads a script: knows which step comes next for which conversation."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._taken: Counter[tuple[int, str]] = Counter()

    def next_step(self, on: Call, first: str, last: str) -> Step | None:
        """The step that answers these texts; None where no rule matches or its steps are used up."""
        for number, rule in enumerate(self._script.rules):
            if rule.on == on and rule.first in first and rule.last in last:
                taken = self._taken[number, first]
                self._taken[number, first] += 1
                if taken < len(rule.steps):
                    return rule.steps[taken]
                return rule.steps[-1] if rule.repeats else None
        return None
