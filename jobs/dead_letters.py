"""Jobs that ended because of us, and how they are tried again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from .cancellation import FAILURE
from .clock import milliseconds_of, utcnow
from .connection import expecting_answer
from .errors import RecordNotFoundError, RunCancelledError, UsageError
from .lanes import lane_of
from .models import PromptJob
from .payloads import as_lines, payload_of
from .queue import JobQueue
from .runs import RunState, find_run, unknown_run_in
from .scripts import PAGE, run_script
from .verdicts import Verdict

# A job, and the record of its failure.
_KEEP = f"""
local letter = LETTER .. ARGV[1]
if redis.call('EXISTS', letter) == 1 then redis.call('HSET', letter, '{FAILURE}', ARGV[2]) end
"""

# Lane, run or nothing, the time now, then a job's id and the job. It takes the place of its own dead letter: in the
# counters of its run, where it counts as ended; as one more job where those are gone. What stood in the letter is kept
# until the job ends: should it be cancelled, it has failed as before.
_RETRY = """
local lane, run, created, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('EXISTS', LETTER .. id) == 0 or not redis.call('ZSCORE', DEAD, id) then return 0 end
if state_of(run) == 'cancelled' then return -1 end
local n, strangers = enqueue(lane, run, nil, ARGV[5])
if #strangers > 0 then return 0 end
if n == 1 and run ~= '' then
    local failed = redis.call('HGET', RUN .. run, 'verdict:internal_error')
    if failed and tonumber(failed) > 0 then
        count(run, 'verdict:internal_error', -1)
    else
        count_queued(run, 1, created)
    end
end
redis.call('ZREM', DEAD, id)
redis.call('EXPIRE', LETTER .. id, RUN_SECONDS)
return n
"""
_CANCELLED = -1


@dataclass(frozen=True)
class DeadLetter:
    """A job that ended because of us."""

    job_id: str
    reason: str
    job: PromptJob | None
    """None where this version cannot read it."""
    raw: str
    """The job as it was kept."""


@dataclass(frozen=True)
class Retried:
    """What came of trying dead letters again."""

    job_ids: tuple[str, ...]
    """Queued again."""
    unreadable: tuple[str, ...]
    """Left, since no job can be made of them here."""


async def letters_of_run(queue: JobQueue, run_id: str) -> AsyncIterator[DeadLetter]:
    """The dead letters of a run; of those that cannot be read, the ones in which it is named.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    cursor = None
    while cursor != 0:
        with expecting_answer("the dead letters cannot be read"):
            cursor, found = await queue.redis.zscan(queue.keys.dead, cursor or 0, count=PAGE)
            letters = await _letters(queue, [job_id.decode() for job_id, _ in found])
        for letter in letters:
            if letter.job.run_id == run_id if letter.job else f'"{run_id}"' in letter.raw:
                yield letter


async def find_letter(queue: JobQueue, job_id: str) -> DeadLetter:
    """The dead letter of a job.

    Raises:
        UsageError: there is none.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told whether job {job_id!r} failed because of us"):
        is_dead = await queue.redis.zscore(queue.keys.dead, job_id) is not None
        found = await _letters(queue, [job_id]) if is_dead else []
    if not found:
        raise UsageError(
            f"job {job_id!r} has not failed because of us within the last 30 days",
            fixes=["only such jobs are tried again; see which: promptmill job list"],
        )
    return found[0]


async def retry_letter(queue: JobQueue, letter: DeadLetter) -> bool:
    """Let the job run again as if it had never ended. False if somebody has done that by now.

    Its record goes first. Broken off anywhere, it is done by the next retry.

    Raises:
        UsageError: this version cannot read the job, or it has another record than that of its failure.
        RunCancelledError: its run was cancelled.
        StoreError: its record cannot be read, or removed.
        RedisUnreachableError: Redis did not answer; retry it again.
    """
    job = letter.job
    if job is None:
        raise UsageError(
            f"job {letter.job_id!r} was not queued by this version of promptmill, and stays as it is",
            fixes=["retry it with that version"],
        )
    # Before its record goes: what is recorded of a cancelled run stays.
    if job.run_id is not None:
        run = await find_run(queue, job.run_id)
        if run is not None and run.state is RunState.CANCELLED:
            raise _cancelled(job.run_id)
    await _discard_failure(queue, letter.job_id)
    now = utcnow()
    words: list[str | bytes] = [
        lane_of(job).name,
        job.run_id or "",
        now.isoformat(),
        job.job_id,
        as_lines([(job.job_id, payload_of(job, milliseconds_of(now)))]),
    ]
    with expecting_answer(f"job {job.job_id!r} is not queued again", note="retry it again"):
        n: int = await run_script(queue.redis, queue.keys, _RETRY, words)
    if n == _CANCELLED:
        raise _cancelled(job.run_id or "")
    return n == 1


def _cancelled(run_id: str) -> RunCancelledError:
    return RunCancelledError(
        f"run {run_id!r} was cancelled", fixes=["to go on with it, start it again by its name"]
    )


async def retry_run(queue: JobQueue, run_id: str) -> Retried:
    """Let all jobs of a run that failed because of us run again.

    Raises:
        RunNotFoundError: there is no such run, and no job that failed in one.
        as `retry_letter` does, but for jobs that cannot be read, which are left and named.
    """
    retried: list[str] = []
    unreadable: list[str] = []
    async for letter in letters_of_run(queue, run_id):
        if letter.job is None:
            unreadable.append(letter.job_id)
        elif await retry_letter(queue, letter):
            retried.append(letter.job_id)
    if not retried and not unreadable and await find_run(queue, run_id) is None:
        raise await unknown_run_in(queue, run_id)
    return Retried(tuple(retried), tuple(dict.fromkeys(unreadable)))


async def _discard_failure(queue: JobQueue, job_id: str) -> None:
    try:
        record = await queue.records.get(job_id)
    except RecordNotFoundError:
        return
    if record.verdict is not Verdict.INTERNAL_ERROR:
        raise UsageError(f"job {job_id!r} has been judged {record.verdict} since it failed")
    with expecting_answer(f"job {job_id!r} is not queued again", note="retry it again"):
        await run_script(queue.redis, queue.keys, _KEEP, [job_id, record.to_json()])
    await queue.records.discard(job_id)


async def _letters(queue: JobQueue, job_ids: Sequence[str]) -> list[DeadLetter]:
    async with queue.redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hmget(queue.keys.dead_letter(job_id), ["reason", "job"])
        answers = await pipe.execute()
    return [
        _read(job_id, reason.decode(), raw.decode())
        for job_id, (reason, raw) in zip(job_ids, answers, strict=True)
        if reason is not None and raw is not None
    ]


def _read(job_id: str, reason: str, raw: str) -> DeadLetter:
    try:
        return DeadLetter(job_id, reason, PromptJob.model_validate_json(raw), raw)
    except ValueError:
        return DeadLetter(job_id, reason, None, raw)
