"""The report of a replayed run as one HTML file, by the command that a person types, in a browser."""

from collections.abc import Iterator

import pytest

from tests.chromium import Page, a_page

from .programs import recordings, reply
from .project import Project
from .terminal import on_terminal

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\u202e\x00\x1b]52;c;cm0=\x07"
TASKS: list[dict[str, object]] = [
    {"id": "sum", "prompt": "Print 3.", "expect": "3", "maxAttempts": 3},
    {"id": "never", "prompt": "Print 4.", "expect": "4", "maxAttempts": 2},
    {"id": "hostile", "prompt": "Print peace.", "expect": "peace", "maxAttempts": 1},
    {"id": "at once", "prompt": "Print 5.", "expect": "5"},
]
SAID = {
    "sum": [
        "a = 1\nb = 2\nprint(a + c)",
        "a = 1\nb = 2\nprint(a + a)",
        "a = 1\nb = 2\nprint(a + b)",
    ],
    "never": ["print(1)", "print(2)"],
    "hostile": [f"print({HOSTILE!r})"],
    "at once": ["print(5)"],
}


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser of its own."""
    with a_page() as page:
        page.resize(1280, 900)
        yield page


@pytest.fixture
def replayed(project: Project) -> Project:
    """A folder with a run of recorded answers: one is repaired twice, one never, one is hostile, one is right."""
    said = {task: [reply(program) for program in programs] for task, programs in SAID.items()}
    project.write_rows("said.jsonl", recordings(said))
    project.write_rows("tasks.jsonl", TASKS)
    ended = project.run("eval", "tasks.jsonl", "--model", "replay:said.jsonl", "--run", "night")
    assert ended.code == 0, ended.err
    return project


def test_the_report_of_a_replayed_run_opens_from_disk(replayed: Project, page: Page) -> None:
    """It is what a run leaves behind in CI and in a mail: it has to work alone, and to do nothing but show."""
    ended = replayed.run("report", "night", "--output", "night.html")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("written  night.html, ")
    file = replayed.folder / "night.html"
    page.open(file)
    page.until("document.querySelectorAll('button.open').length === 4")
    drawn = page.tell(
        "[...document.querySelectorAll('figure path.curve, figure path.band')].map("
        "each => each.getBBox()).every(box => box.width > 100 && box.height > 0)"
    )
    assert drawn
    values = page.tell("[...document.querySelectorAll('.value')].map(each => each.textContent)")
    assert values == ["50.0\N{NO-BREAK SPACE}%", "25.0\N{NO-BREAK SPACE}%", "+1", "4"]
    page.tell("document.querySelectorAll('button.open').forEach(each => each.click())")
    page.until("document.querySelectorAll('.attempt').length === 7")
    added = page.tell(
        "[...document.querySelectorAll('.diff ins')].map(each => each.textContent.trim())"
    )
    assert added == ["+print(2)", "+print(a + a)", "+print(a + b)"]
    shown = page.tell("document.body.innerText")
    assert "RECORDINGS, NOT A MODEL" in shown
    assert r"</script><img src=x onerror=alert(1)>\u2028\u202e\x00\x1b]52;c;cm0=\x07" in shown
    assert page.tell("document.querySelectorAll('img').length") == 0
    assert (page.requests, page.dialogs, page.complaints) == ([file.as_uri()], [], [])


def test_html_is_not_poured_onto_a_terminal(project: Project) -> None:
    """Thousands of lines of letters help nobody, and the line to type instead does."""
    said = on_terminal(project, "report", "night", "--format", "html")
    assert "promptmill report night --output night.html" in said
    assert "<html" not in said
