"""The short report in plain text, for a terminal or a log."""

from collections.abc import Iterator

from . import OpenJob, Rate, Report

SIMULATED_NOTE = "RECORDINGS, NOT A MODEL: the answers were recorded earlier; these numbers say nothing about Gemini."
_SHOWN_JOBS = 20


def report_lines(report: Report) -> Iterator[str]:
    """The report, line by line, without colours. Text from programs is not escaped: that is for whoever shows it."""
    if report.unscored:
        yield f"{report.n_scored} of {report.n_jobs} jobs were judged; {len(report.unscored)} failed because of us"
        yield "and are in no rate:"
        yield from _listed(report.unscored)
        yield ""
    yield f"{'solved':<24}{'n / N':>11}{'rate':>9}   95 % interval (Wilson)"
    for number, rate in enumerate(report.solved_within, 1):
        name = "at the first attempt" if number == 1 else f"within {number} attempts"
        remark = (
            "   attempts see the error: not pass@k"
            if number == len(report.solved_within) > 1
            else ""
        )
        yield f"  {name:<22}{_rate(rate)}{remark}"
    if report.never_solved:
        yield ""
        yield f"never solved: {len(report.never_solved)}"
        yield from _listed(report.never_solved)
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


def _rate(rate: Rate) -> str:
    shown = "-" if rate.value is None else f"{rate.value:.1%}".replace("%", " %")
    return f"{rate.successes:>5} / {rate.n:<4}{shown:>8}   {100 * rate.low:.1f} - {100 * rate.high:.1f}"


def _listed(jobs: tuple[OpenJob, ...]) -> Iterator[str]:
    for job in jobs[:_SHOWN_JOBS]:
        sample = f" #{job.sample}" if job.sample else ""
        yield f"  {job.task_id or job.job_id}{sample}  {job.verdict} x{job.n_attempts}  {job.explanation}"
    if len(jobs) > _SHOWN_JOBS:
        yield f"  … and {len(jobs) - _SHOWN_JOBS} more"


def _notes(report: Report) -> Iterator[str]:
    if report.n_cached:
        yield f"           {report.n_cached} replies came out of the cache: free, but their tokens are counted"
    if report.n_stopped_early:
        yield f"stopped    {report.n_stopped_early} jobs early: their model gave the same program or error again"
    if report.n_run_by_gemini:
        yield f"RUN BY GEMINI, NOT HERE: {report.n_run_by_gemini} jobs; their verdicts rest on its word."


def _totals(report: Report) -> Iterator[str]:
    tokens = report.usage.total_token_count
    yield f"model      {', '.join(report.requested_models)} (served: {', '.join(report.served_models) or 'nothing'})"
    yield f"tokens     {'unknown' if tokens is None else f'{tokens:,}'}     cost {_cost(report)}"
    yield from _notes(report)
    if report.isolation_profiles:
        layers = f"{len(report.isolation_layers)} layers, named in each record"
        yield f"isolation  {' and '.join(report.isolation_profiles)}: {layers}"
    if report.simulated:
        yield f"           {SIMULATED_NOTE}"
