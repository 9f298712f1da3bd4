"""What the page says before its table of jobs: the figures, their plots, and what they rest on."""

from jobs.reports import (
    Rate,
    Report,
    clusters_in_words,
    excluded_in_words,
    unfinished_in_words,
)
from jobs.reports.conduct import told_of_conduct
from jobs.reports.rates import FirstAgainstLast
from jobs.reports.text import SIMULATED_NOTE

from .gathered import Gathered
from .markup import Markup, joined, table, tag, text, when
from .plots import curve, percent, verdicts
from .spreads import legend, seconds, times, tokens

_SCALE = 200
_SMALLEST_P = 0.0001
_INTERVAL = "95\N{NO-BREAK SPACE}% interval"


def summary(report: Report, gathered: Gathered) -> Markup:
    """All of it."""
    return joined(
        *_warnings(report, gathered),
        tag("section", *_headlines(report), class_="headlines", aria_label="Result"),
        tag("section", *_plots(report, gathered), class_="plots", aria_label="Plots"),
        tag(
            "section",
            tag("h2", text("What the numbers rest on")),
            tag("dl", *_grounds(report, gathered)),
            when(report.samples, _samples(report)),
            class_="grounds",
        ),
    )


def period(gathered: Gathered) -> str:
    """From when to when the jobs ran; empty where there are none."""
    if gathered.first is None or gathered.last is None:
        return ""
    began, took = gathered.first, (gathered.last - gathered.first).total_seconds()
    # What was imported has taken none.
    return f"{began.day} {began:%B %Y, %H:%M} UTC{f', {seconds(took)}' if took else ''}"


def _warnings(report: Report, gathered: Gathered) -> list[Markup]:
    found = []
    if report.simulated:
        found.append(SIMULATED_NOTE)
    if report.unfinished is not None:
        found.append(f"{unfinished_in_words(report.n_jobs, report.unfinished)}.")
    if report.unscored:
        found.append(
            f"{len(report.unscored)} of {report.n_jobs} jobs failed because of us. They are listed, and in no rate."
        )
    if report.n_run_by_gemini:
        found.append(
            f"{report.n_run_by_gemini} jobs were run by Gemini, not here: their verdicts rest on its word."
        )
    if report.imported_from:
        found.append(
            f"Judged by {' and '.join(report.imported_from)}, from whose results these records were made."
        )
    if gathered.n_same_process:
        found.append(
            f"The tests of {gathered.n_same_process} attempts ran in the program's own process, which it could cheat."
        )
    found += [line for word, line in told_of_conduct(report.conduct) if _is_warning(word, line)]
    return [tag("p", text(words), class_="warning", role="note") for words in found]


def _is_warning(word: str, line: str) -> bool:
    return word in {"check", "leaks", "part"} or (word == "feedback" and line.startswith("ORACLE"))


def _headlines(report: Report) -> list[Markup]:
    within, rates = len(report.solved_within), [each.rate for each in report.rounds]
    found = []
    if not rates:
        found.append(card("Solved", "unknown", ("no job was judged",)))
    elif within > 1:
        found.append(_headline(f"Solved after {within} attempts", report.solved, is_first=True))
    if rates:
        found.append(_headline("Solved at the first attempt", rates[0], is_first=within == 1))
    if within > 1 and rates:
        found.append(_gained(report.first_against_last))
    n_unscored = len(report.unscored)
    remark = f"{n_unscored:,} failed because of us" if n_unscored else "none failed because of us"
    told = [f"of {report.n_jobs:,} jobs", remark]
    if report.excluded is not None:
        told.append(f"{report.excluded.n_jobs:,} of rows left out")
    found.append(card("Judged", f"{report.n_scored:,}", tuple(told)))
    return found


def _headline(title: str, rate: Rate, *, is_first: bool) -> Markup:
    told = (
        f"{rate.successes:,} of {rate.n:,} jobs",
        f"{_INTERVAL} {100 * rate.low:.1f} to {100 * rate.high:.1f}",
    )
    return card(title, percent(rate.value or 0), told, _range(rate), is_first=is_first)


