"""What tests across several of our parts share: a sandbox that runs programs."""

import pytest

from worker.sandbox import SubprocessSandbox, open_sandbox


@pytest.fixture
async def sandbox() -> SubprocessSandbox:
    """The strongest one of this machine: what it withstands is tested elsewhere."""
    return await open_sandbox("rlimits")
