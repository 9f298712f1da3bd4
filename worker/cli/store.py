"""`promptmill store`: look after the records of finished jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from config.escaping import escaped
from jobs.errors import ExitCode

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.records import LastingStore
    from jobs.records.verifying import Examined


def verify_store(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Read every record, and hold the index to them. Workers may go on meanwhile.

    Names each record that cannot be read, lies in the wrong place, or of which the index says something else, and exits
    with 1 if there is one.

    Args:
        json: as JSON.
    """
    from jobs.records.verifying import verify

    found = asyncio.run(_examined(read_settings(flags), verify))
    _tell(found, as_json=json)
    if not json:
        n_faults = counted(len(found.faults), "fault")
        talk(f"{counted(found.n_records, 'good record')}, {n_faults}")
    return ExitCode.GATE_FAILED if found.faults else ExitCode.OK


def rebuild_store(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Make the index again from the records. Workers may go on meanwhile.

    Records that cannot be read are named and left out; then the exit code is 5.

    Args:
        json: as JSON.
    """
    from jobs.records.verifying import rebuild

    found = asyncio.run(_examined(read_settings(flags), rebuild))
    _tell(found, as_json=json)
    if not json:
        left_out = f"; {counted(len(found.faults), 'record')} left out" if found.faults else ""
        talk(f"the index holds {counted(found.n_records, 'record')}{left_out}")
    return ExitCode.INCOMPLETE if found.faults else ExitCode.OK


async def _examined(
    settings: Settings, examine: Callable[[LastingStore], Awaitable[Examined]]
) -> Examined:
    from jobs.records.opening import open_store

    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        return await examine(store)


def _tell(found: Examined, *, as_json: bool) -> None:
    if as_json:
        emit_json({"records": found.n_records, "faults": [vars(fault) for fault in found.faults]})
        return
    for fault in found.faults:
        emit(escaped(f"{fault.place}  {fault.problem}  ({fault.fix})"))
