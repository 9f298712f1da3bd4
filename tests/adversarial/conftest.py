"""The sandboxes under attack."""

from collections.abc import AsyncIterator

import pytest

from tests.requiring import require
from worker.sandbox import Profile, ZygoteSandbox
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused


@pytest.fixture
async def strict() -> AsyncIterator[ZygoteSandbox]:
    """A sandbox with all its walls."""
    async with await _sandbox("strict") as opened:
        yield opened


@pytest.fixture(params=["strict", "contained"])
async def walled(request: pytest.FixtureRequest) -> AsyncIterator[ZygoteSandbox]:
    """Each profile that keeps programs from the host."""
    async with await _sandbox(request.param) as opened:
        yield opened


@pytest.fixture(params=["strict", "contained", "rlimits"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ZygoteSandbox]:
    """Each profile in turn: for what all have to promise."""
    async with await _sandbox(request.param) as opened:
        yield opened


@pytest.fixture(params=["contained", "rlimits"])
async def on_disk(request: pytest.FixtureRequest) -> AsyncIterator[ZygoteSandbox]:
    """Each profile whose runs have a directory on the host's disk."""
    async with await _sandbox(request.param) as opened:
        yield opened


@pytest.fixture
async def rlimits() -> AsyncIterator[ZygoteSandbox]:
    """A sandbox with nothing but resource limits."""
    async with await _sandbox("rlimits") as opened:
        yield opened


async def _sandbox(profile: Profile) -> ZygoteSandbox:
    try:
        return await probe(profile)
    except LayerRefused as refused:
        require(f"the sandbox profile {profile} ({refused})", available=False)
        raise
