"""A folder to work in, with or without a Gemini to ask; whatever a test starts has ended when the test has."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.standin.running import GOOD_KEY, Standin
from tests.waiting import wait_until

from .processes import that_concern
from .project import Project


@pytest.fixture
async def project(tmp_path: Path, redis_url: str) -> AsyncIterator[Project]:
    """An empty folder whose commands use a private Redis and know no key."""
    async for made in _project(tmp_path, redis_url):
        yield made


@pytest.fixture
async def bare_project(tmp_path: Path) -> AsyncIterator[Project]:
    """An empty folder without a Redis of its own: its commands bring the embedded server."""
    async for made in _project(tmp_path, None):
        yield made


@pytest.fixture
def gemini(project: Project, standin: Standin) -> Project:
    """The folder of `project`, whose commands have a key and ask the stand-in."""
    project.environment |= _asking(standin)
    return project


@pytest.fixture
def bare_gemini(bare_project: Project, standin: Standin) -> Project:
    """The folder of `bare_project`, whose commands have a key and ask the stand-in."""
    bare_project.environment |= _asking(standin)
    return bare_project


def _asking(standin: Standin) -> dict[str, str]:
    return {"GEMINI_API_KEY": GOOD_KEY, "PROMPTMILL_MODEL__BASE_URL": standin.url}


async def _project(tmp_path: Path, redis_url: str | None) -> AsyncIterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder, redis_url)
    # The programs here are our own. What isolation refuses is tested where that is the question.
    made.environment["PROMPTMILL_SANDBOX__REQUIRE"] = "rlimits"
    try:
        yield made
    finally:
        made.close()
    await wait_until(
        lambda: not that_concern(folder), 10, f"the end of everything that ran in {folder}"
    )
