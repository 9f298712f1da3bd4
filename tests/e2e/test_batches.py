"""A run that is asked by Gemini's Batch API: in rounds, at half the price, and never paid for twice."""

import re
import shlex

import pytest

from jobs.keys import Keys
from jobs.models import Record
from jobs.verdicts import Verdict
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import BatchPlan, Rule
from tests.waiting import wait_until

from .programs import reply
from .project import Ended, Project, Running

# Several commands one after the other, two of which wait for the leases of one that was killed.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

RIGHT, WRONG = reply("print(42)"), reply("print(41)")
ALL_RIGHT = Rule(steps=(steps.text(RIGHT),))
WAITING = BatchPlan(states=("PENDING",))
GO_ON = re.compile(r"^stopped; .*Go on with:  (promptmill .+)$", re.MULTILINE)
COMMAND = ("eval", "rows.jsonl", "--run", "r", "--batch", "--max-attempts", "3")


@pytest.fixture
def rows(gemini: Project) -> Project:
    """A folder with a dataset of three tasks, whose killed workers are given up after a second."""
    tasks = [{"id": name, "prompt": f"Print {name}.", "expect": "42"} for name in "abc"]
    gemini.write_rows("rows.jsonl", tasks)
    gemini.environment["PROMPTMILL_WORKER__LEASE_SECONDS"] = "1"
    return gemini


def by_task(project: Project) -> dict[str | None, Record]:
    return {record.job.task_id: record for record in project.records()}


def kept(project: Project) -> set[str]:
    """What is left in Redis beside the events and counters of the run, and replies for whoever asks the same."""
    expected = {Keys().run("r"), Keys().runs, Keys().events("r")}
    left = project.kept_in_redis() - expected
    return {key for key in left if not key.startswith(Keys().reply(""))}


def all_solved(project: Project, ended: Ended) -> None:
    """The command ended well, and so did each task, once."""
    assert ended.code == 0, ended.err
    verdicts = {task: record.verdict for task, record in by_task(project).items()}
    assert verdicts == dict.fromkeys("abc", Verdict.ACCEPTED)
    assert kept(project) == set()


async def started(project: Project, standin: Standin, *plans: BatchPlan) -> Running:
    """The command, whose batch has been made and waits."""
    standin.script(ALL_RIGHT, batches=plans or (WAITING,))
    running = project.start(*COMMAND)
    await wait_until(lambda: len(standin.batches) == 1, 50, "a batch")
    return running


def test_a_run_goes_in_rounds(rows: Project, standin: Standin) -> None:
    """Half the price is worth a day of waiting only if a round costs one batch and no live call."""
    standin.script(
        Rule(first="Print b.", last="failed", steps=(steps.text(RIGHT),)),
        Rule(first="Print b.", steps=(steps.text(WRONG),)),
        ALL_RIGHT,
    )
    ended = rows.run(*COMMAND)
    all_solved(rows, ended)
    solved_at = {task: record.solved_at for task, record in by_task(rows).items()}
    assert solved_at == {"a": 1, "b": 2, "c": 1}
    attempts = by_task(rows)["b"].attempts
    assert [attempt.reply.batch for attempt in attempts] == ["batches/b0", "batches/b1"]
    assert (len(standin.batches), standin.requests) == (2, ())
    assert "batch 1  3 requests  SUCCEEDED, 3 answered" in ended.err
    assert "batch 2  1 request  SUCCEEDED, 1 answered" in ended.err


async def test_a_run_that_is_killed_before_it_knows_its_batch_makes_no_second_one(
    rows: Project, standin: Standin
) -> None:
    """Making a batch twice is paying twice, and the server takes both without a word."""
    running = await started(rows, standin)
    running.make_sure()
    standin.script(ALL_RIGHT)
    all_solved(rows, rows.run(*COMMAND))
    assert len(standin.batches) == 1
    assert {record.attempts[0].reply.batch for record in rows.records()} == {"batches/b0"}


async def test_a_run_that_is_killed_again_and_again_is_no_fault_of_its_jobs(
    rows: Project, standin: Standin
) -> None:
    """In a day of waiting a machine may restart more often than a job may be handed over."""
    rows.environment["PROMPTMILL_WORKER__MAX_DELIVERIES"] = "1"
    running = await started(rows, standin)
    await running.until_it_says("batch 1  3 requests  PENDING")
    running.make_sure()
    running = rows.start(*COMMAND)
    await running.until_it_says("batch 1  3 requests  PENDING")
    running.make_sure()
    standin.script(ALL_RIGHT)
    all_solved(rows, rows.run(*COMMAND))
    assert len(standin.batches) == 1


async def test_an_interrupted_run_goes_on_with_the_same_batch(
    rows: Project, standin: Standin
) -> None:
    """Nobody keeps a terminal open for a day, and what Gemini was asked for is paid for."""
    running = await started(rows, standin)
    await running.until_it_says("PENDING")
    running.interrupt_group()
    stopped = running.ended(within_seconds=15)
    assert stopped.code == 130
    said = GO_ON.search(stopped.err)
    assert said is not None, stopped.err
    standin.script(ALL_RIGHT)
    all_solved(rows, rows.run_program(*shlex.split(said[1])))
    assert len(standin.batches) == 1


def test_what_an_expired_batch_leaves_is_sent_with_another(rows: Project, standin: Standin) -> None:
    """Batches do expire after two days, and the tasks in them are as unsolved as before."""
    expired = BatchPlan(states=("PENDING", "EXPIRED"))
    standin.script(ALL_RIGHT, batches=(expired, BatchPlan()))
    ended = rows.run(*COMMAND)
    all_solved(rows, ended)
    assert (len(standin.batches), standin.requests) == (2, ())
    assert "EXPIRED, 0 answered, 3 to be asked again" in ended.err


