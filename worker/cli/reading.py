"""Reads the records of a run, whoever made them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from .missing import without_records

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.models import Record
    from jobs.outlines import Outline
    from jobs.records import LastingStore
    from jobs.summaries import Summary

_Form = TypeVar("_Form")


async def records_in(settings: Settings, run_id: str) -> AsyncIterator[Record]:
    """Every record of a run, in no promised order.

    Raises:
        RunNotFoundError: there is none.
        StoreError: one cannot be read; the message names it.
    """
    async with aclosing(_store_of(settings)) as store:
        async for record in _of_known_run(settings, store.find(run_id=run_id), run_id):
            yield record


async def outlines_in(settings: Settings, run_id: str) -> AsyncIterator[Outline]:
    """Every record of a run as far as reports count it, in no promised order: in a fraction of the time.

    Raises:
        RunNotFoundError: there is none.
        StoreError: one cannot be read; the message names it.
    """
    async with aclosing(_store_of(settings)) as store:
        async for outline in _of_known_run(settings, store.outlines(run_id), run_id):
            yield outline


async def summaries_in(settings: Settings, run_id: str) -> AsyncIterator[Summary]:
    """What the index knows of a run.

    Raises:
        RunNotFoundError: there is none.
        StoreError: the index cannot be read.
    """
    async with aclosing(_store_of(settings)) as store:
        async for summary in _of_known_run(settings, store.summaries(run_id=run_id), run_id):
            yield summary


def _store_of(settings: Settings) -> LastingStore:
    from jobs.records.opening import open_store

    return open_store(settings.records_place, prefix=settings.redis.prefix)


async def _of_known_run(
    settings: Settings, found: AsyncIterator[_Form], run_id: str
) -> AsyncIterator[_Form]:
    is_known = False
    async for each in found:
        is_known = True
        yield each
    if not is_known:
        raise await without_records(settings, run_id)
