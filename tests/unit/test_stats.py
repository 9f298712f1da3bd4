"""The statistics of reports, held to what scipy, statsmodels and others make of the same numbers."""

import gzip
import json
import math
import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from jobs.stats import (
    CurveBuilder,
    bootstrap_interval,
    clustered_error,
    clustered_interval,
    difference_interval,
    holm,
    mcnemar_p,
    paired_interval,
    pass_all_k,
    pass_at_k,
    percentile,
    sign_flip_p,
    wilson_interval,
)
from tests.requiring import material


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """Numbers that were worked out elsewhere."""
    found: dict[str, Any] = json.loads(material("data/stats_test_vectors.json").read_text())
    return found


def test_intervals_are_those_that_were_worked_out_elsewhere(vectors: dict[str, Any]) -> None:
    """An interval that is too narrow calls noise a difference."""
    for row in vectors["wilson"]:
        assert wilson_interval(row["k"], row["n"]) == pytest.approx((row["lo"], row["hi"]))


def test_rates_over_samples_are_those_that_were_worked_out_elsewhere(
    vectors: dict[str, Any],
) -> None:
    """Papers print pass@k, and ours has to stand beside theirs."""
    for row in vectors["pass_at_k"]:
        assert pass_at_k(row["n"], row["c"], row["k"]) == pytest.approx(row["value"])
    for row in vectors["pass_hat_k"]:
        assert pass_all_k(row["n"], row["c"], row["k"]) == pytest.approx(row["value"])


def test_paired_tests_are_those_that_were_worked_out_elsewhere(vectors: dict[str, Any]) -> None:
    """A p that is too small lets somebody change the model for nothing."""
    for row in vectors["mcnemar_exact"]:
        assert mcnemar_p(row["b"], row["c"]) == pytest.approx(row["p"])


def test_wilson_agrees_with_statsmodels() -> None:
    """Small n is where formulas part."""
    for n in (1, 2, 7, 40):
        for k in range(n + 1):
            theirs = proportion_confint(k, n, method="wilson")
            assert wilson_interval(k, n) == pytest.approx(tuple(theirs), abs=1e-12)


def test_of_nothing_nothing_is_known() -> None:
    """A run that has not begun is no run that failed."""
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert paired_interval(0, 0, 0, 0) == (-1.0, 1.0)
    assert clustered_error([[1.0, 0.0]]) is None
    assert clustered_error([[1.0], []]) is None
    assert bootstrap_interval([1.0]) is None
    assert difference_interval([1.0]) == (-1.0, 1.0)
    assert sign_flip_p([]) == mcnemar_p(0, 0) == 1


def test_fewer_samples_than_k_say_nothing_about_k() -> None:
    """A harness that answers anyway reports pass@10 of one sample."""
    assert pass_at_k(5, 5, 6) is None
    assert pass_all_k(5, 5, 6) is None


def test_pass_at_k_is_what_choosing_k_samples_gives() -> None:
    """Unbiased means exactly this; 1 - (1 - c/n)^k is not it."""
    n, n_correct, k = 8, 3, 2
    chosen = scipy_stats.hypergeom(n, n_correct, k)
    assert pass_at_k(n, n_correct, k) == pytest.approx(1 - chosen.pmf(0))
    assert pass_all_k(n, n_correct, k) == pytest.approx(chosen.pmf(k))


@pytest.mark.parametrize(
    ("n", "n_correct", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 0)], ids=["many", "few", "no-k"]
)
def test_counts_that_cannot_be_are_refused(n: int, n_correct: int, k: int) -> None:
    """They come from a defect of ours, and a number made of them would hide it."""
    with pytest.raises(ValueError, match=r"cannot be|at least 1"):
        pass_at_k(n, n_correct, k)


def test_the_clustered_error_is_that_of_a_regression_on_a_constant() -> None:
    """Samples of one task are alike; taken for independent ones, they make an error three times too small."""
    draw = random.Random(1)
    clusters = [
        [float(draw.random() < rate) for _ in range(size)]
        for rate, size in ((0.1, 3), (0.9, 5), (0.5, 1), (0.7, 4), (0.2, 4))
    ]
    values = [value for values in clusters for value in values]
    groups = [place for place, values in enumerate(clusters) for _ in values]
    fitted = OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(groups), "use_correction": False}
    )
    correction = math.sqrt(len(clusters) / (len(clusters) - 1))
    assert clustered_error(clusters) == pytest.approx(fitted.bse[0] * correction)


def test_alone_in_their_clusters_values_have_the_usual_error() -> None:
    """One formula has to serve a run of one sample, too."""
    values = [1.0, 0.0, 0.0, 1.0, 1.0]
    theirs = scipy_stats.sem(values)
    assert clustered_error([[value] for value in values]) == pytest.approx(theirs)


def test_the_interval_of_samples_is_as_wide_as_their_tasks_are_unlike() -> None:
    """Thirty samples of three tasks know three tasks: an interval of thirty would be three times too narrow."""
    alone = [(1, 1)] * 3 + [(1, 0)] * 4
    assert clustered_interval(alone) == wilson_interval(3, 7)
    assert clustered_interval([(10, 10)] * 3) == wilson_interval(3, 3)
    assert clustered_interval([]) == (0.0, 1.0)
    low, high = clustered_interval([(10, 10), (10, 0), (10, 5)])
    naive_low, naive_high = wilson_interval(15, 30)
    assert high - low > 1.5 * (naive_high - naive_low)


