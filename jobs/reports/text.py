"""The short report in plain text, for a terminal or a log."""

from collections.abc import Iterator

from . import OpenJob, Rate, Report, clusters_in_words, excluded_in_words, unfinished_in_words
from .conduct import told_of_conduct
from .rates import Enough, RepairRound

SIMULATED_NOTE = "RECORDINGS, NOT A MODEL: the answers were recorded earlier; these numbers say nothing about Gemini."
_SHOWN_JOBS = 20


def report_lines(report: Report) -> Iterator[str]:
    """The report, line by line, without colours. Text from programs is not escaped: that is for whoever shows it."""
    if report.unfinished is not None:
        yield unfinished_in_words(report.n_jobs, report.unfinished)
        yield ""
    if report.unscored:
        yield f"{report.n_scored} of {report.n_jobs} jobs were judged; {len(report.unscored)} failed because of us"
        yield "and are in no rate:"
        yield from _listed(report.unscored)
        yield ""
    yield f"{'solved':<24}{'n / N':>11}{'rate':>9}   95 % interval (Wilson)"
    for number, rate in enumerate(report.solved_within, 1):
        name = "at the first attempt" if number == 1 else f"after {number} attempts"
        remark = (
            "   attempts see the error: not pass@k"
            if number == len(report.solved_within) > 1
            else ""
        )
        yield f"  {name:<22}{_rate(rate)}{remark}"
    if report.excluded is not None:
        yield f"  {excluded_in_words(report.excluded)};"
        yield f"  {'with them':<22}{_rate(report.excluded.solved_with_them)}"
    if report.solved_error is not None:
        yield f"  standard error {_percent(report.solved_error)}, clustered by {clusters_in_words(report)}"
    yield from _sample_lines(report)
    yield from _round_lines(report)
    if report.not_solved:
        yield ""
        yield f"not solved: {not_solved_in_words(report)}"
        yield from _listed(report.not_solved)
    yield ""
    yield from _totals(report)


def _cost(report: Report) -> str:
    if report.n_unpriced == report.n_jobs:
        return "unknown"
    if report.simulated and not report.cost_usd:
        return "nothing: recordings"
    if not report.n_unpriced:
        return f"${report.cost_usd:.4f}, by list prices"
    return f"at least ${report.cost_usd:.4f}, by list prices; that of {report.n_unpriced} jobs is unknown"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _sample_lines(report: Report) -> Iterator[str]:
    if not report.samples:
        return
    yield ""
    yield f"{'samples':<12}{'pass@k':>9}{'standard error':>17}{'pass^k':>9}{'tasks':>8}   independent samples of a task"
    for rate in report.samples:
        error = "-" if rate.pass_at_k_error is None else _percent(rate.pass_at_k_error)
        left_out = f"   {rate.n_left_out} tasks have fewer" if rate.n_left_out else ""
        figures = f"{_percent(rate.pass_at_k):>9}{error:>17}{_percent(rate.pass_all_k):>9}"
        yield f"  k = {rate.k:<6}{figures}{rate.n_tasks:>8}{left_out}"


def _round_lines(report: Report) -> Iterator[str]:
    if len(report.rounds) < 2:
        return
    yield ""
    heads = "".join(
        f"{head:>10}" for head in ("asked", "solved", "gained", "kept", "lost", "tokens")
    )
    yield f"{'attempt':<8}{heads}  a pass took"
    for each in report.rounds:
        tokens = "-" if each.tokens is None else f"{each.tokens:,}"
        figures = (each.n_attempts, each.solved, each.gained, each.kept, each.lost, tokens)
        columns = "".join(f"{figure:>10}" for figure in figures)
        yield f"  {each.attempt:<6}{columns}  {pass_in_words(each)}".rstrip()
    if report.enough is not None and report.enough.n_saved:
        yield f"  {enough_in_words(report.enough)}"
    both = report.first_against_last
    yield f"  first against last: {both.gained} gained, {both.lost} lost, p = {both.p:.3g} ({both.method})"


