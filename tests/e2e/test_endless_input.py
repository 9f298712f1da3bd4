"""Input that has no end: it is read as far as it could be of use, and refused there."""

import pytest

from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e

# Far more than a command needs, and far less than this machine has.
_MEMORY_KIB = 3_000_000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param("@/dev/zero", "/dev/zero holds more than 1000000 characters", id="file"),
        pytest.param(
            "- < /dev/zero", "standard input holds more than 1000000 characters", id="pipe"
        ),
        pytest.param(
            "'Print 1.' --tests /dev/zero",
            "/dev/zero holds more than 1000000 characters",
            id="tests",
        ),
        pytest.param("--jsonl /dev/zero", "line 1 is longer than 256 MiB", id="rows"),
        pytest.param("--jsonl - < /dev/zero", "line 1 is longer than 256 MiB", id="piped rows"),
    ],
)
def test_input_without_an_end_is_read_only_as_far_as_it_could_be_used(
    project: Project, words: str, says: str
) -> None:
    """A mistyped path must not take the memory of the machine, and every other program down with it."""
    ended = project.run_program(
        "sh", "-c", f"ulimit -v {_MEMORY_KIB}; exec promptmill submit {words}"
    )
    told = told_by(ended)
    assert (told.code, told.note) == (2, "nothing was queued")
    assert says in told.message
    assert project.kept_in_redis() == set()
