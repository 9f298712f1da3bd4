"""Results that were judged elsewhere, as a user takes them in, looks at them and compares them."""

import csv
import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest

from .project import Ended, Project
from .told import told_as_json_by

# Many commands one after the other, each of which has to start.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _import(project: Project, run: str, passed: Sequence[bool | None]) -> Ended:
    results = {True: "passed", False: "failed: <b>|\x1b[31m", None: "no such machine"}
    rows = [
        {"task_id": f"T/{n}", "completion": "x", "result": results[ok], "passed": bool(ok)}
        for n, ok in enumerate(passed)
    ]
    project.write_rows(f"{run}.jsonl", rows)
    return project.run("results", "import", f"{run}.jsonl", "--run", run)


def test_results_are_imported_once_and_reported_in_every_form(bare_project: Project) -> None:
    """Somebody imports the same file again, and nothing is counted twice."""
    project = bare_project
    first = _import(project, "a", [True, False, True])
    again = _import(project, "a", [True, False, True])
    assert (first.code, first.out, again.code) == (0, "a\n", 0)
    assert "3 were there already" in again.err

    report = json.loads(project.run("report", "a", "--format", "json").out)
    assert (report["runId"], report["nScored"], report["importedFrom"]) == ("a", 3, ["human-eval"])
    text, markdown, junit = (
        project.run("report", "a", "--format", form).out for form in ("text", "markdown", "junit")
    )
    assert "2 / 3" in text
    assert "judged by  human-eval" in text
    assert "\\<b\\>\\|" in markdown
    suite = ET.fromstring(junit)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    assert "\x1b" not in text + markdown + junit


def test_jobs_that_nobody_judged_are_shown_and_told_by_the_exit_code(bare_project: Project) -> None:
    """A pipeline must not go on with the figures of half a run."""
    assert _import(bare_project, "a", [True, None]).code == 5
    ended = bare_project.run("report", "a")
    assert ended.code == 5
    assert "1 of 2 jobs were judged; 1 failed because of us" in ended.out


def test_two_runs_are_compared_and_gated(bare_project: Project) -> None:
    """It is the question that every change of prompt or model ends in."""
    project = bare_project
    _import(project, "a", [True] * 30 + [False] * 10)
    _import(project, "b", [False] * 25 + [True] * 7 + [False] * 8)
    _import(project, "c", [True] * 29 + [False] * 11)
    worse = project.run("compare", "a", "b", "c", "--fail-if-worse", "0.02")
    assert worse.code == 1
    assert "gained      2\n  T/30   0 -> 1" in worse.out
    assert "b --fail-if-worse 0.02: FAILED" in worse.err
    assert "c --fail-if-worse" not in worse.err
    found = json.loads(project.run("compare", "a", "c", "--json").out)
    assert [each["isDistinguishable"] for each in found] == [False]
    alike = project.run("compare", "a", "c", "--fail-if-worse", "0.02")
    assert (alike.code, "not distinguishable" in alike.out) == (0, True)
    assert project.run("compare", "a", "c", "--fail-unless-as-good", "0.02").code == 1


def test_a_comparison_is_written_as_its_file_is_called(bare_project: Project) -> None:
    """What is shown to others is a page, and what goes on is data; a file of something else would be neither."""
    project = bare_project
    _import(project, "a", [True] * 3)
    _import(project, "b", [True, False, False])
    assert project.run("compare", "a", "b", "--output", "found.html").code == 0
    assert "<h1>b beside a</h1>" in (project.folder / "found.html").read_text()
    assert project.run("compare", "a", "b", "--output", "found.json").code == 0
    [found] = json.loads((project.folder / "found.json").read_text())
    assert [each["taskId"] for each in found["lost"]] == ["T/1", "T/2"]
    refused = project.run("compare", "a", "b", "--output", "found.xml")
    assert refused.code == 2
    assert "ends in .html, .json or .txt" in refused.err
    assert not (project.folder / "found.xml").exists()


def test_runs_of_other_tasks_are_compared_only_if_told(bare_project: Project) -> None:
    """Half of the tasks is another benchmark."""
    _import(bare_project, "a", [True, True])
    _import(bare_project, "b", [True])
    refused = bare_project.run("compare", "a", "b")
    assert refused.code == 2
    assert "dataset: 1 tasks are in one of them only" in refused.err
    told = bare_project.run("compare", "a", "b", "--allow-different")
    assert told.code == 0
    assert "beware      dataset" in told.out


