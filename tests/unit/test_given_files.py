"""Files that a job gives to its programs: which paths they may have."""

import pytest
from pydantic import ValidationError

from jobs.models import PromptJob
from worker.sandbox.languages import ROWS


@pytest.mark.parametrize("suffix", ["", *(each for row in ROWS.values() for each in row.suffixes)])
def test_no_file_takes_the_place_of_the_program(suffix: str) -> None:
    """It would be run instead, and every answer would come to the same verdict."""
    with pytest.raises(ValidationError, match="what the program itself is called"):
        PromptJob(prompt="x", files={f"program{suffix}": ""})


@pytest.mark.parametrize("name", ["program.txt", "old/program.py", "solution.py", "é" * 127])
def test_other_names_are_free(name: str) -> None:
    """A task about a program may well bring one along."""
    assert PromptJob(prompt="x", files={name: ""}).files == {name: ""}


@pytest.mark.parametrize("name", ["a" * 256, "é" * 128, "a/" * 128 + "b"])
def test_a_name_that_no_file_system_takes_is_refused(name: str) -> None:
    """Else each delivery of its job would fail because of us, and none of them because of the row."""
    with pytest.raises(ValidationError, match="no path of a file"):
        PromptJob(prompt="x", files={name: ""})
