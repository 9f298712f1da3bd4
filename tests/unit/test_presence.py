"""Which worker may take which job."""

import pytest

from jobs.presence import WorkerPresence, can_answer, is_replayed


@pytest.mark.parametrize(
    ("wanted", "model", "simulated", "expected"),
    [
        pytest.param(None, "gemini-9", False, True, id="left open, Gemini"),
        pytest.param(None, "replay", True, True, id="left open, recordings"),
        pytest.param("gemini-9", "gemini-9", False, True, id="the same model"),
        pytest.param("gemini-8", "gemini-9", False, True, id="another model of Gemini's"),
        pytest.param("gemini-9", "replay", True, False, id="Gemini, by recordings"),
        pytest.param("replay", "gemini-9", False, False, id="recordings, by Gemini"),
        pytest.param("replay:a", "gemini-9", False, False, id="a file of them, by Gemini"),
        pytest.param("replay", "replay", True, True, id="the shipped recordings"),
        pytest.param("replay:a", "replay:a", True, True, id="the same file"),
        pytest.param("replay:a", "replay:b", True, False, id="another file"),
        pytest.param("replay", "replay:b", True, False, id="a file in place of the shipped ones"),
    ],
)
def test_a_job_is_answered_only_by_who_it_names(
    wanted: str | None, model: str, simulated: bool, expected: bool
) -> None:
    """A recording in place of a model, or of another recording, is an answer that nobody asked for."""
    assert can_answer(wanted, model=model, simulated=simulated) is expected
    worker = WorkerPresence(worker_id="w", model=model, simulated=simulated, languages=())
    assert worker.answers(wanted) is expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [("replay", True), ("replay:a:b", True), ("replayed-9", False), ("gemini-9", False)],
)
def test_recordings_are_known_by_their_name(model: str, expected: bool) -> None:
    """What is told of a run as simulated must be it."""
    assert is_replayed(model) is expected
