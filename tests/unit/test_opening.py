"""Which client a model's name means, with a key and without."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from config.settings import ModelSettings, Settings
from jobs.errors import UsageError
from jobs.records.memory import MemoryRecordStore
from worker.errors import ModelKeyError, ModelKeyMissingError
from worker.main import gemini_options
from worker.model.opening import open_model
from worker.model.options import GeminiOptions


def gemini(api_key: str | None) -> GeminiOptions:
    return GeminiOptions(name="gemini-3.8-flash", api_key=api_key)


def with_model(name: str, api_key: str | None) -> Settings:
    key = None if api_key is None else SecretStr(api_key)
    return Settings(model=ModelSettings(name=name, api_key=key))


@pytest.mark.parametrize(
    ("name", "api_key", "expected"),
    [
        pytest.param("auto", None, ("replay", True), id="auto without a key"),
        pytest.param("auto", "  ", ("replay", True), id="auto with an empty key"),
        pytest.param("auto", "key", ("gemini-3.8-flash", False), id="auto with a key"),
        pytest.param("replay", "key", ("replay", True), id="replay in spite of a key"),
        pytest.param("gemini-9", "key", ("gemini-9", False), id="a model by name"),
    ],
)
async def test_a_name_means_one_client(
    name: str, api_key: str | None, expected: tuple[str, bool]
) -> None:
    """People must get the model they think they pay for, or be told that it is a replay.

    A command writes its name into jobs, and its own worker would leave them alone under another one.
    """
    settings = with_model(name, api_key)
    model = open_model(settings.meant_model, gemini_options(settings), MemoryRecordStore())
    assert (model.name, model.simulated) == expected
    assert model.name == settings.meant_model
    await model.aclose()


async def test_a_file_of_recordings_is_named_after_the_colon(tmp_path: Path) -> None:
    """Anyone may replay their own recordings, and the record's model says which."""
    path = tmp_path / "mine:own.jsonl"
    path.write_text('{"prompt": "p", "attempt": 1, "reply": "r"}\n', encoding="utf-8")
    assert open_model(f"replay:{path}", gemini(None), MemoryRecordStore()).name == f"replay:{path}"


def test_a_model_by_name_without_a_key_is_no_replay() -> None:
    """Whoever names a model wants that model's answers, not somebody's recordings."""
    with pytest.raises(ModelKeyMissingError) as caught:
        open_model("gemini-3.8-flash", gemini(None), MemoryRecordStore())
    assert caught.value.kind == "model-key-missing"
    assert "GEMINI_API_KEY" in " ".join(caught.value.fixes)
    assert "--model replay" in " ".join(caught.value.fixes)


def test_auto_with_a_key_that_can_be_none_is_no_replay() -> None:
    """A key that does not work is an error, never a silent replay."""
    settings = with_model("auto", "two words")
    with pytest.raises(ModelKeyError, match="no key has"):
        open_model(settings.meant_model, gemini_options(settings), MemoryRecordStore())


def test_replay_with_a_colon_and_no_file_is_a_usage_error() -> None:
    """A forgotten file name must not mean the shipped recordings."""
    with pytest.raises(UsageError, match="recordings"):
        open_model("replay:", gemini(None), MemoryRecordStore())
