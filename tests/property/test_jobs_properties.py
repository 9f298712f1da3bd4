"""What holds for every job, limit, task and rate that anyone can think of."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs.bounds import MAX_ATTEMPTS
from jobs.checkers import Case, Checker, ExitsCleanly, MatchesOutput, PassesTests
from jobs.clock import derived_id
from jobs.datasets import PartialLimits, Task
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import PromptJob, Record
from jobs.reports import build_report
from jobs.stats import wilson_interval
from jobs.verdicts import Verdict
from jobs.wire import decode, encode
from tests.making import a_record

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
identifiers = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,40}\Z")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
metadata = st.dictionaries(texts, json_values, max_size=3)
limits = st.builds(
    Limits,
    cpu_seconds=st.floats(0, 3600, exclude_min=True),
    wall_seconds=st.floats(0, 7200, exclude_min=True),
    memory_mib=st.integers(16, 65_536),
    output_kib=st.integers(1, 65_536),
    file_size_mib=st.integers(0, 65_536),
    scratch_mib=st.integers(1, 65_536),
    processes=st.integers(1, 4096),
    open_files=st.integers(16, 65_536),
)
cases = st.lists(
    st.builds(Case, name=st.none() | texts.filter(bool), stdin=texts, expect=texts),
    min_size=1,
    max_size=3,
    unique_by=lambda case: case.name or id(case),
).map(tuple)
checkers: st.SearchStrategy[Checker] = (
    st.just(ExitsCleanly())
    | st.builds(MatchesOutput, cases=cases, public=st.booleans(), run_all=st.booleans())
    | st.builds(PassesTests, tests=texts.filter(bool))
)


def a_job(*, checker: Checker, stdin: str, **fields: Any) -> PromptJob:
    """One whose input stands where its check has it."""
    if isinstance(checker, MatchesOutput):
        stdin = ""
    return PromptJob(checker=checker, stdin=stdin, **fields)


jobs_ = st.builds(
    a_job,
    prompt=texts.filter(bool),
    job_id=identifiers,
    run_id=st.none() | identifiers,
    task_id=st.none() | texts.filter(bool),
    sample=st.integers(0, 10**6),
    language=st.sampled_from(Language),
    checker=checkers,
    stdin=texts,
    max_attempts=st.integers(1, MAX_ATTEMPTS),
    model=st.none() | texts.filter(bool),
    temperature=st.none() | st.floats(0, 2),
    limits=st.none() | limits,
    metadata=metadata,
)
verdicts = st.lists(st.sampled_from([v for v in Verdict if v.is_scored]), min_size=1, max_size=4)


@given(jobs_)
def test_a_job_is_the_same_after_its_way_through_the_queue(job: PromptJob) -> None:
    """What a worker solves must be what was asked, to the last character."""
    payload = job.model_dump(mode="json", by_alias=True)
    assert PromptJob.model_validate(decode(encode(payload))) == job


@given(jobs_, verdicts)
def test_a_record_is_the_same_after_its_way_through_a_file(
    job: PromptJob, judged: list[Verdict]
) -> None:
    """A record is kept for years and read by other programs."""
    record = a_record(job, *judged)
    assert Record.model_validate_json(record.to_json(indent=2)) == record


@given(limits, limits)
def test_a_capped_limit_is_never_above_either(asked: Limits, ceiling: Limits) -> None:
    """The operator's ceiling holds whatever a job asks for, and a job gets no more than it asked."""
    capped, mine, theirs = (m.model_dump() for m in (asked.capped_by(ceiling), asked, ceiling))
    assert all(capped[name] == min(mine[name], theirs[name]) for name in mine)
    assert Limits.model_validate(capped) == asked.capped_by(ceiling)


@given(limits, limits)
def test_capping_twice_changes_nothing(asked: Limits, ceiling: Limits) -> None:
    """A job redelivered to another worker is held to the same limits."""
    once = asked.capped_by(ceiling)
    assert once.capped_by(ceiling) == once


