"""The report as CI servers show it: what a job took, and what its numbers rest on."""

from xml.etree import ElementTree as ET

import pytest

from jobs.models import Attempt, PromptJob, Record
from jobs.reports.junit import JUnitBuilder
from jobs.reports.text import SIMULATED_NOTE
from jobs.sums import seconds_at_work
from jobs.verdicts import Verdict
from tests.making import a_record


def suite_of(*records: Record) -> ET.Element:
    junit = JUnitBuilder("night")
    for record in records:
        junit.add(record)
    return ET.fromstring(junit.document())


def changed(attempt: Attempt, **reply: object) -> Attempt:
    return attempt.model_copy(update={"reply": attempt.reply.model_copy(update=reply)})


def test_the_time_of_a_job_is_that_of_its_work() -> None:
    """A job that waited in line for its turn is no slow one, and servers sort by this."""
    record = a_record(PromptJob(prompt="x", task_id="a"), Verdict.WRONG_ANSWER, Verdict.ACCEPTED)
    attempts = tuple(changed(each, latency_seconds=0.25) for each in record.attempts)
    programs = sum(each.execution.wall_seconds for each in attempts if each.execution)
    suite = suite_of(record.model_copy(update={"attempts": attempts}))
    (case,) = suite.iter("testcase")
    assert case.get("time") == suite.get("time") == f"{0.5 + programs:.3f}"


@pytest.mark.parametrize("how", ["simulated", "cached"])
def test_an_answer_that_nobody_waited_for_took_nothing(how: str) -> None:
    """What it took when it was recorded is no time of this run."""
    (attempt,) = a_record(PromptJob(prompt="x"), Verdict.ACCEPTED).attempts
    live, kept = (changed(attempt, latency_seconds=9.0, **{how: kept}) for kept in (False, True))
    assert seconds_at_work([live]) - seconds_at_work([kept]) == pytest.approx(9)


def test_a_document_of_recordings_says_so() -> None:
    """Every report does: these numbers would be taken for those of a model."""
    record = a_record(PromptJob(prompt="x"), Verdict.ACCEPTED)
    assert suite_of(record).find("properties") is None
    simulated = record.model_copy(update={"simulated": True})
    noted = suite_of(record, simulated).find("properties/property")
    assert noted is not None
    assert noted.get("value") == SIMULATED_NOTE
