"""What a live worker says of itself in Redis."""

from arq.connections import ArqRedis

from .connection import expecting_answer
from .identifiers import DEFAULT_QUEUE
from .keys import Keys
from .languages import Language
from .wire import Wire

BEAT_SECONDS = 3
SILENCE_SECONDS = 10
"""A worker that has not been heard of for this long counts as gone."""


def is_replayed(model: str) -> bool:
    """Whether this names recordings and no model: `replay`, or `replay:PATH`."""
    return model.partition(":")[0] == "replay"


def can_answer(wanted: str | None, *, model: str, simulated: bool) -> bool:
    """Whether a worker that asks `model` may take a job that names `wanted`.

    Who asks Gemini asks whichever of its models a job names; recordings are only ever themselves.
    """
    if wanted is None or wanted == model:
        return True
    return not simulated and not is_replayed(wanted)


class WorkerPresence(Wire):
    """Who a worker is and what it can do."""

    worker_id: str
    model: str
    """What it asks when a job names no model: a model of Gemini's, `replay`, or `replay:PATH`."""
    simulated: bool
    """Its answers are recordings."""
    languages: tuple[Language, ...]
    """Languages it has an interpreter for."""
    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    """Queues it takes jobs from."""
    takes_none: str | None = None
    """Why it takes no job now, such as a used-up quota of the day; None where it does."""

    def answers(self, wanted: str | None) -> bool:
        """Whether it takes jobs that name this model; others it leaves alone."""
        return can_answer(wanted, model=self.model, simulated=self.simulated)


async def live_workers(redis: ArqRedis, keys: Keys) -> list[WorkerPresence]:
    """The workers that were heard of within the last seconds, by id.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the workers cannot be listed"):
        names = [name async for name in redis.scan_iter(match=keys.worker("*"), count=1000)]
        shown = await redis.mget(names) if names else []
    # A worker may fall silent between the two calls.
    workers = [WorkerPresence.model_validate_json(value) for value in shown if value is not None]
    return sorted(workers, key=lambda worker: worker.worker_id)
