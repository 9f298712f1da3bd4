"""Where a job is in Redis: waiting in a lane, leased to a worker, or held with its paused run."""

from dataclasses import dataclass
from typing import Literal

from arq.connections import ArqRedis

from .connection import expecting_answer
from .keys import Keys
from .models import PromptJob
from .payloads import job_in
from .scripts import run_script

_PLACE = """
local kind, where, score = place_of(ARGV[1])
if not kind then return {} end
return {kind, score, exact(now()), redis.call('GET', JOB .. ARGV[1]) or ''}
"""


@dataclass(frozen=True)
class Place:
    """Where a job is."""

    kind: Literal["waiting", "leased", "held"]
    is_over: bool
    """Whether the time there has come: the job is due, or its lease has ended."""
    payload: bytes
    """The job as arq keeps it."""

    def job(self) -> PromptJob:
        """The job as it was submitted.

        Raises:
            ValueError: this version cannot read it.
        """
        return job_in(self.payload)


async def place_of(redis: ArqRedis, keys: Keys, job_id: str, *, unless: str) -> Place | None:
    """Where the job is; None where it is nowhere, or another installation's.

    Raises:
        RedisUnreachableError: Redis did not answer; `unless` says what that means for whoever asked.
    """
    with expecting_answer(unless):
        found = await run_script(redis, keys, _PLACE, [job_id])
    if not found:
        return None
    kind, score, now, payload = found
    return Place(kind.decode(), float(score) <= float(now), payload)
