"""Feedback as parts: the model's own turn goes on with its program and what came of it, as Gemini writes them."""

from pydantic import JsonValue

from jobs.languages import Language
from jobs.models import Attempt, PromptJob
from jobs.preambles import without_preamble
from worker.model import ModelTurn

_PARAGRAPH = "\n\n"


def can_be_parts(job: PromptJob, attempt: Attempt) -> bool:
    """Whether an attempt can be told so: Gemini's types know no language but Python, and need a result."""
    code = attempt.executable_code
    return (
        code is not None
        and code.language is Language.PYTHON
        and attempt.verdict.outcome is not None
        and bool(attempt.feedback)
        # How a program ended is told by its result alone.
        and job.conversation.feedback != "none"
        # What Gemini ran stands in its own turn already.
        and attempt.executed_by != "gemini"
    )


def told_in_parts(attempt: Attempt, preamble: str) -> tuple[ModelTurn, str]:
    """The model's turn with program and result behind what it said, and what is asked of it now.

    The output is what the model may be told, and no more: of a hidden check that is less than what was printed.
    The program is shown without the preamble that it was run with.
    """
    code, outcome, content = attempt.executable_code, attempt.verdict.outcome, attempt.reply.content
    told, _, asked = (attempt.feedback or "").rpartition(_PARAGRAPH)
    result: JsonValue = {"codeExecutionResult": {"outcome": outcome, "output": told}}
    program: JsonValue = {
        "executableCode": {
            "language": "PYTHON",
            "code": without_preamble(preamble, code.code) if code else "",
        }
    }
    said = (content or {}).get("parts")
    # What was received stays as it is, thought signatures and all.
    parts = [*(said if isinstance(said, list) else []), program, result]
    return ModelTurn({**(content or {}), "parts": parts}), asked
