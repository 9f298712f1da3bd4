"""The model that asks nobody: it gives recorded replies back, and says in each that it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from jobs.datasets.lines import Problem, lines_in, refusal
from jobs.errors import UsageError
from jobs.models import ModelReply
from jobs.records.reading import read_record
from worker.errors import NoRecordingError

from . import ModelRequest
from .recorded import Recorded, recorded_in, recorded_of

# A job's place: its task, or else its prompt, and the sample. Prompts and task ids never meet.
_Place = tuple[str | None, str | None, int]


class Recordings(Protocol):
    """Where recorded replies are found."""

    @property
    def source(self) -> str:
        """What messages call it."""

    async def check(self) -> None:
        """Find out whether there is anything.

        Raises:
            PromptmillError: there is not.
        """

    async def replies_to(self, request: ModelRequest) -> tuple[ModelReply, ...]:
        """All replies that are recorded for the job of `request`, in the order of its attempts; or none."""


@dataclass(frozen=True)
class RecordingsInMemory:
    """The replies of each job, by attempt from 1 without a gap."""

    source: str
    _by_place: Mapping[_Place, tuple[ModelReply, ...]] = field(repr=False)
    _task_of_prompt: Mapping[str, str] = field(repr=False)

    async def check(self) -> None:
        """Nothing to find out: they were read when they were opened."""

    async def replies_to(self, request: ModelRequest) -> tuple[ModelReply, ...]:
        """By task, or else by prompt; sample 0 stands in for others."""
        by_task = (request.task_id, None)
        by_prompt_of_a_task = (self._task_of_prompt.get(request.prompt), None)
        by_prompt = (None, request.prompt)
        for task_id, prompt in (by_task, by_prompt_of_a_task, by_prompt):
            for sample in (request.sample, 0):
                if found := self._by_place.get((task_id, prompt, sample)):
                    return found if sample == request.sample else standing_in(found)
        return ()


def standing_in(replies: Iterable[ModelReply]) -> tuple[ModelReply, ...]:
    """Replies of one sample that are given for another, and say so."""
    return tuple(reply.model_copy(update={"stands_in": True}) for reply in replies)


def shipped_recordings() -> RecordingsInMemory:
    """The replies to the example tasks that come with promptmill."""
    return load_recordings(files("worker.model").joinpath("recordings", "demo.jsonl"))


def load_recordings(path: Path | Traversable, model: str | None = None) -> RecordingsInMemory:
    """Read a JSON Lines file of recordings, traces or records, gzipped or not, or a folder of records.

    Empty lines mean nothing. Given `model`, of a file with answers of several only those of that one.

    Raises:
        UsageError: the file cannot be read, or holds nothing, or nothing of that model.
        DatasetError: it has bad lines; all are told at once, by number.
        RecordDamagedError: a record in the folder cannot be read.
    """
    try:
        if isinstance(path, Path) and path != Path() and path.is_dir():
            return _in_folder(path, model)
        lines, problems = _in_file(path)
    except OSError as error:
        raise UsageError(
            f"cannot read the recordings in {str(path)!r}: {error.strerror}",
            fixes=("name a JSON Lines file of recordings:  --model replay:FILE",),
        ) from error
    n_lines = len(lines) + len(problems)
    if model is not None:
        lines = _of_model(model, lines, path)
    by_place = _grouped(lines, problems)
    if problems:
        told = [Problem(f"line {number}", problems[number]) for number in sorted(problems)]
        raise refusal(str(path), told, n_lines)
    if not by_place:
        raise UsageError(
            f"{str(path)!r} holds no recorded reply",
            fixes=("name a JSON Lines file of recordings:  --model replay:FILE",),
        )
    return RecordingsInMemory(str(path), by_place, _tasks_of_prompts(chain(*lines.values())))


class ReplayModel:
    """Gives recorded replies back. A prompt without a recording gets an error, never an invented answer."""

    simulated = True

    def __init__(self, recordings: Recordings, name: str) -> None:
        self.name = name
        self._recordings = recordings

    async def check(self) -> None:
        """Whether there is anything to give back."""
        await self._recordings.check()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The reply recorded for this attempt; after the last one, the last one again, and marked.

        A stored reply that is judged again is the same reply as before: what it simulated then, it does now.

        Raises:
            NoRecordingError: the job has no recordings at all.
        """
        recorded = await self._recordings.replies_to(request)
        if not recorded:
            raise self._nothing_recorded(request)
        reply = recorded[min(request.attempt, len(recorded)) - 1]
        is_same = request.rescores is not None
        return reply.model_copy(
            update={
                "simulated": reply.simulated or not is_same,
                "cached": is_same,
                "replay_exhausted": request.attempt > len(recorded),
                "recordings_left": max(0, len(recorded) - request.attempt),
            }
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


def _in_file(path: Path | Traversable) -> tuple[dict[int, list[Recorded]], dict[int, str]]:
    """What each line holds, and what is wrong with others, by number."""
    found: dict[int, list[Recorded]] = {}
    problems: dict[int, str] = {}
    with path.open("rb") as file:
        for number, line in enumerate(lines_in(file, str(path)), start=1):
            if line.strip():
                try:
                    found[number] = list(recorded_in(line))
                except ValidationError as error:
                    problems[number] = _told(error)
    return found, problems


def _in_folder(folder: Path, model: str | None) -> RecordingsInMemory:
    """The replies in a folder of records: one file each, beside each other or in shards as the record store has them.

    Raises:
        UsageError: they are not those of one run; or a model is named, of which a run has one.
        RecordDamagedError: one cannot be read.
    """
    if model is not None:
        raise UsageError(
            f"{str(folder)!r} is a folder of records, which are those of one run: no model is chosen of it",
            fixes=(f"leave out '#{model}':  --model replay:{folder}",),
        )
    beside, in_shards = folder.glob("[!.]*.json"), folder.glob("[0-9a-f][0-9a-f]/[!.]*.json")
    paths = sorted([*beside, *in_shards])
    records = [read_record(path.read_bytes(), str(path)) for path in paths]
    runs = sorted({record.job.run_id or "no run" for record in records})
    if len(runs) != 1:
        raise UsageError(
            f"the records in {str(folder)!r} are those of {len(runs)} runs, and one is replayed at a time",
            facts={"runs": ", ".join(runs[:20])} if runs else {},
            fixes=("name the run, if the store has it:  --model replay:run:RUN",),
        )
    numbered = {number: list(recorded_of(record)) for number, record in enumerate(records)}
    by_place = _grouped(numbered, {})
    return RecordingsInMemory(str(folder), by_place, _tasks_of_prompts(chain(*numbered.values())))


def _of_model(
    model: str, lines: Mapping[int, list[Recorded]], path: Path | Traversable
) -> dict[int, list[Recorded]]:
    """Those of one model; of whom an answer is that names none, nobody knows.

    Raises:
        UsageError: there are none.
    """
    kept = {
        number: those for number, those in lines.items() if any(one.model == model for one in those)
    }
    if not kept:
        known = sorted({one.model for one in chain(*lines.values()) if one.model is not None})
        raise UsageError(
            f"{str(path)!r} holds no answers of {model!r}",
            facts={"answers of": ", ".join(known) or "nobody that it names"},
            fixes=(
                "name one of these:  --model 'replay:FILE#MODEL'"
                if known
                else "replay all of it:  --model replay:FILE",
            ),
        )
    return kept


def _grouped(
    lines: Mapping[int, list[Recorded]], problems: dict[int, str]
) -> dict[_Place, tuple[ModelReply, ...]]:
    """Replies by place and in the order of their attempts; what breaks it goes into `problems`."""
    grouped: dict[_Place, dict[int, tuple[int, Recorded]]] = {}
    for number, those in lines.items():
        for one in those:
            attempts = grouped.setdefault(_place_of(one), {})
            if one.attempt in attempts:
                problems[number] = _told_twice(one, *attempts[one.attempt])
            else:
                attempts[one.attempt] = (number, one)
    for attempts in grouped.values():
        for attempt, (number, _) in attempts.items():
            if attempt > 1 and attempt - 1 not in attempts:
                problems[number] = f"attempt {attempt} is recorded, attempt {attempt - 1} is not"
    return {
        place: tuple(attempts[attempt][1].reply for attempt in sorted(attempts))
        for place, attempts in grouped.items()
    }


def _told_twice(one: Recorded, number: int, first: Recorded) -> str:
    told = f"same task, sample and attempt as line {number}"
    if one.model == first.model:
        return told
    named = one.model or first.model
    return f"{told}, of another model; name the one that is meant:  replay:FILE#{named}"


def _place_of(one: Recorded) -> _Place:
    return (one.task_id, one.prompt if one.task_id is None else None, one.sample)


def _tasks_of_prompts(recorded: Iterable[Recorded]) -> dict[str, str]:
    tasks: dict[str, str] = {}
    for one in recorded:
        if one.task_id is not None and one.prompt is not None:
            tasks.setdefault(one.prompt, one.task_id)
    return tasks


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        if problem["loc"]
        else problem["msg"]
        for problem in error.errors(include_url=False, include_input=False)
    )
