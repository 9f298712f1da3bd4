"""Traces of experiments and records of jobs are replayed as they are: nobody converts a file to try something out."""

import json
from pathlib import Path

import pytest

from jobs.clock import derived_id
from jobs.errors import DatasetError, UsageError
from jobs.languages import Language
from jobs.models import ModelReply, PromptJob, Record
from jobs.records.memory import MemoryRecordStore
from jobs.records.reading import write_record
from jobs.verdicts import Verdict
from tests.making import a_record
from worker.model import ModelRequest
from worker.model.replay import ReplayModel, load_recordings
from worker.model.stored import StoredReplies
from worker.solver.extraction import program_of

OK, WRONG = Verdict.ACCEPTED, Verdict.WRONG_ANSWER


def answer(**fields: object) -> str:
    return json.dumps({"task_id": "t", "sample": 0, "attempt": 0, "response": "said", **fields})


def recorded(run_id: str = "r", task_id: str = "t", *verdicts: Verdict) -> Record:
    job_id = derived_id("job", run_id, task_id, 0)
    job = PromptJob(prompt="x", job_id=job_id, run_id=run_id, task_id=task_id)
    return a_record(job, *(verdicts or (WRONG, OK)))


def asked(attempt: int = 1, *, task_id: str = "t", rescores: str | None = None) -> ModelRequest:
    return ModelRequest(
        prompt="x",
        task_id=task_id,
        sample=0,
        attempt=attempt,
        system_instruction="",
        turns=(),
        rescores=rescores,
    )


async def replies(path: Path, n: int, model: str | None = None) -> list[ModelReply]:
    replay = ReplayModel(load_recordings(path, model), "replay")
    return [await replay.generate(asked(attempt)) for attempt in range(1, n + 1)]


async def test_a_trace_counts_attempts_from_0_and_has_other_keys(tmp_path: Path) -> None:
    """That is how experiments write them down, with whatever else they were about."""
    path = tmp_path / "trace.jsonl"
    first = answer(model="m-1", prompt_tokens=3, completion_tokens=4, colour="red")
    path.write_text(f"{answer(attempt=1, response='again')}\n{first}\n")
    found = await replies(path, 3)
    assert [reply.text for reply in found] == ["said", "again", "again"]
    assert [reply.recordings_left for reply in found] == [1, 0, 0]
    assert [reply.replay_exhausted for reply in found] == [False, False, True]
    assert (found[0].model_version, found[0].usage.total_token_count) == ("m-1", 7)
    assert all(reply.simulated for reply in found)


@pytest.mark.parametrize(
    "code",
    [
        "print(1)\n",
        '"""\n```python\nx\n```\n"""\nprint(1)\n',
        "print(1)\r```\rprint(2)",
    ],
    ids=["no fence", "a fence in a string", "a fence behind another end of line"],
)
async def test_a_program_without_its_prose_is_found_as_it_was(tmp_path: Path, code: str) -> None:
    """It is run as whoever made the trace ran it, fences in its strings and all."""
    path = tmp_path / "trace.jsonl"
    path.write_text(answer(response=code, response_kind="code"))
    [reply] = await replies(path, 1)
    found = program_of(reply, Language.PYTHON).code or ""
    assert found.strip().splitlines() == code.strip().splitlines()


async def test_of_a_file_with_answers_of_several_models_one_is_named(tmp_path: Path) -> None:
    """Two answers to the same question are no mistake where two were asked."""
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{answer(model='a', response='A')}\n{answer(model='b', response='B')}\n")
    assert [reply.text for reply in await replies(path, 1, "b")] == ["B"]
    with pytest.raises(DatasetError) as caught:
        load_recordings(path)
    assert "replay:FILE#b" in caught.value.facts["line 2"]
    with pytest.raises(UsageError) as unknown:
        load_recordings(path, "c")
    assert unknown.value.facts["answers of"] == "a, b"


async def test_answers_that_name_no_model_are_none_of_the_one_that_is_named(
    tmp_path: Path,
) -> None:
    """A misspelt name would be the title of a report on the answers of another model."""
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{answer(model='a', response='A')}\n{answer(response='B')}\n")
    assert [reply.text for reply in await replies(path, 1, "a")] == ["A"]
    with pytest.raises(DatasetError) as caught:
        load_recordings(path)
    assert caught.value.facts["line 2"].endswith("replay:FILE#a")
    path.write_text(f"{answer()}\n{recorded('r', 'u').to_json()}\n")
    with pytest.raises(UsageError, match="no answers of 'a'") as unknown:
        load_recordings(path, "a")
    assert unknown.value.fixes == ("replay all of it:  --model replay:FILE",)


@pytest.mark.parametrize("form", ["lines", "folder", "shards"])
async def test_records_are_replayed_as_lines_and_as_files(tmp_path: Path, form: str) -> None:
    """Whatever was run once can be run again, from an export or from where it was kept."""
    record = recorded()
    path = tmp_path / form
    if form == "lines":
        path.write_text(record.to_json())
    else:
        folder = path / "0a" if form == "shards" else path
        folder.mkdir(parents=True)
        (folder / f"{record.job_id}.json").write_bytes(write_record(record))
    found = await replies(path, 2)
    assert [reply.text for reply in found] == [each.reply.text for each in record.attempts]
    assert [reply.usage for reply in found] == [each.reply.usage for each in record.attempts]
    assert [(reply.simulated, reply.cached) for reply in found] == [(True, False)] * 2


def test_a_folder_with_several_runs_is_refused_by_their_names(tmp_path: Path) -> None:
    """Their answers to one task would be mixed up, and nobody would see it."""
    for run_id in ("r", "s"):
        record = recorded(run_id)
        (tmp_path / f"{record.job_id}.json").write_bytes(write_record(record))
    with pytest.raises(UsageError) as caught:
        load_recordings(tmp_path)
    assert caught.value.facts["runs"] == "r, s"


def test_a_model_that_is_named_of_a_folder_is_refused(tmp_path: Path) -> None:
    """Whoever names one believes to have chosen, and would read the figures of another."""
    (tmp_path / "j.json").write_bytes(write_record(recorded()))
    with pytest.raises(UsageError, match="no model is chosen"):
        load_recordings(tmp_path, "m-2")


async def test_stored_answers_are_found_by_task_or_by_the_job_that_is_judged_again() -> None:
    """The second is the same reply as before, which simulates nothing and was paid for once."""
    store = MemoryRecordStore()
    await store.put(recorded("r", "t"))
    other = recorded("r", "u", OK)
    await store.put(other)
    replay = ReplayModel(StoredReplies(store, "r"), "replay:run:r")
    await replay.check()
    by_task = await replay.generate(asked(2))
    again = await replay.generate(asked(1, task_id="t", rescores=other.job_id))
    assert (by_task.simulated, by_task.cached, by_task.recordings_left) == (True, False, 0)
    assert (again.simulated, again.cached, again.usage) == (False, True, other.usage)
    with pytest.raises(UsageError, match="'none' has no records"):
        await ReplayModel(StoredReplies(store, "none"), "replay:run:none").check()
