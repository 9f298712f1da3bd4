"""`promptmill schedule` as a person and a script type it."""

import re
from pathlib import Path

import pytest

from tests.waiting import wait_until

from .programs import recordings, reply
from .project import Project

# Some of them type two dozen commands.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ADD = ("schedule", "add", "nightly", "30 2 * * *", "--tz", "Europe/Berlin")
PROMPT = ("--prompt", "Print 1.", "--expect", "1", "--model", "replay")
SETTINGS = {"PROMPTMILL_SANDBOX__REQUIRE": "rlimits"}


def shown(project: Project, *words: str) -> str:
    """What a command prints that has to go well."""
    ended = project.run("schedule", *words)
    assert ended.code == 0, ended.err
    return ended.out


def test_a_schedule_is_added_shown_held_started_and_removed(project: Project) -> None:
    """The whole life of one, in the words of the page."""
    added = project.run(*ADD, *PROMPT, "--max-usd", "2", "--json")
    assert (added.code, added.json()) == (
        0,
        {"schedule": "nightly", "changed": True, "changes": []},
    ), added.err
    assert project.run(*ADD, *PROMPT, "--max-usd", "2", "--json").json()["changed"] is False
    changed = project.run(*ADD[:3], "31 2 * * *", *ADD[4:], *PROMPT, "--max-usd", "2")
    assert "is changed: cron (was 30 2 * * *);" in changed.err
    assert "is changed" in project.run(*ADD, *PROMPT, "--max-usd", "2").err
    assert "Europe/Berlin" in shown(project, "list")
    assert shown(project, "next", "nightly", "-n", "3").count("02:30:00") >= 2
    assert "paused" in project.run("schedule", "pause", "nightly", "--reason", "holidays").err
    assert "holidays" in shown(project, "show", "nightly")
    [started] = project.run("schedule", "run-now", "nightly", "--json").json()
    assert re.fullmatch(r"nightly@\d{8}T\d{6}Z", started["runId"])
    assert project.run("run", "show", started["runId"], "--json").json()["toFeed"] == 1
    [row] = project.run("schedule", "history", "nightly", "--json").json()
    assert (row["fate"], row["runId"]) == ("fired", started["runId"])
    assert "by hand" in row["reason"]
    assert project.run("schedule", "resume", "nightly").code == 0
    # An instant at either end of the time is one of those that are asked for.
    span = ("--from", "2026-01-01T01:30Z", "--to", "2026-01-02T01:30Z")
    assert len(shown(project, "backfill", "nightly", *span, "--dry-run").split()) == 2
    filled = project.run("schedule", "backfill", "nightly", *span, "--json").json()
    assert [each["started"] for each in filled] == [True, True]
    again = project.run("schedule", "backfill", "nightly", *span, "--json").json()
    assert [each["started"] for each in again] == [False, False]
    unclear = project.run("schedule", "backfill", "nightly", *span[:3], "2026-01-03T00:00")
    assert (
        "if it is meant as the time in Europe/Berlin:  --to 2026-01-03T00:00+01:00" in unclear.err
    )
    removed = project.run("schedule", "remove", "nightly")
    assert removed.err.count("\n") == 1
    assert project.run("schedule", "list", "--json").json() == []


def test_a_run_that_stands_still_is_named_with_what_lets_it_go_on(project: Project) -> None:
    """After a wrong key every night is skipped, and a list that looks as ever lets a month go by."""
    assert project.run(*ADD, *PROMPT).code == 0
    [started] = project.run("schedule", "run-now", "nightly", "--json").json()
    run_id = started["runId"]
    assert "stands still" not in shown(project, "list")
    assert project.run("run", "pause", run_id, "--reason", "the key is wrong").code == 0
    words = (
        f"run {run_id} stands still: the key is wrong, and nothing more is started until it is over; "
        f"let it go on:  promptmill run resume {run_id}"
    )
    assert words in shown(project, "list")
    assert f"stopped    {words}" in shown(project, "show", "nightly")
    assert words in project.run("schedule", "history", "nightly").err
    [row] = project.run("schedule", "list", "--json").json()
    assert row["stopped"] == {run_id: "the key is wrong"}
    assert project.run("run", "resume", run_id).code == 0
    assert "stands still" not in shown(project, "list")


def test_a_preview_tells_the_nights_in_words_and_asks_nobody(project: Project) -> None:
    """Whoever writes an expression wants to see it before anything is started."""
    ended = project.run(
        *("schedule", "preview", "30 2 * * *", "--tz", "Europe/Berlin"),
        *("--from", "2027-03-27T12:00Z", "-n", "2"),
    )
    assert ended.out.splitlines() == [
        "At 02:30 every day, Europe/Berlin",
        "Sun 2027-03-28 03:00:00 CEST   01:00:00Z   02:30 does not exist on this night; the clock goes on at 03:00",
        "Mon 2027-03-29 02:30:00 CEST   00:30:00Z",
    ]


