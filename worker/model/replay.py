"""The model that asks nobody: it gives recorded replies back, and says in each that it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from jobs.datasets.lines import Problem, lines_in, refusal
from jobs.errors import UsageError
from jobs.models import ModelReply
from jobs.wire import Wire
from worker.errors import NoRecordingError

from . import ModelRequest


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


# A job's place: its task, or else its prompt, and the sample. Prompts and task ids never meet.
_Place = tuple[str | None, str | None, int]


@dataclass(frozen=True)
class Recordings:
    """The replies of each job, by attempt from 1 without a gap."""

    source: str
    _by_place: Mapping[_Place, tuple[Recording, ...]]
    _task_of_prompt: Mapping[str, str] = field(repr=False)

    def of(self, request: ModelRequest) -> tuple[Recording, ...]:
        """All replies recorded for the job of `request`, or none; sample 0 stands in for others."""
        by_task = (request.task_id, None)
        by_prompt_of_a_task = (self._task_of_prompt.get(request.prompt), None)
        by_prompt = (None, request.prompt)
        for task_id, prompt in (by_task, by_prompt_of_a_task, by_prompt):
            for sample in (request.sample, 0):
                if found := self._by_place.get((task_id, prompt, sample)):
                    return found
        return ()


def shipped_recordings() -> Recordings:
    """The replies to the example tasks that come with promptmill."""
    return load_recordings(files("worker.model").joinpath("recordings", "demo.jsonl"))


def load_recordings(path: Path | Traversable) -> Recordings:
    """Read a JSON Lines file of recordings, gzipped or not; empty lines mean nothing.

    Raises:
        UsageError: the file cannot be read.
        DatasetError: it has bad lines; all are told at once, by number.
    """
    recordings: dict[int, Recording] = {}
    problems: dict[int, str] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(lines_in(file, str(path)), start=1):
                if line.strip():
                    try:
                        recordings[number] = Recording.model_validate_json(line)
                    except ValidationError as error:
                        problems[number] = _told(error)
    except OSError as error:
        raise UsageError(
            f"cannot read the recordings in {str(path)!r}: {error.strerror}",
            fixes=("name a JSON Lines file of recordings:  --model replay:FILE",),
        ) from error
    n_rows = len(recordings) + len(problems)
    by_place = _grouped(recordings, problems)
    if problems:
        told = [Problem(f"line {number}", problems[number]) for number in sorted(problems)]
        raise refusal(str(path), told, n_rows)
    return Recordings(str(path), by_place, _tasks_of_prompts(recordings.values()))


class ReplayModel:
    """Gives recorded replies back. A prompt without a recording gets an error, never an invented answer."""

    simulated = True

    def __init__(self, recordings: Recordings, name: str) -> None:
        self.name = name
        self._recordings = recordings

    async def check(self) -> None:
        """Nothing to find out: the recordings were read when they were opened."""

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The reply recorded for this attempt; after the last one, the last one again, and marked.

        Raises:
            NoRecordingError: the job has no recordings at all.
        """
        recorded = self._recordings.of(request)
        if not recorded:
            raise self._nothing_recorded(request)
        recording = recorded[min(request.attempt, len(recorded)) - 1]
        return ModelReply(
            content={"role": "model", "parts": [{"text": recording.reply}]},
            text=recording.reply,
            finish_reason=recording.finish_reason,
            model_version="recording",
            latency_seconds=recording.latency_seconds,
            simulated=True,
            replay_exhausted=request.attempt > len(recorded),
        )

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _nothing_recorded(self, request: ModelRequest) -> NoRecordingError:
        asked = f"task {request.task_id!r}" if request.task_id else "this prompt"
        return NoRecordingError(
            f"no recorded reply for {asked}, and none is invented",
            facts={"recordings": self._recordings.source, "sample": str(request.sample)},
            fixes=(
                "ask Gemini itself:  export GEMINI_API_KEY=...",
                "or replay a file that has this prompt:  --model replay:FILE",
            ),
        )


def _grouped(
    recordings: Mapping[int, Recording], problems: dict[int, str]
) -> dict[_Place, tuple[Recording, ...]]:
    """Recordings by place and in the order of their attempts; what breaks it goes into `problems`."""
    grouped: dict[_Place, dict[int, int]] = {}
    for number, recording in recordings.items():
        lines = grouped.setdefault(_place_of(recording), {})
        if recording.attempt in lines:
            problems[number] = f"same task, sample and attempt as line {lines[recording.attempt]}"
        else:
            lines[recording.attempt] = number
    for lines in grouped.values():
        for attempt, number in lines.items():
            if attempt > 1 and attempt - 1 not in lines:
                problems[number] = f"attempt {attempt} is recorded, attempt {attempt - 1} is not"
    return {
        place: tuple(recordings[lines[attempt]] for attempt in sorted(lines))
        for place, lines in grouped.items()
    }


def _place_of(recording: Recording) -> _Place:
    prompt = recording.prompt if recording.task_id is None else None
    return (recording.task_id, prompt, recording.sample)


def _tasks_of_prompts(recordings: Iterable[Recording]) -> dict[str, str]:
    tasks: dict[str, str] = {}
    for recording in recordings:
        if recording.task_id is not None and recording.prompt is not None:
            tasks.setdefault(recording.prompt, recording.task_id)
    return tasks


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        if problem["loc"]
        else problem["msg"]
        for problem in error.errors(include_url=False, include_input=False)
    )
