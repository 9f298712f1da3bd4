"""Claims: who gets which job when, and who has lost it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from arq.constants import retry_key_prefix

from jobs.connection import open_redis
from jobs.events import JobFinished
from jobs.priorities import Priority
from jobs.verdicts import Verdict
from tests.waiting import wait_until
from worker.consumer.claims import Hold
from worker.consumer.endings import Cancelled, PutAside, PutBack, Recorded, Unreadable

from .claiming import KEYS, Floor, a_job, ids, recorded


@pytest.fixture
async def floor(redis_url: str) -> AsyncIterator[Floor]:
    async with open_redis(redis_url, KEYS) as redis:
        yield Floor(redis)


async def test_the_first_in_is_the_first_out(floor: Floor) -> None:
    """Ids that sort otherwise must not matter, nor that all came in the same millisecond."""
    names = [f"j{n}" for n in (10, 9, 1, 100, 2)]
    await floor.put(*map(a_job, names))
    claims = floor.claims()
    assert ids((await claims.take(2)).claims) == names[:2]
    assert ids((await claims.take(9)).claims) == names[2:]


async def test_a_higher_priority_goes_first_however_late_it_comes(floor: Floor) -> None:
    """Somebody waits for it at a screen."""
    await floor.put(a_job("low", priority=Priority.LOW), a_job("one"))
    await floor.put(a_job("high", priority=Priority.HIGH), a_job("two"))
    assert ids((await floor.claims().take(9)).claims) == ["high", "one", "two", "low"]


async def test_jobs_that_name_a_model_and_jobs_that_name_none_stand_in_one_line(
    floor: Floor,
) -> None:
    """A big run of the one kind must not keep the other waiting to its end."""
    await floor.put(a_job("a", model="gemini-9"), a_job("b"), a_job("c", model="gemini-3"))
    assert ids((await floor.claims().take(9)).claims) == ["a", "b", "c"]


async def test_jobs_for_others_are_not_taken(floor: Floor) -> None:
    """A worker that cannot answer them would only hand them back, again and again."""
    await floor.put(a_job("a", model="replay"), a_job("b", queue="elsewhere"), a_job("c"))
    assert ids((await floor.claims().take(9)).claims) == ["c"]
    assert ids((await floor.claims("two", 60.0, "elsewhere").take(9)).claims) == ["b"]


async def test_a_deferred_job_is_taken_when_it_is_due_and_the_worker_knows_when(
    floor: Floor,
) -> None:
    """It sleeps until then instead of asking all the time."""
    await floor.put(a_job("later"), in_seconds=0.3)
    claims = floor.claims()
    taken = await claims.take(1)
    assert taken.claims == ()
    assert taken.next_due_seconds is not None
    assert 0 < taken.next_due_seconds <= 0.3

    async def is_taken() -> bool:
        return ids((await claims.take(1)).claims) == ["later"]

    await wait_until(is_taken, 5, "the job to be due")


async def test_a_job_has_one_owner_until_the_lease_ends_and_then_the_next(floor: Floor) -> None:
    """Nobody needs to notice that a worker died: its leases end."""
    await floor.put(a_job("j"))
    dead = floor.claims("dead", lease_seconds=0.3)
    (lost,) = (await dead.take(9)).claims
    other = floor.claims("other")
    assert (await other.take(9)).claims == ()
    await wait_until(lambda: _has_taken(other), 5, "the end of the lease")
    assert await dead.renew([lost]) == [Hold.LOST]


async def _has_taken(claims: object) -> bool:
    return bool((await claims.take(9)).claims)  # type: ignore[attr-defined]


async def test_jobs_of_dead_workers_go_before_jobs_that_wait(floor: Floor) -> None:
    """They have waited once already, and a full queue must not make them wait again."""
    await floor.put(a_job("dead"))
    await floor.claims("dead", lease_seconds=0.001).take(1)
    await floor.put(a_job("a"), a_job("b"))
    await floor.put(a_job("older"), in_seconds=-100)
    taken = (await floor.claims().take(9)).claims
    assert ids(taken) == ["dead", "older", "a", "b"]
    assert [claim.delivery for claim in taken] == [2, 1, 1, 1]


async def test_jobs_that_were_lost_twice_are_taken_one_at_a_time(floor: Floor) -> None:
    """One of them brings workers down; the others would end with it because they were beside it."""
    await floor.put(*(a_job(f"j{n}") for n in range(3)))
    for _ in range(2):
        assert len((await floor.claims("dead", lease_seconds=0.001).take(9)).claims) == 3
        await floor.leases_to_end()
    await floor.put(a_job("new"))
    claims = floor.claims("one")
    first, new = (await claims.take(9)).claims
    assert ids((first, new)) == ["j0", "new"]
    assert (first.is_suspect, new.is_suspect) == (True, False)
    assert (await claims.take(9, spare_suspects=True)).claims == ()
    assert ids((await floor.claims("two").take(9)).claims) == ["j1"]


async def test_a_lease_that_ended_unnoticed_can_still_be_renewed(floor: Floor) -> None:
    """Redis was away for longer than a lease: as long as nobody else has the job, it is still the worker's own."""
    await floor.put(a_job("j"))
    claims = floor.claims(lease_seconds=0.001)
    (claim,) = (await claims.take(1)).claims
    await floor.leases_to_end()
    assert await floor.claims().renew([claim]) == [Hold.HELD]
    assert (await floor.claims("other").take(1)).claims == ()


