"""Results of other evaluators become records, and say who judged them."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import DatasetError, UsageError
from jobs.models import PromptJob
from jobs.reports import Report, build_report
from jobs.reports.text import report_lines
from jobs.results.exporting import csv_lines
from jobs.results.foreign import HumanEvalResult, evalplus_verdict, human_eval_verdict
from jobs.results.importing import Origin, read_results, record_of
from jobs.results.rows import ResultRow
from jobs.results.tables import query
from jobs.verdicts import Verdict
from tests.making import NOON, a_record
from tests.requiring import material

ORIGIN = Origin("imported", "somebody", "1", NOON)


def _report(path: Path, samples: Path | None = None) -> Report:
    return build_report(record_of(each, ORIGIN) for each in read_results(path, samples))


def _written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_the_samples_of_a_published_model_come_to_their_known_figures() -> None:
    """Whoever moves here has to find the numbers that were published elsewhere."""
    report = _report(
        material("data/samples/codegen16B_humaneval_n20.samples.jsonl_results.jsonl.gz")
    )
    assert (report.n_jobs, report.solved.successes, report.n_tasks) == (3280, 722, 164)
    at_k = {rate.k: rate.pass_at_k for rate in report.samples}
    assert at_k[1] == pytest.approx(0.220122, abs=1e-6)
    assert at_k[5] == pytest.approx(0.417091, abs=1e-6)
    assert at_k[10] == pytest.approx(0.499886, abs=1e-6)
    assert report.solved_error == pytest.approx(0.0235, abs=5e-5)
    # Three times as wide as if the samples were independent.
    assert report.solved.high - report.solved.low > 0.08


def test_results_of_evalplus_are_read_in_their_older_form() -> None:
    """Archives hold what was written years ago; both sets of tests have to pass."""
    folder = material("data/samples")
    results = folder / "evalplus_chatgpt-cot_humaneval_eval_results.json.gz"
    with gzip.open(results, "rt", encoding="utf-8") as file:
        tasks = json.load(file)["eval"].values()
    n_passed = sum(t["base"][0][0] == t["plus"][0][0] == "success" for t in tasks)
    report = _report(results, folder / "evalplus_chatgpt-cot_humaneval.jsonl.gz")
    assert (report.solved.successes, report.n_scored) == (n_passed, 164)


def test_results_of_evalplus_are_read_in_their_newer_form(tmp_path: Path) -> None:
    """It is what today's EvalPlus writes, on one line or on many."""
    row = {"task_id": "T/1", "solution": "x = 1", "base_status": "pass", "plus_status": "fail"}
    path = tmp_path / "eval_results.json"
    path.write_text(
        json.dumps({"hash": "h", "eval": {"T/1": [row, {**row, "plus_status": "pass"}]}}, indent=1)
    )
    [first, second] = read_results(path)
    assert (first.verdict, first.explanation) == (Verdict.WRONG_ANSWER, "plus tests: fail")
    assert (second.verdict, second.sample, second.code) == (Verdict.ACCEPTED, 1, "x = 1")


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        ("timed out", Verdict.TIME_LIMIT_EXCEEDED),
        ("failed: ", Verdict.WRONG_ANSWER),
        ("failed: name 'x' is not defined", Verdict.RUNTIME_ERROR),
        ("failed: invalid syntax (<string>, line 5)", Verdict.COMPILE_ERROR),
        ("no space left", Verdict.INTERNAL_ERROR),
        (None, Verdict.INTERNAL_ERROR),
    ],
    ids=["time", "assert", "error", "syntax", "evaluator", "nothing"],
)
def test_what_human_eval_says_of_a_failure_becomes_a_verdict(
    result: str | None, verdict: Verdict
) -> None:
    """Whose fault it was decides whether a rate counts it."""
    row = HumanEvalResult(task_id="T/1", completion="", result=result, passed=False)
    assert human_eval_verdict(row)[0] is verdict


def test_a_status_that_nobody_knows_is_the_evaluators_failure() -> None:
    """Taken for a wrong answer it would be the model's."""
    assert evalplus_verdict("pass", "crashed")[0] is Verdict.INTERNAL_ERROR
    assert evalplus_verdict("pass", None)[0] is Verdict.ACCEPTED


