"""A disk that fills up, and is cleared by somebody in the end."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requiring import require
from tests.waiting import wait_until

from .mill import Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def small_disk(mill: Mill) -> Iterator[Path]:
    """The records of the mill lie on a disk of eight MiB."""
    folder = mill.project.folder / ".promptmill"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder))
    mounted = os.geteuid() == 0 and subprocess.call(mount, stderr=subprocess.DEVNULL) == 0
    require("root, who may mount a disk", available=mounted)
    try:
        yield folder
    finally:
        mill.project.close()
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


async def test_no_job_is_taken_below_the_free_space_floor_until_there_is_room(
    mill: Mill, small_disk: Path
) -> None:
    """A reply that is paid for and cannot be kept is worse than a job that waits. It is said once, not every second."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(6 * 2**20))
    worker = await mill.worker(PROMPTMILL_WORKER__FREE_MIB="4")
    await worker.until_it_says(f"less than 4 MiB are free on the disk of {small_disk}")
    await mill.submit(*some_jobs(3))
    ended = mill.project.run("doctor", "--json", PROMPTMILL_WORKER__FREE_MIB="4")
    [told] = [row for row in ended.json() if row["group"] == "disk"]
    assert (told["status"], "worker.free_mib" in told["fix"]) == ("fail", True)
    # It looks every second, and was woken for the jobs.
    assert (mill.n_asked, mill.leased()) == (0, set())
    ballast.unlink()
    await worker.until_it_says("jobs are taken again")
    await wait_until(lambda: mill.n_recorded() == 3, 30, "the records")
    assert worker.err.count("no job is taken") == 1
    await mill.all_is_over()
