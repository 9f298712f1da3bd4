"""The HTML report in a browser: what a reader sees, and can do with the keyboard alone."""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from jobs.models import ExecutableCode, PromptJob, Record
from jobs.reports.html import HtmlBuilder
from jobs.verdicts import Verdict
from tests.chromium import Page, a_page
from tests.making import a_record, an_execution

# All of them in the one browser.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

OK, WRONG, CRASH, SLOW = (
    Verdict.ACCEPTED,
    Verdict.WRONG_ANSWER,
    Verdict.RUNTIME_ERROR,
    Verdict.TIME_LIMIT_EXCEEDED,
)
ATTACKS = {
    "closing": "</script><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(2)>",
    "frame": "<iframe srcdoc='<script>parent.alert(3)</script>'></iframe>",
    "address": "<a href='javascript:alert(4)'>http://example.test/</a>",
    "line ends": "var a = '\u2028\u2029';",
    "reordering": "user\u202e\u2066nimda",
    "nothing": "\x00\x00",
    "terminal": "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[31mred",
    "template": "${alert(5)} {{alert(6)}}",
    "property": "__proto__ constructor",
}
_NUMBERS = count()
HOSTILE = "\n".join(ATTACKS.values())


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """A browser for all tests of this file."""
    with a_page() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """Its page, wide and light, of which nothing is known yet."""
    for seen in (browser.requests, browser.complaints, browser.dialogs):
        seen.clear()
    browser.resize(1280, 900)
    return browser


def _record(task: str, *verdicts: Verdict, programs: Iterable[str] = ()) -> Record:
    # Ids are searched as well, and those that are made up hold any letters.
    job_id = f"job_{next(_NUMBERS)}"
    job = PromptJob(prompt="Print 1.", job_id=job_id, task_id=task, max_attempts=3)
    made = a_record(job, *verdicts)
    codes = dict(enumerate(programs))
    attempts = [
        each.model_copy(
            update={
                "executable_code": ExecutableCode(
                    language=job.language, code=codes.get(place, "print(1)")
                )
            }
        )
        for place, each in enumerate(made.attempts)
    ]
    return made.model_copy(update={"attempts": tuple(attempts)})


def _open(page: Page, folder: Path, records: Iterable[Record]) -> Path:
    file = folder / "report.html"
    with closing(HtmlBuilder("night")) as builder:
        for each in records:
            builder.add(each)
        file.write_text("\n".join(builder.document()), "utf-8")
    page.open(file)
    page.until("document.getElementById('count').textContent")
    return file


def _names(page: Page) -> list[str]:
    found: list[str] = page.tell(
        "[...document.querySelectorAll('button.open')].map(b => b.textContent)"
    )
    return found


