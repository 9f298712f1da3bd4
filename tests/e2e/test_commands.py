"""What every command owes: help, a version, settings with their origin, a look at the machine."""

from pathlib import Path

import pytest

from jobs.datasets.readers import demo_tasks
from jobs.keys import Keys
from jobs.languages import Language
from tests.standin.running import GOOD_KEY

from .project import Project
from .surroundings import without_reader
from .told import told_as_json_by, told_by

pytestmark = pytest.mark.e2e

COMMANDS = [
    (),
    ("demo",),
    ("submit",),
    ("eval",),
    ("job",),
    ("job", "list"),
    ("job", "show"),
    ("job", "cancel"),
    ("job", "retry"),
    ("run",),
    *(("run", word) for word in ("list", "show", "pause", "resume", "cancel", "retry")),
    ("queue",),
    *(("queue", word) for word in ("status", "pause", "resume", "drain", "purge")),
    ("schedule",),
    *(
        ("schedule", word)
        for word in ("add", "list", "show", "next", "history", "run-now", "pause")
    ),
    *(("schedule", word) for word in ("resume", "remove", "preview", "backfill")),
    ("worker",),
    ("doctor",),
    ("languages",),
    ("sandbox",),
    ("sandbox", "run"),
    ("config",),
    ("config", "show"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(project: Project, words: tuple[str, ...]) -> None:
    """Help is where people look first, and it must work where nothing else does yet."""
    ended = project.run(*words, "--help", PROMPTMILL_NO__SUCH_SETTING="1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(" ".join(["Usage: promptmill", *words]))


def test_the_version_is_one_line(project: Project) -> None:
    """It is the first thing asked for in a report, and scripts compare it."""
    ended = project.run("--version")
    assert (ended.code, ended.err) == (0, "")
    assert [part.isdigit() for part in ended.out.strip().split(".")] == [True, True, True]


def test_a_setting_is_shown_with_its_origin(project: Project) -> None:
    """With four sources the question is never what is set, but where."""
    project.write("promptmill.toml", "[limits]\nmemory_mib = 300\n")
    project.write(".env", "PROMPTMILL_ATTEMPTS__MAX=7\n")
    ended = project.run(
        "config", "show", "--origin", "--store", "elsewhere", GEMINI_API_KEY=GOOD_KEY
    )
    assert ended.code == 0
    shown = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines()}
    assert shown["limits.memory_mib"] == ["300", "promptmill.toml:2"]
    assert shown["attempts.max"] == ["7", ".env:1"]
    assert shown["store.directory"] == ["elsewhere", "command", "line"]
    assert shown["redis.url"][-2:] == ["PROMPTMILL_REDIS__URL", "(environment)"]
    assert shown["limits.cpu_seconds"][-1] == "default"
    assert GOOD_KEY not in ended.said


def test_settings_are_shown_to_programs_too(project: Project) -> None:
    """A deployment checks what a worker would run under before it starts one."""
    rows = project.run("config", "show", "--json", GEMINI_API_KEY=GOOD_KEY).json()
    by_name = {row["name"]: row for row in rows}
    assert by_name["model.api_key"]["value"] == f"***…{GOOD_KEY[-4:]}"
    assert by_name["attempts.max"]["value"] == 3
    assert by_name["limits.wall_seconds"]["value"] == 30.0
    assert by_name["sandbox.slots"]["value"] is None
    assert by_name["store.directory"]["value"] == ".promptmill"
    assert by_name["sandbox.require"]["origin"] == "PROMPTMILL_SANDBOX__REQUIRE (environment)"


def test_the_doctor_finds_this_machine_fit(project: Project) -> None:
    """It answers by doing each thing, so on a machine where these tests pass it must not complain."""
    ended = project.run("doctor", "--json")
    findings = ended.json()
    assert [row for row in findings if row["status"] == "fail"] == []
    assert ended.code == 0
    assert {"python", "disk", "language", "redis", "model", "sandbox"} <= {
        row["group"] for row in findings
    }


def test_the_languages_are_listed_and_tried(project: Project) -> None:
    """Whoever is told that an interpreter is missing asks what there is, and whether it works."""
    ended = project.run("languages", "--check", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = {one["language"]: one for one in ended.json()}
    assert list(found) == [language.value for language in Language]
    assert found["python"]["status"] == found["sh"]["status"] == "ok"
    assert all(one["fixes"] for one in found.values() if one["status"] == "missing")


def test_the_languages_are_readable(project: Project) -> None:
    """A line for each, and nothing is run to write it."""
    ended = project.run("languages")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("python      found    /")


def test_the_doctor_is_readable(project: Project) -> None:
    """Most who call it are people with a problem."""
    ended = project.run("doctor")
    assert ended.code == 0, ended.out
    assert all(line.startswith(("ok  ", "warn", "FAIL", " ")) for line in ended.out.splitlines())
    assert project.kept_in_redis() == set()


def test_the_doctor_names_what_does_not_work(project: Project) -> None:
    """A check-up that passes a broken machine is worse than none."""
    ended = project.run("doctor", "--json", PROMPTMILL_REDIS__URL="redis://127.0.0.1:1/0")
    failed = [row for row in ended.json() if row["status"] == "fail"]
    assert ended.code == 1
    assert [row["group"] for row in failed] == ["redis"]
    assert failed[0]["fix"]
    assert "promptmill doctor" not in failed[0]["fix"]


def test_the_doctor_says_what_is_wrong_with_the_packages(project: Project) -> None:
    """The worker would not start for it, and this is where people look why."""
    environment = {"PROMPTMILL_SANDBOX__PYTHON__ENVIRONMENT": "nowhere"}
    ended = project.run("doctor", "--json", **environment)
    failed = [row for row in ended.json() if row["status"] == "fail"]
    assert ended.code == 1
    assert [(row["group"], row["detail"].partition(" (")[0]) for row in failed] == [
        ("sandbox", "nowhere is not a virtual environment")
    ]
    assert "-m venv nowhere" in failed[0]["fix"]


@pytest.mark.parametrize("form", ["words", "json"])
def test_a_defect_is_told_in_the_form_of_every_error(project: Project, form: str) -> None:
    """Even what nobody foresaw must be one line for a person, one object for a program, and a file to report."""
    with project.client() as client:
        client.set(Keys().worker("stranger"), "no sign of life of ours", ex=600)
    more = ("--json",) if form == "json" else ()
    ended = project.run("submit", "Print 1.", *more)
    told = told_as_json_by(ended) if form == "json" else told_by(ended)
    assert (told.kind, told.code, told.retryable) == ("bug", 70, False)
    kept = next(line for line in told.body.splitlines() if "promptmill-" in line).split()[-1]
    assert "Traceback" in Path(kept).read_text()
    Path(kept).unlink()


def test_a_reader_that_has_seen_enough_is_no_error(bare_project: Project) -> None:
    """`promptmill job list | head` is typed every day."""
    command = "promptmill config show | head -n 1"
    ended = bare_project.run_program("bash", "-o", "pipefail", "-c", command)
    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 1


def test_help_may_be_read_no_further_than_wanted(bare_project: Project) -> None:
    """Nobody reads all of it, and `set -o pipefail` must not take that for a failure."""
    ended = bare_project.run_program("sh", "-c", "{ promptmill --help; echo $? >&2; } | true")
    assert (ended.code, ended.err) == (0, "0\n")


def test_the_doctor_says_everything_in_its_table(gemini: Project) -> None:
    """A log between the lines, or before them, is no line of a table."""
    nobody = "http://127.0.0.1:1"
    ended = gemini.run(
        "doctor",
        PROMPTMILL_MODEL__BASE_URL=nobody,
        PROMPTMILL_MODEL__MAX_WAIT_SECONDS="3",
    )
    assert (ended.code, ended.err) == (1, "")
    assert "model.base_url" in ended.out


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["words", "json"])
def test_a_reader_that_has_gone_already_is_no_error(
    bare_project: Project, more: tuple[str, ...]
) -> None:
    """How much of the output a reader takes before it ends is a matter of chance."""
    ended = bare_project.run_program(*without_reader("promptmill", "config", "show", *more))
    assert (ended.code, ended.said) == (0, "")


def test_the_examples_are_solved_without_a_key_by_their_words_alone(bare_project: Project) -> None:
    """Somebody who pastes an example's prompt gets its recorded answer, and is told that it is one."""
    task = next(iter(demo_tasks()))
    bare_project.write_rows("one.jsonl", [{"prompt": task.prompt, "expect": task.expect}])
    ended = bare_project.run("eval", "one.jsonl")
    assert ended.code == 0, ended.err
    assert "RECORDINGS, NOT A MODEL" in ended.err
    assert [record.simulated for record in bare_project.records()] == [True]


def test_a_run_that_failed_because_of_us_says_how_to_try_again(bare_project: Project) -> None:
    """Typed again, the command runs nothing that has its record, so that advice would be idle."""
    bare_project.write_rows("one.jsonl", [{"prompt": "Print the number of my cats."}])
    ended = bare_project.run("eval", "one.jsonl")
    assert (
        "1 of 1 jobs failed because of us; queue them again:  promptmill run retry run_"
        in ended.err
    )
    assert "go on with" not in ended.err


def test_a_prompt_that_nobody_recorded_gets_no_invented_answer(bare_project: Project) -> None:
    """An offline default that makes something up would be taken for the model."""
    bare_project.write_rows("one.jsonl", [{"prompt": "Print the number of my cats."}])
    ended = bare_project.run("eval", "one.jsonl")
    assert ended.code == 5
    [record] = bare_project.records()
    assert record.verdict == "internal_error"
    assert "no recorded reply" in (record.error or "")
    assert "GEMINI_API_KEY" in ended.said
