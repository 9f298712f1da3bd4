"""One worker of `benchmarks.scale`: `python -m benchmarks.scale_worker KIND REDIS_URL FOLDER`.

`noop` ends jobs at once; `solve` asks a model that takes two seconds, runs its program and keeps a record.
"""

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue
from typing_extensions import override

from config.logs import configure_logging
from config.settings import Settings
from jobs.events import JobFinished
from jobs.identifiers import DEFAULT_QUEUE
from jobs.lanes import lanes_served
from jobs.models import ModelReply, PromptJob
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.verdicts import Verdict
from worker.consumer.claims import Claim, Claims
from worker.consumer.delivery import Consumer, DeliveryPolicy
from worker.consumer.endings import Ending, Endings, Recorded
from worker.consumer.records import Provenance
from worker.consumer.worker import Handler, JobWorker, WorkerOptions
from worker.model import ModelRequest
from worker.model.scripted import ScriptedModel
from worker.sandbox.opening import open_sandbox
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

MODEL_SECONDS = 2.0
N_SLOTS = 100
_LEASE_SECONDS = 15


class SlowModel(ScriptedModel):
    """Takes as long as a model does."""

    def __init__(self) -> None:
        """Answer every job with the same program."""
        super().__init__("```python\nprint(1)\n```")

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        await asyncio.sleep(MODEL_SECONDS)
        reply = await super().generate(request)
        # Of a million jobs, nobody reads them again.
        self.requests.clear()
        return reply


async def noop(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
    """Nothing."""
    job = PromptJob.model_validate(payload)
    return Recorded(job, JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1))


async def main(kind: str, url: str, folder: Path) -> None:
    """Work until told to stop."""
    settings, store = Settings(), FileRecordStore(folder)
    with Path(os.devnull).open("w") as log:  # noqa: ASYNC230  (it is nothing)
        configure_logging("json", "info", stream=log)
        async with JobQueue(url, records=store) as queue:
            if kind == "noop":
                await _worker(queue, noop).run_to_end()
                return
            async with await open_sandbox("contained") as sandbox:
                model = SlowModel()
                loop = FeedbackLoop(
                    model,
                    sandbox,
                    calls=asyncio.Semaphore(N_SLOTS),
                    turns=Turns(1),
                )
                consumer = Consumer(
                    queue.redis,
                    queue.keys,
                    store,
                    loop,
                    Provenance("w", model.name, model.simulated, sandbox.isolation),
                    DeliveryPolicy(settings.limits, settings.ceiling, 5),
                )
                await _worker(queue, consumer.take).run_to_end()


def _worker(queue: JobQueue, handler: Handler) -> JobWorker:
    owner = f"w{os.getpid()}"
    lanes = lanes_served([DEFAULT_QUEUE], "gemini")
    return JobWorker(
        Claims(queue.redis, queue.keys, owner, lanes, _LEASE_SECONDS),
        Endings(queue.redis, queue.keys, queue.records, owner),
        handler,
        WorkerOptions(max_jobs=N_SLOTS, drain_seconds=1, handle_signals=True),
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
