"""The built-in tour: the first thing anybody runs, in an empty folder, with nothing set up."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.waiting import wait_until

from .processes import that_concern
from .project import Ended, Project

# Two tours go before the first test, and a busy machine takes its time for each.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LOUD = "RECORDINGS, NOT A MODEL"
N_TASKS = 12


@dataclass(frozen=True)
class Toured:
    """A folder in which the tour has been run twice; the tests that share it only look."""

    project: Project
    in_words: Ended
    in_json: Ended


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toured]:
    """What the tour says to a person, then to a program, and the records of both."""
    project = Project(tmp_path_factory.mktemp("tour"))
    try:
        yield Toured(project, project.run("demo"), project.run("demo", "--json"))
    finally:
        project.close()


def test_the_tour_solves_ten_of_its_twelve_tasks(toured: Toured) -> None:
    """Every path of the machine is in it once; a number that moves means that one of them broke."""
    assert (toured.in_words.code, toured.in_json.code) == (0, 0)
    report = toured.in_json.json()
    assert [rate["successes"] for rate in report["solvedWithin"]] == [4, 10, 10]
    assert (report["nJobs"], report["nScored"], len(report["notSolved"])) == (N_TASKS, N_TASKS, 2)


def test_the_tour_says_everywhere_that_no_model_was_asked(toured: Toured) -> None:
    """Somebody will quote the numbers; they must not be able to take them for Gemini's."""
    assert LOUD in toured.in_words.err, "on the terminal"
    assert LOUD in toured.in_words.out, "in the report"
    assert toured.in_json.json()["simulated"] is True
    records = toured.project.records()
    assert all(record.simulated for record in records)
    assert all(attempt.reply.simulated for record in records for attempt in record.attempts)


def test_a_second_tour_is_another_run(toured: Toured) -> None:
    """Whoever shows it to somebody else must see it run, not be shown yesterday's records."""
    runs = [record.job.run_id for record in toured.project.records()]
    assert sorted(runs.count(run) for run in set(runs)) == [N_TASKS, N_TASKS]


async def test_nothing_is_left_running_after_the_tour(toured: Toured) -> None:
    """A server that nobody asked for must not outlive the command that started it."""
    await wait_until(
        lambda: not that_concern(toured.project.folder), 5, "the end of the embedded server"
    )


def test_the_tour_shows_every_kind_of_repair(toured: Toured) -> None:
    """A traceback, a wrong answer, a time-out and a memory limit: each is fed back and mended."""
    first_verdicts = {
        record.attempts[0].verdict for record in toured.project.records() if record.solved_at == 2
    }
    assert first_verdicts == {
        "runtime_error",
        "wrong_answer",
        "time_limit_exceeded",
        "memory_limit_exceeded",
    }
    languages = {
        record.job.language for record in toured.project.records() if record.solved_at == 1
    }
    assert len(languages) > 1


def test_the_tour_asks_no_model_even_where_there_is_a_key(bare_gemini: Project) -> None:
    """It is for a first look, not for somebody's quota."""
    ended = bare_gemini.run("demo", GEMINI_API_KEY="not-a-key-at-all")
    assert ended.code == 0, ended.err
    assert all(record.simulated for record in bare_gemini.records())


def test_finished_jobs_are_listed(toured: Toured) -> None:
    """The tour itself sends people there next."""
    listed = toured.project.run("job", "list")
    assert listed.code == 0
    assert len(listed.out.splitlines()) == 2 * N_TASKS
    assert all("recording" in line for line in listed.out.splitlines())
    as_json = toured.project.run("job", "list", "--json").json()
    assert {row["jobId"] for row in as_json} == {
        record.job_id for record in toured.project.records()
    }
    assert all(row["simulated"] for row in as_json)


def test_the_beginning_of_an_id_is_enough(toured: Toured) -> None:
    """Nobody types twenty characters where eight are unique."""
    record = toured.project.records()[0]
    shown = toured.project.run("job", "show", record.job_id[:-4])
    assert shown.code == 0, shown.err
    assert shown.out.startswith(record.job_id)


def test_a_record_in_json_is_the_record(toured: Toured) -> None:
    """Scripts read it, so it is the stored record and neither a summary nor a second format."""
    record = toured.project.records()[0]
    shown = toured.project.run("job", "show", record.job_id, "--json")
    assert shown.json() == record.model_dump(mode="json", by_alias=True)


def test_what_a_model_wrote_is_kept_from_programs_that_did_not_ask(toured: Toured) -> None:
    """An agent that watches our output should not take orders from a program's comments."""
    record = next(record for record in toured.project.records() if record.solved_at == 2)
    program = record.attempts[0].executable_code
    assert program is not None
    line = max(program.code.splitlines(), key=len)
    withheld = toured.project.run("job", "show", record.job_id)
    assert line not in withheld.said
    assert record.job.prompt not in withheld.said
    assert "--content" in withheld.out
    assert line in toured.project.run("job", "show", record.job_id, "--content").out


def test_the_tour_needs_no_locale(bare_project: Project) -> None:
    """Containers have none, and a tour that dies of its own box drawing is a bad start."""
    ended = bare_project.run("demo", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert ended.code == 0, ended.err
