"""The stand-in as pytest hands it out: one of its own for each test."""

from collections.abc import Iterator

import pytest

from .running import Standin, running_standin


@pytest.fixture
def standin() -> Iterator[Standin]:
    """A Gemini stand-in that nobody else talks to; `running.GOOD_KEY` opens it."""
    with running_standin() as running:
        yield running
