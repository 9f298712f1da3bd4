"""Reads the records of a run, whoever made them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.models import Record


async def records_in(settings: Settings, run_id: str) -> AsyncIterator[Record]:
    """Every record of a run, in no promised order.

    Raises:
        RunNotFoundError: there is none.
        StoreError: one cannot be read; the message names it.
    """
    from jobs.records.opening import open_store
    from jobs.runs import unknown_run

    n = 0
    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        async for record in store.find(run_id=run_id):
            n += 1
            yield record
    if not n:
        raise unknown_run(run_id)
