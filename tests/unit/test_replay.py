"""What the replay model promises: recorded words only, found by task, sample and attempt."""

import gzip
import json
from pathlib import Path

import pytest

from jobs.errors import DatasetError, UsageError
from worker.errors import NoRecordingError
from worker.model import ModelRequest
from worker.model.replay import ReplayModel, load_recordings


def row(**fields: object) -> str:
    return json.dumps({"attempt": 1, "reply": "said", **fields})


def replay(directory: Path, *lines: str) -> ReplayModel:
    path = directory / "recordings.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return ReplayModel(load_recordings(path), f"replay:{path}")


def asked(
    task_id: str | None = None, prompt: str = "unrecorded", sample: int = 0, attempt: int = 1
) -> ModelRequest:
    return ModelRequest(
        prompt=prompt,
        task_id=task_id,
        sample=sample,
        attempt=attempt,
        system_instruction="",
        turns=(),
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(asked("t"), "t.0.1", id="by task"),
        pytest.param(asked("t", attempt=2), "t.0.2", id="by attempt"),
        pytest.param(asked("t", sample=1), "t.1.1", id="by sample"),
        pytest.param(
            asked("t", sample=7, attempt=2), "t.0.2", id="an unrecorded sample is sample 0"
        ),
        pytest.param(asked("t", prompt="Add."), "t.0.1", id="the task before the prompt"),
        pytest.param(asked(None, prompt="Add."), "p.0.1", id="no task: by prompt"),
        pytest.param(asked("new", prompt="Add."), "p.0.1", id="unknown task: by prompt"),
        pytest.param(asked(None, prompt="Tee."), "t.0.1", id="no task: by a task's prompt"),
    ],
)
async def test_a_recording_is_found_by_task_then_by_prompt(
    tmp_path: Path, request_: ModelRequest, expected: str
) -> None:
    """Datasets bring task ids, people type prompts; both must hear the same recorded words."""
    model = replay(
        tmp_path,
        row(taskId="t", prompt="Tee.", attempt=2, reply="t.0.2"),
        row(taskId="t", prompt="Tee.", reply="t.0.1"),
        "",
        row(taskId="t", sample=1, reply="t.1.1"),
        row(prompt="Add.", reply="p.0.1"),
    )
    assert (await model.generate(request_)).text == expected


async def test_past_the_last_attempt_the_last_reply_is_repeated_and_marked(tmp_path: Path) -> None:
    """A report must be able to tell a model that repeated itself from a recording that ran out."""
    model = replay(tmp_path, row(taskId="t", reply="only"))
    replies = [await model.generate(asked("t", attempt=attempt)) for attempt in (1, 2, 3)]
    assert [reply.text for reply in replies] == ["only"] * 3
    assert [reply.replay_exhausted for reply in replies] == [False, True, True]


async def test_a_reply_of_another_sample_says_so(tmp_path: Path) -> None:
    """Copies of one answer would pass for a model that says the same four times."""
    model = replay(
        tmp_path, row(taskId="t", reply="first"), row(taskId="t", sample=1, reply="second")
    )
    replies = [await model.generate(asked("t", sample=sample)) for sample in range(3)]
    assert [reply.stands_in for reply in replies] == [False, False, True]


async def test_a_replayed_reply_says_that_it_is_one(tmp_path: Path) -> None:
    """Nobody may take a replay for an evaluation, nor its unknown tokens for none."""
    model = replay(
        tmp_path, row(taskId="t", finishReason="MAX_TOKENS", latencySeconds=1.5, reply="cut")
    )
    reply = await model.generate(asked("t"))
    assert (reply.simulated, reply.model_version) == (True, "recording")
    assert (reply.finish_reason, reply.latency_seconds) == ("MAX_TOKENS", 1.5)
    assert reply.content == {"role": "model", "parts": [{"text": "cut"}]}
    assert set(dict(reply.usage).values()) == {None}


async def test_a_prompt_without_a_recording_gets_an_error_with_two_ways_out(tmp_path: Path) -> None:
    """An invented answer would look like a result."""
    model = replay(tmp_path, row(taskId="t"))
    with pytest.raises(NoRecordingError) as caught:
        await model.generate(asked("u"))
    assert "'u'" in caught.value.message
    fixes = " ".join(caught.value.fixes)
    assert "GEMINI_API_KEY" in fixes
    assert "replay:FILE" in fixes


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    """Whoever repairs a file wants to run it once more, not once for each line."""
    with pytest.raises(DatasetError) as caught:
        replay(
            tmp_path,
            row(taskId="t"),
            '{"taskId": "t" "attempt": 1}',
            row(),
            row(taskId="t", attempt=0),
            row(taskId="t", colour="red"),
            row(taskId="t"),
            row(taskId="u", attempt=3),
        )
    facts = caught.value.facts
    assert caught.value.message.endswith("has 6 bad lines of 7")
    assert list(facts) == ["line 2", "line 3", "line 4", "line 5", "line 6", "line 7"]
    assert "taskId or a prompt" in facts["line 3"]
    assert "attempt" in facts["line 4"]
    assert "colour" in facts["line 5"]
    assert "line 1" in facts["line 6"]
    assert "attempt 2" in facts["line 7"]


def test_a_long_list_of_bad_lines_is_cut_and_says_so(tmp_path: Path) -> None:
    """Ten thousand lines on the terminal would hide the message."""
    with pytest.raises(DatasetError) as caught:
        replay(tmp_path, *["no"] * 30)
    assert caught.value.message.endswith("has 30 bad lines of 30")
    assert list(caught.value.facts)[-1] == "lines 21-30"


@pytest.mark.parametrize(
    "content", [b"", b"\n  \n", gzip.compress(b"")], ids=["empty", "blank", "gzip"]
)
def test_a_file_without_a_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    """Else everything is queued, and each job ends as a failure of ours."""
    path = tmp_path / "said.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="holds no recorded reply"):
        load_recordings(path)


def test_bytes_that_are_no_text_are_told_by_line(tmp_path: Path) -> None:
    """A file in another encoding is the most usual bad file, and no reason for a traceback."""
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"taskId": "t", "attempt": 1, "reply": "caf\xe9"}\n')
    with pytest.raises(DatasetError, match=r"not UTF-8 text: .* line 1$"):
        load_recordings(path)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(row(taskId="t").encode()), id="gzip"),
        pytest.param(row(taskId="t").encode("utf-8-sig"), id="byte order mark"),
        pytest.param(f"\r\n{row(taskId='t')}\r\n".encode(), id="lines of Windows"),
        pytest.param(
            json.dumps({"taskId": "t", "attempt": 1, "reply": "said", "prompt": "\u2028"}).encode(),
            id="escaped line end",
        ),
    ],
)
async def test_recordings_come_in_every_form_that_tasks_come_in(
    tmp_path: Path, packed: bytes
) -> None:
    """Both are made by the same scripts; what `eval` reads as a dataset it must read as recordings."""
    path = tmp_path / "said.jsonl.gz"
    path.write_bytes(packed)
    reply = await ReplayModel(load_recordings(path), "replay").generate(asked("t"))
    assert reply.text == "said"


def test_a_damaged_archive_of_recordings_is_told_as_one(tmp_path: Path) -> None:
    """A download that broke off is mended by another download, not by looking at its lines."""
    path = tmp_path / "said.jsonl.gz"
    path.write_bytes(gzip.compress(row(taskId="t").encode())[:-4])
    with pytest.raises(DatasetError, match="damaged gzip"):
        load_recordings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A mistyped path is told as one, before anything is asked."""
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        load_recordings(tmp_path / "none.jsonl")
