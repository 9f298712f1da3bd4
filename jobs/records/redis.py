"""Records in Redis: one hash each, kept together with its summary and the counts of its run in one step."""

import asyncio
import secrets
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import cast

from arq.connections import ArqRedis
from pydantic import ValidationError
from redis.exceptions import RedisError

from jobs.connection import open_redis, shown_url
from jobs.errors import RedisUnreachableError, StoreError
from jobs.identifiers import is_identifier
from jobs.keys import Keys
from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary, microseconds
from jobs.verdicts import Verdict

from .reading import (
    damaged,
    find_in,
    no_batch,
    not_found,
    outlines_in,
    read_record,
    selects_nothing,
)

# Enters a summary; entered again, it takes the place of what there was. The keys are the record, the ids of all jobs
# and, for a job of a run, the ids and the counted verdicts of its jobs; the arguments id, time, verdict and summary.
_ENTER = """
local earlier = redis.call('HGET', KEYS[1], 'summary')
redis.call('HSET', KEYS[1], 'summary', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
if KEYS[3] then
    if redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1]) == 1 then
        redis.call('HINCRBY', KEYS[4], ARGV[3], 1)
    elseif earlier then
        redis.call('HINCRBY', KEYS[4], cjson.decode(earlier)['verdict'], -1)
        redis.call('HINCRBY', KEYS[4], ARGV[3], 1)
    end
end
return 1
"""
# The same behind a record, which is a further argument: no writer can be killed between the two. The last argument is
# this put's alone: a client whose connection broke asks again, and must not take its own record for another writer's.
_PUT = f"""
if redis.call('HSETNX', KEYS[1], 'record', ARGV[5]) == 0 then
    if redis.call('HGET', KEYS[1], 'put') == ARGV[6] then return 1 end
    return 0
end
redis.call('HSET', KEYS[1], 'put', ARGV[6])
{_ENTER}
"""

# Takes back all that the record of a job, the first argument, has left. Which run it was of its summary tells, so the
# other arguments are what the keys of a run's list and counts begin with.
_DISCARD = """
local summary = redis.call('HGET', KEYS[1], 'summary')
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
local run = summary and cjson.decode(summary)['runId']
if run and run ~= cjson.null and redis.call('ZREM', ARGV[2] .. run, ARGV[1]) == 1 then
    redis.call('HINCRBY', ARGV[3] .. run, cjson.decode(summary)['verdict'], -1)
end
"""

_AT_ONCE = 500
_LEAST_COMPRESSED = 1024


