"""The sandboxes under attack: one of each profile for all tests of a module, as a worker has for all its programs."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.requiring import require
from worker.sandbox import Profile, ZygoteSandbox
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused

from .accounts import accounts
from .attacked import Attacked, attacked, require_opened

_PROFILES: tuple[Profile, ...] = ("strict", "contained")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            (profile, account),
            id=f"{profile}-{account.name}",
            # What programs leave behind is told by whose it is.
            marks=pytest.mark.xdist_group(account.name),
        )
        for profile in _PROFILES
        for account in accounts()
    ],
)
def worker(request: pytest.FixtureRequest) -> Iterator[Attacked]:
    """Each account that a worker can have, in each profile that keeps programs from the host."""
    profile, account = request.param
    with attacked(profile, account) as worker:
        asyncio.run(require_opened(worker))
        yield worker


class Opened:
    """The sandboxes of one module, each opened when the first test asks for it."""

    def __init__(self) -> None:
        self._opened: dict[Profile, ZygoteSandbox] = {}

    async def get(self, profile: Profile) -> ZygoteSandbox:
        """The one of this profile."""
        if profile not in self._opened:
            self._opened[profile] = await _sandbox(profile)
        return self._opened[profile]

    async def close(self) -> None:
        """End them all."""
        for sandbox in self._opened.values():
            await sandbox.aclose()


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """What this module's tests share."""
    sandboxes = Opened()
    yield sandboxes
    asyncio.run(sandboxes.close())


@pytest.fixture
async def strict(opened: Opened) -> ZygoteSandbox:
    """A sandbox with all its walls."""
    return await opened.get("strict")


@pytest.fixture(params=["strict", "contained"])
async def walled(request: pytest.FixtureRequest, opened: Opened) -> ZygoteSandbox:
    """Each profile that keeps programs from the host."""
    return await opened.get(request.param)


@pytest.fixture(params=["strict", "contained", "rlimits"])
async def sandbox(request: pytest.FixtureRequest, opened: Opened) -> ZygoteSandbox:
    """Each profile in turn: for what all have to promise."""
    return await opened.get(request.param)


@pytest.fixture(params=["contained", "rlimits"])
async def on_disk(request: pytest.FixtureRequest, opened: Opened) -> ZygoteSandbox:
    """Each profile whose runs have a directory on the host's disk."""
    return await opened.get(request.param)


@pytest.fixture
async def rlimits(opened: Opened) -> ZygoteSandbox:
    """A sandbox with nothing but resource limits."""
    return await opened.get("rlimits")


async def _sandbox(profile: Profile) -> ZygoteSandbox:
    try:
        return await probe(profile)
    except LayerRefused as refused:
        require(f"the sandbox profile {profile} ({refused})", available=False)
        raise
