"""A comparison in a browser: what a reader sees of it, and that nothing in it does anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.models import PromptJob
from jobs.reports.comparing import Results, compare
from jobs.reports.html.comparison import comparison_page
from jobs.verdicts import Verdict
from tests.chromium import Page, a_page
from tests.making import a_record

from .test_report_page import HOSTILE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """A browser for all tests of this file."""
    with a_page() as page:
        yield page


def _run(name: str, solved: range, *, hostile: str = "") -> Results:
    """One of forty tasks, which solves those of a range."""
    results = Results(name)
    for number in range(40):
        task = f"task/{number}{hostile if number == 0 else ''}"
        job = PromptJob(prompt="x", job_id=f"j{number}", task_id=task)
        verdict = Verdict.ACCEPTED if number in solved else Verdict.WRONG_ANSWER
        results.add(a_record(job, verdict))
    return results


def _open(page: Page, folder: Path, *runs: Results, dark: bool = False, width: int = 1280) -> None:
    for seen in (page.requests, page.complaints, page.dialogs):
        seen.clear()
    page.resize(width, 900, dark=dark)
    file = folder / "comparison.html"
    file.write_text("\n".join(comparison_page(compare(runs))), "utf-8")
    page.open(file)


def test_every_run_stands_beside_the_first_on_one_axis(browser: Page, tmp_path: Path) -> None:
    """Which of three is better is seen at once, or nobody reads further."""
    runs = _run("base", range(20)), _run("better", range(36)), _run("worse", range(12))
    _open(browser, tmp_path, *runs)
    places: list[float] = browser.tell(
        "[...document.querySelectorAll('.plots circle')].map(each => each.getBoundingClientRect().x)"
    )
    zero: float = browser.tell("document.querySelector('.plots .axis').getBoundingClientRect().x")
    better, worse = places
    assert worse + 50 < zero < better - 50
    shown = browser.tell("document.body.innerText")
    assert "better is better than base" in shown
    assert "by Holm for 2 runs" in shown
    assert browser.complaints == []
    n_rows = browser.tell("document.querySelectorAll('tbody tr').length")
    assert n_rows == 16 + 8, "every task that changed is named"


@pytest.mark.parametrize("width", [1280, 360], ids=["a screen", "a telephone"])
def test_nothing_of_it_is_wider_than_the_page(width: int, browser: Page, tmp_path: Path) -> None:
    """Names of runs are long, and a page that scrolls sideways is put away."""
    long = "nightly-gemini-flash-with-a-long-name-2027-01-31T22-00-00Z"
    _open(
        browser, tmp_path, _run(f"{long}-a", range(20)), _run(f"{long}-b", range(30)), width=width
    )
    assert browser.tell("document.documentElement.scrollWidth") <= width


def test_what_datasets_name_their_tasks_stays_words(browser: Page, tmp_path: Path) -> None:
    """Whoever opens a comparison of somebody else's dataset lets it do nothing by that."""
    runs = _run("base", range(0), hostile=HOSTILE[:200]), _run("b", range(9), hostile=HOSTILE[:200])
    _open(browser, tmp_path, *runs)
    assert "<script>alert(1)</script>" in browser.tell("document.body.textContent")
    assert browser.tell("document.querySelectorAll('script, img, iframe, a').length") == 0
    assert (browser.dialogs, browser.complaints) == ([], [])
    assert [each for each in browser.requests if not each.startswith("file:")] == []