def pass_in_words(each: RepairRound) -> str:
    """What one more job that stands solved took in a round, as far as it is known."""
    tokens, cost = each.tokens_per_pass, each.cost_usd_per_pass
    words = [
        *([] if tokens is None else [f"{tokens:,.0f} tokens"]),
        *([] if cost is None else [f"${cost:.4f}"]),
    ]
    return ", ".join(words)


def enough_in_words(enough: Enough) -> str:
    """How many attempts would have done, and what would have been saved."""
    attempts = "1 attempt" if enough.attempts == 1 else f"{enough.attempts} attempts"
    tokens = "" if enough.tokens_saved is None else f", {enough.tokens_saved:,} tokens"
    cost = f", ${enough.cost_usd_saved:.4f}" if enough.cost_usd_saved else ""
    saved = f"{enough.n_saved} later attempts ({_percent(enough.share_saved)} of all{tokens}{cost})"
    return f"{attempts} would have done: {saved} left no more jobs solved"


def not_solved_in_words(report: Report) -> str:
    """How many, and how many of them an earlier attempt had solved."""
    n_lost = sum(job.was_solved for job in report.not_solved)
    lost = f", {n_lost} of which an earlier attempt had solved" if n_lost else ""
    return f"{len(report.not_solved)}{lost}"


def _rate(rate: Rate) -> str:
    shown = "-" if rate.value is None else _percent(rate.value)
    return f"{rate.successes:>5} / {rate.n:<4}{shown:>8}   {100 * rate.low:.1f} - {100 * rate.high:.1f}"


def _listed(jobs: tuple[OpenJob, ...]) -> Iterator[str]:
    for job in jobs[:_SHOWN_JOBS]:
        sample = f" #{job.sample}" if job.sample else ""
        lost = "  (solved earlier, and lost)" if job.was_solved else ""
        yield f"  {job.task_id or job.job_id}{sample}  {job.verdict} x{job.n_attempts}{lost}  {job.explanation}"
    if len(jobs) > _SHOWN_JOBS:
        yield f"  … and {len(jobs) - _SHOWN_JOBS} more"


def _notes(report: Report) -> Iterator[str]:
    if report.n_cached:
        is_known = report.usage.total_token_count is not None
        tokens = ", but their tokens are counted" if is_known else ""
        yield f"           {report.n_cached} replies were paid for earlier: free now{tokens}"
    if report.n_stopped_early:
        yield f"stopped    {report.n_stopped_early} jobs early: their model gave the same program or error again"
    if report.n_run_by_gemini:
        yield f"RUN BY GEMINI, NOT HERE: {report.n_run_by_gemini} jobs; their verdicts rest on its word."


def _totals(report: Report) -> Iterator[str]:
    tokens = report.usage.total_token_count
    yield f"model      {', '.join(report.requested_models)} (served: {', '.join(report.served_models) or 'nothing'})"
    for word, line in told_of_conduct(report.conduct):
        yield f"{word:<11}{line}"
    yield f"tokens     {'unknown' if tokens is None else f'{tokens:,}'}     cost {_cost(report)}"
    yield from _notes(report)
    for name, seconds in (("answers", report.model_seconds), ("programs", report.wall_seconds)):
        if seconds is not None:
            figures = f"half within {seconds.p50:.2f} s, 90 % {seconds.p90:.2f} s, 99 % {seconds.p99:.2f} s"
            yield f"{name:<11}{figures}, at most {seconds.most:.2f} s"
    if report.imported_from:
        yield f"judged by  {' and '.join(report.imported_from)}, from whose results these records were made"
    if report.isolation_profiles:
        layers = f"{len(report.isolation_layers)} layers, named in each record"
        yield f"isolation  {' and '.join(report.isolation_profiles)}: {layers}"
    if report.simulated:
        yield f"           {SIMULATED_NOTE}"