def test_a_run_whose_batches_come_to_nothing_stops_with_the_reason(
    rows: Project, standin: Standin
) -> None:
    """It would go on for ever, a day at a time; and no job of it is at fault."""
    standin.script(ALL_RIGHT, batches=(BatchPlan(states=("FAILED",)),))
    ended = rows.run(*COMMAND)
    assert ended.code == 4, ended.err
    assert "3 batches in a row came to nothing" in ended.err
    assert "says the stand-in" in ended.err
    assert rows.records() == []
    assert len(standin.batches) == 3
    standin.script(ALL_RIGHT)
    all_solved(rows, rows.run(*COMMAND))


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        pytest.param(["--detach"], {}, "goes with no --detach", id="detached"),
        pytest.param(["--queue", "q"], {}, "no --queue", id="a queue"),
        pytest.param(["--priority", "high"], {}, "no --priority", id="a priority"),
        pytest.param(["--model", "replay"], {}, "is no model of Gemini's", id="recordings"),
        pytest.param(
            [], {"PROMPTMILL_MODEL__BACKEND": "vertex"}, "the backend is Vertex AI", id="Vertex AI"
        ),
    ],
)
def test_what_does_not_go_with_batches_is_refused_in_words(
    rows: Project, standin: Standin, words: list[str], environment: dict[str, str], said: str
) -> None:
    """A flag that is taken and does nothing is found out a day later."""
    ended = rows.run(*COMMAND, *words, **environment)
    assert ended.code == 2
    assert said in ended.err
    assert "nothing was queued" in ended.err
    assert standin.log() == ()


async def test_a_run_that_waits_for_batches_is_not_asked_live(
    rows: Project, standin: Standin
) -> None:
    """Its jobs wait where only the command with the flag looks for them, and this one would wait for ever."""
    running = await started(rows, standin)
    running.interrupt_group()
    running.ended(within_seconds=15)
    live = rows.run(*(word for word in COMMAND if word != "--batch"))
    assert (live.code, "was begun with --batch" in live.err) == (2, True), live.err


def test_a_run_that_waits_for_live_calls_is_not_sent_in_batches(rows: Project) -> None:
    """The same the other way round: no job of it would ever be held."""
    rows.submit("--jsonl", "rows.jsonl", "--run", "r")
    batched = rows.run(*COMMAND)
    assert (batched.code, "was begun without --batch" in batched.err) == (2, True), batched.err


def test_a_run_in_batches_that_was_stopped_is_not_asked_live(
    rows: Project, standin: Standin
) -> None:
    """All its jobs are set aside by then and in no place; the live command would wait for ever on the batches' one."""
    standin.script(ALL_RIGHT, batches=(BatchPlan(states=("FAILED",)),))
    assert rows.run(*COMMAND).code == 4
    live = rows.run(*(word for word in COMMAND if word != "--batch"))
    assert (live.code, "was begun with --batch" in live.err) == (2, True), live.err
    submitted = rows.run("submit", "--jsonl", "rows.jsonl", "--run", "r")
    assert (submitted.code, "was begun with --batch" in submitted.err) == (2, True), submitted.err


def test_a_run_that_was_ended_may_begin_the_other_way(rows: Project, standin: Standin) -> None:
    """Who has sent too much in batches, and cancelled it, must not have to invent another name."""
    standin.script(ALL_RIGHT, batches=(BatchPlan(states=("FAILED",)),))
    assert rows.run(*COMMAND).code == 4
    rows.run("run", "cancel", "r")
    live = rows.run(*(word for word in COMMAND if word != "--batch"))
    assert live.code == 0, live.err
    assert len(rows.records()) == 3


async def test_a_run_that_is_cancelled_leaves_nothing_with_gemini(
    rows: Project, standin: Standin
) -> None:
    """A batch that nobody waits for is billed when it is answered."""
    running = await started(rows, standin)
    await running.until_it_says("batch 1  3 requests  PENDING")
    cancelled = rows.run("run", "cancel", "r")
    assert "and with Gemini batches/b0" in cancelled.err + cancelled.out, cancelled.err
    ended = running.ended()
    assert ended.code == 5, ended.err
    paths = [request.path for request in standin.log()]
    assert "/v1/batches/b0:cancel" in paths
    assert (len(standin.batches), rows.records()) == (1, [])


def test_a_live_run_that_was_stopped_is_not_sent_in_batches(
    rows: Project, standin: Standin
) -> None:
    """The same the other way round: its jobs go back to where no batch is gathered."""
    rows.submit("--jsonl", "rows.jsonl", "--run", "r")
    assert rows.run("run", "pause", "r").code == 0
    batched = rows.run(*COMMAND)
    assert (batched.code, "was begun without --batch" in batched.err) == (2, True), batched.err
    assert standin.batches == ()


def test_a_budget_holds_in_batches_and_more_of_it_lets_the_run_go_on(
    rows: Project, standin: Standin
) -> None:
    """Who sets a limit believes in it, however the model is asked."""
    standin.script(ALL_RIGHT)
    ended = rows.run(*COMMAND, "--max-requests", "2")
    assert ended.code == 6, ended.err
    assert "2 of --max-requests 2 are used" in ended.err
    assert len(rows.records()) == 2
    shown = rows.run("run", "show", "r", "--json").json()
    assert (shown["state"], shown["spent"]["requests"], shown["asked"]) == ("paused", 2, "batch")
    assert rows.run("run", "resume", "r", "--max-requests", "5").code == 0
    all_solved(rows, rows.run(*COMMAND))
    assert len(standin.batches) == 2