changes: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda full, names: {name: value for name, value in full.model_dump().items() if name in names},
    limits,
    st.sets(st.sampled_from(list(Limits.model_fields))),
)


@given(changes, limits)
def test_a_row_changes_the_limits_it_names_and_no_others(
    changed: dict[str, Any], defaults: Limits
) -> None:
    """A row that only asks for more time must not lose the run's memory limit."""
    result = PartialLimits.model_validate(changed).over(defaults)
    expected = {**defaults.model_dump(), **changed}
    if result.cpu_seconds > defaults.cpu_seconds and "wall_seconds" not in changed:
        # More CPU time is of no use without as much more on the clock.
        longer = defaults.wall_seconds * (result.cpu_seconds / defaults.cpu_seconds)
        expected["wall_seconds"] = min(longer, 7200.0)
    assert result.model_dump() == expected


@given(
    st.builds(
        dict,
        id=texts.filter(bool),
        prompt=texts.filter(bool),
        stdin=texts,
        maxAttempts=st.none() | st.integers(),
        limits=st.dictionaries(
            st.sampled_from(list(Limits.model_fields)),
            st.integers(-1, 10**8) | st.floats(),
        ),
        metadata=st.dictionaries(texts, json_values | st.floats(), max_size=2),
    )
)
def test_a_row_that_is_read_can_be_submitted(row: dict[str, Any]) -> None:
    """All errors are told when the file is read; none may wait until half of it is queued."""
    try:
        task = Task.model_validate(row)
    except ValueError:
        return
    assert task.to_job("run", max_attempts=3, limits=Limits()).prompt == row["prompt"]


@given(st.tuples(identifiers, texts, st.integers(0)), st.tuples(identifiers, texts, st.integers(0)))
def test_derived_ids_agree_exactly_when_their_parts_do(
    one: tuple[str, str, int], other: tuple[str, str, int]
) -> None:
    """Sample 11 of task 1 is not sample 1 of task 11."""
    assert (derived_id("job", *one) == derived_id("job", *other)) == (one == other)


rates = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(rates)
def test_an_interval_holds_its_rate_and_stays_within_0_and_1(rate: tuple[int, int]) -> None:
    """A report that says 103 % is believed in nothing else."""
    low, high = wilson_interval(*rate)
    assert 0 <= low <= rate[0] / rate[1] <= high <= 1


@given(rates)
def test_intervals_of_success_and_failure_mirror_each_other(rate: tuple[int, int]) -> None:
    """It must not matter which of the two is called a success."""
    (low, high), (other_low, other_high) = (
        wilson_interval(rate[0], rate[1]),
        wilson_interval(rate[1] - rate[0], rate[1]),
    )
    assert abs(low - (1 - other_high)) < 1e-12
    assert abs(high - (1 - other_low)) < 1e-12


@given(rates)
def test_more_trials_give_a_narrower_interval(rate: tuple[int, int]) -> None:
    """That is what more trials are paid for."""
    (low, high), (later_low, later_high) = (
        wilson_interval(rate[0], rate[1]),
        wilson_interval(rate[0] * 10, rate[1] * 10),
    )
    assert later_high - later_low < high - low


@given(st.lists(verdicts, max_size=8), st.integers(0, 3))
def test_a_report_counts_every_job_once(judged: list[list[Verdict]], n_unscored: int) -> None:
    """Scored and unscored, solved and not: they add up, or the report cannot be trusted."""
    records = [a_record(PromptJob(prompt="x", max_attempts=4), *each) for each in judged]
    failures = [a_record(PromptJob(prompt="x"), error="ours") for _ in range(n_unscored)]
    report = build_report([*records, *failures])
    assert report.n_jobs == report.n_scored + len(report.unscored) == sum(report.verdicts.values())
    assert report.n_scored == report.solved.successes + len(report.not_solved)
    after_each = [rate.successes for rate in report.solved_within]
    assert after_each[-1:] == [report.solved.successes] * bool(judged)
    rounds = [each.solved for each in report.rounds]
    assert after_each[: len(rounds)] == rounds
