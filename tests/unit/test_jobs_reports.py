"""What a run came to: counted from its records alone."""

import json

import pytest

from jobs.models import Isolation, PromptJob, Record
from jobs.reports import Rate, build_report
from jobs.reports.markdown import markdown_lines
from jobs.reports.text import SIMULATED_NOTE, report_lines
from jobs.usage import Usage
from jobs.verdicts import Verdict
from tests.making import a_record

OK, WRONG, CRASH = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR


def record(
    *verdicts: Verdict, task: str | None = None, attempts: int = 3, error: str | None = None
) -> Record:
    return a_record(
        PromptJob(prompt="x", task_id=task, max_attempts=attempts), *verdicts, error=error
    )


def test_a_job_counts_from_the_attempt_that_solved_it() -> None:
    """How much feedback is worth is the question that the product exists for."""
    report = build_report([record(OK), record(CRASH, OK), record(CRASH, WRONG, WRONG), record(OK)])
    assert [(rate.successes, rate.n) for rate in report.solved_within] == [(2, 4), (3, 4), (3, 4)]
    assert report.solved == Rate.of(3, 4)


def test_what_was_solved_and_lost_is_told_the_same_wherever_it_is_told() -> None:
    """As recorded, jobs go on past what is accepted: a table and a headline with two numbers for one thing say none."""
    courses = ([OK, WRONG, OK], [OK, WRONG], [WRONG, OK], [WRONG])
    jobs = [PromptJob(prompt="x", task_id=f"t{n}", as_recorded=True) for n in range(4)]
    report = build_report(a_record(job, *each) for job, each in zip(jobs, courses, strict=True))
    within = [rate.successes for rate in report.solved_within]
    assert within == [each.solved for each in report.rounds] == [2, 1, 2]
    assert report.solved.successes == report.n_scored - len(report.not_solved)
    assert [(job.task_id, job.was_solved) for job in report.not_solved] == [
        ("t1", True),
        ("t3", False),
    ]
    said = "\n".join(report_lines(report))
    assert "not solved: 2, 1 of which an earlier attempt had solved" in said
    assert "t1  wrong_answer x2  (solved earlier, and lost)" in said
    assert "never" not in said


def test_our_own_failures_are_in_no_rate() -> None:
    """A full disk must not make a model look worse."""
    report = build_report(
        [record(OK), record(task="a", error="disk full"), record(CRASH, task="b", error="redis")]
    )
    assert (report.n_jobs, report.n_scored) == (3, 1)
    assert report.solved == Rate.of(1, 1)
    assert [(job.n_attempts, job.explanation) for job in report.unscored] == [
        (0, "disk full"),
        (1, "redis"),
    ]
    assert report.verdicts == {OK: 1, Verdict.INTERNAL_ERROR: 2}


def test_rows_that_are_left_out_count_in_no_rate_and_are_told_of() -> None:
    """Whoever leaves rows out has to show what the score would be with them."""
    broken = a_record(PromptJob(prompt="x", task_id="c", excluded="broken"), WRONG)
    report = build_report([record(OK, task="a"), record(WRONG, task="b"), broken])
    assert (report.n_jobs, report.n_scored) == (3, 2)
    assert (report.solved.successes, report.solved.n) == (1, 2)
    assert report.excluded is not None
    assert report.excluded.reasons == {"broken": 1}
    with_them = report.excluded.solved_with_them
    assert (with_them.successes, with_them.n) == (1, 3)
    assert "c" not in [job.task_id for job in report.not_solved]
    text = "\n".join(report_lines(report))
    assert "1 job of rows left out (1 broken)" in text
    assert "with them" in text


def test_rows_of_one_cluster_are_not_taken_for_independent() -> None:
    """Ten forms of one problem say little more than one, and an interval must not pretend otherwise."""
    alone, together = (
        build_report(
            [
                a_record(PromptJob(prompt="x", task_id=f"{n}", cluster=cluster(n)), verdict)
                for n, verdict in enumerate([OK, OK, OK, WRONG, WRONG, WRONG])
            ]
        )
        for cluster in (lambda _: None, lambda n: "easy" if n < 3 else "hard")
    )
    assert (together.n_tasks, together.n_clusters) == (6, 2)
    assert together.solved_error is not None
    assert alone.solved_error is not None
    assert together.solved_error > alone.solved_error
    assert together.solved.high - together.solved.low > alone.solved.high - alone.solved.low
    assert any("2 clusters of 6 tasks" in line for line in report_lines(together))


