"""What scripts import, and the errors they catch."""

import subprocess
import sys
from importlib import import_module

import pytest

from jobs import errors
from jobs.errors import ExitCode, PromptmillError, StoreError


@pytest.mark.parametrize("name", import_module("jobs").__all__)
def test_what_the_library_offers_can_be_had_from_it(name: str) -> None:
    """`from jobs import JobQueue` is the first line of everybody's script; names are loaded when asked for."""
    assert hasattr(import_module("jobs"), name)


def test_a_name_that_the_library_does_not_have_is_an_attribute_error() -> None:
    """Editors and `hasattr` ask for names that are not there."""
    assert not hasattr(import_module("jobs"), "Queue")


def test_the_words_of_a_job_are_loaded_without_the_queue() -> None:
    """Redis and arq cost more to import than everything else; `--help` must not pay for them."""
    script = (
        "import sys; from jobs import PromptJob, Record; print({'arq', 'redis'} & {*sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert printed == b"set()\n"


@pytest.mark.parametrize(
    "error", [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
)
def test_every_error_has_one_root_and_a_kind_of_its_own(error: type[PromptmillError]) -> None:
    """Scripts catch the root, and machines read the kind."""
    assert issubclass(error, PromptmillError)
    assert "kind" in vars(error)


def test_an_error_says_what_happened_and_what_to_do() -> None:
    """In a record and in a log there is one line for both."""
    error = StoreError("no room", fixes=["free some", "or wait"])
    assert (str(error), error.in_one_line) == ("no room", "no room (free some; or wait)")
    assert (StoreError.exit_code, StoreError("x").in_one_line) == (ExitCode.TRANSIENT, "x")
