"""Goes through the queue a page at a time: queues are longer than memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from arq.connections import ArqRedis

from .connection import Connected
from .lanes import Lane
from .runs import run_ids
from .scripts import PAGE, run_script

# A run, or nothing, then ids: those of them that are of that run.
_OF_RUN = """
local found = {}
for i = 2, #ARGV do
    if is_of(ARGV[i], ARGV[1]) then found[#found + 1] = ARGV[i] end
end
return found
"""


@dataclass(frozen=True)
class Page:
    """Some jobs that are in one place."""

    lane: Lane | None
    """None where they are held with their paused run."""
    job_ids: tuple[str, ...]


async def waiting_of_run(queue: Connected, run_id: str) -> AsyncIterator[Page]:
    """The jobs of a run that wait in a lane.

    Here and below, a job that waits, runs or is held for the whole time is found, perhaps twice; others may be.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    for lane in await lanes_of(queue):
        async for ids in _pages(queue, lane.waiting(queue.keys)):
            if found := await run_script(queue.redis, queue.keys, _OF_RUN, [run_id, *ids]):
                yield Page(lane, _names(found))


async def all_of_run(queue: Connected, run_id: str) -> AsyncIterator[Page]:
    """The jobs of a run that have not ended: waiting, running, held.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    # In the order in which a job moves, or it could slip past.
    async for page in waiting_of_run(queue, run_id):
        yield page
    for lane in await lanes_of(queue):
        async for ids in _pages(queue, lane.leased(queue.keys)):
            if found := await run_script(queue.redis, queue.keys, _OF_RUN, [run_id, *ids]):
                yield Page(lane, _names(found))
    async for ids in _pages(queue, queue.keys.held(run_id)):
        yield Page(None, _names(ids))


async def all_of_queues(queue: Connected, name: str | None) -> AsyncIterator[Page]:
    """All jobs of the queue of this name, or of all, that have not ended; those of paused runs, too.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    lanes = [lane for lane in await lanes_of(queue) if name in {None, lane.queue}]
    for place_of in (Lane.waiting, Lane.leased):
        for lane in lanes:
            async for ids in _pages(queue, place_of(lane, queue.keys)):
                yield Page(lane, _names(ids))
    for run_id in await run_ids(queue):
        async for ids in _pages(queue, queue.keys.held(run_id)):
            yield Page(None, _names(ids))


async def lanes_of(queue: Connected) -> list[Lane]:
    """The lanes that hold something, by name."""
    return [Lane.named(name) for name in await members_of(queue.redis, queue.keys.lanes)]


async def members_of(redis: ArqRedis, key: str) -> list[str]:
    """The members of a set, in order.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    # The client's own word for it is typed as if it could answer at once.
    async with redis.pipeline(transaction=False) as pipe:
        pipe.smembers(key)
        [names] = await pipe.execute()
    return sorted(_names(names))


async def _pages(queue: Connected, place: str) -> AsyncIterator[list[bytes]]:
    cursor = None
    while cursor != 0:
        cursor, found = await queue.redis.zscan(place, cursor or 0, count=PAGE)
        # A short set comes as a whole, whatever is asked for.
        ids = [job_id for job_id, _ in found]
        for start in range(0, len(ids), PAGE):
            yield ids[start : start + PAGE]


def _names(found: Any) -> tuple[str, ...]:  # noqa: ANN401  (what the client says is a list of anything)
    return tuple(name.decode() for name in found)