async def test_leases_are_kept_on_a_full_server(own_redis: redis.Redis, own_redis_url: str) -> None:
    """It goes on handing out what it holds: unrenewed, every job in hand would be done by two workers."""
    async with open_redis(own_redis_url, KEYS) as client:
        floor = Floor(client)
        await floor.put(a_job("j"))
        claims = floor.claims(lease_seconds=0.001)
        (claim,) = (await claims.take(1)).claims
        own_redis.config_set("maxmemory", "1")
        assert await floor.claims().renew([claim]) == [Hold.HELD]
        assert (await floor.claims("other").take(1)).claims == ()
        own_redis.config_set("maxmemory", "0")


async def test_a_wish_to_stop_is_seen_with_the_renewal(floor: Floor) -> None:
    """Should the call for it have gone unheard."""
    await floor.put(a_job("j"))
    claims = floor.claims()
    (claim,) = (await claims.take(1)).claims
    await floor.redis.set(KEYS.cancelled("j"), "1")
    assert await claims.renew([claim]) == [Hold.TO_STOP]


async def test_a_paused_queue_is_left_alone(floor: Floor) -> None:
    """Until it is resumed, others go on."""
    await floor.put(a_job("a"), a_job("b", queue="other"))
    await floor.redis.hset(KEYS.paused, "default", "lunch")  # type: ignore[misc]
    claims = floor.claims("one", 60.0, "default", "other")
    assert ids((await claims.take(9)).claims) == ["b"]
    await floor.redis.hdel(KEYS.paused, "default")  # type: ignore[misc]
    assert ids((await claims.take(9)).claims) == ["a"]


async def test_a_job_is_claimed_by_exactly_one_of_many(floor: Floor) -> None:
    """However many workers look at the same moment."""
    await floor.put(*(a_job(f"j{n}") for n in range(200)))
    workers = [floor.claims(f"w{n}") for n in range(20)]
    taken = await asyncio.gather(*(worker.take(15) for worker in workers))
    found = [claim.job_id for each in taken for claim in each.claims]
    assert len(found) == len(set(found)) == 200


async def test_a_recorded_job_leaves_nothing_behind(floor: Floor) -> None:
    """Redis coordinates; it does not store."""
    await floor.put(a_job("j"))
    (claim,) = (await floor.claims().take(1)).claims
    await floor.redis.hset(KEYS.checkpoint("j"), "reply:1", "{}")  # type: ignore[misc]
    assert await floor.endings().end(claim, recorded(a_job("j")))
    assert await floor.left() == set()


async def test_what_a_run_has_come_to_is_counted_in_the_step_that_ends_a_job(floor: Floor) -> None:
    """Once, whatever is delivered again: what was ended already is nobody's claim."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    (claim,) = (await floor.claims().take(1)).claims
    endings = floor.endings()
    assert await endings.end(claim, recorded(job))
    assert not await endings.end(claim, recorded(job))
    counted = await floor.redis.hgetall(KEYS.run("r"))  # type: ignore[misc]
    assert counted == {b"verdict:accepted": b"1"}
    assert await floor.redis.ttl(KEYS.run("r")) > 0


async def test_a_record_of_an_earlier_stay_in_the_queue_is_not_counted_again(floor: Floor) -> None:
    """It was submitted once more in the moment in which it ended, and its run would stay open for ever."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    await floor.redis.hset(KEYS.run("r"), mapping={"submitted": 2, "verdict:accepted": 1})  # type: ignore[misc]
    (claim,) = (await floor.claims().take(1)).claims
    event = JobFinished(job_id="j", verdict=Verdict.ACCEPTED, solved_at=1)
    assert await floor.endings().end(claim, Recorded(job, event, already_counted=True))
    counted = await floor.redis.hgetall(KEYS.run("r"))  # type: ignore[misc]
    assert counted == {b"submitted": b"1", b"verdict:accepted": b"1"}


