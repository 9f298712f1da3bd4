"""Attempts whose program Gemini ran itself: what it says of it, judged as it says it. Nothing is run here."""

from dataclasses import replace

from pydantic import JsonValue

from jobs.checkers import checks_of
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, ModelReply, PromptJob
from jobs.verdicts import Outcome

from .checking import Checked
from .extraction import Extraction, unusable_because
from .judge import judge, no_program

_RULE = "executableCode part that Gemini ran"
_TOO_LONG = "Gemini stopped it because it ran for too long"


def reported(
    job: PromptJob, reply: ModelReply, limits: Limits
) -> tuple[Extraction, ExecutableCode | None, Checked]:
    """The last program that Gemini ran, and how it did by Gemini's word.

    Earlier ones of the same reply were Gemini's own way there, and stay in its content.
    """
    program, outcome, output = _last_run(reply)
    why = unusable_because(reply)
    if why is None and program is None:
        why = "Gemini ran no program"
    if why is None and outcome is None:
        why = "Gemini does not say how its program ended"
    if why is not None or program is None or outcome is None:
        nothing = Extraction(None, why or "", "", "no_code", truncated=False)
        return nothing, None, Checked(None, no_program(nothing))
    code = ExecutableCode(language=Language.PYTHON, code=program)
    extraction = Extraction(program, "", _RULE, "program", truncated=False)
    return extraction, code, _judged(job, code, _as_told(outcome, output), limits)


def _judged(job: PromptJob, code: ExecutableCode, told: Execution, limits: Limits) -> Checked:
    # Gemini is asked of no other jobs than those of one check.
    (one,) = checks_of(job.checker)
    judgement = replace(judge(code, told, one, limits), trust="reported_by_gemini")
    if told.limit_hit is not None:
        judgement = replace(judgement, explanation=_TOO_LONG, hint=_TOO_LONG)
    judgement = replace(judgement, explanation=f"{judgement.explanation} (Gemini ran it)")
    # The model is told of it as of any run; the record has none.
    return Checked(None, judgement, shown=Checked(told, judgement))


def _as_told(outcome: Outcome, output: str) -> Execution:
    """A run of which no more is known than this."""
    stdout, stderr = ("", output) if outcome is Outcome.FAILED else (output, "")
    is_late = outcome is Outcome.DEADLINE_EXCEEDED
    return Execution.unmeasured(
        exit_code=None if is_late else int(outcome is Outcome.FAILED),
        limit_hit="wall" if is_late else None,
        stdout=stdout,
        stderr=stderr,
    )


def _last_run(reply: ModelReply) -> tuple[str | None, Outcome | None, str]:
    """The last program in the reply, and the result that follows it, if one does."""
    program: str | None = None
    outcome, output = None, ""
    parts = (reply.content or {}).get("parts")
    for part in parts if isinstance(parts, list) else []:
        code, result = _field(part, "executableCode"), _field(part, "codeExecutionResult")
        if isinstance(written := code.get("code"), str):
            program, outcome, output = written, None, ""
        if result:
            outcome, output = _outcome_of(result.get("outcome")), str(result.get("output") or "")
    return program, outcome, output


def _field(part: JsonValue, name: str) -> dict[str, JsonValue]:
    value = part.get(name) if isinstance(part, dict) else None
    return value if isinstance(value, dict) else {}


def _outcome_of(word: JsonValue) -> Outcome | None:
    return next((outcome for outcome in Outcome if outcome == word), None)
