"""Hostile programs of our own, held to the same promises as the corpus."""

import pytest

from . import own_kernel, own_running
from .attacked import Attacked
from .hostile import Hostile, broken_by

pytestmark = pytest.mark.adversarial


@pytest.mark.parametrize(
    "hostile", [*own_kernel.PROGRAMS, *own_running.PROGRAMS], ids=lambda hostile: hostile.name
)
async def test_a_program_of_our_own_is_held_and_named(worker: Attacked, hostile: Hostile) -> None:
    """Others of the same kinds exist: what was only closed against one program is open."""
    assert await broken_by(worker, hostile) == []
