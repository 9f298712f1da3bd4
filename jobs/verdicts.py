"""How an attempt did against its job, what Gemini calls it, and the one table that relates the two."""

from enum import StrEnum
from typing import assert_never


class Outcome(StrEnum):
    """Gemini's word on an execution (`CodeExecutionResult.outcome`). A wrong answer is `OUTCOME_OK`: it ran."""

    OK = "OUTCOME_OK"
    FAILED = "OUTCOME_FAILED"
    DEADLINE_EXCEEDED = "OUTCOME_DEADLINE_EXCEEDED"


class Verdict(StrEnum):
    """How an attempt did against its job. The words are those of programming-contest judges."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    FORBIDDEN_CALL = "forbidden_call"
    NO_CODE = "no_code"
    INTERNAL_ERROR = "internal_error"

    @property
    def outcome(self) -> Outcome | None:
        """What Gemini is told; None where no program ran, so that there is nothing to tell."""
        match self:
            case Verdict.ACCEPTED | Verdict.WRONG_ANSWER:
                return Outcome.OK
            case Verdict.TIME_LIMIT_EXCEEDED:
                return Outcome.DEADLINE_EXCEEDED
            case (
                Verdict.RUNTIME_ERROR
                | Verdict.COMPILE_ERROR
                | Verdict.MEMORY_LIMIT_EXCEEDED
                | Verdict.OUTPUT_LIMIT_EXCEEDED
                | Verdict.FORBIDDEN_CALL
            ):
                return Outcome.FAILED
            case Verdict.NO_CODE | Verdict.INTERNAL_ERROR:
                return None
            case _:
                assert_never(self)

    @property
    def is_scored(self) -> bool:
        """Whether a rate counts it. Our own failures are shown beside the rates, never inside them."""
        return self is not Verdict.INTERNAL_ERROR
