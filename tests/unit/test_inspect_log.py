"""Runs as logs of inspect_ai: its viewer is the best there is, and needs nothing of ours."""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Literal, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict

from jobs.models import PromptJob, Record
from jobs.outlines import Outline
from jobs.reports import build_report
from jobs.results.inspect_log import inspect_lines
from jobs.verdicts import Verdict
from tests.making import a_record

_Thing = TypeVar("_Thing")


class Strict(BaseModel):
    """What version 0.3.285 of that package takes, as far as we write it, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=False)


class Message(Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    source: Literal["input", "generate"] | None = None
    model: str | None = None


class TokenUsage(Strict):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_cache_read: int | None = None
    reasoning_tokens: int | None = None


class Choice(Strict):
    message: Message
    stop_reason: Literal["stop", "max_tokens", "content_filter", "unknown"]


class Output(Strict):
    model: str
    choices: list[Choice]
    usage: TokenUsage | None = None
    time: float | None = None


class Score(Strict):
    value: Literal["C", "I"]
    answer: str
    explanation: str
    metadata: dict[str, Any]


class SampleError(Strict):
    message: str
    traceback: str
    traceback_ansi: str


class Sample(Strict):
    id: str
    epoch: int
    input: str
    target: str
    messages: list[Message]
    output: Output
    scores: dict[str, Score] | None = None
    error: SampleError | None = None
    metadata: dict[str, Any]
    store: dict[str, Any]
    events: list[Any]
    model_usage: dict[str, TokenUsage]
    started_at: datetime
    completed_at: datetime
    total_time: float
    attachments: dict[str, str]


class Dataset(Strict):
    name: str
    samples: int
    sample_ids: list[str]
    shuffled: bool


class Spec(Strict):
    eval_id: str
    run_id: str
    created: datetime
    task: str
    task_id: str
    task_version: int
    task_attribs: dict[str, Any]
    task_args: dict[str, Any]
    dataset: Dataset
    model: str
    model_args: dict[str, Any]
    model_generate_config: dict[str, Any]
    config: dict[str, int]
    packages: dict[str, str]
    metadata: dict[str, Any]


class Metric(Strict):
    name: str
    value: float
    params: dict[str, Any]


class Scorer(Strict):
    name: str
    scorer: str
    params: dict[str, Any]
    metrics: dict[str, Metric]


class Results(Strict):
    total_samples: int
    completed_samples: int
    scores: list[Scorer]


class Plan(Strict):
    name: str
    steps: list[Any]
    config: dict[str, Any]


class Stats(Strict):
    started_at: datetime
    completed_at: datetime
    model_usage: dict[str, TokenUsage]


class Log(Strict):
    version: Literal[2]
    status: Literal["success"]
    eval: Spec
    plan: Plan
    results: Results
    stats: Stats
    samples: list[Sample]


async def _each(things: Iterable[_Thing]) -> AsyncIterator[_Thing]:
    for thing in things:
        yield thing


async def _lines_of(records: list[Record]) -> list[str]:
    outlines = map(Outline.of, records)
    return [line async for line in inspect_lines("r", _each(outlines), _each(records))]


async def test_a_run_is_a_log_with_a_sample_for_each_job_and_two_messages_for_each_attempt() -> (
    None
):
    """Whoever looks at it there must see the same verdicts, and how each came about."""
    job = PromptJob(prompt="Print 1.", task_id="t", run_id="r", metadata={"tags": ["a"]})
    ours = job.model_copy(update={"job_id": "ours", "task_id": "u"})
    second = job.model_copy(update={"job_id": "second", "sample": 1})
    records = [
        a_record(job, Verdict.RUNTIME_ERROR, Verdict.ACCEPTED),
        a_record(second, Verdict.WRONG_ANSWER),
        a_record(ours, error="the disk was full"),
    ]
    lines = await _lines_of(records)
    log = Log.model_validate(json.loads("\n".join(lines)))

    assert len(lines) == 5, "a sample a line, or a long run would not fit into memory"
    solved, wrong, unscored = log.samples
    assert [message.role for message in solved.messages] == ["user", "assistant"] * 2
    assert solved.messages[2].content == "runtime_error: it was runtime_error"
    assert (solved.scores or {})["promptmill"].value == "C"
    assert solved.metadata == {"tags": ["a"], "job_id": job.job_id, "verdict": "accepted"}
    assert (wrong.epoch, (wrong.scores or {})["promptmill"].value) == (2, "I")
    assert unscored.scores is None
    assert unscored.error is not None
    assert unscored.error.message == "the disk was full"
    assert unscored.output.choices == []
    [scorer] = log.results.scores
    assert (log.results.total_samples, log.results.completed_samples) == (3, 2)
    assert scorer.metrics["accuracy"].value == 0.5
    assert (log.eval.dataset.samples, log.eval.config) == (2, {"epochs": 2})
    assert log.stats.model_usage["model-1"].total_tokens == 15


async def test_a_log_tells_the_rates_that_a_report_tells() -> None:
    """Two tools that show one run must not show two accuracies, or one of them is believed wrongly."""
    job = PromptJob(prompt="x", run_id="r", cluster="alike")
    records = [
        a_record(job.model_copy(update={"task_id": "a", "job_id": "a"}), Verdict.ACCEPTED),
        a_record(job.model_copy(update={"task_id": "b", "job_id": "b"}), Verdict.WRONG_ANSWER),
        a_record(PromptJob(prompt="x", task_id="c"), Verdict.WRONG_ANSWER),
        a_record(PromptJob(prompt="x", task_id="d", excluded="broken"), Verdict.ACCEPTED),
    ]
    log = Log.model_validate(json.loads("\n".join(await _lines_of(records))))
    report = build_report(records)
    [scorer] = log.results.scores
    assert scorer.metrics["accuracy"].value == report.solved.value == pytest.approx(1 / 3)
    assert scorer.metrics["stderr"].value == report.solved_error
    assert (log.results.total_samples, log.results.completed_samples) == (4, 3)
    left_out = log.samples[3]
    assert (left_out.scores, left_out.error) == (None, None)
    assert left_out.metadata["excluded"] == "broken"
