"""A run as a whole: counted, held, let go, cancelled, and tried again where we failed."""

import asyncio
from datetime import timedelta

import pytest
from arq.constants import job_key_prefix

from jobs.clock import utcnow
from jobs.dead_letters import find_letter, retry_letter, retry_run
from jobs.errors import RunCancelledError, RunNotFoundError, UsageError
from jobs.events import JobCancelled
from jobs.models import PromptJob
from jobs.queue import JobQueue, JobStatus
from jobs.queue_status import pause_queue, resume_queue, status_of
from jobs.run_control import begin_run, cancel_run, pause_run, resume_run
from jobs.runs import RunState, find_run, get_run, list_runs
from jobs.verdicts import Verdict
from tests.queueing import answer_of, claim, finish, ids_queued, n_queued, put_aside
from tests.waiting import wait_until


def a_job(number: int, run_id: str | None = "r", **fields: object) -> PromptJob:
    words = {"prompt": "Print 1.", "jobId": f"{run_id}-{number}", "runId": run_id, **fields}
    return PromptJob.model_validate(words)


async def submitted(queue: JobQueue, n: int, run_id: str | None = "r") -> list[PromptJob]:
    jobs = [a_job(number, run_id) for number in range(n)]
    await queue.submit_all(jobs)
    return jobs


async def test_a_mistyped_run_is_told_with_those_that_are_nearly_called_so(
    queue: JobQueue,
) -> None:
    """Runs have long names, and a letter of one is wrong more often than the whole."""
    await submitted(queue, 1, "nightly-7")
    await submitted(queue, 1, "trial")
    with pytest.raises(RunNotFoundError) as caught:
        await get_run(queue, "nigthly-7")
    assert caught.value.facts == {"did you mean": "nightly-7"}
    with pytest.raises(RunNotFoundError) as caught:
        await get_run(queue, "x")
    assert caught.value.facts == {}


async def test_a_run_says_how_many_jobs_it_has_and_how_they_ended(queue: JobQueue) -> None:
    """Nobody counts ten thousand records to see how far a run is."""
    jobs = await submitted(queue, 5)
    for job, verdict in zip(jobs, [Verdict.ACCEPTED] * 2 + [Verdict.NO_CODE], strict=False):
        await claim(queue, job.job_id)
        await finish(queue, job, verdict)
    await queue.handle(jobs[3].job_id, stream="r").cancel()
    run = await get_run(queue, "r")
    assert run.verdicts == {Verdict.ACCEPTED: 2, Verdict.NO_CODE: 1}
    assert (run.submitted, run.ended, run.cancelled, run.open) == (5, 3, 1, 1)
    assert run.state is RunState.ACTIVE
    assert run.created_at is not None
    assert abs(run.created_at - utcnow()) < timedelta(minutes=1)


async def test_runs_are_listed_with_the_newest_first(queue: JobQueue) -> None:
    """The one that somebody asks about is most often the last."""
    for name in ("a", "b", "c"):
        await submitted(queue, 1, name)
    assert [run.run_id for run in await list_runs(queue, 2)] == ["c", "b"]
    assert [run.run_id for run in await list_runs(queue, 50)] == ["c", "b", "a"]


async def test_a_run_that_nobody_knows_is_named(queue: JobQueue) -> None:
    """A misspelt name must not seem to work."""
    assert await find_run(queue, "absent") is None
    for act in (pause_run, cancel_run):
        with pytest.raises(RunNotFoundError, match="'absent'"):
            await act(queue, "absent", "why not")
    with pytest.raises(RunNotFoundError, match="'absent'"):
        await resume_run(queue, "absent")
    assert await queue.redis.dbsize() == 0


async def test_a_paused_run_waits_and_others_do_not(queue: JobQueue) -> None:
    """Somebody else's urgent work goes first, for once."""
    await submitted(queue, 1100, "r")
    await submitted(queue, 3, "other")
    assert await pause_run(queue, "r", "costs too much") == 1100
    assert await ids_queued(queue) == ["other-0", "other-1", "other-2"]
    run = await get_run(queue, "r")
    assert (run.state, run.reason, run.held, run.open) == (
        RunState.PAUSED,
        "costs too much",
        1100,
        1100,
    )
    assert await queue.handle("r-7").status() is JobStatus.PAUSED
    assert await queue.find("r-7") == a_job(7)


async def test_a_resumed_run_goes_on_in_its_order(queue: JobQueue) -> None:
    """First in, first out, whatever happened in between."""
    await submitted(queue, 1100)
    before = await ids_queued(queue)
    await pause_run(queue, "r", "")
    assert await resume_run(queue, "r") == 1100
    assert await ids_queued(queue) == before
    run = await get_run(queue, "r")
    assert (run.state, run.reason, run.held) == (RunState.ACTIVE, "", 0)


async def test_what_a_worker_puts_aside_goes_on_with_its_run(queue: JobQueue) -> None:
    """It was running when somebody paused the run, and has attempts that are paid for."""
    [job, _] = await submitted(queue, 2)
    await claim(queue, job.job_id)
    await pause_run(queue, "r", "")
    assert await queue.handle(job.job_id).status() is JobStatus.IN_PROGRESS
    await put_aside(queue, job)
    assert (await get_run(queue, "r")).held == 2
    await resume_run(queue, "r")
    assert sorted(await ids_queued(queue)) == ["r-0", "r-1"]