def _gained(both: FirstAgainstLast) -> Markup:
    by_chance = f"p = {both.p:.2g}" if both.p >= _SMALLEST_P else f"p < {_SMALLEST_P:g}"
    return card(
        "Gained by repairs",
        f"{both.gained - both.lost:+,}".replace("-", "\N{MINUS SIGN}"),
        (f"{both.gained:,} gained, {both.lost:,} lost", f"{by_chance} ({both.method})"),
    )


def card(
    title: str, value: str, told: tuple[str, ...], *more: Markup, is_first: bool = False
) -> Markup:
    """A figure with what it is, and what is told of it."""
    return tag(
        "div",
        tag("h2", text(title)),
        tag("p", text(value), class_="value"),
        *more,
        *(tag("p", text(words)) for words in told),
        class_="card first" if is_first else "card",
    )


def _range(rate: Rate) -> Markup:
    """The rate and its interval, on a line from nothing to all."""
    low, high = f"{_SCALE * rate.low:.1f}", f"{_SCALE * rate.high:.1f}"
    return tag(
        "svg",
        tag("path", d=f"M0 6H{_SCALE}", class_="axis"),
        tag("path", d=f"M{low} 1V11M{high} 1V11M{low} 6H{high}", class_="interval"),
        tag("circle", cx=f"{_SCALE * (rate.value or 0):.1f}", cy=6, r=3, class_="point"),
        viewBox=f"-5 0 {_SCALE + 10} 12",
        class_="range",
        aria_hidden="true",
    )


def _plots(report: Report, gathered: Gathered) -> list[Markup]:
    ends = []
    if report.verdicts:
        note = "The last verdict of each job. Those that failed because of us are in no rate."
        ends.append(figure("Verdicts", note, verdicts(report)))
    spent = [_times(report, gathered), _tokens(report, gathered)]
    # One attempt is no curve; the headline says all of it.
    if len(report.rounds) < 2:
        return [_column(*ends), _column(*spent)]
    note = f"Share of the judged jobs, with its {_INTERVAL}. Later attempts see the error: this is not pass@k."
    rounds = figure("Solved after each attempt", note, curve(report), _rounds(report))
    return [_column(rounds), _column(*ends, *spent)]


def _column(*figures: Markup) -> Markup:
    return tag("div", *figures)


def figure(title: str, note: str, *content: Markup) -> Markup:
    """A drawing or a table with what it shows."""
    return tag("figure", tag("figcaption", tag("h2", text(title)), tag("p", text(note))), *content)


def _times(report: Report, gathered: Gathered) -> Markup:
    parts = []
    if report.model_seconds is not None:
        parts.append(times("answers", gathered.answers, report.model_seconds))
    if report.wall_seconds is not None:
        parts.append(times("programs", gathered.programs, report.wall_seconds))
    if report.model_seconds is not None:
        note = "How long the model took to answer, and programs to run. Each step to the right is a multiple."
    elif parts:
        note = "How long programs ran. No answer was live, so that there is no latency of a model to show."
    else:
        note = "No answer was live, and no program was run here."
    return figure("Time", note, *parts)


def _tokens(report: Report, gathered: Gathered) -> Markup:
    cost = f"Cost: {_cost(report)}."
    if not any(each.total() for each in gathered.tokens):
        return figure("Tokens and cost", f"Nothing is known of tokens. {cost}")
    total = report.usage.total_token_count or 0
    note = f"{total:,} tokens in all. {cost}"
    return figure("Tokens and cost", note, tokens(report, gathered.tokens), legend(gathered.tokens))


def _cost(report: Report) -> str:
    if report.n_unpriced == report.n_jobs:
        return "unknown"
    if report.simulated and not report.cost_usd:
        return "nothing, as the answers are recordings"
    if not report.cost_usd and not report.n_unpriced:
        return "nothing"
    known = f"${report.cost_usd:,.4f} by list prices"
    return (
        f"at least {known}; that of {report.n_unpriced:,} jobs is unknown"
        if report.n_unpriced
        else known
    )


