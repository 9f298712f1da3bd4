"""The feedback loop: what is asked, what goes back to the model, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from pydantic import JsonValue
from typing_extensions import override

from jobs.checkers import Case, MatchesOutput, PassesTests
from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.lanes import lane_of
from jobs.limits import Limits
from jobs.models import Attempt, ModelReply, PromptJob
from jobs.verdicts import Outcome, Verdict
from tests.programs import CRASH, ENDLESS, GOOD, PROSE, WRONG, fenced
from tests.waiting import wait_until
from worker.errors import LeaseLostError, ModelUnavailableError
from worker.model import ModelClient, ModelRequest, ModelTurn, UserTurn
from worker.model.scripted import ScriptedModel, spoken
from worker.sandbox import Sandbox
from worker.solver.checkpoints import RedisCheckpoint
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

JOB = PromptJob(
    prompt="Print 1.", job_id="j", checker=MatchesOutput(cases=(Case(expect="1"),)), max_attempts=3
)
LIMITS = Limits(cpu_seconds=5, wall_seconds=10)

Solve = Callable[..., "asyncio.Task[tuple[Attempt, ...]]"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    async with open_redis(redis_url, Keys()) as opened:
        yield opened


@pytest.fixture
async def checkpoint(redis: ArqRedis) -> RedisCheckpoint:
    return await held(redis, "j")


async def held(redis: ArqRedis, job_id: str) -> RedisCheckpoint:
    """The checkpoint of a job that this worker has."""
    lane = lane_of(JOB)
    async with redis.pipeline() as pipe:
        pipe.sadd(Keys().lanes, lane.name)
        pipe.zadd(lane.leased(Keys()), {job_id: 2e12})
        pipe.set(in_progress_key_prefix + job_id, "ours")
        await pipe.execute()
    return RedisCheckpoint(redis, Keys(), job_id, "ours")


@pytest.fixture
def solve(checkpoint: RedisCheckpoint, sandbox: Sandbox) -> Solve:
    """Begins to solve a job, from its checkpoint on."""

    async def ignore(_: Attempt) -> None: ...

    def begin(
        model: ModelClient,
        job: PromptJob = JOB,
        *,
        limits: Limits = LIMITS,
        on_attempt: Callable[[Attempt], object] = ignore,
    ) -> "asyncio.Task[tuple[Attempt, ...]]":
        loop = FeedbackLoop(model, sandbox, calls=asyncio.Semaphore(9), turns=Turns(2))
        return asyncio.create_task(loop.solve(job, limits, checkpoint, on_attempt))  # type: ignore[arg-type]

    return begin


class SilentModel(ScriptedModel):
    """Says its script, and is then asked in vain."""

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        """The next reply of the script, or none for ever."""
        if len(self.requests) < len(self._replies):
            return await super().generate(request)
        self.requests.append(request)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def verdicts(attempts: tuple[Attempt, ...]) -> list[Verdict]:
    return [attempt.verdict for attempt in attempts]


async def test_a_program_that_is_right_at_once_ends_the_job(solve: Solve) -> None:
    """Every further call would be money for nothing."""
    model = ScriptedModel(GOOD, GOOD)
    (attempt,) = await solve(model)
    assert (attempt.verdict, attempt.feedback, len(model.requests)) == (Verdict.ACCEPTED, None, 1)
    result = attempt.code_execution_result
    assert result is not None
    assert (result.outcome, result.output, result.execution_error) == (Outcome.OK, "1\n", None)


async def test_the_error_reaches_the_model_and_the_next_program_is_run(solve: Solve) -> None:
    """This is what the product is for."""
    model = ScriptedModel(CRASH, GOOD)
    attempts = await solve(model)
    assert verdicts(attempts) == [Verdict.RUNTIME_ERROR, Verdict.ACCEPTED]
    last = model.requests[1].turns[-1]
    assert isinstance(last, UserTurn)
    assert "ValueError: the cause" in last.text
    assert last.text == attempts[0].feedback


async def test_the_models_own_turn_goes_back_as_it_came(solve: Solve) -> None:
    """Thought signatures in it are checked by the service; a rebuilt turn is refused."""
    content: dict[str, JsonValue] = {
        "role": "model",
        "parts": [{"text": CRASH, "thoughtSignature": "c2ln"}, {"newPart": {"x": None}}],
    }
    reply = ModelReply.model_validate({**spoken(CRASH).model_dump(), "content": content})
    model = ScriptedModel(reply, GOOD)
    await solve(model)
    turns = model.requests[1].turns
    assert [type(turn) for turn in turns] == [UserTurn, ModelTurn, UserTurn]
    assert turns[1] == ModelTurn(content)


async def test_attempts_are_numbered_and_asked_for_by_number(solve: Solve) -> None:
    """Recordings are found by it, and a report counts by it."""
    model = ScriptedModel(CRASH, WRONG, GOOD)
    attempts = await solve(model)
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert [request.attempt for request in model.requests] == [1, 2, 3]
    assert [len(request.turns) for request in model.requests] == [1, 3, 5]


async def test_attempts_are_used_up(solve: Solve) -> None:
    """`max_attempts` counts the first one, and bounds what a job can cost."""
    model = ScriptedModel(CRASH, WRONG, CRASH, GOOD)
    attempts = await solve(model)
    assert verdicts(attempts) == [
        Verdict.RUNTIME_ERROR,
        Verdict.WRONG_ANSWER,
        Verdict.RUNTIME_ERROR,
    ]
    assert [attempt.feedback is None for attempt in attempts] == [False, False, True]


async def test_a_reply_without_a_program_uses_an_attempt_and_is_asked_again(solve: Solve) -> None:
    """The model was paid, and told what was missing it mostly obliges."""
    model = ScriptedModel(PROSE, GOOD)
    first, second = await solve(model)
    assert (first.verdict, first.executable_code, first.execution) == (Verdict.NO_CODE, None, None)
    assert first.code_execution_result is None
    assert second.verdict is Verdict.ACCEPTED
    assert model.requests[1].turns[-1] == UserTurn(first.feedback or "")


async def test_a_blocked_prompt_ends_the_job(solve: Solve) -> None:
    """The same words meet the same filter; asking again is paid for in vain."""
    blocked = ModelReply(
        content=None,
        text="",
        finish_reason=None,
        block_reason="SAFETY",
        model_version="m",
        latency_seconds=0,
    )
    model = ScriptedModel(blocked, GOOD)
    (attempt,) = await solve(model)
    assert attempt.verdict is Verdict.NO_CODE
    assert "SAFETY" in attempt.explanation
    assert attempt.feedback is None, "nobody was told anything after the last attempt"


async def test_a_cut_reply_is_not_run(solve: Solve) -> None:
    """Half a program may well run, and do half of what was asked."""
    cut = spoken(GOOD).model_copy(update={"finish_reason": "MAX_TOKENS"})
    first, second = await solve(ScriptedModel(cut, GOOD))
    assert (first.verdict, second.verdict) == (Verdict.NO_CODE, Verdict.ACCEPTED)


async def test_a_limit_is_a_verdict_and_the_model_is_told(solve: Solve) -> None:
    """An endless program is the model's to mend, not an error of ours."""
    model = ScriptedModel(ENDLESS, GOOD)
    attempts = await solve(model, limits=Limits(cpu_seconds=0.3, wall_seconds=5))
    assert verdicts(attempts) == [Verdict.TIME_LIMIT_EXCEEDED, Verdict.ACCEPTED]
    assert "0.3 s of CPU time" in (attempts[0].feedback or "")


