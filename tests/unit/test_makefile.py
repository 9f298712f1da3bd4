"""`make` is the front door: what it lists is there, and what is there it lists."""

import os
import re
import subprocess
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]
_MAKEFILE = (_REPOSITORY / "Makefile").read_text()


def _make(*arguments: str) -> str:
    # Run under `make test`, the outer make's own flags would reach the inner one.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    result = subprocess.run(
        ["make", *arguments],
        cwd=_REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_make_alone_lists_every_target_with_what_it_is_for() -> None:
    """A newcomer's first command is `make`; a target it does not list might as well not be there."""
    phony = re.search(r"^\.PHONY: (.*)$", _MAKEFILE, re.MULTILINE)
    assert phony
    listed = dict(re.findall(r"^  make (\w+) +(\S.*)$", _make(), re.MULTILINE))
    assert sorted(listed) == sorted(phony.group(1).split())


def test_ci_runs_make_targets_only() -> None:
    """What CI does and a person cannot repeat with one word would be a second, hidden build."""
    steps = re.search(
        r"^for step in (.*); do$", (_REPOSITORY / ".ci" / "run").read_text(), re.MULTILINE
    )
    assert steps
    targets = set(re.findall(r"^([a-z]+):.*##", _MAKEFILE, re.MULTILINE))
    assert set(steps.group(1).split()) <= targets


@pytest.mark.parametrize("script", [".ci/run"])
def test_scripts_may_be_started_as_they_are(script: str) -> None:
    """`permission denied` is a poor greeting."""
    assert os.access(_REPOSITORY / script, os.X_OK)
