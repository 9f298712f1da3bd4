"""Records of samples that another evaluator has judged."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from jobs.clock import derived_id
from jobs.datasets.lines import Problem, lines_in, refusal
from jobs.errors import UsageError
from jobs.extracted import Extracted
from jobs.limits import Limits
from jobs.models import (
    Attempt,
    CodeExecutionResult,
    ExecutableCode,
    ModelReply,
    PromptJob,
    Record,
)
from jobs.usage import Usage
from jobs.verdicts import Verdict

from .foreign import (
    EvalPlusResult,
    EvalPlusResults,
    EvalPlusSample,
    EvalPlusTask,
    Format,
    HumanEvalResult,
    evalplus_verdict,
    human_eval_verdict,
)

_NOTHING_KEPT = "nothing was imported"
_POLICY = "imported/1"


@dataclass(frozen=True)
class Judged:
    """One sample, by whoever judged it."""

    task_id: str
    sample: int
    code: str
    verdict: Verdict
    explanation: str
    source: Format


@dataclass(frozen=True)
class Origin:
    """What the file does not say of its samples, and is the same for all of them."""

    run_id: str
    model: str
    version: str
    """Of promptmill."""
    at: datetime
    """When they were imported."""


def read_results(path: Path, samples: Path | None = None) -> Iterator[Judged]:
    """The samples in a results file of human-eval or EvalPlus, gzipped or not; it is known by what it holds.

    `samples` is the EvalPlus file of programs, whose older results hold none.

    Raises:
        UsageError: the file cannot be read, or holds no verdicts.
        DatasetError: it has bad lines.
    """
    try:
        with path.open("rb") as file:
            first = next(lines_in(file, str(path), note=_NOTHING_KEPT), "")
            if not _is_evalplus(first, file, path):
                yield from _human_eval(file, path)
                return
            text = "".join(lines_in(file, str(path), note=_NOTHING_KEPT))
    except OSError as error:
        raise UsageError(
            f"cannot read the results in {str(path)!r}: {error.strerror}",
            fixes=["name a results file of human-eval or EvalPlus"],
            note=_NOTHING_KEPT,
        ) from error
    yield from _evalplus(text, path, {} if samples is None else _programs_in(samples))


def record_of(judged: Judged, origin: Origin) -> Record:
    """The record of one sample: always the same one but for its times."""
    job = PromptJob(
        # Results do not hold what was asked.
        prompt=f"{judged.task_id}: imported from {judged.source}, whose results hold no prompts",
        job_id=derived_id("job", origin.run_id, judged.task_id, judged.sample),
        run_id=origin.run_id,
        task_id=judged.task_id,
        sample=judged.sample,
        max_attempts=1,
        model=origin.model,
    )
    is_ours = judged.verdict is Verdict.INTERNAL_ERROR
    return Record(
        job=job,
        verdict=judged.verdict,
        attempts=() if is_ours else (_attempt(judged, job, origin),),
        error=judged.explanation if is_ours else None,
        requested_model=origin.model,
        served_model=None,
        simulated=False,
        limits=Limits(),
        isolation=None,
        worker="import",
        versions={"promptmill": origin.version},
        imported_from=judged.source,
        deliveries=1,
        usage=Usage(),
        queued_at=origin.at,
        started_at=origin.at,
        finished_at=origin.at,
    )


def _attempt(judged: Judged, job: PromptJob, origin: Origin) -> Attempt:
    outcome = judged.verdict.outcome
    return Attempt(
        number=1,
        reply=ModelReply(
            content=None,
            text=judged.code,
            finish_reason=None,
            requested_model=origin.model,
            model_version=None,
            latency_seconds=0.0,
        ),
        extraction=Extracted(policy=_POLICY, outcome="program", rule="as it was written"),
        executable_code=ExecutableCode(language=job.language, code=judged.code),
        code_execution_result=None
        if outcome is None
        else CodeExecutionResult(
            outcome=outcome, output="", execution_error=judged.explanation or None
        ),
        execution=None,
        verdict=judged.verdict,
        explanation=judged.explanation,
        started_at=origin.at,
        finished_at=origin.at,
    )


def _is_evalplus(first: str, file: IO[bytes], path: Path) -> bool:
    # A line of human-eval is an object of its own; EvalPlus writes one object, on one line or on many.
    try:
        row = json.loads(first)
    except ValueError:
        row = None
    if isinstance(row, dict):
        return "eval" in row
    try:
        whole = json.loads("".join(lines_in(file, str(path), note=_NOTHING_KEPT)))
    except ValueError:
        return False
    return isinstance(whole, dict) and "eval" in whole


def _human_eval(file: IO[bytes], path: Path) -> Iterator[Judged]:
    n_of_task: Counter[str] = Counter()
    problems: list[Problem] = []
    number = n_unjudged = 0
    for number, line in enumerate(lines_in(file, str(path), note=_NOTHING_KEPT), 1):
        if not line.strip():
            continue
        try:
            row = HumanEvalResult.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "as a whole"
            problems.append(Problem(f"line {number}", f"{where}: {first['msg']}"))
            continue
        n_unjudged += not row.is_judged
        verdict, explanation = human_eval_verdict(row)
        sample = n_of_task[row.task_id]
        n_of_task[row.task_id] += 1
        yield Judged(row.task_id, sample, row.completion, verdict, explanation, "human-eval")
    if problems:
        raise refusal(str(path), problems, number, note=_NOTHING_KEPT)
    if n_unjudged or not n_of_task:
        raise _unjudged(path, n_unjudged)


def _unjudged(path: Path, n: int) -> UsageError:
    return UsageError(
        f"{str(path)!r} holds no verdicts: of {n} samples nobody has said how they did"
        if n
        else f"{str(path)!r} holds no samples",
        fixes=[
            "name what the evaluator wrote: samples.jsonl_results.jsonl, or samples_eval_results.json"
        ],
        note=_NOTHING_KEPT,
    )


def _evalplus(text: str, path: Path, programs: Mapping[str, list[str]]) -> Iterator[Judged]:
    try:
        results = EvalPlusResults.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise UsageError(
            f"the results in {str(path)!r} cannot be used: {where}: {first['msg']}",
            fixes=["name an eval_results.json as EvalPlus wrote it"],
            note=_NOTHING_KEPT,
        ) from None
    for task_id, samples in results.evaluated.items():
        for sample, (base, plus, code) in enumerate(_statuses(samples)):
            verdict, explanation = evalplus_verdict(base, plus)
            others = programs.get(task_id, [])
            program = code or (others[sample] if sample < len(others) else "")
            yield Judged(task_id, sample, program, verdict, explanation, "evalplus")


def _statuses(
    samples: tuple[EvalPlusResult, ...] | EvalPlusTask,
) -> Iterator[tuple[str, str | None, str]]:
    if isinstance(samples, EvalPlusTask):
        for number, (base, _) in enumerate(samples.base):
            plus = samples.plus[number][0] if number < len(samples.plus) else None
            yield base, plus, ""
        return
    for result in samples:
        yield result.base_status, result.plus_status, result.solution


def _programs_in(path: Path) -> dict[str, list[str]]:
    programs: dict[str, list[str]] = defaultdict(list)
    try:
        with path.open("rb") as file:
            for line in lines_in(file, str(path), note=_NOTHING_KEPT):
                if line.strip():
                    row = EvalPlusSample.model_validate_json(line)
                    programs[row.task_id].append(row.solution or row.completion or "")
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"the samples in {str(path)!r} cannot be used: {type(error).__name__}",
            fixes=["name the JSONL file of samples that EvalPlus has judged"],
            note=_NOTHING_KEPT,
        ) from error
    return programs
