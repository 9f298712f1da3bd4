"""Files that a job gives to its programs: which paths they may have."""

import json

import pytest
from pydantic import ValidationError

from jobs.errors import DatasetError
from jobs.models import PromptJob
from tests.making import parse_tasks
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


def test_a_row_whose_own_limits_have_no_room_for_its_files_is_refused_when_it_is_read() -> None:
    """Each of its answers would end before it was run, after it was paid for."""
    row = {"id": "a", "prompt": "x", "files": {"data.txt": "x" * 2_000_000}}
    with pytest.raises(DatasetError) as caught:
        parse_tasks([json.dumps({**row, "limits": {"scratchMib": 1}})], "tasks")
    assert caught.value.facts["line 1"] == (
        'the "files" take 2,068,480 bytes of disk, and "scratchMib" of its limits is 1: give them more'
    )
    assert len(parse_tasks([json.dumps({**row, "limits": {"scratchMib": 2}})], "tasks")) == 1
