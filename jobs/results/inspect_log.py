"""A run as a log that inspect_ai loads and shows: a sample for each job, a pair of messages for each attempt.

The fields are those that version 2 of its logs asks for; their names are its own.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from jobs.clock import derived_id
from jobs.models import Attempt, ModelReply, Record
from jobs.outlines import Outline
from jobs.stats import clustered_error
from jobs.usage import Usage

_SCORER = "promptmill"
_USAGE = {
    "input_tokens": "prompt_token_count",
    "output_tokens": "candidates_token_count",
    "total_tokens": "total_token_count",
    "input_tokens_cache_read": "cached_content_token_count",
    "reasoning_tokens": "thoughts_token_count",
}
# What it has words for; the rest it calls unknown.
_STOPS = {"STOP": "stop", "MAX_TOKENS": "max_tokens", "SAFETY": "content_filter"}


@dataclass
class InspectHead:
    """What stands in a log before its samples; it is counted from outlines, of which none is kept."""

    run_id: str
    tasks: set[str] = field(default_factory=set)
    clusters: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of each task, or cluster of tasks, 1 for a sample that counts and is solved and 0 for one that is not."""
    n_samples: int = 0
    epochs: int = 1
    simulated: bool = False
    usage: Usage = field(default_factory=Usage)
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def add(self, record: Outline) -> None:
        """Count a job."""
        job, started, finished = record.job, record.started_at, record.finished_at
        task = job.task_id or job.job_id
        self.n_samples += 1
        self.epochs = max(self.epochs, job.sample + 1)
        self.usage += record.usage
        self.simulated |= record.simulated
        self.tasks.add(task)
        if _counts(record):
            self.clusters[job.cluster or task].append(float(record.solved_at is not None))
        self.started_at = min(self.started_at or started, started)
        self.finished_at = max(self.finished_at or finished, finished)

    def fields_for(self, record: Record) -> dict[str, object]:
        """The head of a log, given any of its records, which says who was asked."""
        started, finished = _time(self.started_at), _time(self.finished_at)
        model = record.served_model or record.requested_model
        return {
            "version": 2,
            "status": "success",
            "eval": {
                "eval_id": derived_id("eval", self.run_id),
                "run_id": self.run_id,
                "created": started,
                "task": self.run_id,
                "task_id": derived_id("task", self.run_id),
                "task_version": 0,
                "task_attribs": {},
                "task_args": {},
                "dataset": {
                    "name": self.run_id,
                    "samples": len(self.tasks),
                    "sample_ids": sorted(self.tasks),
                    "shuffled": False,
                },
                "model": model,
                "model_args": {},
                "model_generate_config": {},
                "config": {"epochs": self.epochs},
                "packages": {"promptmill": record.versions.get("promptmill", "unknown")},
                "metadata": {"simulated": self.simulated},
            },
            "plan": {"name": "plan", "steps": [], "config": {}},
            "results": self._results(),
            "stats": {
                "started_at": started,
                "completed_at": finished,
                "model_usage": {model: _usage(self.usage)},
            },
        }

    def _results(self) -> dict[str, object]:
        judged = [*self.clusters.values()]
        n = sum(map(len, judged))
        metrics = {"accuracy": sum(map(sum, judged)) / n} if n else {}
        error = clustered_error(judged)
        if error is not None:
            metrics["stderr"] = error
        score = {
            "name": _SCORER,
            "scorer": _SCORER,
            "params": {},
            "metrics": {
                name: {"name": name, "value": value, "params": {}}
                for name, value in metrics.items()
            },
        }
        return {"total_samples": self.n_samples, "completed_samples": n, "scores": [score]}


async def inspect_lines(
    run_id: str, outlines: AsyncIterable[Outline], records: AsyncIterable[Record]
) -> AsyncIterator[str]:
    """The log line by line, one line a sample; it is gone through twice, and nothing of it is kept."""
    head = InspectHead(run_id)
    async for outline in outlines:
        head.add(outline)
    is_first = True
    async for record in records:
        if is_first:
            yield f'{json.dumps(head.fields_for(record))[:-1]}, "samples": ['
        yield f"{'' if is_first else ','}{json.dumps(inspect_sample(record))}"
        is_first = False
    yield "]}"


def inspect_sample(record: Record) -> dict[str, object]:
    """One job as a sample of a log."""
    job, last = record.job, record.attempts[-1] if record.attempts else None
    model = record.served_model or record.requested_model
    sample: dict[str, object] = {
        "id": job.task_id or job.job_id,
        "epoch": job.sample + 1,
        "input": job.prompt,
        "target": "",
        "messages": [_message("user", job.prompt, "input"), *_told(record.attempts, model)],
        "output": _output(last.reply if last else None, model),
        "metadata": {
            **job.metadata,
            "job_id": job.job_id,
            "verdict": record.verdict.value,
            **({} if job.excluded is None else {"excluded": job.excluded}),
        },
        "store": {},
        "events": [],
        "model_usage": {model: _usage(record.usage)},
        "started_at": _time(record.started_at),
        "completed_at": _time(record.finished_at),
        "total_time": (record.finished_at - record.started_at).total_seconds(),
        "attachments": {},
    }
    if _counts(record):
        sample["scores"] = {_SCORER: _score(record)}
    elif not record.verdict.is_scored:
        # It takes no sample with an error for a wrong answer, as we do not.
        sample["error"] = {
            "message": record.explanation,
            "traceback": "",
            "traceback_ansi": "",
        }
    return sample


def _counts(record: Record | Outline) -> bool:
    """Whether it is in the rates of its run."""
    return record.verdict.is_scored and record.job.excluded is None


def _score(record: Record) -> dict[str, object]:
    code = record.executable_code
    return {
        "value": "C" if record.solved_at is not None else "I",
        "answer": "" if code is None else code.code,
        "explanation": record.explanation,
        "metadata": {"verdict": record.verdict.value, "attempts": len(record.attempts)},
    }


def _told(attempts: tuple[Attempt, ...], model: str) -> list[dict[str, object]]:
    """What was said: each reply, and what came of it where there was another attempt."""
    messages: list[dict[str, object]] = []
    for attempt in attempts:
        said = _message("assistant", attempt.reply.text, "generate")
        messages.append({**said, "model": attempt.reply.model_version or model})
        if attempt.number < len(attempts):
            told = attempt.feedback or f"{attempt.verdict.value}: {attempt.explanation}"
            messages.append(_message("user", told, None))
    return messages


def _output(reply: ModelReply | None, model: str) -> dict[str, object]:
    if reply is None:
        return {"model": model, "choices": []}
    choice = {
        "message": {**_message("assistant", reply.text, "generate"), "model": model},
        "stop_reason": _STOPS.get(reply.finish_reason or "", "unknown"),
    }
    return {
        "model": reply.model_version or model,
        "choices": [choice],
        "usage": _usage(reply.usage),
        "time": reply.latency_seconds,
    }


def _message(role: str, content: str, source: str | None) -> dict[str, object]:
    return {"role": role, "content": content, **({"source": source} if source else {})}


def _usage(usage: Usage) -> dict[str, int]:
    # It knows no unknown count for the first three.
    counts = {name: getattr(usage, ours) for name, ours in _USAGE.items()}
    needed = list(_USAGE)[:3]
    return {name: n or 0 for name, n in counts.items() if n is not None or name in needed}


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
