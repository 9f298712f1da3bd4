"""Whatever a program leaves where its files are collected, there is a report."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.sandbox import Files, Sandbox
from worker.sandbox.inside.collector import Collection

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

_MOST = 1000
_ROOM_DESCRIPTORS = 8


@pytest.mark.parametrize(
    "name", ["'x' * 3", "chr(0x1F600) * 40", "b'\\xff' * 200"], ids=["short", "wide", "no text"]
)
async def test_names_that_no_packet_holds_are_left_out(walled: Sandbox, name: str) -> None:
    """A report that could not be sent was three zygotes that died, and a program nobody could judge."""
    program = f"import os\nfor n in range({_MOST}):\n"
    program += f"  os.close(os.open(os.fsencode({name}) + b'%d' % n, os.O_CREAT))\nprint('done')"
    files = Files(most_collected=_MOST, most_collected_kib=1)
    execution = await walled.run(python(program), LIMITS, files=files)
    assert execution.stdout == "done\n"
    assert len(execution.artefacts) + execution.artefacts_omitted == _MOST
    assert len(execution.artefacts) > 200


@pytest.fixture
def _few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + _ROOM_DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_few_descriptors")
def test_more_folders_than_can_be_open_are_all_looked_through(tmp_path: Path) -> None:
    """A worker may have 1024 descriptors, and a program makes 4096 folders."""
    for n in range(10 * _ROOM_DESCRIPTORS):
        (tmp_path / f"work/{n}/in").mkdir(parents=True)
        (tmp_path / f"work/{n}/in/file").write_text("x")
    scratch = os.open(tmp_path, os.O_RDONLY)
    collection = Collection(_MOST, _MOST)
    try:
        collection.take_all(scratch, ())
    finally:
        os.close(scratch)
        os.close(collection.content)
    assert len(collection.names) == 10 * _ROOM_DESCRIPTORS
    assert collection.omitted == 0
