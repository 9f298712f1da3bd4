"""Hostile programs of our own, held to the same promises as the corpus."""

import pytest

from . import own_kernel, own_reaching, own_running, own_spending
from .accounts import accounts
from .attacked import Attacked
from .hostile import Hostile, broken_by

pytestmark = pytest.mark.adversarial

# Whose programs have least between them and their worker, who is the same user.
_ORDINARY = [
    pytest.param((profile, account), id=profile, marks=pytest.mark.xdist_group(account.name))
    for account in accounts()[-1:]
    for profile in ("strict", "contained")
]


@pytest.mark.parametrize(
    "hostile",
    [*own_kernel.PROGRAMS, *own_reaching.PROGRAMS],
    ids=lambda hostile: hostile.name,
)
async def test_what_is_asked_of_the_kernel_is_refused(worker: Attacked, hostile: Hostile) -> None:
    """Others of the same kinds exist: what was only closed against one program is open."""
    assert await broken_by(worker, hostile) == []


@pytest.mark.parametrize("worker", _ORDINARY, indirect=True, scope="module")
@pytest.mark.parametrize("hostile", own_spending.PROGRAMS, ids=lambda hostile: hostile.name)
async def test_whatever_is_spent_is_ended_by_its_own_limit(
    worker: Attacked, hostile: Hostile
) -> None:
    """Each has another way into the kernel, and the model is told the word that comes out."""
    assert await broken_by(worker, hostile, own_spending.limits_for(hostile)) == []


@pytest.mark.parametrize("worker", _ORDINARY, indirect=True, scope="module")
@pytest.mark.parametrize("hostile", own_running.PROGRAMS, ids=lambda hostile: hostile.name)
async def test_however_a_program_ends_it_is_a_verdict(worker: Attacked, hostile: Hostile) -> None:
    """It is never our failure, and the next program finds nothing of it."""
    assert await broken_by(worker, hostile) == []
