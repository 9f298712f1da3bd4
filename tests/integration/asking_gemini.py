"""What tests of the real client share: one that asks the stand-in, and something to ask."""

from typing import Any

from tests.standin import steps
from tests.standin.running import GOOD_KEY
from worker.errors import ModelError
from worker.model import ModelRequest, UserTurn
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions

FINE = steps.text("fine")


def gemini(url: str, **changes: Any) -> GeminiModel:
    return GeminiModel(options(url, **changes))


def options(url: str, **changes: Any) -> GeminiOptions:
    settings: dict[str, Any] = {
        "name": "gemini-3.8-flash",
        "api_key": GOOD_KEY,
        "base_url": url,
        "timeout_seconds": 10.0,
        "max_wait_seconds": 5.0,
    }
    return GeminiOptions(**(settings | changes))


def asked(prompt: str = "Add.", model: str | None = None) -> ModelRequest:
    return ModelRequest(
        prompt=prompt,
        task_id=None,
        sample=0,
        attempt=1,
        system_instruction="Be brief.",
        turns=(UserTurn(prompt),),
        model=model,
    )


def everything_said(error: ModelError) -> str:
    return " ".join([str(error), repr(error), *error.facts.values(), *error.fixes, error.note])
