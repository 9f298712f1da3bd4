"""Which jobs of a run are told as failed because of us, and which as left out: the same in every form of a report."""

from contextlib import closing
from xml.etree import ElementTree as ET

from jobs.models import PromptJob
from jobs.reports import build_report
from jobs.reports.html import HtmlBuilder
from jobs.reports.junit import JUnitBuilder
from jobs.verdicts import Verdict
from tests.making import a_record

RECORDS = [
    a_record(PromptJob(prompt="x", task_id="solved"), Verdict.ACCEPTED),
    a_record(PromptJob(prompt="x", task_id="wrong"), Verdict.WRONG_ANSWER),
    a_record(PromptJob(prompt="x", task_id="ours"), error="disk full"),
    a_record(PromptJob(prompt="x", task_id="left-out", excluded="broken"), Verdict.WRONG_ANSWER),
    a_record(PromptJob(prompt="x", task_id="ours-left-out", excluded="slow"), error="disk full"),
]


def test_every_form_of_a_report_finds_the_same_jobs_missing() -> None:
    """The exit code says whether a run is whole, and must not depend on what is written to a file."""
    junit = JUnitBuilder("night")
    with closing(HtmlBuilder("night")) as html:
        for record in RECORDS:
            junit.add(record)
            html.add(record)
        found = (len(build_report(RECORDS).unscored), junit.n_unscored, html.n_unscored)
    assert found == (1, 1, 1)


def test_a_row_that_is_left_out_fails_no_build() -> None:
    """It was left out because no answer passes it, and a CI server counts what the document says."""
    junit = JUnitBuilder("night")
    for record in RECORDS:
        junit.add(record)
    suite = ET.fromstring(junit.document())
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    ends = {case.get("name"): [each.tag for each in case] for case in suite.iter("testcase")}
    assert ends == {
        "solved": [],
        "wrong": ["failure"],
        "ours": ["error"],
        "left-out": ["skipped"],
        "ours-left-out": ["skipped"],
    }
