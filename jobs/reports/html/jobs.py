"""What the page holds of each job: its row, and its attempts within bounds."""

from typing import Self

from jobs.models import Attempt, CaseResult, Execution, Record
from jobs.sums import seconds_at_work
from jobs.verdicts import Verdict
from jobs.wire import Wire

_PROMPT, _PROGRAM, _OUTPUT, _FEEDBACK = 8_000, 16_000, 4_000, 4_000
_LINE = 300
_CASES = 12


class Cut(Wire):
    """A text, or the beginning and the end of one."""

    text: str
    characters: int | None = None
    """How long it is in all; None where it is whole."""
    bytes: int | None = None
    """How many bytes were read, where the record itself holds less than the program wrote."""

    @classmethod
    def of(cls, text: str, most: int) -> Self:
        """The text if it is no longer than this, else as much of its beginning and its end, three to one."""
        if len(text) <= most:
            return cls(text=text)
        tail = most // 4
        shown = f"{text[: most - tail]}\n[…]\n{text[-tail:]}"
        return cls(text=shown, characters=len(text))


class JobRow(Wire):
    """What the table says of a job."""

    job_id: str
    name: str
    """The task, else the job's own id."""
    sample: int
    verdict: Verdict
    course: tuple[Verdict, ...]
    """The verdict of each attempt."""
    solved_at: int | None
    seconds: float
    """At work, without waits."""
    tokens: int | None
    cost_usd: float | None
    explanation: str
    block: str
    place: int

    @classmethod
    def of(cls, record: Record, block: str, place: int) -> Self:
        """The row of a job whose attempts stand there."""
        return cls(
            job_id=record.job_id,
            name=record.job.task_id or record.job_id,
            sample=record.job.sample,
            verdict=record.verdict,
            course=tuple(attempt.verdict for attempt in record.attempts),
            solved_at=record.solved_at,
            seconds=round(seconds_at_work(record.attempts), 3),
            tokens=record.usage.total_token_count,
            cost_usd=record.cost_usd,
            explanation=_line(record.explanation),
            block=block,
            place=place,
        )


class AttemptView(Wire):
    """What the page shows of an attempt."""

    number: int
    verdict: Verdict
    explanation: str
    language: str | None
    code: Cut | None
    reply: Cut | None
    """What the model said, where there is no program in it."""
    stdout: Cut | None
    stderr: Cut | None
    ended: str | None
    """How the program ended, where it did not end by itself with 0."""
    cases: tuple[CaseResult, ...]
    """Those that were not passed first, and no more than a dozen."""
    n_cases: int
    n_passed: int
    feedback: Cut | None
    model_seconds: float | None
    """None of a recording."""
    cpu_seconds: float | None
    wall_seconds: float | None
    memory_kib: int | None
    tokens: int | None
    cost_usd: float | None
    same_process: bool
    begins_anew: bool
    """The model was asked anew, without what was said before."""
    was_run_again: bool
    """Alone, as it was over its time."""
    leaks: tuple[str, ...]
    """Where something stands that is hidden of its check: `feedback`, `answer`."""

    @classmethod
    def of(cls, attempt: Attempt, before: Attempt | None) -> Self:
        """What is shown of it, given the one before."""
        execution, reply = attempt.execution, attempt.reply
        code = attempt.executable_code
        result = attempt.code_execution_result
        stdout = result.output if result and not execution else ""
        failed = [case for case in attempt.cases if case.verdict is not Verdict.ACCEPTED]
        passed = [case for case in attempt.cases if case.verdict is Verdict.ACCEPTED]
        return cls(
            number=attempt.number,
            verdict=attempt.verdict,
            explanation=_line(attempt.explanation),
            language=code.language.value if code else None,
            code=Cut.of(code.code, _PROGRAM) if code else None,
            reply=None if code else _text(reply.text, _PROGRAM),
            stdout=_stream(execution, "stdout") if execution else _text(stdout, _OUTPUT),
            stderr=_stream(execution, "stderr") if execution else None,
            ended=_ended(execution) if execution else None,
            cases=tuple(map(_short, [*failed, *passed][:_CASES])),
            n_cases=len(attempt.cases),
            n_passed=len(passed),
            feedback=_text(attempt.feedback or "", _FEEDBACK),
            model_seconds=None if reply.simulated else round(reply.latency_seconds, 3),
            cpu_seconds=round(execution.cpu_seconds, 4) if execution else None,
            wall_seconds=round(execution.wall_seconds, 4) if execution else None,
            memory_kib=execution.peak_memory_kib if execution else None,
            tokens=reply.usage.total_token_count,
            cost_usd=reply.cost.usd if reply.cost else None,
            same_process=attempt.trust == "same_process",
            begins_anew=before is not None and before.conversation != attempt.conversation,
            was_run_again=bool(attempt.reruns),
            leaks=tuple(sorted({leak.place for leak in attempt.leaks})),
        )


class JobView(Wire):
    """What the page shows of a job that is opened."""

    prompt: Cut
    error: str | None
    attempts: tuple[AttemptView, ...]

    @classmethod
    def of(cls, record: Record) -> Self:
        """What is shown of it."""
        before = (None, *record.attempts)
        return cls(
            prompt=Cut.of(record.job.prompt, _PROMPT),
            error=_line(record.error) if record.error is not None else None,
            attempts=tuple(map(AttemptView.of, record.attempts, before)),
        )


def _line(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"


def _text(text: str, most: int) -> Cut | None:
    return Cut.of(text, most) if text else None


def _stream(execution: Execution, name: str) -> Cut | None:
    said: str = getattr(execution, name)
    if not said:
        return None
    cut = Cut.of(said, _OUTPUT)
    was_cut: bool = getattr(execution, f"{name}_truncated")
    return cut.model_copy(update={"bytes": getattr(execution, f"{name}_bytes")}) if was_cut else cut


def _ended(execution: Execution) -> str | None:
    if execution.limit_hit is not None:
        return f"stopped by the limit on {execution.limit_hit.replace('_', ' ')}"
    if execution.signal is not None:
        return f"ended by signal {execution.signal_in_words}"
    return f"exit code {execution.exit_code}" if execution.exit_code else None


def _short(case: CaseResult) -> CaseResult:
    lines = {"name": case.name, "expected": case.expected, "actual": case.actual}
    cut = {key: None if line is None else _line(line) for key, line in lines.items()}
    return case.model_copy(update=cut)