def _choose(page: Page, name: str, value: str) -> None:
    page.tell(
        f"(() => {{ const field = document.getElementById({name!r}); field.value = {value!r};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def _a_few() -> list[Record]:
    return [
        _record("alpha", OK),
        _record("beta", CRASH, OK),
        _record("gamma", WRONG, WRONG, WRONG),
        _record("delta", SLOW, CRASH, SLOW),
    ]


def test_the_plots_are_drawn(page: Page, tmp_path: Path) -> None:
    """A curve without a size is a white space that nobody misses until it is needed."""
    _open(page, tmp_path, _a_few())
    sizes = page.tell(
        "['.curve', '.band', 'rect.good', 'rect.wrong', 'rect.time', '.interval'].map(name => {"
        "  const box = document.querySelector(name).getBoundingClientRect(); return box.width + box.height; })"
    )
    assert all(size > 10 for size in sizes), sizes
    assert page.tell("document.querySelector('.curve').getTotalLength()") > 100
    assert page.complaints == []


def test_the_table_shows_what_fits_the_filter(page: Page, tmp_path: Path) -> None:
    """Of thousands of jobs, the ones with one error are why the page is opened."""
    _open(page, tmp_path, _a_few())
    assert _names(page) == ["alpha", "beta", "delta", "gamma"]
    page.tell("document.getElementById('words').focus()")
    page.type("MM")
    assert _names(page) == ["gamma"]
    assert page.tell("document.getElementById('count').textContent") == "1 of 4 jobs"
    page.tell("document.querySelector('form button').click()")
    page.until("document.querySelectorAll('button.open').length === 4")
    _choose(page, "verdict", "time_limit_exceeded")
    assert _names(page) == ["delta"]
    _choose(page, "verdict", "")
    _choose(page, "solved", "later")
    assert _names(page) == ["beta"]
    _choose(page, "solved", "never")
    assert _names(page) == ["delta", "gamma"]


def test_the_table_is_sorted_by_any_column_both_ways(page: Page, tmp_path: Path) -> None:
    """The slowest and the dearest job are found by this; what is unknown is neither, and comes last."""
    records = _a_few()
    tokens = {"alpha": 9, "beta": 100, "gamma": 20}
    sums = [tokens.get(each.job.task_id or "") for each in records]
    records = [
        each.model_copy(update={"usage": each.usage.model_copy(update={"total_token_count": n})})
        for each, n in zip(records, sums, strict=True)
    ]
    _open(page, tmp_path, records)
    head = "document.querySelector('[data-sort=tokens]')"
    page.tell(f"{head}.click()")
    assert _names(page) == ["alpha", "gamma", "beta", "delta"]
    page.tell(f"{head}.click()")
    assert _names(page) == ["beta", "gamma", "alpha", "delta"]
    assert page.tell(f"{head}.closest('th').getAttribute('aria-sort')") == "descending"


def test_a_job_is_opened_and_its_attempts_read_with_the_keyboard(
    page: Page, tmp_path: Path
) -> None:
    """Not everybody has a mouse, and nobody wants one after the first ten jobs."""
    _open(page, tmp_path, _a_few())
    page.tell("document.querySelector('button.open').focus()")
    page.press("ArrowDown")
    page.press("Enter")
    page.until("document.querySelector('.job')")
    assert page.tell("document.activeElement.getAttribute('aria-expanded')") == "true"
    heads = page.tell("[...document.querySelectorAll('.attempt h3')].map(h => h.textContent)")
    assert heads == ["Attempt 1 runtime error", "Attempt 2 accepted"]
    page.press("Enter")
    assert page.tell("document.querySelectorAll('.job').length") == 0


def test_an_attempt_shows_what_has_changed_since_the_one_before(page: Page, tmp_path: Path) -> None:
    """What a model did about an error is one line in fifty."""
    first = "\n".join(f"line_{n} = {n}" for n in range(50))
    second = first.replace("line_20 = 20", "line_20 = 21").replace("line_40 = 40\n", "")
    _open(page, tmp_path, [_record("alpha", WRONG, OK, programs=[first, second])])
    page.tell("document.querySelector('button.open').click()")
    page.until("document.querySelector('.diff')")
    parts = "[...document.querySelectorAll('.diff {}')].map(line => line.textContent.trim())"
    assert page.tell(parts.format("del")) == [
        "\N{MINUS SIGN}line_20 = 20",
        "\N{MINUS SIGN}line_40 = 40",
    ]
    assert page.tell(parts.format("ins")) == ["+line_20 = 21"]
    assert page.tell(parts.format("mark")) == ["0", "1"]
    folds = page.tell(parts.format(".fold"))
    assert folds == [f"⋯ {n} lines unchanged" for n in (17, 13, 6)]
    page.tell("document.querySelectorAll('.choice button')[1].click()")
    assert (
        page.tell("document.querySelector('.attempt:last-child pre.program').textContent") == second
    )


def test_what_a_program_printed_is_text_and_no_more(page: Page, tmp_path: Path) -> None:
    """The page shows programs of strangers to people who are logged in elsewhere."""
    made = _record(HOSTILE[:256], WRONG, WRONG, programs=[HOSTILE, f"{HOSTILE}\nmore"])
    said = an_execution(stdout=HOSTILE, stderr=HOSTILE)
    changes = {"execution": said, "explanation": HOSTILE, "feedback": HOSTILE}
    attempts = tuple(each.model_copy(update=changes) for each in made.attempts)
    file = _open(page, tmp_path, [made.model_copy(update={"attempts": attempts})])
    page.tell("document.querySelector('button.open').click()")
    page.until("document.querySelectorAll('.attempt').length === 2")
    page.tell("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert (
        page.tell("document.querySelectorAll('img, iframe, a, object, embed, main script').length")
        == 0
    )
    shown = page.tell("document.body.innerText")
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u2069]", shown) == []
    for told in (
        "<img src=x onerror=alert(2)>",
        r"\x1b]52;c;",
        r"user\u202e\u2066nimda",
        r"\x00\x00",
    ):
        assert told in shown
    assert page.dialogs == []
    assert page.complaints == []
    assert page.requests == [file.as_uri()]


