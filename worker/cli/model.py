"""`promptmill model`: who answers prompts, and whether it does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from config.escaping import escaped
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import emit, emit_json

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.records import RecordStore
    from worker.model import ModelClient
    from worker.model.listing import ListedModel


def check_model(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Find out whether the model that is meant would answer, at no cost.

    Exits with 4 if somebody has to mend the key, the account or the name, and with 3 if it may pass by itself.

    Args:
        json: as JSON.
    """
    from jobs.records.opening import open_store
    from worker.main import gemini_options
    from worker.model.opening import open_model

    settings = read_settings(flags, quiet=True)
    options = gemini_options(settings)
    store = open_store(settings.records_place, prefix=settings.redis.prefix)
    model = open_model(settings.meant_model, options, store)
    asyncio.run(_check(model, store))
    if json:
        asked = None if model.simulated else options.shown_address
        told = {"model": model.name, "simulated": model.simulated, "asked": asked}
        emit_json(told)
    elif model.simulated:
        emit(escaped(f"{model.name}  answers are RECORDINGS, not a model's"))
    else:
        emit(escaped(f"{model.name}  can be asked at {options.shown_address}"))
    return ExitCode.OK


def list_models(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """The models that the service offers, at no cost; the one that is meant is marked.

    Args:
        json: as JSON.
    """
    settings = read_settings(flags, quiet=True)
    meant = settings.meant_model
    models = asyncio.run(_models(settings))
    if json:
        emit_json([_told(model, meant) for model in models])
        return ExitCode.OK
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        mark = "*" if model.name == meant else " "
        sizes = f"{_tokens(model.input_tokens)} tokens in  {_tokens(model.output_tokens)} out"
        emit(escaped(f"{mark} {model.name:<{width}}  {sizes}"))
    return ExitCode.OK


async def _check(model: ModelClient, store: RecordStore) -> None:
    async with aclosing(store), aclosing(model):
        await model.check()


async def _models(settings: Settings) -> tuple[ListedModel, ...]:
    from jobs.presence import is_replayed
    from worker.main import gemini_options
    from worker.model.gemini import GeminiModel

    if is_replayed(settings.model.name):
        raise UsageError(
            "recordings are no models that could be listed",
            fixes=("leave out --model, or name one of Gemini's",),
        )
    async with aclosing(GeminiModel(gemini_options(settings))) as gemini:
        return await gemini.models()


def _told(model: ListedModel, meant: str) -> dict[str, object]:
    return {
        "name": model.name,
        "inputTokens": model.input_tokens,
        "outputTokens": model.output_tokens,
        "isMeant": model.name == meant,
    }


def _tokens(count: int | None) -> str:
    return f"{'-' if count is None else format(count, ','):>9}"
