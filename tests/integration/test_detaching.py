"""A run that is left to the workers by a clock of somebody else's, such as cron: typed again, nothing is done twice."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from config.loading import load_settings
from jobs.datasets.readers import read_tasks
from jobs.identifiers import DEFAULT_QUEUE
from jobs.priorities import Priority
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.run_control import cancel_run
from jobs.verdicts import Verdict
from tests.making import a_record
from worker.cli.batch import batch_of
from worker.cli.detaching import detach
from worker.cli.placing import Place


async def test_the_same_run_again_finds_that_nothing_is_left_to_do(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A timer that is started twice on one day must not send a mail that reads like a failure."""
    (tmp_path / "tasks.jsonl").write_text(json.dumps({"prompt": "Print 1.", "expect": "1"}))
    settings = load_settings(
        tmp_path, overrides={"redis.url": redis_url, "model.name": "replay"}, environment={}
    )
    settings = settings.model_copy(
        update={"store": settings.store.model_copy(update={"directory": tmp_path})}
    )
    tasks = read_tasks(tmp_path / "tasks.jsonl")
    place = Place(DEFAULT_QUEUE, Priority.NORMAL)
    batch = replace(batch_of(tasks, "nightly", settings, place=place), model="replay")
    assert await detach(settings, batch, None, as_json=False) == 0
    assert "1 job left to the workers" in capsys.readouterr().err
    assert await detach(settings, batch, None, as_json=False) == 0
    assert "1 job left to the workers already, and none was added" in capsys.readouterr().err
    async with JobQueue(redis_url, records=tmp_path / "records") as queue:
        await cancel_run(queue, "nightly", "")
    store = FileRecordStore(tmp_path / "records")
    for job in batch.jobs():
        record = a_record(job, Verdict.ACCEPTED)
        await store.put(record.model_copy(update={"requested_model": "replay", "simulated": True}))
    await store.aclose()
    assert await detach(settings, batch, None, as_json=False) == 0
    told = capsys.readouterr()
    assert told.out == "nightly\n"
    assert (
        "every job of run nightly has its record; read them:  promptmill report nightly" in told.err
    )
