"""Records that something has damaged: each costs itself, is found by name, and says what to do about it."""

from pathlib import Path

import pytest

from jobs.models import PromptJob
from jobs.records.files import FileRecordStore
from jobs.verdicts import Verdict
from tests.making import a_record

from .project import Project
from .told import told_as_json_by, told_by

pytestmark = pytest.mark.e2e

BROKEN = "job_broken"


@pytest.fixture
async def broken_path(bare_project: Project) -> Path:
    """The file of a damaged record beside two good ones, of which one is of a run."""
    store = FileRecordStore(bare_project.folder / ".promptmill" / "records")
    for job_id, run_id in (("job_one", None), ("job_two", "mine"), (BROKEN, "mine")):
        job = PromptJob(prompt="Print 1.", job_id=job_id, run_id=run_id)
        await store.put(a_record(job, Verdict.ACCEPTED))
    store.path_of(BROKEN).write_text('{"broken')
    await store.aclose()
    return store.path_of(BROKEN)


@pytest.mark.parametrize(
    ("more", "job_ids"),
    [
        pytest.param((), {"job_one", "job_two", BROKEN}, id="all"),
        pytest.param(("--run", "mine"), {"job_two", BROKEN}, id="of a run"),
    ],
)
def test_all_records_are_listed(
    bare_project: Project, broken_path: Path, more: tuple[str, ...], job_ids: set[str]
) -> None:
    """One bad sector must not hide ten thousand results; what it has damaged is known from the index."""
    assert broken_path.exists()
    listed = bare_project.run("job", "list", *more)
    assert {line.split()[0] for line in listed.out.splitlines()} == job_ids
    as_json = bare_project.run("job", "list", "--json", *more)
    assert {row["jobId"] for row in as_json.json()} == job_ids
    for ended in (listed, as_json):
        assert (ended.code, ended.err) == (0, "")


def test_verifying_names_the_damaged_one_and_what_to_do(
    bare_project: Project, broken_path: Path
) -> None:
    """One among thousands, and it does not call out by itself."""
    verified = bare_project.run("store", "verify")
    assert verified.code == 1
    [line] = verified.out.splitlines()
    assert line.startswith(f"{broken_path.relative_to(bare_project.folder)}  cannot be read")
    assert "remove it and submit the job again" in line
    assert "2 good records, 1 fault" in verified.err
    as_json = bare_project.run("store", "verify", "--json")
    assert (as_json.code, as_json.json()["records"]) == (1, 2)
    [fault] = as_json.json()["faults"]
    assert fault["place"] == str(broken_path.relative_to(bare_project.folder))
    assert set(fault) == {"place", "problem", "fix"}


def test_making_the_index_again_leaves_the_damaged_one_out_and_tells_of_it(
    bare_project: Project, broken_path: Path
) -> None:
    """The list is of what can be read, and who made it knows what is missing."""
    rebuilt = bare_project.run("store", "rebuild")
    assert rebuilt.code == 5
    assert str(broken_path.relative_to(bare_project.folder)) in rebuilt.out
    assert "holds 2 records; 1 record left out" in rebuilt.err
    assert {row["jobId"] for row in bare_project.run("job", "list", "--json").json()} == {
        "job_one",
        "job_two",
    }
    broken_path.unlink()
    assert bare_project.run("store", "rebuild", "--json").json() == {"records": 2, "faults": []}
    assert bare_project.run("store", "verify").code == 0


def test_another_record_is_shown_by_the_beginning_of_its_id(
    bare_project: Project, broken_path: Path
) -> None:
    """The damaged one has nothing to do with it."""
    assert broken_path.exists()
    shown = bare_project.run("job", "show", "job_o")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("job_one")


@pytest.mark.parametrize("job_id", [BROKEN, BROKEN[:-3]])
def test_a_damaged_record_says_what_to_do(
    bare_project: Project, broken_path: Path, job_id: str
) -> None:
    """Trying again, which helps against a busy disk, mends no file."""
    words = ("job", "show", job_id)
    for told in (
        told_by(bare_project.run(*words)),
        told_as_json_by(bare_project.run(*words, "--json")),
    ):
        assert (told.kind, told.code, told.retryable) == ("record-damaged", 4, False)
        assert broken_path.name in told.message
        assert "remove" in told.body