def test_failures_of_the_evaluator_are_shown_and_in_no_rate(tmp_path: Path) -> None:
    """A machine that ran out of disk says nothing about a model."""
    row = {"task_id": "T/1", "completion": "", "result": "passed", "passed": True}
    report = _report(
        _written(tmp_path / "r.jsonl", row, {**row, "passed": False, "result": "died"})
    )
    assert (report.solved.successes, report.n_scored, report.n_jobs) == (1, 1, 2)
    assert "\n".join(report_lines(report)).startswith(
        "1 of 2 jobs were judged; 1 failed because of us"
    )


@pytest.mark.parametrize("field", ["completion", "solution"])
def test_samples_without_verdicts_are_refused(tmp_path: Path, field: str) -> None:
    """Imported as failures they would be a model that solves nothing."""
    path = _written(tmp_path / "samples.jsonl", {"task_id": "T/1", field: ""})
    with pytest.raises(UsageError, match="nobody has said how they did"):
        list(read_results(path))


def test_bad_lines_are_named_all_at_once(tmp_path: Path) -> None:
    """Somebody mends the file, and does not want to learn of one line at a time."""
    path = _written(tmp_path / "r.jsonl", {"task_id": "T/1"}, {"completion": "", "passed": True})
    with pytest.raises(DatasetError, match="2 bad lines of 2") as refused:
        list(read_results(path))
    assert set(refused.value.facts) == {"line 1", "line 2"}


def test_reports_say_who_judged_and_claim_no_walls(tmp_path: Path) -> None:
    """Nothing was run here, and no report may speak of isolation that there was not."""
    row = {"task_id": "T/1", "completion": "", "result": "passed", "passed": True}
    report = _report(_written(tmp_path / "r.jsonl", row))
    assert report.imported_from == ("human-eval",)
    assert (report.isolation_profiles, report.model_seconds) == ((), None)


def test_a_table_says_which_jobs_are_left_out_of_the_score() -> None:
    """Whoever counts in SQL or in a spreadsheet could not come to the rates of the report otherwise."""
    jobs = [PromptJob(prompt="x", excluded=excluded) for excluded in ("broken", None)]
    rows = [ResultRow.of(a_record(job, Verdict.WRONG_ANSWER)) for job in jobs]
    columns, answers = query(rows, "SELECT excluded FROM results ORDER BY ALL NULLS LAST")
    assert (columns, answers) == (["excluded"], [("broken",), (None,)])
    heads, *lines = [line.split(",") for line in csv_lines(rows)]
    assert [line[heads.index("excluded")] for line in lines] == ["broken", ""]


def test_a_table_has_one_row_for_each_job_whatever_line_ends_its_texts_hold() -> None:
    """A program of two lines without a comma would be two rows, and every count of them wrong."""
    errors = ("one\ntwo", "one\rtwo", "one")
    records = [
        a_record(PromptJob(prompt="x"), Verdict.INTERNAL_ERROR).model_copy(update={"error": error})
        for error in errors
    ]
    text = "".join(f"{line}\n" for line in csv_lines(map(ResultRow.of, records)))
    read = csv.DictReader(io.StringIO(text, newline=""))
    assert [row["explanation"] for row in read] == list(errors)


@pytest.mark.parametrize("sql", ["", ";", "SELECT 1; SELECT 2"], ids=["none", "end", "two"])
def test_one_statement_is_asked_and_no_other_number_of_them(sql: str) -> None:
    """Of two, what the first one says would be thrown away; of none there is nothing to show."""
    with pytest.raises(UsageError, match="one is asked at a time"):
        query([], sql)


def test_every_column_of_results_stands_in_the_docs() -> None:
    """Whoever writes a query would learn them from an error message alone."""
    page = (Path(__file__).parents[2] / "docs/howto/evaluate-and-compare.md").read_text()
    columns = {field.alias or name for name, field in ResultRow.model_fields.items()}
    assert {each for each in columns if f"`{each}`" not in page} == set()
