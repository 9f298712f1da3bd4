"""Two runs beside each other: what differs by chance is not called a difference."""

from collections.abc import Sequence

import pytest

from jobs.checkers import PassesTests
from jobs.limits import Limits
from jobs.models import PromptJob
from jobs.reports.comparing import Results, compare
from jobs.verdicts import Verdict
from tests.making import a_record

OK, WRONG = Verdict.ACCEPTED, Verdict.WRONG_ANSWER


def _run(name: str, outcomes: Sequence[Sequence[bool]], **fields: object) -> Results:
    results = Results(name)
    for number, samples in enumerate(outcomes):
        for sample, solved in enumerate(samples):
            job = PromptJob(prompt="x", task_id=f"t/{number}", sample=sample)
            record = a_record(job.model_copy(update=fields), OK if solved else WRONG)
            results.add(record)
    return results


def _pairs(both: int, first: int, second: int, neither: int) -> tuple[Results, Results]:
    pairs = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    return _run("a", [[bool(x)] for x, _ in pairs]), _run("b", [[bool(y)] for _, y in pairs])


def test_a_difference_that_chance_makes_is_not_distinguishable() -> None:
    """These are the counts of two prompts for one model, 104 and 108 of 164: no difference at all."""
    [found] = compare(_pairs(89, 15, 19, 41))
    assert (len(found.gained), len(found.lost), found.n_same) == (19, 15, 130)
    assert found.p == pytest.approx(0.6076, abs=1e-4)
    assert found.low < 0 < found.high
    assert found.difference == pytest.approx(4 / 164)
    assert not found.is_distinguishable


def test_a_difference_that_chance_does_not_make_is_found() -> None:
    """Otherwise nobody needed the command."""
    [found] = compare(_pairs(122, 1, 14, 27))
    assert found.is_distinguishable
    assert 0 < found.low < found.difference < found.high


def test_several_samples_of_a_task_are_one_observation() -> None:
    """Ten samples of three tasks are three tasks, and not thirty."""
    [found] = compare([_run("a", [[False] * 10] * 3), _run("b", [[True] * 10] * 3)])
    assert found.n_tasks == 3
    assert found.p == pytest.approx(0.25, abs=0.02)
    assert not found.is_distinguishable


def test_the_same_results_of_few_tasks_are_not_known_to_be_as_good() -> None:
    """More samples of each task must not turn eight of them into a proof."""
    tasks = [[True, number % 2 == 0] for number in range(8)]
    [found] = compare([_run("a", tasks), _run("b", tasks)])
    assert (found.difference, found.n_same, found.p) == (0, 8, 1)
    assert found.low < -0.1
    assert found.high > 0.1


def test_tasks_of_one_cluster_are_one_observation() -> None:
    """Twelve wordings of three problems are three problems, and not twelve."""
    runs = []
    for name, verdict in (("a", WRONG), ("b", OK)):
        results = Results(name)
        for number in range(12):
            job = PromptJob(prompt="x", task_id=f"t/{number}", cluster=f"problem-{number % 3}")
            results.add(a_record(job, verdict))
        runs.append(results)
    [found] = compare(runs)
    assert (found.n_tasks, found.difference) == (12, 1.0)
    assert found.p == pytest.approx(0.25, abs=0.02)
    assert "clusters" in found.method


def test_a_cluster_of_many_tasks_weighs_as_much_as_they_do() -> None:
    """The interval has to be one of the difference that stands beside it."""
    first, second = Results("a"), Results("b")
    for number in range(60):
        cluster = "all alike" if number < 20 else None
        job = PromptJob(prompt="x", task_id=f"t/{number}", cluster=cluster)
        first.add(a_record(job, WRONG))
        second.add(a_record(job, OK if number < 20 or number % 2 else WRONG))
    [found] = compare([first, second])
    assert found.difference == pytest.approx(40 / 60)
    assert found.low < found.difference < found.high
    # By independent tasks it would be 0.23 wide.
    assert found.high - found.low > 0.3


def test_the_more_runs_are_compared_the_more_each_has_to_show() -> None:
    """Of twenty runs one is better by luck."""
    first, second = _pairs(40, 1, 8, 20)
    others = [_run(f"o{n}", list(first.tasks.values())) for n in range(4)]
    [alone] = compare([first, second])
    among = compare([first, second, *others])[0]
    assert alone.is_distinguishable
    assert among.p == alone.p
    assert among.p_adjusted == pytest.approx(5 * alone.p)
    assert not among.is_distinguishable


def test_what_we_failed_at_is_compared_with_nothing() -> None:
    """A worker whose disk was full has lost no task for its model."""
    first, second = _pairs(3, 0, 0, 1)
    job = PromptJob(prompt="x", task_id="t/9")
    first.add(a_record(job, OK))
    second.add(a_record(job, error="disk full"))
    [found] = compare([first, second])
    assert (found.n_tasks, found.n_left_out, found.n_unscored) == (4, 1, 1)
    assert found.lost == ()


def test_what_a_run_leaves_out_of_its_score_is_compared_with_nothing() -> None:
    """A row whose own reference fails must not decide which model is better, whichever run knew of that."""
    first, second = _pairs(3, 0, 0, 1)
    for number, excluded in enumerate(("broken", None, "flaky")):
        job = PromptJob(prompt="x", task_id=f"left-out/{number}", excluded=excluded)
        first.add(a_record(job, WRONG))
        second.add(a_record(job.model_copy(update={"excluded": "broken"}), OK))
    first.add(a_record(PromptJob(prompt="x", excluded="slow"), error="disk full"))
    [found] = compare([first, second])
    assert (found.n_tasks, found.n_left_out, found.n_unscored) == (4, 4, 0)
    assert found.gained == ()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"prompt": "y"}, "dataset"),
        ({"checker": PassesTests(tests="assert 1")}, "dataset"),
        ({"files": {"data.csv": "1"}}, "dataset"),
        ({"max_attempts": 9}, "policies"),
        ({"limits": Limits(cpu_seconds=1)}, "limits"),
    ],
    ids=["prompt", "check", "files", "attempts", "limits"],
)
def test_other_conditions_are_told(fields: dict[str, object], word: str) -> None:
    """A run that was given more time is no better model."""
    one, other = _run("a", [[True]]), _run("b", [[True]], **fields)
    [difference] = one.differences(other)
    assert difference.startswith(word)
    assert other.differences(one)


def test_another_set_of_tasks_is_told() -> None:
    """The half of a dataset that is easier must not pass for progress."""
    assert "1 tasks" in _run("a", [[True]]).differences(_run("b", [[True]] * 2))[0]


def test_runs_of_the_same_conditions_are_compared_without_a_word() -> None:
    """A warning that comes always is read by nobody."""
    assert _run("a", [[True]]).differences(_run("b", [[False]])) == []


def test_rows_that_a_run_leaves_out_are_in_no_comparison() -> None:
    """A task that no program can solve, or that each does, moves both rates and says nothing of either."""
    runs = [Results("a"), Results("b")]
    for results, excluded in zip(runs, ("broken", None), strict=True):
        for task, verdict in (("t/1", Verdict.ACCEPTED), ("t/2", Verdict.WRONG_ANSWER)):
            why = excluded if task == "t/2" else None
            job = PromptJob(prompt="x", task_id=task, excluded=why)
            results.add(a_record(job, verdict))
    [found] = compare(runs)
    assert (found.n_tasks, found.n_left_out, found.first_rate, found.second_rate) == (1, 1, 1, 1)
