"""A mill of one's own for each test that breaks one."""

import faulthandler
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.processes import that_concern
from tests.e2e.project import Project
from tests.redis_server import private_server
from tests.standin.running import GOOD_KEY, Standin
from tests.waiting import wait_until

from .mill import LEASE_SECONDS, RIGHT, Mill


@pytest.fixture
async def mill(tmp_path: Path, redis_binary: Path, standin: Standin) -> AsyncIterator[Mill]:
    """Its Redis keeps its data as ours does, and its model prints 1 until it is told otherwise."""
    # What takes so long elsewhere hangs. Here it may be somebody's third start.
    faulthandler.cancel_dump_traceback_later()
    folder = tmp_path / "project"
    folder.mkdir()
    with private_server(redis_binary, is_durable=True) as server:
        project = Project(folder, server.url)
        project.environment |= {
            "GEMINI_API_KEY": GOOD_KEY,
            "PROMPTMILL_MODEL__BASE_URL": standin.url,
            "PROMPTMILL_WORKER__LEASE_SECONDS": str(LEASE_SECONDS),
            # The programs here are our own. What isolation refuses is tested where that is the question.
            "PROMPTMILL_SANDBOX__REQUIRE": "rlimits",
        }
        made = Mill(project, server, standin)
        made.says(RIGHT)
        try:
            yield made
        finally:
            project.close()
        await wait_until(
            lambda: not that_concern(folder), 10, f"the end of everything that ran in {folder}"
        )