def test_samples_that_repairs_turned_alike_are_one_observation() -> None:
    """Ten samples of three tasks would prove at a thousandth what three tasks cannot prove at all."""
    jobs = [
        PromptJob(prompt="x", task_id=f"t/{number % 3}", sample=number // 3, max_attempts=2)
        for number in range(30)
    ]
    records = [a_record(job, Verdict.WRONG_ANSWER, Verdict.ACCEPTED) for job in jobs]
    both = build_report(records).first_against_last
    assert (both.gained, both.lost) == (30, 0)
    assert both.p == pytest.approx(0.25, abs=0.02)
    assert build_report(reversed(records)).first_against_last == both
    single = build_report(records[:3]).first_against_last
    assert (single.p, single.method) == (0.25, "exact McNemar")
    assert any("sign flips of tasks" in line for line in report_lines(build_report(records)))


def test_what_stands_solved_after_an_attempt_has_the_interval_that_clusters_allow() -> None:
    """Where an attempt lost what another had, ten samples of a task are still no ten tasks."""
    jobs = [
        PromptJob(
            prompt="x", task_id=f"t/{number}", sample=sample, max_attempts=2, as_recorded=True
        )
        for number in range(4)
        for sample in range(10)
    ]
    rounds = build_report(
        [a_record(job, OK, WRONG) for job in jobs[:20]]
        + [a_record(job, WRONG, OK) for job in jobs[20:30]]
        + [a_record(job, WRONG, WRONG) for job in jobs[30:]]
    ).rounds
    assert [(each.rate.successes, each.rate.n) for each in rounds] == [(20, 40), (10, 40)]
    for each in rounds:
        alone = Rate.of(each.solved, 40)
        assert each.rate.high - each.rate.low > 2 * (alone.high - alone.low)


def test_repairs_of_samples_of_one_task_are_no_proof_that_repairs_help() -> None:
    """Ten samples that all gain tell as much as the one task that they are of."""
    jobs = [PromptJob(prompt="x", task_id="t", sample=sample) for sample in range(10)]
    several = build_report([a_record(job, WRONG, OK) for job in jobs]).first_against_last
    assert (several.gained, several.lost, several.p) == (10, 0, 1)
    assert several.method == "sign flips of tasks or clusters"
    single = [job.model_copy(update={"task_id": f"t/{job.sample}"}) for job in jobs]
    alone = build_report([a_record(job, WRONG, OK) for job in single]).first_against_last
    assert alone.p < 0.01
    assert alone.method == "exact McNemar"


def test_a_run_without_records_has_rates_of_nothing() -> None:
    """Asking too early is no error, and 0 of 0 is not 0 %."""
    report = build_report([])
    assert (report.n_jobs, report.n_scored, report.solved_within) == (0, 0, ())
    assert report.solved.value is None
    assert (report.solved.low, report.solved.high) == (0, 1)


def test_a_run_that_failed_altogether_because_of_us_has_rates_of_nothing() -> None:
    """Without a judged job there is nothing to say about the model."""
    report = build_report([record(error="no sandbox")])
    assert report.solved == Rate.of(0, 0)
    assert "".join(report_lines(report)).count("%") == 1, "only the heading speaks of rates"


def test_the_order_of_records_does_not_matter() -> None:
    """Stores promise no order; a report that changed from one look to the next would be doubted."""
    records = [record(WRONG, task=name) for name in "cab"]
    assert build_report(records) == build_report(reversed(records))
    assert [job.task_id for job in build_report(records).not_solved] == ["a", "b", "c"]


def test_a_job_that_was_not_solved_is_listed_with_its_last_word() -> None:
    """Somebody will look into it, and starts here."""
    (job,) = build_report([record(CRASH, WRONG, attempts=2)]).not_solved
    assert (job.verdict, job.n_attempts, job.explanation) == (WRONG, 2, "it was wrong_answer")


def test_one_recorded_answer_makes_the_whole_report_simulated() -> None:
    """Numbers from recordings that pass for a model's would be a lie."""
    simulated = record(OK).model_copy(update={"simulated": True})
    report = build_report([record(OK), simulated])
    assert report.simulated
    assert SIMULATED_NOTE in "\n".join(report_lines(report))


def test_a_report_about_a_model_does_not_speak_of_recordings() -> None:
    """The warning has to mean something."""
    assert SIMULATED_NOTE not in "\n".join(report_lines(build_report([record(OK)])))


def test_only_layers_that_were_always_in_force_are_claimed() -> None:
    """A run of which one program ran unprotected was not a protected run."""
    strict, weak = (
        record(OK).model_copy(update={"isolation": Isolation(profile="strict", layers=layers)})
        for layers in (("rlimits", "seccomp"), ("rlimits",))
    )
    assert build_report([strict, weak]).isolation_layers == ("rlimits",)


def test_usage_is_summed_over_all_jobs() -> None:
    """Tokens of jobs that failed because of us were paid for as well."""
    report = build_report([record(OK), record(CRASH, error="ours")])
    assert report.usage == Usage(prompt_token_count=6, total_token_count=10)


def test_unknown_usage_is_called_unknown() -> None:
    """Zero would be read as free."""
    unknown = record(OK).model_copy(update={"usage": Usage()})
    assert "tokens     unknown" in "\n".join(report_lines(build_report([unknown])))


@pytest.mark.parametrize(
    ("n_jobs", "last"), [(20, "task-19"), (25, "… and 5 more")], ids=["all", "the first"]
)
def test_a_long_list_of_failures_is_cut_and_counted(n_jobs: int, last: str) -> None:
    """A terminal holds some twenty lines; the file holds them all."""
    lines = list(
        report_lines(build_report(record(WRONG, task=f"task-{n:02}") for n in range(n_jobs)))
    )
    heading = lines.index(f"not solved: {n_jobs}")
    assert last in lines[heading + min(n_jobs, 20) + (n_jobs > 20)]


def test_a_report_says_what_was_free_cut_short_or_run_elsewhere() -> None:
    """Numbers of two runs are compared: what makes them differ must stand beside them."""
    plain = record(WRONG)
    [attempt] = plain.attempts
    reply = attempt.reply.model_copy(update={"cached": True})
    changes = {"reply": reply, "end": "same_program_again"}
    odd = plain.model_copy(
        update={
            "job": plain.job.model_copy(update={"code_execution": True}),
            "attempts": (attempt.model_copy(update=changes),),
        }
    )
    report = build_report([plain, odd])
    assert (report.n_cached, report.n_stopped_early, report.n_run_by_gemini) == (1, 1, 1)
    said = "\n".join(report_lines(report))
    assert "RUN BY GEMINI, NOT HERE: 1 jobs" in said
    assert "1 replies were paid for earlier" in said
    plainly = "\n".join(report_lines(build_report([plain])))
    assert "GEMINI" not in plainly
    assert "cache" not in plainly
    assert "early" not in plainly


def test_rates_that_are_no_pass_at_k_say_so() -> None:
    """Attempts after the first have seen the error; calling that pass@k would flatter."""
    lines = list(report_lines(build_report([record(CRASH, OK)])))
    assert [line for line in lines if "not pass@k" in line] == [
        line for line in lines if "after 3 attempts" in line
    ]


def test_a_report_is_written_in_camel_case() -> None:
    """Scripts read it beside the records."""
    written = json.loads(build_report([record(WRONG)]).to_json())
    assert written["solvedWithin"][0] == {
        "successes": 0,
        "n": 1,
        "low": 0.0,
        "high": pytest.approx(0.7935, abs=1e-4),
    }
    assert written["verdicts"] == {"wrong_answer": 1}


def test_a_report_says_after_which_attempt_the_others_came_to_nothing() -> None:
    """Attempts that solve nothing are paid for like those that do, and nobody notices without being told."""
    run = [record(OK), record(WRONG, OK, attempts=4), *[record(*[WRONG] * 4, attempts=4)] * 2]
    report = build_report(run)
    enough = report.enough
    assert enough is not None
    assert (enough.attempts, enough.n_saved, enough.tokens_saved) == (2, 4, 20)
    assert enough.share_saved == pytest.approx(4 / 11)
    assert [each.extra_passes for each in report.rounds] == [1, 1, 0, 0]
    assert [each.tokens_per_pass for each in report.rounds] == [20, 15, None, None]
    told = "\n".join(report_lines(report))
    assert "2 attempts would have done: 4 later attempts (36.4 % of all, 20 tokens)" in told
    assert "15 tokens" in "\n".join(markdown_lines("r", report))
    assert build_report([record(OK), record(WRONG)]).enough is None, "there was nothing to choose"
