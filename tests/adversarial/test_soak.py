"""Many runs in one process: none is lost, and nothing of any is left."""

import pytest

from benchmarks.soak import Plan, soak
from tests.requiring import require
from worker.sandbox import Profile
from worker.sandbox.slot import LayerRefused

pytestmark = [
    pytest.mark.adversarial,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize("profile", ["strict", "contained"])
async def test_nothing_is_lost_and_nothing_piles_up(profile: Profile) -> None:
    """A worker lives for weeks, and meets hostile programs and zygotes that somebody killed: one leak a run ends it."""
    plan = Plan(n_runs=200, kill_every=50, check_every=100, profile=profile)
    try:
        outcome = await soak(plan, print)
    except LayerRefused as refused:
        require(f"the sandbox profile {profile} ({refused})", available=False)
        raise
    assert outcome.violations == []
    assert (outcome.n_ended, outcome.n_killed) == (200, 4)
