"""Keys of ours that nothing will ever remove: they neither expire, nor does anything lead to them."""

import re
from collections.abc import Iterable, Iterator

import redis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix

from jobs.keys import Keys
from jobs.lanes import ANYBODY, Lane
from jobs.priorities import Priority

LASTS = -1
"""What Redis says of a key that will not expire."""

_KEYS = Keys()
_LANE = Lane("any", ANYBODY, Priority.NORMAL)
_WAITING = _LANE.waiting(_KEYS).removesuffix(_LANE.name)
_LEASED = _LANE.leased(_KEYS).removesuffix(_LANE.name)
# Other installations have prefixes of their own, but the same names for what arq keeps of a job.
_OWNER = re.compile(r"[\w.-]+:(queue|leased|held):")
_OF_A_JOB = (
    job_key_prefix,
    in_progress_key_prefix,
    retry_key_prefix,
    _KEYS.checkpoint(""),
    _KEYS.cancelled(""),
)
_OF_ALL = {_KEYS.lanes, _KEYS.paused, _KEYS.dead, _KEYS.feeding, _KEYS.schedules, _KEYS.superseded}
# Where records are kept in Redis, they are what everything else is only about.
_FOR_GOOD = (
    _KEYS.record(""),
    _KEYS.recorded,
    _KEYS.verdicts(""),
    _KEYS.batches(""),
)


def orphans_in(client: redis.Redis) -> list[str]:
    """Keys without an expiry and without an owner, as `docs/reference/redis.md` has it, and lanes that nobody knows."""
    if client.dbsize() == 0:
        return []
    names = [name.decode() for name in client.scan_iter(count=1000)]
    owners = [name for name in names if _OWNER.match(name)]
    ours = [name for name in names if name.startswith((f"{_KEYS.prefix}:", "arq:"))]
    with client.pipeline(transaction=False) as pipe:
        for name in ours:
            pipe.ttl(name)
        # What has expired since it was listed has another number.
        lasting = [name for name, ttl in zip(ours, pipe.execute(), strict=True) if ttl == LASTS]
        for name in owners:
            pipe.zrange(name, 0, -1)
        members = [job_id.decode() for found in pipe.execute() for job_id in found]
        pipe.smembers(_KEYS.lanes)
        pipe.zrange(_KEYS.schedules, 0, -1)
        known, schedules = pipe.execute()
    owned = _owned(members, owners) | _OF_ALL
    owned |= {name for name in lasting if name.startswith(_FOR_GOOD)}
    owned |= {
        place(name.decode()) for name in schedules for place in (_KEYS.schedule, _KEYS.instants)
    }
    return sorted({*(set(lasting) - owned), *_wrong_lanes(owners, {one.decode() for one in known})})


def _owned(job_ids: Iterable[str], owners: Iterable[str]) -> set[str]:
    return {prefix + job_id for job_id in job_ids for prefix in _OF_A_JOB} | set(owners)


def _wrong_lanes(owners: Iterable[str], known: set[str]) -> Iterator[str]:
    """Lanes that hold something and that nobody would find, and those that are kept though they hold nothing."""
    there = {
        name.removeprefix(prefix)
        for name in owners
        for prefix in (_WAITING, _LEASED)
        if name.startswith(prefix)
    }
    return (f"{_KEYS.lanes} {name}" for name in there ^ known)
