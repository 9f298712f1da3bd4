"""A service that refuses one worker for sending too much: all of them must hear of it."""

import pytest

from tests.standin import steps
from tests.standin.script import Rule

from .mill import RIGHT, Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

_N_WORKERS, _N_JOBS = 3, 60
_TOLD_SECONDS = 6.0
_PER_SECOND, _BURST = 10, 5


async def test_a_429_that_one_worker_meets_silences_all_and_costs_no_attempt(mill: Mill) -> None:
    """A fleet whose workers each had to find out for themselves would be refused until it is locked out."""
    refused = Rule(
        first="this is j9.", steps=(steps.rate_limited(_TOLD_SECONDS), steps.text(RIGHT))
    )
    fine = Rule(steps=(steps.slow(steps.text(RIGHT), 0.05),), repeats=True)
    mill.standin.script(refused, fine)
    for _ in range(_N_WORKERS):
        await mill.worker(
            PROMPTMILL_MODEL__LIMITS__REQUESTS_PER_MINUTE=str(60 * _PER_SECOND),
            PROMPTMILL_MODEL__LIMITS__BURST=str(_BURST),
            PROMPTMILL_WORKER__CALLS_IN_FLIGHT="2",
        )
    await mill.submit(*some_jobs(_N_JOBS))
    await mill.all_is_over(within_seconds=60)

    requests = mill.standin.requests
    [refusal] = [request for request in requests if request.status == 429]
    # What was on its way when the refusal came is not taken back.
    silence = [
        request
        for request in requests
        if 0 < request.at_seconds - refusal.at_seconds < _TOLD_SECONDS
    ]
    assert len(silence) <= 2 * _N_WORKERS
    times = [request.at_seconds for request in requests]
    most = max(sum(first <= each <= first + 1 for each in times) for first in times)
    # Each worker may be late with a request that it was admitted to.
    assert most <= _PER_SECOND + _BURST + _N_WORKERS
    assert len(requests) == _N_JOBS + 1
    records = mill.records()
    assert {len(record.attempts) for record in records} == {1}
    assert {record.deliveries for record in records} == {1}