def test_the_page_shows_what_preview_prints(project: Project, repository: Path) -> None:
    """An example that was typed by hand is wrong within a year."""
    page = (repository / "docs/howto/run-on-a-schedule.md").read_text()
    ended = project.run(
        *("schedule", "preview", "30 2 * * *", "--tz", "Europe/Berlin"),
        *("--from", "2027-03-27T12:00Z", "-n", "2"),
    )
    assert ended.out in page


def test_the_run_of_a_scheduled_part_is_gone_on_with_as_any_other(project: Project) -> None:
    """Whoever finds it half done in the morning knows the name of the run, and nothing of how it was scheduled."""
    project.write_rows("rows.jsonl", [{"id": f"t{n}", "prompt": f"Print {n}."} for n in range(5)])
    said = {f"t{n}": [reply(f"print({n})")] for n in range(5)}
    project.write_rows("said.jsonl", recordings(said))
    chosen = ("--limit", "2", "--samples", "2", "--model", "replay:said.jsonl")
    added = project.run("schedule", "add", "n", "30 2 * * *", "--eval", "rows.jsonl", *chosen)
    assert added.code == 0, added.err
    assert "eval rows.jsonl, --limit 2, 4 jobs" in shown(project, "show", "n")
    [started] = project.run("schedule", "run-now", "n", "--json").json()
    told = project.run("run", "show", started["runId"]).out
    assert "not all of the dataset: --limit 2" in told
    ended = project.run("eval", "rows.jsonl", "--resume", started["runId"], "--json")
    assert ended.code == 0, ended.err
    assert {record.job.task_id for record in project.records()} == {"t0", "t1"}
    assert ended.json()["nJobs"] == len(project.records()) == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("61 * * * *",), "its minute cannot be used"),
        (("0 0 31 2 *",), "0 0 L 2 *"),
        (("@daily", "--tz", "Berlin"), "did you mean Europe/Berlin?"),
        (("@daily", "--eval", "none.jsonl"), "either a prompt"),
        (("@daily", "--jitter", "soon"), "--jitter 'soon' is no length of time"),
        (("@daily", "--samples", "3"), "samples goes with an eval"),
    ],
)
def test_what_cannot_be_scheduled_says_what_to_type(
    project: Project, words: tuple[str, ...], says: str
) -> None:
    """The error is read once a year, by somebody who has forgotten the five fields."""
    ended = project.run("schedule", "add", "nightly", *words, *PROMPT)
    assert ended.code == 2
    assert says in ended.err
    assert project.kept_in_redis() == set()


def test_a_schedule_that_is_not_there_says_where_to_look(project: Project) -> None:
    """A name is misspelt more often than forgotten."""
    ended = project.run("schedule", "show", "nihgtly", "--json")
    assert ended.code == 2
    assert ended.json()["error"]["kind"] == "schedule-not-found"
    assert "promptmill schedule list" in str(ended.json()["error"]["hint"])


async def test_schedules_of_the_file_are_kept_by_a_worker(project: Project) -> None:
    """What a project runs at night belongs into its repository."""
    project.write_rows("tasks.jsonl", [{"id": "a", "prompt": "Print 1.", "expect": "1"}])
    project.write(
        "promptmill.toml",
        '[limits]\nmemory_mib = 300\n\n[[schedules]]\nname = "often"\ncron = "* * * * * *"\n'
        'eval = "tasks.jsonl"\nmodel = "replay"\nmax_requests = 5\noverlap = "allow"\n',
    )
    worker = await project.start_worker("--model", "replay", **SETTINGS)
    assert "schedule kept" in worker.err

    def has_fired() -> bool:
        rows = project.run("schedule", "history", "often", "--json").json()
        return any(row["fate"] == "fired" for row in rows)

    await wait_until(has_fired, 30, "a run of its own accord")
    [state] = project.run("schedule", "list", "--json").json()
    assert state["schedule"]["declaredIn"] == "file"
    assert state["schedule"]["budget"]["requests"] == 5
    # A worker of tomorrow would bring it back, and nobody would know why.
    assert "declared in a promptmill.toml" in project.run("schedule", "remove", "often").err


def test_a_table_that_cannot_be_used_is_named_by_its_line(project: Project) -> None:
    """A worker that starts without a schedule would be noticed weeks later."""
    project.write(
        "promptmill.toml", '# ours\n[[schedules]]\nname = "n"\ncron = "@daily"\nprompts = "x"\n'
    )
    ended = project.run("worker", "--burst", "--model", "replay", **SETTINGS)
    assert ended.code == 2
    assert "promptmill.toml:2" in ended.err
    assert "prompts" in ended.err