def test_a_run_without_records_is_no_run(bare_project: Project) -> None:
    """A misspelt name must not come to 0 of 0."""
    assert "there is no run 'nope'" in bare_project.run("report", "nope").err


@pytest.mark.parametrize("words", [("report",), ("results", "verify"), ("run", "cancel")])
def test_a_misspelt_run_is_told_with_those_that_are_nearly_called_so(
    project: Project, words: tuple[str, ...]
) -> None:
    """Runs have long names, and one letter is wrong more often than the whole."""
    project.write_rows("one.jsonl", [{"prompt": "Print 1."}])
    project.run("submit", "--jsonl", "one.jsonl", "--run", "nightly-7")
    told = told_as_json_by(project.run(*words, "nigthly-7", "--json"))
    assert (told.kind, told.code) == ("run-not-found", 2)
    assert re.search("did you mean.*nightly-7", told.body)


def test_a_run_whose_jobs_all_wait_is_not_called_unknown(project: Project) -> None:
    """It is there: whoever reads otherwise starts it again under another name, and pays twice."""
    project.write_rows("one.jsonl", [{"prompt": "Print 1."}])
    project.run("submit", "--jsonl", "one.jsonl", "--run", "nightly-7")
    refused = project.run("report", "nightly-7")
    assert refused.code == 2
    assert "run 'nightly-7' has no records yet" in refused.err


def test_a_run_is_exported_for_others_and_comes_back_the_same(bare_project: Project) -> None:
    """Whoever leaves must be able to take the results along."""
    project = bare_project
    _import(project, "a", [True, False, None])
    words = ("results", "export", "a", "--to")
    written = project.run(*words, "human-eval-results", "--output", "out.jsonl")
    assert written.code == 0
    assert "1 job of 3 left out of human-eval-results" in written.err
    assert "written  out.jsonl" in written.err
    assert project.run("results", "import", "out.jsonl", "--run", "b").code == 0
    [found] = json.loads(project.run("compare", "a", "b", "--allow-different", "--json").out)
    assert (found["nSame"], found["nLeftOut"], found["nUnscored"]) == (2, 1, 1)

    records = [json.loads(line) for line in project.run(*words, "jsonl").out.splitlines()]
    assert sorted(record["job"]["taskId"] for record in records) == ["T/0", "T/1", "T/2"]
    assert len(project.run(*words, "evalplus").out.splitlines()) == 2
    table = project.run(*words, "csv")
    assert "left out" not in table.err
    heads, *rows = csv.reader(table.out.splitlines())
    assert [dict(zip(heads, row, strict=True))["verdict"] for row in rows] == [
        "accepted",
        "runtime_error",
        "internal_error",
    ]


def test_runs_are_asked_in_sql_and_kept_as_parquet(bare_project: Project) -> None:
    """Every question that no report answers is answered by a line of SQL."""
    project = bare_project
    _import(project, "a", [True, False])
    _import(project, "b", [True, True])
    by_run = "SELECT runId, count(solvedAt) AS solved FROM results GROUP BY ALL ORDER BY ALL"
    ended = project.run("results", "query", by_run, "--run", "a", "--run", "b")
    assert ended.out == "runId\tsolved\na\t1\nb\t2\n"
    assert (
        project.run("results", "export", "b", "--to", "parquet", "--output", "b.parquet").code == 0
    )
    kept = project.run(
        "results", "query", "SELECT count(*) AS n FROM 'b.parquet'", "--run", "a", "--json"
    )
    assert json.loads(kept.out) == [{"n": 2}]
    assert project.run("results", "query", "SELEC", "--run", "a").code == 2


def test_records_that_do_not_agree_with_themselves_are_named(bare_project: Project) -> None:
    """A record that somebody has edited must not pass for a result."""
    project = bare_project
    _import(project, "a", [True, False])
    assert project.run("results", "verify", "a").code == 0
    [path] = [
        path
        for path in (project.folder / ".promptmill" / "records").glob("??/*.json")
        if json.loads(path.read_text())["job"]["taskId"] == "T/1"
    ]
    path.write_text(
        path.read_text().replace('"verdict": "runtime_error"', '"verdict": "accepted"', 1)
    )
    ended = project.run("results", "verify", "a")
    assert ended.code == 1
    assert "its verdict is not that of its last attempt" in ended.out
