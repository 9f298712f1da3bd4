"""The report in Markdown, for a pull request or a page."""

import re
from collections.abc import Iterator, Sequence

from . import OpenJob, Report, clusters_in_words, excluded_in_words, unfinished_in_words
from .conduct import told_of_conduct
from .rates import Percentiles, Rate
from .text import SIMULATED_NOTE, enough_in_words, pass_in_words

_SHOWN_JOBS = 100
# With what text becomes a link, a tag, a mention or another cell.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&$-])")


def markdown_lines(name: str, report: Report) -> Iterator[str]:
    """The report line by line. What programs and models wrote stays text in it."""
    yield f"# Run {cell(name)}"
    yield ""
    if report.simulated:
        yield f"> **{SIMULATED_NOTE}**"
        yield ""
    if report.unfinished is not None:
        yield f"> **{unfinished_in_words(report.n_jobs, report.unfinished)}.**"
        yield ""
    n_unscored = f", {len(report.unscored)} failed because of us and are in no rate"
    yield f"{report.n_scored} of {report.n_jobs} jobs were judged{n_unscored if report.unscored else ''}."
    yield from _section("Solved", ("after attempts", "n / N", "rate", "95 % interval (Wilson)"))
    for number, rate in enumerate(report.solved_within, 1):
        yield row(str(number), *_rate(rate))
    if report.excluded is not None:
        yield row("with rows left out", *_rate(report.excluded.solved_with_them))
        yield ""
        yield f"{cell(excluded_in_words(report.excluded))}."
    if report.solved_error is not None:
        yield ""
        error = percent(report.solved_error)
        yield f"Standard error, clustered by {clusters_in_words(report)}: {error}."
    yield from _samples(report)
    yield from _rounds(report)
    yield from _verdicts(report)
    yield from _jobs("Not solved", report.not_solved)
    yield from _jobs("Not judged", report.unscored)
    yield from _totals(report)


def cell(text: str) -> str:
    """Text that stays text wherever in a Markdown page it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def row(*cells: str) -> str:
    """A row of a table, of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"


def percent(share: float) -> str:
    """`12.3 %`."""
    return f"{100 * share:.1f} %"


def _section(title: str, heads: Sequence[str]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield row(*heads)
    yield row(*("---" for _ in heads))


def _rate(rate: Rate) -> tuple[str, str, str]:
    shown = "unknown" if rate.value is None else percent(rate.value)
    return f"{rate.successes} / {rate.n}", shown, f"{percent(rate.low)} to {percent(rate.high)}"


def _samples(report: Report) -> Iterator[str]:
    if not report.samples:
        return
    yield from _section("Samples", ("k", "pass@k", "standard error", "pass^k", "tasks"))
    for each in report.samples:
        error = "unknown" if each.pass_at_k_error is None else percent(each.pass_at_k_error)
        figures = (percent(each.pass_at_k), error, percent(each.pass_all_k))
        yield row(str(each.k), *figures, str(each.n_tasks))


def _rounds(report: Report) -> Iterator[str]:
    if len(report.rounds) < 2:
        return
    heads = ("attempt", "asked", "solved", "gained", "kept", "lost", "tokens", "a pass took")
    yield from _section("Attempts", heads)
    for each in report.rounds:
        counts = (each.attempt, each.n_attempts, each.solved, each.gained, each.kept, each.lost)
        tokens = "unknown" if each.tokens is None else f"{each.tokens:,}"
        yield row(*map(str, counts), tokens, cell(pass_in_words(each)))
    if report.enough is not None and report.enough.n_saved:
        yield ""
        yield f"{cell(enough_in_words(report.enough))}."
    both = report.first_against_last
    yield ""
    yield f"First against last: {both.gained} gained, {both.lost} lost, p = {both.p:.3g} ({both.method})."


def _verdicts(report: Report) -> Iterator[str]:
    yield from _section("Verdicts", ("verdict", "jobs"))
    for verdict, n in sorted(report.verdicts.items(), key=lambda item: -item[1]):
        yield row(cell(verdict), str(n))


def _jobs(title: str, jobs: Sequence[OpenJob]) -> Iterator[str]:
    if not jobs:
        return
    yield from _section(title, ("task", "sample", "verdict", "attempts", "what came last"))
    for job in jobs[:_SHOWN_JOBS]:
        verdict = f"{job.verdict}, solved earlier" if job.was_solved else job.verdict
        names = (cell(job.task_id or job.job_id), str(job.sample), cell(verdict))
        yield row(*names, str(job.n_attempts), cell(job.explanation))
    if len(jobs) > _SHOWN_JOBS:
        yield ""
        yield f"… and {len(jobs) - _SHOWN_JOBS} more."


def _totals(report: Report) -> Iterator[str]:
    yield from _section("Totals", ("what", "how much"))
    tokens = report.usage.total_token_count
    yield row("models asked", cell(", ".join(report.requested_models)))
    yield row("models served", cell(", ".join(report.served_models)) or "unknown")
    for word, line in told_of_conduct(report.conduct):
        yield row(word, cell(line))
    yield row("tokens", "unknown" if tokens is None else f"{tokens:,}")
    yield row("cost", f"{report.cost_usd:.4f} USD; unknown of {report.n_unpriced} jobs")
    yield from _times("seconds of an answer", report.model_seconds)
    yield from _times("seconds of a program", report.wall_seconds)
    if report.imported_from:
        yield row("judged by", cell(", ".join(report.imported_from)))
    if report.isolation_profiles:
        yield row("isolation", cell(", ".join(report.isolation_profiles)))


def _times(name: str, seconds: Percentiles | None) -> Iterator[str]:
    if seconds is not None:
        figures = f"p50 {seconds.p50:.2f}, p90 {seconds.p90:.2f}, p99 {seconds.p99:.2f}"
        yield row(name, f"{figures}, most {seconds.most:.2f}")