async def test_what_redis_has_forgotten_of_a_run_is_not_counted_below_nothing(floor: Floor) -> None:
    """Wiped while its jobs were in hand, and some of them queued again."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    (claim,) = (await floor.claims().take(1)).claims
    event = JobFinished(job_id="j", verdict=Verdict.ACCEPTED, solved_at=1)
    assert await floor.endings().end(claim, Recorded(job, event, already_counted=True))
    assert await floor.left() == set()


async def test_whoever_has_lost_a_job_ends_nothing(floor: Floor) -> None:
    """A worker that was frozen for a minute wakes up with an ending in its hand."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    (lost,) = (await floor.claims("frozen", lease_seconds=0.001).take(1)).claims
    await floor.leases_to_end()
    other = floor.claims("other")
    (claim,) = (await other.take(1)).claims
    for ending in (recorded(job), Cancelled(job), PutBack(), PutAside(job), Unreadable("?")):
        assert not await floor.endings("frozen").end(lost, ending)
    assert await other.renew([claim]) == [Hold.HELD]
    assert await floor.endings("other").end(claim, recorded(job))


async def test_a_job_that_is_handed_back_has_its_old_place_and_no_delivery_on_its_account(
    floor: Floor,
) -> None:
    """A worker that is stopped is no fault of its jobs."""
    await floor.put(a_job("a"), a_job("b"), a_job("c"))
    claims = floor.claims()
    first, _ = (await claims.take(2)).claims
    assert await floor.endings().end(first, PutBack())
    assert await floor.redis.get(retry_key_prefix + "a") == b"0"
    assert ids((await claims.take(9)).claims) == ["a", "c"]


async def test_a_job_that_is_put_back_for_a_while_is_due_when_it_is_over(floor: Floor) -> None:
    """The service was busy; asking at once helps nobody."""
    await floor.put(a_job("a"))
    claims = floor.claims()
    (claim,) = (await claims.take(1)).claims
    assert await floor.endings().end(claim, PutBack(50.0, counts=True))
    taken = await claims.take(1)
    assert taken.claims == ()
    assert taken.next_due_seconds is not None
    assert 45 < taken.next_due_seconds <= 50
    assert await floor.redis.get(retry_key_prefix + "a") == b"1"


@pytest.mark.parametrize("is_paused", [True, False], ids=["paused", "resumed meanwhile"])
async def test_a_job_of_a_paused_run_is_put_aside_unless_the_run_goes_on_by_then(
    floor: Floor, *, is_paused: bool
) -> None:
    """Put aside after the run was resumed, nobody would ever look for it."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    if is_paused:
        await floor.redis.hset(KEYS.run("r"), "state", "paused")  # type: ignore[misc]
    claims = floor.claims()
    (claim,) = (await claims.take(1)).claims
    assert await floor.endings().end(claim, PutAside(job))
    assert await floor.redis.zrange(KEYS.held("r"), 0, -1) == ([b"j"] if is_paused else [])
    assert ids((await claims.take(1)).claims) == ([] if is_paused else ["j"])


async def test_a_job_that_failed_because_of_us_is_kept_with_the_reason(floor: Floor) -> None:
    """A person mends what was wrong and lets it run again."""
    job = a_job("j", run_id="r")
    await floor.put(job)
    (claim,) = (await floor.claims().take(1)).claims
    event = JobFinished(job_id="j", verdict=Verdict.INTERNAL_ERROR, solved_at=None)
    assert await floor.endings().end(claim, Recorded(job, event, "the disk was on fire"))
    letter = await floor.redis.hgetall(KEYS.dead_letter("j"))  # type: ignore[misc]
    assert letter[b"reason"] == b"the disk was on fire"
    assert letter[b"job"].decode() == job.to_json()
    assert (letter[b"runId"], letter[b"deliveries"], letter[b"worker"]) == (b"r", b"1", b"one")
    assert await floor.redis.zrange(KEYS.dead, 0, -1) == [b"j"]
    assert await floor.redis.ttl(KEYS.dead_letter("j")) > 0


async def test_endings_that_come_together_are_written_together(floor: Floor) -> None:
    """A round trip for each would be most of what a small job costs."""
    jobs = [a_job(f"j{n}") for n in range(50)]
    await floor.put(*jobs)
    taken = await floor.claims().take(50)
    by_id = {job.job_id: job for job in jobs}
    endings = floor.endings()
    before = (await floor.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    answers = await asyncio.gather(
        *(endings.end(claim, recorded(by_id[claim.job_id])) for claim in taken.claims)
    )
    after = (await floor.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert all(answers)
    assert after - before <= 3