async def test_a_run_that_is_not_paused_cannot_be_resumed(queue: JobQueue) -> None:
    """Whoever types it took it for another one."""
    await submitted(queue, 1)
    with pytest.raises(UsageError, match="active, not paused"):
        await resume_run(queue, "r")


async def test_what_is_left_of_a_cancelled_run_is_not_resumed(queue: JobQueue) -> None:
    """Its cancelling broke off halfway; that it goes on, with no job at all, would be a lie."""
    await submitted(queue, 1)
    await pause_run(queue, "r", "")
    await answer_of(queue.redis.hset(queue.keys.run("r"), "state", "cancelled"))
    with pytest.raises(UsageError, match="cancelled, not paused"):
        await resume_run(queue, "r")


async def test_a_held_job_that_cannot_be_read_stays_and_is_told(queue: JobQueue) -> None:
    """A newer version queued it; it must be lost by neither."""
    await submitted(queue, 3)
    await pause_run(queue, "r", "")
    await queue.redis.set(job_key_prefix + "r-1", b"not ours")
    with pytest.raises(UsageError, match="1 jobs of run 'r' were not queued by this version"):
        await resume_run(queue, "r")
    assert await ids_queued(queue) == ["r-0", "r-2"]
    assert await queue.redis.zrange(queue.keys.held("r"), 0, -1) == [b"r-1"]


async def test_nothing_is_left_of_a_cancelled_run_but_its_numbers(queue: JobQueue) -> None:
    """What is cancelled must neither run nor fill the server."""
    await submitted(queue, 1100)
    await pause_run(queue, "r", "")
    cancelled = await cancel_run(queue, "r", "wrong model")
    assert (cancelled.n_taken, cancelled.n_running) == (1100, 0)
    run = await get_run(queue, "r")
    assert (run.state, run.reason, run.cancelled, run.open, run.held) == (
        RunState.CANCELLED,
        "wrong model",
        1100,
        0,
        0,
    )
    kept = {name.decode() async for name in queue.redis.scan_iter()}
    assert kept == {queue.keys.run("r"), queue.keys.runs, queue.keys.events("r")}


async def test_cancelling_a_run_leaves_other_runs_alone(queue: JobQueue) -> None:
    """Also one that carries the name in its prompts and its metadata."""
    await submitted(queue, 2, "r")
    speaking = a_job(0, "rr", prompt='{"runId":"r"}', metadata={"runId": "r"})
    await queue.submit(speaking)
    await queue.submit(a_job(1, None, metadata={"runId": "r"}))
    await cancel_run(queue, "r", "")
    assert sorted(await ids_queued(queue)) == ["None-1", "rr-0"]


async def test_running_jobs_of_a_cancelled_run_are_asked_to_stop(queue: JobQueue) -> None:
    """Taken away under its hands, a worker would pay for what nobody wants any more."""
    jobs = await submitted(queue, 3)
    await claim(queue, "r-0")
    await claim(queue, "r-1", lease_seconds=-1)
    async with queue.redis.pubsub() as channel:
        await channel.subscribe(queue.keys.wake)
        cancelled = await cancel_run(queue, "r", "")
        heard: list[bytes] = []

        async def is_heard() -> bool:
            message = await channel.get_message(ignore_subscribe_messages=True)
            heard.extend([message["data"]] if message else [])
            return b"stop:r-0" in heard

        await wait_until(is_heard, 5, "the wish")
    assert (cancelled.n_taken, cancelled.n_running) == (2, 1)
    assert await queue.redis.exists(queue.keys.cancelled(jobs[0].job_id))


async def test_followers_hear_of_each_job_of_a_cancelled_run(queue: JobQueue) -> None:
    """A script that waits for records must not wait for ever."""
    await submitted(queue, 1)
    await cancel_run(queue, "r", "")
    async with asyncio.timeout(5):
        events = [event async for event in queue.handle("r-0", stream="r").events()]
    assert [type(event) for event in events] == [JobCancelled]


async def test_a_cancelled_run_begins_again_under_its_name(queue: JobQueue) -> None:
    """Cancelled by mistake, or mended: its records are still worth something."""
    await submitted(queue, 2)
    await cancel_run(queue, "r", "")
    with pytest.raises(RunCancelledError):
        await submitted(queue, 2)
    with pytest.raises(UsageError, match="was cancelled"):
        await pause_run(queue, "r", "")
    await begin_run(queue, "r")
    await submitted(queue, 2)
    run = await get_run(queue, "r")
    assert (run.state, run.submitted, run.cancelled, run.open) == (RunState.ACTIVE, 4, 2, 2)


async def test_beginning_a_paused_run_does_not_resume_it(queue: JobQueue) -> None:
    """Whoever paused it had a reason, and whoever goes on may not know it."""
    await submitted(queue, 1)
    await pause_run(queue, "r", "")
    await begin_run(queue, "r")
    assert (await get_run(queue, "r")).state is RunState.PAUSED


