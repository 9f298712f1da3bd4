"""The sandboxes under attack."""

import pytest

from tests.requiring import require
from worker.sandbox import Profile, SubprocessSandbox
from worker.sandbox.launch import LayerRefused
from worker.sandbox.opening import probe


@pytest.fixture
async def strict() -> SubprocessSandbox:
    """A sandbox with all its walls."""
    return await _sandbox("strict")


@pytest.fixture(params=["strict", "rlimits"])
async def sandbox(request: pytest.FixtureRequest) -> SubprocessSandbox:
    """Each profile in turn: for what both have to promise."""
    profile: Profile = request.param
    return await _sandbox(profile)


@pytest.fixture
async def rlimits() -> SubprocessSandbox:
    """A sandbox without namespaces."""
    return await _sandbox("rlimits")


async def _sandbox(profile: Profile) -> SubprocessSandbox:
    try:
        return SubprocessSandbox(await probe(profile))
    except LayerRefused as refused:
        require(f"the sandbox profile {profile} ({refused})", available=False)
        raise
