"""What tests of whole jobs share: one worker's loop, asking the stand-in through the real SDK."""

import asyncio
from contextlib import aclosing
from typing import Any

from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.models import Attempt, PromptJob
from tests.standin.running import Standin
from worker.sandbox import Sandbox
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

from .asking_gemini import gemini
from .test_loop import LIMITS, held


async def solved(
    redis_url: str, sandbox: Sandbox, standin: Standin, *jobs: PromptJob
) -> list[tuple[Attempt, ...]]:
    """The attempts at each of the jobs, one job after the other."""

    async def ignore(_: Attempt) -> None: ...

    async with open_redis(redis_url, Keys()) as redis, aclosing(gemini(standin.url)) as model:
        loop = FeedbackLoop(model, sandbox, calls=asyncio.Semaphore(9), turns=Turns(2))
        return [
            await loop.solve(job, LIMITS, await held(redis, job.job_id), ignore) for job in jobs
        ]


def turns(standin: Standin, number: int) -> list[Any]:
    """The turns of the request of that number, from 0."""
    body = standin.requests[number].body
    assert isinstance(body, dict)
    contents = body["contents"]
    assert isinstance(contents, list)
    return contents
