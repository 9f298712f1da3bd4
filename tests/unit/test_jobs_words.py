"""The small words of a job: ids, limits, verdicts, the wire, intervals."""

import json

import pytest

from jobs import wire
from jobs.clock import derived_id, new_id, utcnow
from jobs.limits import Limits
from jobs.stats import wilson_interval
from jobs.verdicts import Outcome, Verdict
from tests.requiring import material
from tests.waiting import wait_until

OUTCOMES = {
    Verdict.ACCEPTED: Outcome.OK,
    Verdict.WRONG_ANSWER: Outcome.OK,
    Verdict.RUNTIME_ERROR: Outcome.FAILED,
    Verdict.COMPILE_ERROR: Outcome.FAILED,
    Verdict.TIME_LIMIT_EXCEEDED: Outcome.DEADLINE_EXCEEDED,
    Verdict.MEMORY_LIMIT_EXCEEDED: Outcome.FAILED,
    Verdict.OUTPUT_LIMIT_EXCEEDED: Outcome.FAILED,
    Verdict.FORBIDDEN_CALL: Outcome.FAILED,
    Verdict.NO_CODE: None,
    Verdict.INTERNAL_ERROR: None,
}


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_its_outcome(verdict: Verdict) -> None:
    """Gemini knows three words for what we have ten for; a wrong one teaches the model nonsense."""
    assert verdict.outcome is OUTCOMES[verdict]


@pytest.mark.parametrize("verdict", Verdict)
def test_only_our_own_failures_are_in_no_rate(verdict: Verdict) -> None:
    """A broken sandbox must not make a model look bad, and nothing else may be left out."""
    assert verdict.is_scored is (verdict is not Verdict.INTERNAL_ERROR)


def test_a_derived_id_is_the_same_wherever_it_is_made() -> None:
    """A dataset submitted again from another machine, or next year, must not be run twice."""
    assert derived_id("job", "run", "task", 0) == "job_m4xvj23qfqzp271d4myd"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("run", "task", 1), id="another sample"),
        pytest.param(("run", "task2", 0), id="another task"),
        pytest.param(("run2", "task", 0), id="another run"),
        pytest.param(("runt", "ask", 0), id="the same letters"),
    ],
)
def test_derived_ids_of_different_parts_differ(other: tuple[str, str, int]) -> None:
    """Two jobs with one id would be one job."""
    assert derived_id("job", *other) != derived_id("job", "run", "task", 0)


async def test_a_later_id_sorts_after_an_earlier_one() -> None:
    """A listing by name is then a listing by time."""
    earlier, began = new_id("job"), utcnow()
    await wait_until(lambda: (utcnow() - began).total_seconds() > 0.002, 1, "the next millisecond")
    assert new_id("job") > earlier


def test_ids_made_in_the_same_moment_differ() -> None:
    """Producers make them by the thousand, on many machines."""
    assert len({new_id("job") for _ in range(10_000)}) == 10_000


def test_time_is_aware_and_in_utc() -> None:
    """Workers stand in several time zones."""
    offset = utcnow().utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0


def test_an_exception_goes_over_the_wire_as_its_type_and_message() -> None:
    """Arq would pickle it, and whoever writes to Redis could then run code in a worker."""
    message = wire.decode(wire.encode({"r": ValueError("no")}))
    assert message == {"r": {"error": "ValueError", "message": "no"}}


def test_defaults_are_within_their_own_bounds() -> None:
    """Pydantic does not check defaults; a job without limits must still be a valid one."""
    assert Limits.model_validate(Limits().model_dump()) == Limits()


def test_the_interval_of_nothing_is_everything() -> None:
    """A rate of 0 out of 0 says nothing, and must not look like 0 %."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_more_successes_than_trials_are_refused(successes: int, n: int) -> None:
    """Someone counted wrong; an interval would hide it."""
    with pytest.raises(ValueError, match="cannot be"):
        wilson_interval(successes, n)


def test_intervals_agree_with_statsmodels() -> None:
    """Numbers in papers are computed with it; ours must be the same ones."""
    vectors = json.loads(material("data/stats_test_vectors.json").read_text("utf-8"))["wilson"]
    assert {v["alpha"] for v in vectors} == {0.05}
    ours = [wilson_interval(v["k"], v["n"]) for v in vectors]
    assert ours == [pytest.approx((v["lo"], v["hi"]), abs=1e-12) for v in vectors]
