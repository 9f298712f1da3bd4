"""Answers that are judged again: which jobs they become, how far they go, and what is told of it."""

import pytest

from jobs.datasets import PartialLimits, Task
from jobs.extraction_policies import ExtractionPolicy
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import Attempt, ModelReply, PromptJob
from jobs.rescoring import Conditions, VerdictChanges, has_answers, judged_again
from jobs.summaries import Summary
from jobs.verdicts import Verdict
from tests.making import a_record, an_attempt
from worker.solver.course import end_of
from worker.solver.extraction import program_of

OK, WRONG, CRASH = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR
FENCE = "```"
TWO = f"{FENCE}\nx = 1\n{FENCE}\nor\n{FENCE}python\nprint(2)\n{FENCE}\n"


def a_job(**fields: object) -> PromptJob:
    return PromptJob.model_validate({"prompt": "x", "task_id": "t", "run_id": "r", **fields})


def attempts(*verdicts: Verdict, left: int | None) -> list[Attempt]:
    """Attempts on recorded replies, after the last of which so many are left."""
    found = []
    for number, verdict in enumerate(verdicts, 1):
        attempt = an_attempt(number, verdict)
        rest = None if left is None else left + len(verdicts) - number
        reply = attempt.reply.model_copy(update={"recordings_left": rest})
        found.append(attempt.model_copy(update={"reply": reply}))
    return found


@pytest.mark.parametrize(
    ("job", "so_far", "end"),
    [
        pytest.param({"as_recorded": True}, attempts(OK, left=1), None, id="past one accepted"),
        pytest.param({"as_recorded": True}, attempts(OK, OK, left=0), "accepted", id="last"),
        pytest.param(
            {"as_recorded": True}, attempts(OK, WRONG, left=0), "recordings_used_up", id="lost"
        ),
        pytest.param({"as_recorded": True}, attempts(OK, left=None), "accepted", id="live"),
        pytest.param({"rescores": "j"}, attempts(OK, left=2), "accepted", id="rescored"),
        pytest.param(
            {"rescores": "j"},
            attempts(WRONG, left=0),
            "recordings_used_up",
            id="rescored to its end",
        ),
        pytest.param({}, attempts(WRONG, left=0), None, id="a replay repeats its last reply"),
    ],
)
def test_a_course_ends_where_its_answers_do(
    job: dict[str, object], so_far: list[Attempt], end: str | None
) -> None:
    """An answer that nobody gave is never judged, and one that was given is not passed over where all are wanted."""
    assert end_of(a_job(max_attempts=9, **job), so_far) == end


def test_what_was_solved_and_lost_and_solved_again_is_solved_by_the_later_attempt() -> None:
    """A job counts as solved within so many attempts only if it stayed so."""
    job = a_job(as_recorded=True)
    assert a_record(job, OK, WRONG, OK, OK).solved_at == 3
    assert a_record(job, OK, OK).solved_at == 1
    assert a_record(job, OK, WRONG).solved_at is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(ExtractionPolicy.STRUCTURE_FIRST, "print(2)\n", id="structure-first"),
        pytest.param(ExtractionPolicy.FIRST_FENCE, "x = 1\n", id="first-fence"),
        pytest.param(ExtractionPolicy.LAST_FENCE, "print(2)\n", id="last-fence"),
        pytest.param(ExtractionPolicy.WHOLE_REPLY, TWO, id="whole-reply"),
    ],
)
def test_each_policy_finds_the_program_that_its_name_says(
    policy: ExtractionPolicy, expected: str
) -> None:
    """How a program is cut out of its answer moves scores more than most models do."""
    reply = ModelReply(
        content=None, text=TWO, finish_reason="STOP", model_version="m", latency_seconds=0
    )
    found = program_of(reply, Language.PYTHON, policy)
    assert found.code == expected
    assert found.kept(policy).policy == f"{policy}/1"


def test_a_reply_without_a_fence_has_no_program_by_the_rules_of_fences() -> None:
    """Prose is never run because a rule found nothing better."""
    reply = ModelReply(
        content=None, text="print(1)", finish_reason="STOP", model_version="m", latency_seconds=0
    )
    found = program_of(reply, Language.PYTHON, ExtractionPolicy.FIRST_FENCE)
    assert (found.code, found.outcome) == (None, "no_code")


def test_a_job_is_judged_again_as_it_was_but_for_what_is_said() -> None:
    """Two runs that differ in more than one thing say nothing about either."""
    record = a_record(a_job(job_id="j", max_attempts=5, limits=Limits(cpu_seconds=7)), WRONG)
    changed = Conditions(ExtractionPolicy.LAST_FENCE, "import math", {"memory_mib": 99})
    job = judged_again(record, "again", changed)
    assert (job.run_id, job.rescores, job.extraction) == ("again", "j", "last-fence")
    assert job.limits == Limits(cpu_seconds=7, memory_mib=99)
    assert job.preamble == "import math"
    same = {"job_id", "run_id", "rescores", "extraction", "preamble", "limits"}
    assert job.model_dump(exclude=same) == record.job.model_dump(exclude=same)
    assert judged_again(record, "again", changed) == job, "typed again, it is the same run"
    assert judged_again(record, "other", changed).job_id != job.job_id


def test_a_newer_dataset_changes_the_check_and_not_what_was_asked() -> None:
    """The answers were given to the words of that time."""
    record = a_record(a_job(job_id="j"), WRONG)
    now = Task(id="t", prompt="y", tests="assert True", preamble="p")
    job = judged_again(record, "again", Conditions(), now)
    assert (job.prompt, job.checker, job.preamble) == ("x", now.judged_by, "p")


def test_a_newer_dataset_leaves_the_limits_that_it_does_not_set() -> None:
    """Verdicts that changed because of other limits would look like those of better checks."""
    was = Limits(cpu_seconds=40, wall_seconds=80, memory_mib=700)
    record = a_record(a_job(job_id="j"), WRONG).model_copy(update={"limits": was})
    silent, strict = (
        Task(id="t", prompt="x"),
        Task(id="t", prompt="x", limits=PartialLimits(memory_mib=90)),
    )
    changed = Conditions(limits={"cpu_seconds": 5})
    assert judged_again(record, "again", Conditions(), silent).limits == was
    assert judged_again(record, "again", changed, strict).limits == was.model_copy(
        update={"cpu_seconds": 5, "memory_mib": 90}
    )


def test_what_failed_because_of_us_has_no_answers_to_the_end() -> None:
    """Its last attempt is not the one that the model would have stopped at."""
    assert has_answers(a_record(a_job(), WRONG))
    assert not has_answers(a_record(a_job(), WRONG, error="the disk was full"))
    assert not has_answers(a_record(a_job(), error="no sandbox"))


def test_changes_are_told_with_flips_first_and_tasks_in_their_order() -> None:
    """Whoever reads ten lines of them must have read what moved the score."""
    verdicts = {"t/10": (WRONG, CRASH), "t/2": (WRONG, OK), "t/9": (OK, WRONG), "t/1": (OK, OK)}
    after = [
        (task, Summary.of(a_record(a_job(task_id=task), now)))
        for task, (_, now) in verdicts.items()
    ]
    found = VerdictChanges.of({task: was for task, (was, _) in verdicts.items()}, after)
    told = [(each.task_id, each.before, each.after) for each in found.flips_first]
    assert told == [("t/2", WRONG, OK), ("t/9", OK, WRONG), ("t/10", WRONG, CRASH)]
    assert (len(found.gained), len(found.lost), found.n_same) == (1, 1, 1)