def test_mcnemar_agrees_with_statsmodels() -> None:
    """Exact at the sizes that a benchmark has."""
    for first in range(12):
        for second in range(12):
            theirs = mcnemar([[5, first], [second, 5]], exact=True).pvalue
            assert mcnemar_p(first, second) == pytest.approx(theirs)


def test_flipping_signs_agrees_with_mcnemar_where_both_can_be_asked() -> None:
    """Runs of several samples are tested by the one, runs of one sample by the other."""
    for first, second in ((15, 19), (1, 14), (0, 7), (8, 5)):
        flipped = sign_flip_p([-1.0] * first + [1.0] * second)
        assert flipped == pytest.approx(mcnemar_p(first, second), abs=0.02)


def test_holm_agrees_with_statsmodels() -> None:
    """Of twenty runs one is better than the first by luck alone."""
    for ps in ([0.01, 0.04, 0.03], [0.5], [0.2, 0.2, 0.001, 0.9], []):
        theirs = multipletests(ps, method="holm")[1] if ps else []
        assert holm(ps) == pytest.approx(list(theirs))


def test_the_bootstrap_agrees_with_scipy() -> None:
    """The interval decides what a gate lets through."""
    values = [1.0] * 30 + [0.0] * 20 + [-1.0] * 10
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=0.02)


def test_the_bootstrap_says_the_same_each_time() -> None:
    """A gate that passes on the second try guards nothing."""
    values = [0.0, 0.25, 1.0, -0.5] * 10
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_the_interval_of_pairs_is_that_of_a_published_example() -> None:
    """A formula copied wrongly would show here."""
    assert paired_interval(36, 2, 12, 0) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_of_pairs_that_have_nothing_to_do_with_each_other_the_interval_is_the_usual_one() -> None:
    """What pairing gains is gained from likeness, and from nothing else."""
    theirs = confint_proportions_2indep(30, 100, 40, 100, method="newcomb")
    assert paired_interval(12, 28, 18, 42) == pytest.approx(tuple(map(float, theirs)))


def test_two_runs_that_never_differ_are_not_known_to_be_equal() -> None:
    """Of three tasks that both solve, a bootstrap would say that there is no difference at all."""
    low, high = paired_interval(3, 0, 0, 0)
    assert low < -0.5
    assert high > 0.5


@pytest.mark.parametrize("n", [8, 40, 164])
def test_samples_that_never_differ_make_no_certainty_that_single_ones_do_not(n: int) -> None:
    """A gate would let through on eight tasks whatever margin it is given."""
    low, high = difference_interval([0.0] * n)
    single_low, single_high = paired_interval(n // 2, 0, 0, n - n // 2)
    assert low < single_low
    assert high > single_high
    assert high < 5 / n, "certainty still grows with tasks"


@pytest.mark.parametrize("values", [[0.5] + [0.0] * 7, [1.0] * 3, [-1.0] * 50, [0.25, -0.5] * 20])
def test_the_interval_of_a_difference_holds_the_difference_and_has_a_width(
    values: list[float],
) -> None:
    """One that begins at what was seen says that it cannot be less."""
    low, high = difference_interval(values)
    mean = sum(values) / len(values)
    assert -1 <= low <= mean <= high <= 1
    assert high - low > 1 / len(values)
    assert low < mean or mean == -1


def test_exchanging_two_runs_turns_their_interval_round() -> None:
    """Whoever types them in the other order must come to the same conclusion."""
    low, high = paired_interval(90, 15, 19, 40)
    assert paired_interval(90, 19, 15, 40) == pytest.approx((-high, -low))
    assert low < 4 / 164 < high


def test_percentiles_agree_with_numpy() -> None:
    """A p99 of ten values has to be the same wherever somebody checks it."""
    values = sorted(random.Random(2).random() for _ in range(10))
    for fraction in (0, 0.5, 0.9, 0.99, 1):
        assert percentile(values, fraction) == pytest.approx(np.quantile(values, fraction))


def test_a_job_that_has_ended_stands_in_later_rounds() -> None:
    """A curve that forgot solved jobs would fall by itself."""
    curve = CurveBuilder()
    for course in ((True,), (False, True), (True, False, True), (False, False, False)):
        curve.add(course)
    told = [(r.solved, r.solved_once, r.gained, r.kept, r.lost) for r in curve.rounds()]
    assert told == [(2, 2, 2, 0, 0), (2, 3, 1, 1, 1), (3, 3, 1, 2, 0)]


@pytest.mark.parametrize(
    "name",
    [
        "ldb_humaneval_gpt-3.5-turbo-0613",
        "ldb_humaneval_codellama-34b",
        "reflexion10_humaneval_gpt-3.5-turbo",
    ],
)
def test_curves_of_recorded_repairs_are_those_that_were_counted_elsewhere(name: str) -> None:
    """Repair can hurt, and a report that shows only the end hides it."""
    expected = json.loads(material("data/expected.json").read_text())["traces"][f"{name}.jsonl.gz"]
    courses: dict[str, list[bool]] = defaultdict(list)
    with gzip.open(material("data/expected_rows.jsonl.gz"), "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["file"] == f"{name}.jsonl.gz":
                courses[row["task_id"]] = [status == "passed" for status in row["statuses"]]
    curve = CurveBuilder()
    for course in courses.values():
        curve.add(course)
    rounds = curve.rounds()
    assert [each.solved for each in rounds] == expected["last_by_round"]
    assert [each.solved_once for each in rounds] == expected["any_by_round"]
    assert rounds[-1].solved_once - rounds[-1].solved == expected["passed_then_lost"]
