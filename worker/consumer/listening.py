"""Hears what is called out to all workers: that something is due, or that a job is to stop."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

import structlog
from arq.connections import ArqRedis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from jobs.keys import Keys

_log = structlog.get_logger(__name__)
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5


async def listen(
    redis: ArqRedis, keys: Keys, on_due: Callable[[], None], on_stop: Callable[[str], None]
) -> NoReturn:
    """Call back for whatever is heard, for ever. While nothing can be heard, looking now and then has to do."""
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe(keys.wake)
                # Whatever was called out before.
                on_due()
                await _hear(channel, on_due, on_stop)
        except (RedisError, OSError) as error:
            _log.debug("not listening", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)


async def _hear(
    channel: PubSub, on_due: Callable[[], None], on_stop: Callable[[str], None]
) -> NoReturn:
    while True:
        message = await channel.get_message(
            ignore_subscribe_messages=True, timeout=_PATIENCE_SECONDS
        )
        if message is None:
            continue
        word, _, job_id = message["data"].decode().partition(":")
        if word == "stop":
            on_stop(job_id)
        else:
            on_due()
