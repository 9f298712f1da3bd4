"""From the name of a model to a client that asks it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.records import RecordStore

from . import ModelClient
from .options import GeminiOptions
from .replay import RecordingsInMemory, ReplayModel, load_recordings, shipped_recordings
from .stored import StoredReplies
from .throttle import Throttle

if TYPE_CHECKING:
    from .batch_following import BatchNews
    from .batched import Crowd
    from .sent import SentBatches


def open_model(
    name: str, gemini: GeminiOptions, store: RecordStore, throttle: Throttle | None = None
) -> ModelClient:
    """The client meant by `name`: `replay`, `replay:PATH`, `replay:run:RUN` or the name of a Gemini model.

    Runs are looked for in `store`. Gemini is asked as `throttle` admits it; without one, as if nobody else asked. A key
    that does not work is an error later on, never a replay. What `auto` comes to, the settings know.

    Raises:
        ModelKeyMissingError: a Gemini model is named and there is no key.
        ModelKeyError: no service would take the key as it is written.
        UsageError: Vertex AI is set up by halves; or the recordings cannot be read, or have bad lines.
    """
    match name.partition(":"):
        case ("replay", "", ""):
            return ReplayModel(shipped_recordings(), name)
        case ("replay", ":", source) if source.startswith("run:"):
            return ReplayModel(StoredReplies(store, source.removeprefix("run:")), name)
        case ("replay", ":", path):
            return ReplayModel(_recordings_at(path), name)
        case _:
            return _open_gemini(replace(gemini, name=name), throttle)


def open_batched(
    gemini: GeminiOptions,
    sent: "SentBatches",
    crowd: "Crowd",
    on_news: "Callable[[BatchNews], None]",
    throttle: Throttle,
) -> ModelClient:
    """A client that answers `crowd` by batches, for the run that `sent` is of; live calls go as `throttle` admits them.

    Raises:
        ModelKeyMissingError: there is no key.
        ModelKeyError: no service would take the key as it is written.
    """
    from .batch_following import Pace
    from .batched import BatchedModel

    return BatchedModel(_open_gemini(gemini, throttle), gemini, sent, crowd, on_news, Pace())


def _recordings_at(path: str) -> RecordingsInMemory:
    """What lies there. A file may hold answers of several models, of which one is named behind its last `#`."""
    file, mark, model = path.rpartition("#")
    if mark and not Path(path).exists():
        return load_recordings(Path(file), model)
    return load_recordings(Path(path))


def _open_gemini(options: GeminiOptions, throttle: Throttle | None) -> ModelClient:
    # The SDK costs most of a second to load, and only who asks Gemini pays it.
    from .gemini import GeminiModel

    return GeminiModel(options, throttle)
