"""A run that is watched from elsewhere: how far it is, how sure its rate is by now, and when it is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.begun import Begun
from jobs.errors import RunNotFoundError
from jobs.handing_over import hand_over
from jobs.models import PromptJob
from jobs.parts import Part
from jobs.queue import JobQueue
from jobs.run_control import cancel_run, pause_run
from jobs.run_parts import how_begun, settle_part
from jobs.standing import Watch, seconds_left
from jobs.verdicts import Verdict
from tests.making import a_record
from tests.queueing import claim, finish
from worker.cli.watching import words_of


def a_job(number: int, sample: int = 0) -> PromptJob:
    return PromptJob(
        prompt="x", job_id=f"r-{number}-{sample}", run_id="r", task_id=f"t/{number}", sample=sample
    )


async def ended(queue: JobQueue, job: PromptJob, verdict: Verdict) -> None:
    """As a worker ends it: the record first, then the counters."""
    await claim(queue, job.job_id)
    error = "we failed" if verdict is Verdict.INTERNAL_ERROR else None
    await queue.records.put(a_record(job, verdict, error=error))
    await finish(queue, job, verdict)


async def test_the_interval_of_a_rate_narrows_as_jobs_end(queue: JobQueue) -> None:
    """Somebody stops a run that has shown enough, and must see how much it has shown."""
    jobs = [a_job(number) for number in range(12)]
    await queue.submit_all(jobs)
    watch, widths = Watch(queue, "r"), []
    for number, job in enumerate(jobs):
        await ended(queue, job, Verdict.ACCEPTED if number % 2 else Verdict.WRONG_ANSWER)
        standing = await watch.look()
        widths.append(standing.solved.high - standing.solved.low)
        assert (standing.ended, standing.jobs) == (number + 1, 12)
        assert standing.solved.n == number + 1
    assert widths[-1] < widths[3] < widths[0]


async def test_samples_of_a_task_are_not_taken_for_independent(queue: JobQueue) -> None:
    """Ten answers to two tasks are not twenty tasks, while it runs as little as afterwards."""
    jobs = [a_job(number, sample) for number in range(2) for sample in range(10)]
    await queue.submit_all(jobs)
    for job in jobs:
        verdict = Verdict.ACCEPTED if job.task_id == "t/0" else Verdict.NO_CODE
        await ended(queue, job, verdict)
    solved = (await Watch(queue, "r").look()).solved
    assert (solved.successes, solved.n) == (10, 20)
    assert solved.high - solved.low > 0.8


async def test_rows_that_are_left_out_of_the_score_are_told_apart(queue: JobQueue) -> None:
    """Whoever watches would stop a run for a rate that its report does not have."""
    jobs = [a_job(number) for number in range(5)]
    jobs[3:] = [job.model_copy(update={"excluded": "broken"}) for job in jobs[3:]]
    await queue.submit_all(jobs)
    verdicts = [Verdict.ACCEPTED, Verdict.NO_CODE, Verdict.INTERNAL_ERROR]
    for job, verdict in zip(
        jobs, [*verdicts, Verdict.NO_CODE, Verdict.INTERNAL_ERROR], strict=True
    ):
        await ended(queue, job, verdict)
    standing = await Watch(queue, "r").look()
    assert (standing.ended, standing.jobs) == (5, 5)
    assert (standing.solved.successes, standing.solved.n) == (1, 2)
    assert (standing.excluded, standing.unscored) == (2, 1)


async def test_a_run_is_over_when_two_looks_find_nothing_to_do(queue: JobQueue) -> None:
    """Between two pages of a producer a run looks finished for a moment."""
    watch = Watch(queue, "r")
    await queue.submit(a_job(0))
    assert not (await watch.look()).is_over
    await ended(queue, a_job(0), Verdict.INTERNAL_ERROR)
    first, second = await watch.look(), await watch.look()
    assert (first.is_over, second.is_over) == (False, True)
    assert (second.unscored, second.solved.n, second.seconds_left) == (1, 0, 0.0)
    await queue.submit(a_job(1))
    assert not (await watch.look()).is_over


async def test_a_run_that_stands_still_is_not_over_and_has_no_end_in_sight(queue: JobQueue) -> None:
    """Whoever waits for it should see that it waits, too, and one that was cancelled is over."""
    await queue.submit_all([a_job(0), a_job(1)])
    await ended(queue, a_job(0), Verdict.ACCEPTED)
    await pause_run(queue, "r", "for the night")
    watch = Watch(queue, "r")
    standing = [await watch.look(), await watch.look()][-1]
    assert (standing.is_over, standing.seconds_left) == (False, None)
    assert standing.run.reason == "for the night"
    await cancel_run(queue, "r", "no use")
    standing = [await watch.look(), await watch.look()][-1]
    assert (standing.is_over, standing.run.cancelled, standing.jobs) == (True, 1, 2)


async def test_no_time_is_told_of_a_run_that_nobody_works_on(queue: JobQueue) -> None:
    """A promise of three minutes is what somebody waits for all night where no worker is running."""
    await queue.submit_all([a_job(0), a_job(1)])
    await ended(queue, a_job(0), Verdict.ACCEPTED)
    standing = await Watch(queue, "r").look()
    assert (standing.workers, standing.seconds_left, standing.is_over) == (0, None, False)
    assert "no worker is running" in words_of(standing)[1]


async def test_a_run_that_was_cancelled_before_any_of_it_was_queued_is_over(
    queue: JobQueue,
) -> None:
    """Whoever watches it would wait for ever for jobs that nobody will queue."""
    await hand_over(queue, "r", iter([a_job(0)]), at=None)
    watch = Watch(queue, "r")
    assert not [await watch.look(), await watch.look()][-1].is_over
    await cancel_run(queue, "r", "no use")
    standing = [await watch.look(), await watch.look()][-1]
    assert (standing.is_over, standing.jobs, standing.ended) == (True, 0, 0)


async def test_what_redis_has_forgotten_is_told_by_the_records(queue: JobQueue) -> None:
    """Its counters are kept for a month, records for good."""
    with pytest.raises(RunNotFoundError, match="'r'"):
        await Watch(queue, "r").look()
    job = a_job(0).model_copy(update={"part": Part(limit=1)})
    await queue.records.put(a_record(job, Verdict.ACCEPTED))
    standing = await Watch(queue, "r").look()
    assert (standing.is_over, standing.ended, standing.solved.successes) == (True, 1, 1)
    part, begun = await how_begun(queue, "r")
    assert (part, begun and (begun.samples, begun.limits)) == (Part(limit=1), (1, None))


async def test_a_run_is_of_one_part_to_its_end(queue: JobQueue) -> None:
    """Two machines that each run a shard under one name would each report the other's as their own."""
    first, second = Part(limit=1), Part(limit=2)
    with pytest.raises(RunNotFoundError):
        await how_begun(queue, "r")
    assert await settle_part(queue, "r", first) == first
    begun = Begun(samples=2, model="m")
    assert await settle_part(queue, "r", second, begun) == second, "nothing was queued yet"
    await queue.submit(a_job(0))
    assert await settle_part(queue, "r", None) == second
    assert await settle_part(queue, "r", second) == second
    assert await how_begun(queue, "r") == (second, begun)
    await cancel_run(queue, "r", "no use")
    assert await settle_part(queue, "r", None) is None, "cancelled, it may begin anew"


@given(
    n_open=st.integers(0, 1000),
    ends=st.lists(st.integers(0, 50), min_size=1, max_size=10),
    age=st.none() | st.floats(0, 1e6),
)
def test_the_time_left_is_never_less_than_none(
    n_open: int, ends: list[int], age: float | None
) -> None:
    """Counters may go back when jobs are tried again; a forecast must not."""
    looks = [(float(n), end) for n, end in enumerate(ends)]
    left = seconds_left(n_open, looks, ends[-1], age)
    assert left is None or left >= 0
    assert left == 0 if n_open == 0 else left != 0 or age == 0 or n_open == 0
