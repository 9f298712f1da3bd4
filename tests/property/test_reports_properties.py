"""What holds for the report of any run: it is the same from outlines of records as from the records."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs.conversations import End
from jobs.costs import Cost
from jobs.models import Attempt, ModelReply, PromptJob, Record
from jobs.outlines import Outline
from jobs.records.reading import read_as, read_record, write_record
from jobs.reports import build_report
from jobs.usage import Usage
from jobs.verdicts import Verdict
from tests.making import NOON, a_record, an_attempt

ENDS: list[End | None] = [None, "same_error_again", "accepted"]
JUDGED = [each for each in Verdict if each.is_scored]


def _usage(dice: Random) -> Usage:
    return Usage(
        prompt_token_count=dice.choice([None, 7]), total_token_count=dice.choice([None, 9])
    )


def _reply(reply: ModelReply, dice: Random) -> ModelReply:
    cost = Cost(usd=dice.random(), prices_of=NOON.date(), price_list=dice.choice("ab"))
    changes: dict[str, Any] = {
        "usage": _usage(dice),
        "cost": dice.choice([None, cost]),
        "latency_seconds": dice.random(),
        "batch": dice.choice([None, "batches/1"]),
        "simulated": dice.choice([True, False]),
        "cached": dice.choice([True, False]),
    }
    return reply.model_copy(update=changes)


def _attempt(number: int, dice: Random) -> Attempt:
    attempt = an_attempt(number, dice.choice(JUDGED))
    changes: dict[str, Any] = {
        "reply": _reply(attempt.reply, dice),
        "end": dice.choice(ENDS),
        "execution": dice.choice([attempt.execution, None]),
    }
    return attempt.model_copy(update=changes)


def _record(dice: Random) -> Record:
    job = PromptJob(
        prompt="x",
        task_id=dice.choice([None, "t/1", "t/2", "t/10"]),
        sample=dice.randrange(3),
        max_attempts=dice.randrange(3, 6),
        as_recorded=dice.choice([True, False]),
    )
    error = dice.choice([None, None, "the disk was full"])
    record = a_record(job, Verdict.ACCEPTED, error=error)
    n = dice.randrange(0 if error else 1, 4)
    made = tuple(_attempt(number, dice) for number in range(1, n + 1))
    changes: dict[str, Any] = {
        "attempts": made,
        "verdict": record.verdict if error else made[-1].verdict,
        "isolation": dice.choice([record.isolation, None]),
        "simulated": dice.choice([True, False]),
        "imported_from": dice.choice([None, "human-eval"]),
        "served_model": dice.choice([None, "m-1", "m-2"]),
        "usage": _usage(dice),
        "cost_usd": dice.choice([None, dice.random()]),
    }
    return record.model_copy(update=changes)


# From a seed: a record has so many fields that to draw each of them takes longer than all that is tested.
runs = st.builds(
    lambda seed, n: [_record(Random(seed + place)) for place in range(n)],
    st.integers(0, 2**32),
    st.integers(0, 12),
)


@given(runs)
def test_a_report_is_the_same_from_outlines_as_from_whole_records(run: list[Record]) -> None:
    """A run of a hundred thousand is read in part, and its numbers must be those of the whole."""
    stored = [write_record(record) for record in run]
    outlines = [read_as(Outline, content, "here") for content in stored]
    assert build_report(outlines) == build_report([read_record(c, "here") for c in stored])
    assert outlines == [Outline.of(record) for record in run]
    assert [each.solved_at for each in outlines] == [record.solved_at for record in run]
    assert [each.explanation for each in outlines] == [record.explanation for record in run]
