"""A sandbox is never weaker than was asked for, and says what it has where it is weaker than it could be."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.requiring import require
from worker.sandbox import Profile, SandboxTooWeakError, open_sandbox, self_check
from worker.sandbox.inside.layers import OF_STRICT

from .accounts import accounts, python_for_everybody
from .planted import Planted, plant
from .poorer_machine import Outcome
from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

_Open = Callable[[str, Profile], Outcome]


@pytest.fixture(scope="module")
def planted() -> Iterator[Planted]:
    """A secret file that everybody may read, a server, and a process to send signals to."""
    with plant(accounts()[0]) as around:
        yield around


@pytest.fixture
def open_without(planted: Planted, repository: Path) -> _Open:
    """Opens a sandbox where the kernel refuses what is named, and has a program try what none should."""
    if os.geteuid() == 0:
        python_for_everybody()
    secret = planted.home / ".netrc"
    around = f"{secret} {planted.tcp_port} {planted.bystander.pid}"

    def open_there(refused: str, least: Profile) -> Outcome:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.adversarial.poorer_machine", refused, least],
            input=around,
            capture_output=True,
            text=True,
            cwd=repository,
            check=False,
            timeout=50,
        )
        assert ended.returncode == 0, ended.stderr
        return Outcome.model_validate_json(ended.stdout)

    return open_there


def test_without_namespaces_a_program_is_contained(open_without: _Open) -> None:
    """Docker's default refuses them: what remains holds what it says it holds, and says what it lacks."""
    outcome = open_without("namespaces", "contained")
    require("Landlock of ABI 6", available=outcome.refused is None)
    assert outcome.profile == "contained"
    assert outcome.missing == OF_STRICT
    assert "seccomp" in outcome.layers
    assert any(layer.startswith("landlock-abi-") for layer in outcome.layers)
    assert outcome.done == ()


def test_without_landlock_the_other_walls_stand(open_without: _Open) -> None:
    """A kernel without it is still strict; that the second wall is missing is in every record."""
    outcome = open_without("landlock", "strict")
    assert outcome.profile == "strict"
    assert outcome.missing == ("landlock",)
    assert not any(layer.startswith("landlock") for layer in outcome.layers)
    assert outcome.done == ()


@pytest.mark.parametrize(
    ("refused", "least", "by"),
    [
        ("namespaces", "strict", {"strict": "user-namespace"}),
        (
            "namespaces,landlock",
            "contained",
            {"strict": "user-namespace", "contained": "landlock"},
        ),
        ("seccomp", "contained", {"strict": "seccomp", "contained": "seccomp"}),
        ("seccomp", "strict", {"strict": "seccomp"}),
    ],
    ids=["no namespaces", "neither namespaces nor landlock", "no filter", "no filter, strict"],
)
def test_what_would_be_weaker_than_required_is_refused(
    open_without: _Open, refused: str, least: Profile, by: dict[str, str]
) -> None:
    """Falling back without a word would run strangers' code beside the queue's password."""
    outcome = open_without(refused, least)
    assert outcome.refused == "sandbox-too-weak"
    for profile, layer in by.items():
        assert outcome.facts[f"refused for {profile}"].startswith(f"{layer}: ")
    fixes = "\n".join(outcome.fixes)
    assert "--security-opt seccomp=unconfined" in fixes
    weaker = {"strict": "contained", "contained": "rlimits"}[least]
    assert f"PROMPTMILL_SANDBOX__REQUIRE={weaker}" in fixes


@pytest.mark.parametrize("refused", ["namespaces,landlock", "seccomp"])
def test_less_is_given_by_its_name_and_holds_no_more_than_it_says(
    open_without: _Open, refused: str
) -> None:
    """Whoever runs trusted prompts on an old kernel decides so by name, and each record says so."""
    outcome = open_without(refused, "rlimits")
    assert outcome.profile == "rlimits"
    assert "rlimits" in outcome.layers
    assert {"landlock", "seccomp", *OF_STRICT} <= set(outcome.missing)
    # The kernel's own permissions remain: who runs as root runs programs as nobody, who may not signal root's.
    assert {"files", "network"} <= set(outcome.done)


async def test_the_strongest_profile_is_taken_whatever_the_minimum() -> None:
    """The minimum says what is refused, not what is wanted."""
    async with await open_sandbox("rlimits") as sandbox:
        require("namespaces", available=sandbox.isolation.profile == "strict")
        assert {"network-namespace", "private-root", "no-capabilities", "rlimits"} <= set(
            sandbox.isolation.layers
        )
        assert sandbox.isolation.missing == ()


async def test_walls_are_required_unless_somebody_says_otherwise() -> None:
    """A script that forgot to ask must not get a sandbox without any."""
    with suppress(SandboxTooWeakError):
        async with await open_sandbox() as sandbox:
            assert sandbox.isolation.profile in {"strict", "contained"}


async def test_a_sandbox_proves_itself() -> None:
    """`promptmill doctor` shows this, and a screenshot of it is the first thing in a report of a fault."""
    async with await open_sandbox("rlimits") as sandbox:
        checks = await self_check(sandbox)
    assert [check for check in checks if not check.ok] == []
    names = {check.name for check in checks}
    limits = ("cpu", "wall", "memory", "output", "file_size", "processes")
    assert {"language python", *(f"limit {name}" for name in limits)} <= names


def test_a_loop_that_ends_does_not_take_the_sandbox_with_it() -> None:
    """Commands open one loop after the other; a sandbox belongs to none of them."""
    sandbox = asyncio.run(open_sandbox("rlimits"))
    try:
        outputs = [asyncio.run(sandbox.run(python(f"print({n})"), LIMITS)).stdout for n in range(2)]
    finally:
        asyncio.run(sandbox.aclose())
    assert outputs == ["0\n", "1\n"]
