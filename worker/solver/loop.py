"""The feedback loop: generate, run, judge, feed back, until accepted or out of attempts. The heart of promptmill."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from jobs.clock import utcnow
from jobs.code_execution import ExecutedBy
from jobs.conversations import Style
from jobs.limits import Limits
from jobs.models import Attempt, ExecutableCode, ModelReply, PromptJob
from jobs.preambles import with_preamble
from jobs.verdicts import Verdict
from worker.errors import ModelNotFoundError, ModelRejectedError
from worker.model import ModelClient, ModelRequest
from worker.sandbox import Sandbox

from .checking import Checked, check
from .checkpoints import Checkpoint
from .course import conversation_so_far, end_of, still_told
from .extraction import Extraction, program_of
from .fairness import FairRunner, is_known_to_last
from .judge import no_program
from .leaks import leaks_of
from .machine import Machine
from .prompts import conversation, feedback, system_instruction
from .reported import reported
from .turns import Turns

_log = structlog.get_logger(__name__)


class FeedbackLoop:
    """Solves jobs, many at a time: model calls overlap freely, runs share the sandbox slots."""

    def __init__(
        self,
        model: ModelClient,
        sandbox: Sandbox,
        *,
        calls: asyncio.Semaphore,
        turns: Turns,
    ) -> None:
        """Use these edges: `calls` bounds how many calls of the model are under way, `turns` whose program runs."""
        self._model = model
        self._sandbox = sandbox
        self._calls = calls
        self._turns = turns
        self._machine = Machine()
        self._are_parts_refused = False

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
        while end_of(job, attempts) is None:
            number, started_at = len(attempts) + 1, utcnow()
            nth_conversation, _ = conversation_so_far(job, attempts)
            if reply is None:
                async with self._calls:
                    await checkpoint.make_sure()
                    reply = await self._ask(job, attempts)
                await checkpoint.save_reply(number, reply)
            extraction, code, checked = await self._check(job, attempts, reply, limits)
            judgement = checked.judgement
            attempt = Attempt(
                number=number,
                reply=reply,
                call_class=reply.call_class,
                extraction=extraction.kept(job.extraction),
                executable_code=code,
                executed_by=_executor(job, code),
                code_execution_result=judgement.result,
                execution=checked.execution,
                reruns=checked.reruns,
                verdict=judgement.verdict,
                explanation=judgement.explanation,
                cases=judgement.cases,
                trust=judgement.trust,
                trust_reason=judgement.trust_reason,
                isolation=self._sandbox.isolation if checked.execution else None,
                conversation=nth_conversation,
                started_at=started_at,
                finished_at=utcnow(),
            )
            attempt = _with_consequence(job, attempts, attempt, checked)
            await checkpoint.save_attempt(attempt)
            await on_attempt(attempt)
            attempts.append(attempt)
            reply = None
        return tuple(attempts)

    async def _ask(self, job: PromptJob, attempts: Sequence[Attempt]) -> ModelReply:
        style: Style = "text" if self._are_parts_refused else job.conversation.style
        request = _request(job, attempts, style)
        try:
            reply = await self._model.generate(request)
        except ModelNotFoundError:
            raise
        except ModelRejectedError as error:
            in_text = _request(job, attempts, "text")
            if request == in_text:
                raise
            # Whether a service takes parts that its own tool did not make, only the service knows.
            reply, style = await self._model.generate(in_text), "text"
            self._are_parts_refused = True
            _log.warning("feedback as parts was refused; it is told as text", reason=str(error))
        # With the reply, since another worker may go on from there and asks somebody else.
        asked = {"requested_model": job.model or self._model.name}
        return reply.model_copy(update=asked | ({"style": style} if len(request.turns) > 1 else {}))

    async def _check(
        self, job: PromptJob, attempts: Sequence[Attempt], reply: ModelReply, limits: Limits
    ) -> tuple[Extraction, ExecutableCode | None, Checked]:
        if job.code_execution:
            return reported(job, reply, limits)
        extraction = program_of(reply, job.language, job.extraction)
        if extraction.code is None:
            return extraction, None, Checked(None, no_program(extraction))
        code = ExecutableCode(
            language=job.language, code=with_preamble(job.preamble, extraction.code)
        )
        is_known = is_known_to_last(code, attempts)
        runner = FairRunner(self._sandbox, self._turns, self._machine, is_known=is_known)
        checked = await check(job, code, limits, runner)
        return extraction, code, replace(checked, reruns=tuple(runner.reruns))


def _with_consequence(
    job: PromptJob, earlier: Sequence[Attempt], attempt: Attempt, checked: Checked
) -> Attempt:
    """The attempt with why the job ends there, or what the model is told of it, unless it is asked anew."""
    attempts, code, words = [*earlier, attempt], attempt.executable_code, None
    end = end_of(job, attempts)
    number, _ = conversation_so_far(job, attempts)
    # Of an accepted one there is nothing to tell: only recordings go on from there.
    has_failed = attempt.verdict is not Verdict.ACCEPTED
    if end is None and has_failed and number == attempt.conversation:
        told = checked.told
        words = feedback(attempt.number, job, told.judgement, code, told.execution)
    leaks = leaks_of(job, code.code if code else None, words)
    return attempt.model_copy(update={"end": end, "feedback": words, "leaks": leaks})


def _executor(job: PromptJob, code: ExecutableCode | None) -> ExecutedBy | None:
    if code is None:
        return None
    return "gemini" if job.code_execution else "sandbox"


def _request(job: PromptJob, attempts: Sequence[Attempt], style: Style) -> ModelRequest:
    number, current = conversation_so_far(job, attempts)
    return ModelRequest(
        prompt=job.prompt,
        run_id=job.run_id,
        task_id=job.task_id,
        sample=job.sample,
        attempt=len(attempts) + 1,
        system_instruction=system_instruction(job.language, code_execution=job.code_execution),
        turns=conversation(job, still_told(job, current), style),
        model=job.model,
        temperature=job.temperature,
        conversation=number,
        code_execution=job.code_execution,
        cache=job.cache,
        rescores=job.rescores,
    )
