"""A project whose records are elsewhere than in its folder: every command looks where the others write."""

from pathlib import Path

import pytest

from jobs.records.files import FileRecordStore
from tests.s3_server import environment_for
from tests.stores import record_of

from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e

ROW = {"id": "one", "prompt": "Print 1.", "expect": "1"}
SECRET = "planted-secret-of-tests"


def records_elsewhere(kind: str, project: Project, request: pytest.FixtureRequest) -> str:
    """The URL of an empty store of this kind, which the project's commands can reach."""
    match kind:
        case "s3":
            project.environment |= environment_for(request.getfixturevalue("s3_url"))
            return f"s3://{request.getfixturevalue('s3_bucket')}/runs"
        case "redis":
            assert project.redis_url is not None
            return project.redis_url
        case "shared":
            return f"file+objects://{project.folder / 'shared'}"
        case _:
            return f"file://{project.folder / 'else where'}".replace(" ", "%20")


@pytest.mark.parametrize("kind", ["files", "redis", "shared", "s3"])
def test_every_command_uses_the_store_that_is_set(
    project: Project, request: pytest.FixtureRequest, repository: Path, kind: str
) -> None:
    """A command that looked elsewhere would queue again what was paid for, and list nothing."""
    url = records_elsewhere(kind, project, request)
    project.environment["PROMPTMILL_STORE__URL"] = url
    words = ("eval", str(repository / "jobs/datasets/demo.jsonl"), "--run", "r")
    evaluated = project.run(*words)
    assert evaluated.code == 0, evaluated.err
    assert url in evaluated.out
    assert not (project.folder / ".promptmill" / "records").exists()
    listed = project.run("job", "list", "--run", "r", "--json").json()
    assert len(listed) == 12
    shown = project.run("job", "show", listed[0]["jobId"][:-4], "--json")
    assert shown.json()["job"]["jobId"] == listed[0]["jobId"]
    again = project.run(*words)
    assert (again.code, project.queued()) == (0, 0)
    assert len(project.run("job", "list", "--json").json()) == 12
    verified = project.run("store", "verify", "--json")
    assert verified.json() == {"records": 12, "faults": []}
    assert project.run("store", "rebuild").code == 0
    assert len(project.run("job", "list", "--json").json()) == 12


def test_the_tour_leaves_the_store_that_is_set_alone(project: Project) -> None:
    """Recordings do not belong among the results of a fleet."""
    assert project.redis_url is not None
    project.environment["PROMPTMILL_STORE__URL"] = project.redis_url
    toured = project.run("demo")
    assert toured.code == 0, toured.err
    assert len(project.records()) == 12
    assert project.kept_in_redis() == set()


def test_a_store_that_cannot_be_used_stops_a_command_before_anything_is_queued(
    project: Project,
) -> None:
    """A record that cannot be kept is a job paid for in vain."""
    project.environment["PROMPTMILL_STORE__URL"] = "az://container"
    project.write_rows("rows.jsonl", [ROW])
    told = told_by(project.run("eval", "rows.jsonl"))
    assert told.code == 2
    assert "AZURE_" in told.body
    assert project.kept_in_redis() == set()


def test_no_command_shows_a_password_of_the_store(project: Project) -> None:
    """A URL of Redis may hold one, and what a command says is pasted into bug reports."""
    project.environment["PROMPTMILL_STORE__URL"] = f"redis://me:{SECRET}@127.0.0.1:1/0"
    project.write_rows("rows.jsonl", [ROW])
    for words in (
        ("eval", "rows.jsonl"),
        ("job", "list"),
        ("job", "list", "--json"),
        ("store", "verify"),
        ("worker", "--burst"),
        ("config", "show", "--origin"),
        ("doctor",),
    ):
        ended = project.run(*words)
        assert SECRET not in ended.said, words


def test_doctor_tries_the_store_that_is_set(project: Project, s3_bucket: str, s3_url: str) -> None:
    """Credentials are wrong more often than not, and that is better known before a night's run."""
    project.environment |= environment_for(s3_url)
    for bucket, status in ((s3_bucket, "ok"), ("nobody-s", "fail")):
        ended = project.run("doctor", "--json", PROMPTMILL_STORE__URL=f"s3://{bucket}/runs")
        [found] = [finding for finding in ended.json() if finding["group"] == "store"]
        assert found["status"] == status, found


def test_a_long_list_says_that_there_is_more(project: Project) -> None:
    """Fifty lines look like all there is."""
    records = project.folder / ".promptmill" / "records"
    for job_id in ("a", "b", "c"):
        path = _path_below(records, job_id)
        path.parent.mkdir(parents=True)
        path.write_text(record_of(job_id).to_json())
    listed = project.run("job", "list", "--limit", "2")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["c", "b"]
    assert "--limit 20" in listed.err
    assert "more" not in project.run("job", "list", "--limit", "3").err


def test_an_id_that_several_begin_with_is_not_guessed(project: Project) -> None:
    """The wrong job, shown without a word, is worse than none."""
    records = project.folder / ".promptmill" / "records"
    for job_id in ("job_a", "job_b"):
        path = _path_below(records, job_id)
        path.parent.mkdir(parents=True)
        path.write_text(record_of(job_id).to_json())
    told = told_by(project.run("job", "show", "job_"))
    assert (told.kind, told.code) == ("usage", 2)
    assert "job_b" in told.body


def _path_below(records: Path, job_id: str) -> Path:
    return FileRecordStore(records).path_of(job_id)