def test_ten_thousand_jobs_open_and_are_filtered(page: Page, tmp_path: Path) -> None:
    """A whole benchmark with its samples is that large, and its page must not be a file to wait for."""
    made = _record("task", WRONG, OK)
    records = (
        made.model_copy(
            update={
                "job": made.job.model_copy(update={"job_id": f"job_{n}", "task_id": f"task {n}"})
            }
        )
        for n in range(10_000)
    )
    file = _open(page, tmp_path, records)
    assert file.stat().st_size < 5_000_000
    assert page.tell("document.querySelectorAll('button.open').length") == 200
    page.tell("document.querySelector('[data-more=\"200\"]').click()")
    assert page.tell("document.querySelectorAll('button.open').length") == 400
    page.tell("document.getElementById('words').focus()")
    page.type("9999")
    assert _names(page) == ["task 9999"]
    page.tell("document.querySelector('button.open').click()")
    page.until("document.querySelectorAll('.attempt').length === 2")


def test_a_job_that_had_no_room_says_how_to_see_it(page: Page, tmp_path: Path) -> None:
    """A row that opens onto nothing looks like a defect of the run."""
    file = _open(page, tmp_path, [_record("alpha", OK)])
    text = re.sub(
        r'<script type="text/plain" id="data-solved-jobs-0">.*', "", file.read_text("utf-8")
    )
    file.write_text(text, "utf-8")
    page.open(file)
    page.until("document.querySelector('button.open')")
    page.tell("document.querySelector('button.open').click()")
    page.until("document.querySelector('.job')")
    assert "There was no room" in page.tell("document.querySelector('.job').textContent")
    assert "promptmill job show" in page.tell("document.querySelector('.job code').textContent")


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_the_window(
    page: Page, tmp_path: Path, width: int, *, dark: bool
) -> None:
    """On a phone, a page that moves sideways is read by nobody."""
    long = "x = " + " + ".join(str(n) for n in range(300))
    records = [
        *_a_few(),
        _record("an/unusually/long/name/of/a/task/" * 5, WRONG, OK, programs=[long]),
    ]
    _open(page, tmp_path, records)
    page.resize(width, 900, dark=dark)
    page.tell("document.querySelectorAll('button.open').forEach(each => each.click())")
    page.until("document.querySelectorAll('.job').length === 5")
    assert page.tell("document.documentElement.scrollWidth") <= width
    paper = page.tell("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_every_field_and_button_has_a_name(page: Page, tmp_path: Path) -> None:
    """To somebody who listens to the page, a nameless field is a dead end."""
    _open(page, tmp_path, _a_few())
    nameless = page.tell(
        "[...document.querySelectorAll('input, select, button, svg[role=img], .course, [role=region]')].filter("
        "each => !(each.labels?.length || each.textContent.trim() || each.ariaLabel || "
        "each.getAttribute('aria-labelledby'))).map(each => each.outerHTML)"
    )
    assert nameless == []


def test_it_can_be_printed(page: Page, tmp_path: Path) -> None:
    """Numbers are handed round on paper, and as PDF."""
    _open(page, tmp_path, _a_few())
    assert page.printed().startswith(b"%PDF")
