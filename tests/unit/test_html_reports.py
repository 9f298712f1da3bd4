"""A run as one HTML file: what stands in it, within which bounds, and that it cannot be more than text."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from jobs.conversations import Conversation
from jobs.leaks import Leak
from jobs.models import ExecutableCode, PromptJob, Record
from jobs.reports.html import HtmlBuilder
from jobs.reports.html.blocks import Blocks
from jobs.reports.html.jobs import Cut
from jobs.reports.html.markup import table, tag, text
from jobs.verdicts import Verdict
from tests.making import a_record, an_execution

OK, WRONG, CRASH = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\u202e\x00\x1b[31m'\"&amp;"


def record(*verdicts: Verdict, task: str = "task", error: str | None = None) -> Record:
    job = PromptJob(prompt="Print 1.", task_id=task, max_attempts=3)
    return a_record(job, *verdicts, error=error)


def with_last(given: Record, **changes: object) -> Record:
    """A record whose last attempt is another."""
    last = given.attempts[-1].model_copy(update=changes)
    return given.model_copy(update={"attempts": (*given.attempts[:-1], last)})


def page_of(records: Iterable[Record], name: str = "night") -> str:
    with closing(HtmlBuilder(name)) as builder:
        for each in records:
            builder.add(each)
        return "\n".join(builder.document())


def data_in(page: str) -> dict[str, Any]:
    """What the page's own script unpacks, by name."""
    found = re.findall(r'<script type="text/plain" id="data-([\w-]+)">([\w+/=]*)</script>', page)
    return {name: json.loads(zlib.decompress(base64.b64decode(value))) for name, value in found}


def jobs_in(page: str) -> list[dict[str, Any]]:
    """The rows of the table, each with what is shown when it is opened."""
    data = data_in(page)
    return [{**row, "view": data[row["block"]][row["place"]]} for row in data["rows"]]


def test_nothing_that_a_model_or_a_program_wrote_stands_in_the_page_as_it_is() -> None:
    """A report is opened by somebody with a session in a browser, and the program was written to be run elsewhere."""
    said = an_execution(stdout=HOSTILE, stderr=HOSTILE)
    job = PromptJob(prompt=HOSTILE, task_id=HOSTILE, run_id="run")
    hostile = with_last(
        a_record(job, WRONG),
        execution=said,
        explanation=HOSTILE,
        feedback=HOSTILE,
        executable_code=ExecutableCode(language=job.language, code=HOSTILE),
    ).model_copy(update={"requested_model": HOSTILE, "served_model": HOSTILE})
    page = page_of([hostile], name=HOSTILE)
    assert "<img" not in page
    [row] = jobs_in(page)
    [attempt] = row["view"]["attempts"]
    shown = [
        row["name"],
        row["explanation"],
        row["view"]["prompt"]["text"],
        attempt["feedback"]["text"],
    ]
    streams = [attempt[name]["text"] for name in ("code", "stdout", "stderr")]
    assert [*shown, *streams] == [HOSTILE] * 7


def test_the_page_allows_its_own_script_and_style_and_nothing_else() -> None:
    """Should anything of a stranger's ever get in as markup, the browser still refuses to run it or to ask for it."""
    page = page_of([record(OK)])
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()) for each in (script, style)]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{hashes[0].decode()}'",
        f"style-src 'sha256-{hashes[1].decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_the_page_has_no_address_and_no_style_of_an_element() -> None:
    """The policy forbids both, and a page that breaks its own rules looks broken where it is opened."""
    page = page_of([record(CRASH, OK), record(OK, task="b")])
    assert re.findall(r"https?://| style=| on\w+=|<link|@import|url\(", page) == []


def test_each_job_stands_in_the_table_in_the_order_of_its_tasks() -> None:
    """A store gives records in any order; whoever opens the page looks for task 10 after task 9."""
    records = [record(OK, task=f"task {n}") for n in (10, 9, 1)]
    names = [row["name"] for row in jobs_in(page_of(records))]
    assert names == ["task 1", "task 9", "task 10"]


def test_a_row_says_how_each_attempt_did() -> None:
    """The course of a job is the first thing that tells a repair from luck."""
    [row] = jobs_in(page_of([record(CRASH, WRONG, OK)]))
    assert row["course"] == ["runtime_error", "wrong_answer", "accepted"]
    assert (row["verdict"], row["solvedAt"]) == ("accepted", 3)
    assert [attempt["number"] for attempt in row["view"]["attempts"]] == [1, 2, 3]


def test_a_program_that_prints_without_end_does_not_fill_the_page() -> None:
    """Ten thousand jobs have to fit into a file that opens; the record keeps what is cut here, and the page says so."""
    loud = an_execution(stdout="a" * 500_000 + "end").model_copy(
        update={"stdout_truncated": True, "stdout_bytes": 9_000_000}
    )
    [row] = jobs_in(page_of([with_last(record(WRONG), execution=loud)]))
    stdout = row["view"]["attempts"][0]["stdout"]
    assert len(stdout["text"]) < 5_000
    assert stdout["text"].endswith("end")
    assert (stdout["characters"], stdout["bytes"]) == (500_003, 9_000_000)


