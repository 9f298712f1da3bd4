"""Schedules as they are typed and declared, before any of them is kept."""

import json
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loading import load_settings
from config.settings import Settings
from config.sources import schedules_in
from jobs.errors import UsageError
from worker.cli.declaring import Declared, planned, planned_in

TABLE = '[[schedules]]\nname = "{name}"\ncron = "@daily"\nprompt = "Print 1."\n{more}'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What a project without any settings has."""
    return load_settings(tmp_path, environment={})


def refused(text: str, directory: Path, settings: Settings) -> UsageError:
    """Why a worker does not start with this file."""
    (directory / "promptmill.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        planned_in(schedules_in(directory), lambda _: settings)
    return raised.value


def test_a_jitter_of_more_than_a_day_is_refused_with_the_bound(settings: Settings) -> None:
    """It is a slip of the one who types it, and no defect of ours."""
    said = Declared(name="n", cron="@daily", prompt="Print 1.", jitter="2d")
    with pytest.raises(UsageError) as raised:
        planned(said, settings, [], "command")
    assert raised.value.message == "--jitter '2d' is more than 24h"
    assert raised.value.note == "no schedule was changed"


def test_a_window_that_is_no_time_changes_no_schedule_in_its_words(settings: Settings) -> None:
    """Nothing is ever queued by this command, so that nothing was queued says nothing."""
    said = Declared(name="n", cron="@daily", prompt="Print 1.", catch_up_window="banana")
    with pytest.raises(UsageError) as raised:
        planned(said, settings, [], "command")
    assert raised.value.note == "no schedule was changed"


def test_what_cannot_be_kept_of_a_file_is_named_with_schedule_and_line(
    tmp_path: Path, settings: Settings
) -> None:
    """A worker that does not start at night is mended by somebody who did not write the file."""
    error = refused(TABLE.format(name="n", more='jitter = "2d"'), tmp_path, settings)
    assert "--jitter '2d' is more than 24h" in error.message
    assert error.facts == {"schedule": "n", "written in": "promptmill.toml:1"}


def test_two_schedules_of_one_name_are_refused_with_both_lines(
    tmp_path: Path, settings: Settings
) -> None:
    """The last one would win, and nobody would miss the first one for weeks."""
    table = TABLE.format(name="n", more="")
    error = refused(f"{table}{table}", tmp_path, settings)
    assert error.message == (
        "schedule 'n' is declared twice: promptmill.toml:1 and promptmill.toml:5"
    )


def test_schedules_in_one_line_are_declared_too(tmp_path: Path, settings: Settings) -> None:
    """It is the same TOML, and a schedule that is passed over in silence is missed weeks later."""
    (tmp_path / "promptmill.toml").write_text(
        'schedules = [{name = "n", cron = "@daily", prompt = "Print 1."}]\n'
    )
    [one] = planned_in(schedules_in(tmp_path), lambda _: settings)
    assert one.declared.name == "n"


@pytest.mark.parametrize("key", ["max_requests", "max_tokens_total", "max_usd"])
def test_a_budget_of_nothing_is_refused_with_its_key(
    key: str, tmp_path: Path, settings: Settings
) -> None:
    """It is refused on the command line, and a file is typed, too."""
    error = refused(TABLE.format(name="n", more=f"{key} = 0"), tmp_path, settings)
    assert "promptmill.toml:1" in error.message
    assert key in error.fixes[0]


def test_a_key_that_is_misspelt_is_answered_with_the_one_that_is_meant(
    tmp_path: Path, settings: Settings
) -> None:
    """Nobody who writes TOML knows the words of the library that reads it."""
    error = refused(TABLE.format(name="n", more='overlpa = "skip"'), tmp_path, settings)
    assert "overlpa is no key of a schedule, did you mean overlap?" in error.fixes[0]


def test_schedules_in_the_singular_are_answered_with_the_plural(tmp_path: Path) -> None:
    """It is one schedule, so that one writes it in the singular."""
    table = TABLE.format(name="n", more="").replace("[[schedules]]", "[[schedule]]")
    (tmp_path / "promptmill.toml").write_text(table)
    with pytest.raises(ConfigError) as raised:
        load_settings(tmp_path, environment={})
    [problem] = raised.value.problems
    assert problem.place == "promptmill.toml:1"
    assert "did you mean [[schedules]]?" in problem.text


def test_the_runs_of_a_schedule_tell_the_model_what_it_says(settings: Settings) -> None:
    """A nightly number is worth nothing if one night was told more than the others."""
    said = {"name": "n", "cron": "@daily", "prompt": "Print 1.", "feedback": "none"}
    plan = planned(Declared.model_validate(said), settings, [], "command")
    assert [job.conversation.feedback for job in plan.jobs()] == ["none"]


@pytest.mark.parametrize(
    ("key", "value"), [("expect", "2"), ("tests", "tests.py"), ("language", "ruby")]
)
def test_an_eval_is_not_told_twice_what_is_right(
    key: str, value: str, tmp_path: Path, settings: Settings
) -> None:
    """Rows have checks of their own, and a check that is passed over in silence is believed to have been made."""
    dataset = tmp_path / "tasks.jsonl"
    dataset.write_text('{"id": "a", "prompt": "Print 1.", "cases": [{"expect": "1"}]}\n')
    said = {"name": "n", "cron": "@daily", "eval": dataset, key: value}
    with pytest.raises(UsageError, match=f"{key} cannot be used with an eval"):
        planned(Declared.model_validate(said), settings, [], "command")


def test_an_eval_takes_the_rows_that_eval_would_take(tmp_path: Path, settings: Settings) -> None:
    """Whoever tries a part by hand and then runs it every night means the same part."""
    rows = [
        {"id": f"t{n}", "prompt": "Print 1.", "tags": [["odd", "even"][n % 2 == 0]]}
        for n in range(6)
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = {"id": "t2", "fault": "broken", "why": "w"}
    counts = {"dataset": "d", "nRows": 6, "nWithReference": 6, "nRepeats": 1}
    (tmp_path / "found.json").write_text(json.dumps({**counts, "found": [found]}))
    text = TABLE.replace('prompt = "Print 1."\n', "").format(name="n", more="") + (
        f"eval = '{tmp_path}/tasks.jsonl'\nexclude = '{tmp_path}/found.json'\n"
        "where = ['tag=even']\nlimit = 2\nformat = 'promptmill'\n"
    )
    (tmp_path / "promptmill.toml").write_text(text)
    [one] = planned_in(schedules_in(tmp_path), lambda _: settings)
    jobs = list(one.jobs())
    assert [(job.task_id, job.excluded) for job in jobs] == [("t0", None), ("t2", "broken")]
    assert {job.part and job.part.in_words for job in jobs} == {"--where tag=even --limit 2"}
    assert "--where tag=even --limit 2, rows of" in one.runs


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"limit": 1}, "limit goes with an eval"),
        ({"shard": "1/2", "samples": 2}, "samples and shard go with an eval"),
        ({"exclude": "found.json"}, "exclude goes with an eval"),
    ],
    ids=["a limit", "a shard and samples", "an exclusion"],
)
def test_a_prompt_has_no_rows_to_choose_from(
    words: dict[str, object], told: str, settings: Settings
) -> None:
    """What is passed over in silence is believed to be in force."""
    said = Declared.model_validate({"name": "n", "cron": "@daily", "prompt": "Print 1.", **words})
    with pytest.raises(UsageError) as raised:
        planned(said, settings, [], "command")
    assert raised.value.message == told