async def test_tests_decide_and_do_not_reach_the_model(solve: Solve) -> None:
    """A model that is shown its tests writes for the tests."""
    job = JOB.model_copy(update={"checker": PassesTests(tests="assert double(21) == 42")})
    model = ScriptedModel(
        fenced("import sys\nsys.exit(0)"), fenced("def double(x):\n    return 2 * x")
    )
    attempts = await solve(model, job)
    assert verdicts(attempts) == [Verdict.WRONG_ANSWER, Verdict.ACCEPTED]
    assert "double(21)" not in str(model.requests)


async def test_standard_input_reaches_the_program(solve: Solve) -> None:
    """Half of all tasks in contests are read from there."""
    cases = (Case(stdin="41\n", expect="42"),)
    job = JOB.model_copy(update={"checker": MatchesOutput(cases=cases)})
    (attempt,) = await solve(ScriptedModel(fenced("print(int(input()) + 1)")), job)
    assert attempt.verdict is Verdict.ACCEPTED


async def test_a_model_that_is_not_there_uses_no_attempt(
    solve: Solve, checkpoint: RedisCheckpoint
) -> None:
    """The job is delivered again; the attempt before it is kept, and the failed one is not counted."""
    with pytest.raises(ModelUnavailableError):
        await solve(ScriptedModel(CRASH, ModelUnavailableError("503")))
    progress = await checkpoint.load()
    assert (verdicts(progress.attempts), progress.reply) == ([Verdict.RUNTIME_ERROR], None)


async def test_a_reply_that_was_paid_for_is_not_asked_for_again(
    solve: Solve, checkpoint: RedisCheckpoint
) -> None:
    """A worker may die while the program runs; the reply is the expensive part."""
    model = ScriptedModel(ENDLESS)
    dying = solve(model, limits=Limits(cpu_seconds=60, wall_seconds=60))
    await wait_until(lambda: _has_reply(checkpoint), 5, "the reply in the checkpoint")
    dying.cancel()
    await asyncio.wait([dying])
    job = JOB.model_copy(update={"max_attempts": 1})
    (attempt,) = await solve(model, job, limits=Limits(cpu_seconds=0.2, wall_seconds=5))
    assert attempt.verdict is Verdict.TIME_LIMIT_EXCEEDED
    assert len(model.requests) == 1


async def _has_reply(checkpoint: RedisCheckpoint) -> bool:
    return (await checkpoint.load()).reply is not None


