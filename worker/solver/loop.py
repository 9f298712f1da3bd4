"""The feedback loop: generate, run, judge, feed back, until accepted or out of attempts. The heart of promptmill."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from jobs.clock import utcnow
from jobs.limits import Limits
from jobs.models import Attempt, ExecutableCode, Execution, ModelReply, PromptJob
from jobs.verdicts import Verdict
from worker.model import ModelClient, ModelRequest
from worker.sandbox import Harness, Sandbox, Verification

from .checking import Checked, check
from .checkpoints import Checkpoint
from .extraction import Extraction, program_of
from .judge import no_program
from .prompts import conversation, feedback, system_instruction


class FeedbackLoop:
    """Solves jobs, many at a time: model calls overlap freely, runs share the sandbox slots."""

    def __init__(
        self,
        model: ModelClient,
        sandbox: Sandbox,
        *,
        calls: asyncio.Semaphore,
        slots: asyncio.Semaphore,
    ) -> None:
        """Use these edges: `calls` bounds how many calls of the model are under way, `slots` how many programs run."""
        self._model = model
        self._sandbox = sandbox
        self._calls = calls
        self._slots = slots

    async def solve(
        self,
        job: PromptJob,
        limits: Limits,
        checkpoint: Checkpoint,
        on_attempt: Callable[[Attempt], Awaitable[None]],
    ) -> tuple[Attempt, ...]:
        """All attempts of a job, the last one final. Attempts and replies in the checkpoint are not paid for again.

        `on_attempt` is awaited after each attempt has been checkpointed; what it raises ends the job's delivery.

        Raises:
            ModelError: no reply could be had.
            SandboxError: our sandbox failed, not the program.
            LeaseLostError: the job is not ours any more.
        """
        progress = await checkpoint.load()
        attempts, reply = list(progress.attempts), progress.reply
        while not is_over(job, attempts):
            number, started_at = len(attempts) + 1, utcnow()
            if reply is None:
                async with self._calls:
                    await checkpoint.make_sure()
                    reply = await self._ask(job, attempts)
                await checkpoint.save_reply(number, reply)
            extraction = program_of(reply, job.language)
            code, checked = await self._check(job, extraction, limits)
            judgement = checked.judgement
            attempt = Attempt(
                number=number,
                reply=reply,
                call_class=reply.call_class,
                extraction=extraction.strategy,
                executable_code=code,
                code_execution_result=judgement.result,
                execution=checked.execution,
                verdict=judgement.verdict,
                explanation=judgement.explanation,
                cases=judgement.cases,
                trust=judgement.trust,
                trust_reason=judgement.trust_reason,
                isolation=self._sandbox.isolation if checked.execution else None,
                started_at=started_at,
                finished_at=utcnow(),
            )
            if not is_over(job, [attempt]):
                told = checked.told
                words = feedback(number, job, told.judgement, code, told.execution)
                attempt = attempt.model_copy(update={"feedback": words})
            await checkpoint.save_attempt(attempt)
            await on_attempt(attempt)
            attempts.append(attempt)
            reply = None
        return tuple(attempts)

    async def _ask(self, job: PromptJob, attempts: Sequence[Attempt]) -> ModelReply:
        reply = await self._model.generate(_request(job, attempts))
        # With the reply, since another worker may go on from there and asks somebody else.
        return reply.model_copy(update={"requested_model": job.model or self._model.name})

    async def _check(
        self, job: PromptJob, extraction: Extraction, limits: Limits
    ) -> tuple[ExecutableCode | None, Checked]:
        if extraction.code is None:
            return None, Checked(None, no_program(extraction))
        code = ExecutableCode(language=job.language, code=extraction.code)
        return code, await check(job, code, limits, _InTurn(self._sandbox, self._slots))


@dataclass(frozen=True)
class _InTurn:
    """The sandbox, for as many programs at one time as there are slots."""

    sandbox: Sandbox
    slots: asyncio.Semaphore

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness
    ) -> Execution:
        async with self.slots:
            return await self.sandbox.run(code, limits, stdin=stdin, harness=harness)

    async def verify(
        self, code: ExecutableCode, tests: str, limits: Limits, *, stdin: str
    ) -> Verification:
        async with self.slots:
            return await self.sandbox.verify(code, tests, limits, stdin=stdin)


def is_over(job: PromptJob, attempts: Sequence[Attempt]) -> bool:
    """Whether there is nothing more to try after these attempts."""
    if not attempts:
        return False
    last = attempts[-1]
    # A blocked prompt would be blocked again: the same words, the same filter.
    return (
        last.verdict is Verdict.ACCEPTED
        or last.number >= job.max_attempts
        or last.reply.block_reason is not None
    )


def _request(job: PromptJob, attempts: Sequence[Attempt]) -> ModelRequest:
    return ModelRequest(
        prompt=job.prompt,
        run_id=job.run_id,
        task_id=job.task_id,
        sample=job.sample,
        attempt=len(attempts) + 1,
        system_instruction=system_instruction(job.language),
        turns=conversation(job, attempts),
        model=job.model,
        temperature=job.temperature,
    )
