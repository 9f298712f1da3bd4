"""What recorded replies look like: our own recordings, traces of others, and records of jobs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.models import ModelReply, Record
from jobs.usage import Usage
from jobs.wire import Wire

_FENCE = "`" * 3


class Recording(Wire):
    """One recorded reply, and the attempt it answers."""

    task_id: str | None = None
    prompt: str | None = None
    """Found by exact text where a job has no task id, or one that nobody recorded."""
    sample: Annotated[int, Field(ge=0)] = 0
    attempt: Annotated[int, Field(ge=1)]
    reply: str
    finish_reason: str | None = "STOP"
    latency_seconds: Annotated[float, Field(ge=0)] = 0.0
    """What the reply took when it was recorded; a replay reports it and does not wait."""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.task_id is None and self.prompt is None:
            raise ValueError("needs a taskId or a prompt to be found by")
        return self


class TracedAnswer(BaseModel):
    """One answer as traces of experiments have it; what else they say is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    task_id: str
    model: str | None = None
    sample: Annotated[int, Field(ge=0)] = 0
    attempt: Annotated[int, Field(ge=0)]
    """From 0, which is the first answer."""
    response: str
    response_kind: Literal["raw", "code"] = "raw"
    """`code` is a program in Python that was found in the answer by whoever wrote the trace."""
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None

    @property
    def text(self) -> str:
        """What the model said, or a reply that holds nothing but the program."""
        if self.response_kind == "raw":
            return self.response
        # By whatever may end a line: a fence that is not longer than one of them would end there.
        longest = max(map(len, filter(_is_fence, self.response.splitlines())), default=0)
        fence = max(longest + 1, len(_FENCE)) * "`"
        return f"{fence}python\n{self.response}\n{fence}"

    @property
    def usage(self) -> Usage:
        """Its tokens, where both counts are known."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return Usage()
        return Usage(
            prompt_token_count=self.prompt_tokens,
            candidates_token_count=self.completion_tokens,
            total_token_count=self.prompt_tokens + self.completion_tokens,
        )


@dataclass(frozen=True)
class Recorded:
    """A reply, and where it is found."""

    task_id: str | None
    prompt: str | None
    sample: int
    attempt: int
    """From 1."""
    reply: ModelReply
    model: str | None = None
    """Who gave it, where a file may hold answers of several."""


def recorded_in(line: str) -> Iterator[Recorded]:
    """The replies in one line of JSON: one, or as many as the record of a job has.

    Raises:
        ValidationError: it is none of the three.
    """
    keys = _keys_of(line)
    if "attempts" in keys and "job" in keys:
        yield from recorded_of(Record.model_validate_json(line))
    elif "response" in keys:
        answer = TracedAnswer.model_validate_json(line)
        reply = _said(answer.text, answer.model or "recording", usage=answer.usage)
        yield Recorded(answer.task_id, None, answer.sample, answer.attempt + 1, reply, answer.model)
    else:
        own = Recording.model_validate_json(line)
        reply = _said(own.reply, "recording").model_copy(
            update={"finish_reason": own.finish_reason, "latency_seconds": own.latency_seconds}
        )
        yield Recorded(own.task_id, own.prompt, own.sample, own.attempt, reply)


def recorded_of(record: Record) -> Iterator[Recorded]:
    """The replies of a job: all of each, with the tokens and the time that it took."""
    job = record.job
    for attempt in record.attempts:
        yield Recorded(job.task_id, job.prompt, job.sample, attempt.number, attempt.reply)


def _said(text: str, model: str, *, usage: Usage | None = None) -> ModelReply:
    return ModelReply(
        content={"role": "model", "parts": [{"text": text}]},
        text=text,
        finish_reason="STOP",
        model_version=model,
        usage=usage or Usage(),
        latency_seconds=0.0,
    )


def _keys_of(line: str) -> set[str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return set()
    return set(row) if isinstance(row, dict) else set()


def _is_fence(line: str) -> bool:
    return line.strip().startswith(_FENCE)
