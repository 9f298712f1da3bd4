"""Whoever asks, and how many at a time: no stretch of time holds more than the burst and what flows off in it."""

import asyncio
import itertools
import time
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.limits import N_PROCESSES, Load, admitted_at, most_in, most_over
from benchmarks.limits_worker import UNDER_WAY_SECONDS
from jobs.connection import open_redis
from jobs.keys import Keys
from tests.queueing import answer_of
from worker.model.shared_throttle import ModelLimits, SharedThrottle
from worker.model.throttle import Toll


@pytest.mark.slow
def test_processes_that_share_a_limit_keep_to_it_through_a_pause(own_redis_url: str) -> None:
    """What is held back during a pause must not come all at once after it: the service would refuse it again."""
    load = Load()
    times = admitted_at(own_redis_url, load)
    assert len(times) == load.n_requests
    # Times are kept to a part of a microsecond.
    assert most_over(times, load) <= 1e-3
    assert most_in(times, 1.0) <= load.burst + load.per_second
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) >= load.pause_seconds


@given(
    per_minute=st.integers(1200, 60_000),
    burst=st.integers(1, 8),
    prompts=st.lists(st.integers(1, 40), min_size=5, max_size=30),
)
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_stretch_of_time_holds_more_than_may_be_sent(
    redis_url: str, per_minute: int, burst: int, prompts: list[int]
) -> None:
    """The service counts in windows that nobody knows: every one of them has to be kept to."""
    limits = ModelLimits(
        requests_per_minute=per_minute, burst=burst, tokens_per_minute=per_minute * 10
    )
    account = f"a{time.monotonic_ns()}"
    admitted = asyncio.run(_admitted(redis_url, account, limits, prompts))
    assert len(admitted) == len(prompts)
    requests = [(at, 1) for at, _ in admitted]
    assert _over(requests, per_minute, burst) <= 1e-3
    assert _over(admitted, per_minute * 10, limits.burst_tokens) <= 1e-3


async def _admitted(
    url: str, account: str, limits: ModelLimits, prompts: list[int]
) -> list[tuple[float, int]]:
    """When each request was admitted, by the clock of Redis, and what it was reckoned at."""
    async with AsyncExitStack() as stack:
        redis = [
            await stack.enter_async_context(open_redis(url, Keys())) for _ in range(N_PROCESSES)
        ]
        throttles = [SharedThrottle(client, Keys(), account, limits) for client in redis]
        place = Keys().under_way(account, "m")

        async def be_admitted(number: int, tokens: int) -> None:
            # Each has an end of its own, by which it is told apart.
            toll = Toll("m", None, tokens, tokens, None, UNDER_WAY_SECONDS + number * 1000)
            await stack.enter_async_context(throttles[number % N_PROCESSES].passing(toll))

        async with asyncio.TaskGroup() as tasks:
            for number, tokens in enumerate(prompts):
                tasks.create_task(be_admitted(number, tokens))
        ends = [end for _, end in await answer_of(redis[0].zrange(place, 0, -1, withscores=True))]
    lasting = [UNDER_WAY_SECONDS + 30 + number * 1000 for number in range(len(prompts))]
    return [
        (end / 1000 - seconds, min(tokens, limits.burst_tokens))
        for end, seconds, tokens in zip(ends, lasting, prompts, strict=True)
    ]


def _over(admitted: list[tuple[float, int]], per_minute: int, burst: int) -> float:
    """By how much the fullest stretch of time is over what may be sent in it."""
    ordered = sorted(admitted)
    most = -float(burst)
    for first, (began, _) in enumerate(ordered):
        held = 0
        for at, cost in ordered[first:]:
            held += cost
            most = max(most, held - burst - (at - began) * per_minute / 60)
    return most