class RedisRecordStore:
    """Keeps records under an installation's prefix, where they never expire.

    They last as long as that Redis keeps its data: it needs an append-only file, and memory for all of them.
    """

    def __init__(self, url: str, prefix: str) -> None:
        """Use the server at `url`, as `open_redis` takes it; it is asked when the first record is."""
        self._url = url
        self._keys = Keys(prefix)
        self._stack = AsyncExitStack()
        self._redis: ArqRedis | None = None
        self._connecting = asyncio.Lock()

    def place_of(self, job_id: str) -> str:
        """The key of a record."""
        return self._keys.record(job_id)

    async def check(self) -> None:
        """Find out whether the server answers."""
        with self._expecting("no record can be kept"):
            await self._connected()

    async def put(self, record: Record) -> bool:
        """Keep `record` unless the job already has one."""
        with self._expecting(f"the record of job {record.job_id!r} could not be written"):
            return bool(await self._run(_PUT, record, _packed(record), secrets.token_bytes(8)))

    async def get(self, job_id: str) -> Record:
        """The record of a job."""
        if not is_identifier(job_id):
            raise not_found(job_id, shown_url(self._url))
        return await self.read(self.place_of(job_id))

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record."""
        if not is_identifier(job_id):
            return False
        with self._expecting(f"the record of job {job_id!r} cannot be looked for"):
            redis = await self._connected()
            return await cast("Awaitable[bool]", redis.hexists(self.place_of(job_id), "record"))

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one."""
        if not is_identifier(job_id):
            return
        with self._expecting(f"the record of job {job_id!r} could not be removed"):
            redis = await self._connected()
            await redis.register_script(_DISCARD)(
                keys=[self.place_of(job_id), self._keys.recorded],
                args=[job_id, self._keys.recorded_in(""), self._keys.verdicts("")],
            )

    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        """Keep some jobs until workers have queued them."""
        with self._expecting(f"batch {number} of jobs in {place!r} could not be written"):
            async with (await self._connected()).pipeline() as pipe:
                # redis-py types a field of a hash as text.
                pipe.execute_command("HSET", self._keys.batches(place), str(number), content)
                await pipe.execute()

    async def get_batch(self, place: str, number: int) -> bytes:
        """What was kept under this number."""
        with self._expecting(f"batch {number} of jobs in {place!r} cannot be read"):
            reading = (await self._connected()).hget(self._keys.batches(place), str(number))
            content = await cast("Awaitable[bytes | None]", reading)
        if content is None:
            raise no_batch(place, number)
        return content

    async def drop_batches(self, place: str) -> None:
        """Forget everything that was kept there in this way."""
        with self._expecting(f"the batches of jobs in {place!r} could not be removed"):
            await (await self._connected()).delete(self._keys.batches(place))

    def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record, ordered by id, or those of one run."""
        return find_in(self, run_id)

    def outlines(self, run_id: str) -> AsyncIterator[Outline]:
        """Every record of a run, as far as reports count it."""
        return outlines_in(self, run_id)

    async def summaries(
        self, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
    ) -> AsyncIterator[Summary]:
        """What is entered, the latest to finish first."""
        if selects_nothing(run_id, beginning):
            return
        with self._expecting("the summaries cannot be read"):
            key = self._keys.recorded if run_id is None else self._keys.recorded_in(run_id)
            last = -1 if limit is None or beginning else limit - 1
            listed: Sequence[bytes] = await (await self._connected()).zrevrange(key, 0, last)
        ids = [job_id for job_id in map(bytes.decode, listed) if job_id.startswith(beginning)]
        ids = ids[:limit]
        for start in range(0, len(ids), _AT_ONCE):
            for summary in await self._summaries_of(ids[start : start + _AT_ONCE]):
                yield summary

    async def counts(self, run_id: str) -> Counter[Verdict]:
        """How many jobs of a run ended with each verdict."""
        if selects_nothing(run_id, ""):
            return Counter()
        with self._expecting(f"the jobs of run {run_id!r} cannot be counted"):
            redis = await self._connected()
            counting = redis.hgetall(self._keys.verdicts(run_id))
            # redis-py types what it awaits and what it returns as one union, here and below.
            counted = await cast("Awaitable[dict[bytes, bytes]]", counting)
        return +Counter({Verdict(verdict.decode()): int(n) for verdict, n in counted.items()})

    async def aclose(self) -> None:
        """Disconnect."""
        self._redis = None
        await self._stack.aclose()

    async def places(self) -> AsyncIterator[str]:
        """The key of every record, ordered by id."""
        with self._expecting("the records cannot be listed"):
            redis = await self._connected()
            # A scan may tell of one key twice.
            found = {key async for key in redis.scan_iter(self.place_of("*"), _AT_ONCE)}
        for key in sorted(found):
            yield key.decode()

    async def read(self, place: str) -> Record:
        """The record under this key."""
        with self._expecting(f"the record {place} cannot be read"):
            reading = (await self._connected()).hget(place, "record")
            content = await cast("Awaitable[bytes | None]", reading)
        if content is None:
            raise not_found(place.removeprefix(self.place_of("")), shown_url(self._url))
        return read_record(_unpacked(content, place), place)

    async def index_anew(self, records: AsyncIterator[Record]) -> None:
        """Make lists and counts again from these."""
        with self._expecting("the index could not be removed"):
            redis = await self._connected()
            kept = [self._keys.recorded]
            for of_runs in (self._keys.recorded_in("*"), self._keys.verdicts("*")):
                kept += [key.decode() async for key in redis.scan_iter(of_runs, _AT_ONCE)]
            # Together: a job that is put in between would else be counted and not listed.
            await redis.delete(*kept)
        async for record in records:
            with self._expecting(f"job {record.job_id!r} could not be entered"):
                await self._run(_ENTER, record)

    async def _run(self, script: str, record: Record, *more: bytes) -> int:
        summary = Summary.of(record)
        keys = [self.place_of(record.job_id), self._keys.recorded]
        if summary.run_id is not None:
            keys += [self._keys.recorded_in(summary.run_id), self._keys.verdicts(summary.run_id)]
        words: tuple[str | int | bytes, ...] = (
            *(record.job_id, microseconds(summary), summary.verdict.value, summary.to_json()),
            *more,
        )
        redis = await self._connected()
        return int(await redis.register_script(script)(keys=keys, args=words))

    async def _summaries_of(self, job_ids: Sequence[str]) -> list[Summary]:
        with self._expecting("the summaries cannot be read"):
            async with (await self._connected()).pipeline(transaction=False) as pipe:
                for job_id in job_ids:
                    pipe.hget(self.place_of(job_id), "summary")
                texts: list[bytes | None] = await pipe.execute()
        try:
            return [Summary.model_validate_json(text) for text in texts if text is not None]
        except ValidationError as error:
            raise StoreError(
                "a summary cannot be read", fixes=["type: promptmill store rebuild"]
            ) from error

    async def _connected(self) -> ArqRedis:
        async with self._connecting:
            if self._redis is None:
                self._redis = await self._stack.enter_async_context(
                    open_redis(self._url, self._keys)
                )
            return self._redis

    @contextmanager
    def _expecting(self, what_failed: str) -> Iterator[None]:
        """Say what failed, should Redis fail inside the block.

        Raises:
            StoreError: it did.
        """
        try:
            yield
        except (RedisUnreachableError, RedisError, OSError) as error:
            raise StoreError(
                f"{what_failed}: {error}",
                facts={"store": shown_url(self._url)},
                fixes=["see whether that server is up and has memory left, or correct store.url"],
            ) from error


def _packed(record: Record) -> bytes:
    content = record.to_json().encode()
    return zlib.compress(content) if len(content) >= _LEAST_COMPRESSED else content


def _unpacked(content: bytes, place: str) -> bytes:
    if content.startswith(b"{"):
        return content
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise damaged(place, str(error)) from error
