"""The JSON Schema of the record: printed, committed, and true of real records."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.limits import Limits
from jobs.models import PromptJob
from jobs.verdicts import Verdict
from tests.json_schema import violations
from tests.making import a_record

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def schema(repository: Path) -> dict[str, Any]:
    text = (repository / "docs/reference/record.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture
def record() -> dict[str, Any]:
    job = PromptJob(prompt="Print 1.", run_id="r", limits=Limits(), metadata={"a": [1, None]})
    written: dict[str, Any] = json.loads(a_record(job, Verdict.NO_CODE, Verdict.ACCEPTED).to_json())
    return written


def test_the_committed_schema_is_the_one_that_is_printed(repository: Path) -> None:
    """Whoever reads records with another program writes it against this file."""
    printed = subprocess.run(
        [sys.executable, "-m", "jobs.schema"], capture_output=True, check=True, cwd=repository
    ).stdout
    committed = (repository / "docs/reference/record.schema.json").read_bytes()
    assert printed == committed, "python -m jobs.schema > docs/reference/record.schema.json"


def test_a_record_is_as_its_schema_says(schema: dict[str, Any], record: dict[str, Any]) -> None:
    """A schema that real records do not keep is worse than none."""
    assert violations(schema, record) == []


def test_the_record_of_our_own_failure_is_as_its_schema_says(schema: dict[str, Any]) -> None:
    """It has no attempts, and is the record that a reader meets least often and least prepared."""
    written = json.loads(a_record(PromptJob(prompt="x"), error="disk full").to_json())
    assert violations(schema, written) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: r.pop("verdict"), id="a field is missing"),
        pytest.param(lambda r: r.update(verdict="fine"), id="an unknown verdict"),
        pytest.param(lambda r: r.update(extra=1), id="an unknown field"),
        pytest.param(lambda r: r["job"].update(jobId="../x"), id="a bad id"),
        pytest.param(lambda r: r["attempts"][0].update(number=0), id="attempt 0"),
        pytest.param(lambda r: r["attempts"][1]["execution"].update(limitHit="luck"), id="a limit"),
        pytest.param(lambda r: r.update(schemaVersion=2), id="another version"),
        pytest.param(lambda r: r["limits"].update(cpuSeconds=0), id="no time at all"),
    ],
)
def test_the_schema_refuses_what_is_no_record(
    schema: dict[str, Any], record: dict[str, Any], change: Change
) -> None:
    """A schema that lets everything pass would agree with every record, too."""
    change(record)
    assert violations(schema, record) != []


def test_the_schema_says_what_its_fields_mean(schema: dict[str, Any]) -> None:
    """It is the reference of the record: what a field means stands in it."""
    fields = schema["$defs"]["Attempt"]["properties"]
    assert fields["feedback"]["description"].startswith("The words sent back to the model")