def _recordings(gathered: Gathered) -> str:
    match gathered.n_recordings:
        case 0:
            return "none is a recording"
        case gathered.n_answers:
            return "all are recordings"
        case n:
            return f"{n:,} of {gathered.n_answers:,} are recordings"


def _grounds(report: Report, gathered: Gathered) -> list[Markup]:
    layers = f": {', '.join(report.isolation_layers)}" if report.isolation_layers else ""
    profiles = " and ".join(report.isolation_profiles)
    facts = {
        "Model asked": ", ".join(report.requested_models),
        "Model that answered": ", ".join(report.served_models) or "unknown",
        "Answers": _recordings(gathered),
        "Paid for earlier": f"{report.n_cached:,} replies, which cost nothing now"
        if report.n_cached
        else "",
        "Feedback": _feedback(report, gathered),
        "Stopped early": (
            f"{report.n_stopped_early:,} jobs, as their model repeated itself"
            if report.n_stopped_early
            else ""
        ),
        "Isolation": f"{profiles}{layers}" if profiles else "nothing was run here",
        "Limits": " or ".join(
            sorted(
                f"{limits.cpu_seconds:g} s of CPU, {limits.wall_seconds:g} s, {limits.memory_mib} MiB"
                for limits in gathered.limits
            )
        ),
        "Not in any rate": _excluded(report),
        "Over their time": " ".join(
            line for word, line in told_of_conduct(report.conduct) if word == "time"
        ),
        "Standard error": (
            f"{percent(report.solved_error)}, clustered by {clusters_in_words(report)}"
            if report.solved_error is not None
            else ""
        ),
        "Versions": ", ".join(sorted(gathered.versions)),
    }
    return [
        joined(tag("dt", text(name)), tag("dd", text(words)))
        for name, words in facts.items()
        if words
    ]


def _excluded(report: Report) -> str:
    """Which rows are left out, and the share of solved jobs with them."""
    if report.excluded is None:
        return ""
    rate = report.excluded.solved_with_them
    solved = f"with them {rate.successes:,} of {rate.n:,} solved: {percent(rate.value or 0)}"
    interval = f"{_INTERVAL} {100 * rate.low:.1f} to {100 * rate.high:.1f}"
    return f"{excluded_in_words(report.excluded)}; {solved}, {interval}"


def _feedback(report: Report, gathered: Gathered) -> str:
    if gathered.max_attempts <= {1}:
        return "none: each job has one attempt"
    policies = [line for word, line in told_of_conduct(report.conduct) if word == "feedback"]
    styles = {
        f"as {conversation.style}"
        + (
            f", anew after {conversation.restart_after} repairs"
            if conversation.restart_after
            else ""
        )
        for conversation in gathered.conversations
    }
    most = " or ".join(map(str, sorted(gathered.max_attempts)))
    return f"{' and '.join(policies)}; {' or '.join(sorted(styles))}; up to {most} attempts"


def _rounds(report: Report) -> Markup:
    heads = ("attempt", "asked", "solved", "rate", _INTERVAL, "gained", "kept", "lost")
    rows = [
        (
            str(each.attempt),
            f"{each.n_attempts:,}",
            f"{each.solved:,}",
            percent(each.rate.value or 0),
            f"{100 * each.rate.low:.1f} to {100 * each.rate.high:.1f}",
            f"{each.gained:,}",
            f"{each.kept:,}",
            f"{each.lost:,}",
        )
        for each in report.rounds
    ]
    return table("Attempt by attempt", heads, rows)


def _samples(report: Report) -> Markup:
    heads = ("k", "pass@k", "standard error", "pass^k", "tasks")
    rows = [
        (
            str(each.k),
            percent(each.pass_at_k),
            "unknown" if each.pass_at_k_error is None else percent(each.pass_at_k_error),
            percent(each.pass_all_k),
            f"{each.n_tasks:,}",
        )
        for each in report.samples
    ]
    return table("Independent samples", heads, rows)