async def test_an_attempt_that_was_judged_is_not_made_again(
    solve: Solve, checkpoint: RedisCheckpoint
) -> None:
    """The next delivery goes on where this one died, with the whole conversation."""
    first = SilentModel(CRASH)
    dying = solve(first)
    await wait_until(lambda: len(first.requests) == 2, 5, "the second request")
    dying.cancel()
    await asyncio.wait([dying])
    second = ScriptedModel(GOOD)
    attempts = await solve(second)
    assert verdicts(attempts) == [Verdict.RUNTIME_ERROR, Verdict.ACCEPTED]
    assert [request.attempt for request in second.requests] == [2]
    assert second.requests[0].turns == first.requests[1].turns


async def test_a_job_that_was_solved_before_the_worker_died_asks_nothing(solve: Solve) -> None:
    """Only the record is missing then."""
    model = ScriptedModel(GOOD)
    attempts = await solve(model)
    assert await solve(model) == attempts
    assert len(model.requests) == 1


async def test_an_attempt_is_kept_before_anyone_hears_of_it(
    solve: Solve, checkpoint: RedisCheckpoint
) -> None:
    """What was told and is then forgotten would be told twice, differently."""
    kept: list[list[Verdict]] = []

    async def look(_: Attempt) -> None:
        kept.append(verdicts((await checkpoint.load()).attempts))

    await solve(ScriptedModel(CRASH, GOOD), on_attempt=look)
    assert kept == [[Verdict.RUNTIME_ERROR], [Verdict.RUNTIME_ERROR, Verdict.ACCEPTED]]


async def test_whoever_hears_of_an_attempt_can_stop_the_job(solve: Solve) -> None:
    """That is how a job is cancelled between attempts."""

    class EnoughError(Exception):
        pass

    async def stop(_: Attempt) -> None:
        raise EnoughError

    model = ScriptedModel(CRASH, GOOD)
    with pytest.raises(EnoughError):
        await solve(model, on_attempt=stop)
    assert len(model.requests) == 1


async def test_a_worker_that_has_lost_its_job_keeps_and_asks_nothing(
    solve: Solve, redis: ArqRedis
) -> None:
    """Frozen for a minute, it goes on where it was: what it wrote then would stay for ever, and be paid for twice."""
    model = ScriptedModel(CRASH, GOOD)

    async def lose(_: Attempt) -> None:
        await redis.set(in_progress_key_prefix + "j", "another's")

    with pytest.raises(LeaseLostError):
        await solve(model, on_attempt=lose)
    assert len(model.requests) == 1
    with pytest.raises(LeaseLostError):
        await solve(model)
    assert len(model.requests) == 1


async def test_a_reply_that_comes_after_the_job_was_lost_is_not_kept(
    solve: Solve, redis: ArqRedis
) -> None:
    """Whoever has the job now has deleted its checkpoint, or will."""

    class Losing(ScriptedModel):
        @override
        async def generate(self, request: ModelRequest) -> ModelReply:
            await redis.set(in_progress_key_prefix + "j", "another's")
            return await super().generate(request)

    with pytest.raises(LeaseLostError):
        await solve(Losing(GOOD))
    assert not await redis.exists(Keys().checkpoint("j"))


async def test_no_more_calls_are_under_way_than_there_may_be(
    sandbox: Sandbox, redis: ArqRedis
) -> None:
    """Jobs that wait for a slot of the sandbox hold no call, and calls have a bound of their own."""
    under_way, most = 0, 0

    class Counting(ScriptedModel):
        @override
        async def generate(self, request: ModelRequest) -> ModelReply:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await wait_until(lambda: most >= 3, 10, "three calls at one time")
            under_way -= 1
            return await super().generate(request)

    loop = FeedbackLoop(Counting(GOOD), sandbox, calls=asyncio.Semaphore(3), turns=Turns(2))

    async def ignore(_: Attempt) -> None: ...

    jobs = [JOB.model_copy(update={"job_id": f"j{n}", "sample": n}) for n in range(8)]
    await asyncio.gather(
        *[loop.solve(job, LIMITS, await held(redis, job.job_id), ignore) for job in jobs]
    )
    assert most == 3


async def test_no_more_programs_run_at_once_than_there_are_slots(
    sandbox: Sandbox, redis: ArqRedis
) -> None:
    """Model calls overlap by the hundred; programs would starve each other of the CPU they are timed by."""
    running, most = 0, 0

    class Counting:
        isolation = sandbox.isolation

        async def run(self, *arguments: object, **options: object) -> object:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await sandbox.run(*arguments, **options)  # type: ignore[arg-type]
            finally:
                running -= 1

    loop = FeedbackLoop(
        ScriptedModel(GOOD),
        Counting(),  # type: ignore[arg-type]
        calls=asyncio.Semaphore(9),
        turns=Turns(2),
    )

    async def ignore(_: Attempt) -> None: ...

    await asyncio.gather(
        *[
            loop.solve(
                JOB.model_copy(update={"sample": n}),
                LIMITS,
                await held(redis, f"j{n}"),
                ignore,
            )
            for n in range(6)
        ]
    )
    assert most == 2
