"""The lock is what every environment is made from: complete, hashed, and free of addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_REPOSITORY = Path(__file__).parents[2]
_LOCK = (_REPOSITORY / "requirements.lock").read_text()
# What a developer may install into another environment; nothing of ours needs it.
_OUTSIDE = ("bench", "bench-queues")
_PINS = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", _LOCK, re.MULTILINE))


def _direct_requirements() -> list[Requirement]:
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())
    groups = [
        entry
        for name, group in project["dependency-groups"].items()
        if name not in _OUTSIDE
        for entry in group
    ]
    extras = project["project"]["optional-dependencies"].values()
    wanted = [
        *project["project"]["dependencies"],
        *(entry for extra in extras for entry in extra),
        *project["build-system"]["requires"],
    ]
    return [
        Requirement(text)
        for text in [*wanted, *(entry for entry in groups if isinstance(entry, str))]
    ]


@pytest.mark.parametrize(
    "requirement", _direct_requirements(), ids=lambda requirement: requirement.name
)
def test_the_lock_pins_what_the_project_asks_for(requirement: Requirement) -> None:
    """A dependency that was added without `make lock` would be missing on every machine but one."""
    assert _PINS.get(canonicalize_name(requirement.name), "missing") in requirement.specifier


def test_every_pin_has_hashes() -> None:
    """One package without a hash is one that anybody on the way could replace."""
    entries = re.split(r"\n(?=[a-z])", _LOCK)
    pinned = [entry for entry in entries if "==" in entry.splitlines()[0]]
    assert [entry.splitlines()[0] for entry in pinned if "--hash=sha256:" not in entry] == []
    assert len(pinned) == len(_PINS)


@pytest.mark.parametrize("address", ["://", "--index-url", "--find-links", "file:"])
def test_the_lock_names_no_address(address: str) -> None:
    """Where packages come from is the business of whoever installs them."""
    assert address not in _LOCK