async def failed(queue: JobQueue, job: PromptJob) -> None:
    await claim(queue, job.job_id)
    await finish(queue, job, Verdict.INTERNAL_ERROR, reason="the disk burnt")


async def test_what_failed_because_of_us_is_tried_again(queue: JobQueue) -> None:
    """The disk is there again, and nobody should pick such jobs by hand."""
    jobs = await submitted(queue, 3)
    await failed(queue, jobs[0])
    await failed(queue, jobs[1])
    await claim(queue, jobs[2].job_id)
    await finish(queue, jobs[2])
    retried = await retry_run(queue, "r")
    assert (sorted(retried.job_ids), retried.unreadable) == (["r-0", "r-1"], ())
    assert await ids_queued(queue) == ["r-0", "r-1"]
    assert not await queue.records.has("r-0")
    run = await get_run(queue, "r")
    assert (run.verdicts, run.submitted, run.open) == ({Verdict.ACCEPTED: 1}, 3, 2)
    assert (await status_of(queue)).dead == 0
    assert (await retry_run(queue, "r")).job_ids == ()


async def test_two_who_retry_at_once_queue_a_job_once(queue: JobQueue) -> None:
    """Both were woken by the same alarm."""
    [job] = await submitted(queue, 1)
    await failed(queue, job)
    both = await asyncio.gather(retry_run(queue, "r"), retry_run(queue, "r"))
    assert sorted(len(each.job_ids) for each in both) == [0, 1]
    assert (await get_run(queue, "r")).open == await n_queued(queue) == 1


async def test_a_retry_that_broke_off_is_done_by_the_next(queue: JobQueue) -> None:
    """The record is gone and the job is not yet queued: the letter knows."""
    [job] = await submitted(queue, 1)
    await failed(queue, job)
    await queue.records.discard(job.job_id)
    assert (await retry_run(queue, "r")).job_ids == ("r-0",)
    assert await ids_queued(queue) == ["r-0"]


async def test_a_retry_in_a_cancelled_run_is_refused_and_its_record_stays(queue: JobQueue) -> None:
    """What is recorded of a cancelled run stays, failures included."""
    [job] = await submitted(queue, 1)
    await failed(queue, job)
    await cancel_run(queue, "r", "")
    with pytest.raises(RunCancelledError):
        await retry_run(queue, "r")
    assert await queue.records.has(job.job_id)


async def test_a_retried_job_of_a_run_that_redis_has_forgotten_counts(queue: JobQueue) -> None:
    """Else its end would count and its beginning would not."""
    [job] = await submitted(queue, 1)
    await failed(queue, job)
    await queue.redis.delete(queue.keys.run("r"))
    await retry_letter(queue, await find_letter(queue, job.job_id))
    assert (await get_run(queue, "r")).open == 1
    await claim(queue, job.job_id)
    await finish(queue, job)
    assert (await get_run(queue, "r")).open == 0


async def test_a_letter_without_a_readable_job_is_named_and_left(queue: JobQueue) -> None:
    """It may be all that is left of somebody's work."""
    [job] = await submitted(queue, 1)
    await failed(queue, job)
    letter = queue.keys.dead_letter("r-0")
    await answer_of(queue.redis.hset(letter, "job", '{"runId":"r","news":1}'))
    retried = await retry_run(queue, "r")
    assert (retried.job_ids, retried.unreadable) == ((), ("r-0",))
    assert await queue.redis.exists(letter)


async def test_a_job_that_has_not_failed_cannot_be_retried(queue: JobQueue) -> None:
    """A verdict is not tried again until it pleases."""
    [job] = await submitted(queue, 1)
    await claim(queue, job.job_id)
    await finish(queue, job, Verdict.WRONG_ANSWER)
    with pytest.raises(UsageError, match="has not failed because of us"):
        await find_letter(queue, job.job_id)


async def test_the_status_of_the_queues_says_what_waits_and_for_how_long(queue: JobQueue) -> None:
    """Whether to start another worker is decided by it."""
    await submitted(queue, 4)
    await claim(queue, "r-0")
    await queue.submit(a_job(9, priority="high"), at=utcnow() + timedelta(hours=1))
    await submitted(queue, 2, "held")
    await pause_run(queue, "held", "")
    await pause_queue(queue, "default", "deploying")
    status = await status_of(queue)
    high, normal = status.lanes
    assert (high.due, high.deferred, high.leased, high.oldest_due_seconds) == (0, 1, 0, None)
    assert (normal.due, normal.deferred, normal.leased) == (3, 0, 1)
    assert normal.oldest_due_seconds is not None
    assert 0 <= normal.oldest_due_seconds < 60
    assert (status.paused, status.held, status.dead) == ({"default": "deploying"}, {"held": 2}, 0)
    await resume_queue(queue, "default")
    assert (await status_of(queue)).paused == {}
    with pytest.raises(UsageError, match="not paused"):
        await resume_queue(queue, "default")
    with pytest.raises(UsageError, match="'a:b'"):
        await pause_queue(queue, "a:b", "")