def test_a_text_that_fits_is_whole() -> None:
    """A note that something is missing where nothing is sends people looking for it."""
    assert Cut.of("x" * 10, 10) == Cut(text="x" * 10)


def test_of_more_than_there_is_room_for_the_later_blocks_are_left_out() -> None:
    """A file of a gigabyte opens nowhere; what is left out is in the records."""
    with closing(Blocks("jobs")) as blocks:
        places = [blocks.add(json.dumps(f"{n}" * 100_000)) for n in range(9)]
        all_of_them = dict(blocks.within(blocks.n_bytes))
        fewer = dict(blocks.within(blocks.n_bytes - 1))
    assert [name for name, _ in places] == ["jobs-0"] * 3 + ["jobs-1"] * 3 + ["jobs-2"] * 3
    assert list(all_of_them) == ["jobs-0", "jobs-1", "jobs-2"]
    assert list(fewer) == ["jobs-0", "jobs-1"]


def test_what_makes_the_numbers_doubtful_is_said_before_them() -> None:
    """Whoever reads one line of a report has to have read that models were told what judged them."""
    leak = Leak(place="answer", case="line 3", text="1 2 3")
    oracle = Conversation(feedback="oracle")
    given = with_last(record(WRONG, OK), leaks=(leak,))
    job = given.job.model_copy(update={"conversation": oracle})
    page = page_of([given.model_copy(update={"job": job})])
    warnings = re.findall(r'<p class="warning" role="note">(\w+)', page)
    assert warnings == ["NO", "ORACLE", "WARNING"]
    [row] = jobs_in(page)
    assert [attempt["leaks"] for attempt in row["view"]["attempts"]] == [[], ["answer"]]


def test_what_the_numbers_rest_on_stands_beside_them() -> None:
    """A rate without its model, its isolation and its denominator is quoted as something that it is not."""
    simulated = record(CRASH, OK).model_copy(update={"simulated": True})
    ours = record(task="b", error="the disk is full")
    page = page_of([simulated, ours])
    for words in (
        "RECORDINGS, NOT A MODEL",
        "1 of 2 jobs failed because of us",
        "95\N{NO-BREAK SPACE}% interval 20.7 to 100.0",
        "<dt>Model that answered</dt><dd>model-1</dd>",
        "<dt>Isolation</dt><dd>rlimits: rlimits</dd>",
        "<dt>Feedback</dt><dd>public: what a program",
    ):
        assert words in page


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="none"),
        pytest.param([record(error="redis")], id="only ours"),
        pytest.param([record(OK)], id="one attempt"),
        pytest.param([record(WRONG, WRONG, WRONG)], id="never solved"),
        pytest.param([record(Verdict.NO_CODE)], id="no program"),
    ],
)
def test_a_run_of_the_barest_kind_has_a_page(records: list[Record]) -> None:
    """The first run of a newcomer is often one job, or one that failed; and a rate of nothing is unknown."""
    page = page_of(records)
    assert len(data_in(page)["rows"]) == len(records)
    is_judged = any(each.verdict.is_scored for each in records)
    assert ("no job was judged" in page) == (not is_judged)


def test_text_in_markup_is_escaped_in_elements_and_in_attributes() -> None:
    """Names of models and versions come from elsewhere, too, and stand in the page outside of its data."""
    assert (
        tag("p", text("<b>&"), title='"><i>') == '<p title="&quot;&gt;&lt;i&gt;">&lt;b&gt;&amp;</p>'
    )
    assert "<b>" not in table("<b>", ("<b>",), [("<b>", "<b>")])


def test_rows_that_are_left_out_are_told_with_the_score_that_they_would_change() -> None:
    """A rate without its broken rows is no better than it is, and says which it is."""
    broken = PromptJob(prompt="x", task_id="broken", cluster="c", excluded="broken")
    others = [PromptJob(prompt="x", task_id=name, cluster="c") for name in ("one", "two")]
    page = page_of([a_record(broken, WRONG), a_record(others[0], OK), a_record(others[1], OK)])
    assert "1 of rows left out" in page
    assert "1 job of rows left out (1 broken); with them 2 of 3 solved: 66.7" in page
    assert "clustered by 1 clusters of 2 tasks" not in page, "one cluster has no error"
    apart = [a_record(job.model_copy(update={"cluster": None}), WRONG) for job in others[:1]]
    more = PromptJob(prompt="x", task_id="three", cluster="c")
    page = page_of([*apart, a_record(others[1], OK), a_record(more, WRONG)])
    assert "clustered by 2 clusters of 3 tasks" in page
