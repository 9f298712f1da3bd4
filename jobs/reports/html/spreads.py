"""The plots of what a run took, as SVG: seconds, and tokens with what they cost."""

from collections import Counter

from jobs.reports import Report
from jobs.reports.rates import Percentiles

from .gathered import BINS_PER_DECADE, KINDS, OTHER, Spread
from .markup import Markup, joined, tag, text
from .plots import WIDTH, bar, drawing, label

_HEIGHT, _TOP = 64, 6
_ROW, _NAME, _ROOM = 26, 84, 250
_SIDE = 8
_FEWEST_BINS = 12


def seconds(value: float) -> str:
    """`12 ms`, `0.35 s`, `2 min 5 s`."""
    if value < 0.1:
        return f"{1000 * value:.3g}\N{NO-BREAK SPACE}ms"
    if value < 120:
        return f"{value:.2f}".rstrip("0").rstrip(".") + "\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\N{NO-BREAK SPACE}min {rest}\N{NO-BREAK SPACE}s"


def times(title: str, spread: Spread, figures: Percentiles) -> Markup:
    """How long something took, on a scale on which each step is a multiple."""
    low, high = min(spread.bins), max(spread.bins) + 1
    room = max(0, _FEWEST_BINS - (high - low))
    low, high = low - room // 2, high + room - room // 2
    step = (WIDTH - 2 * _SIDE) / (high - low)
    most = max(spread.bins.values())
    bars = [
        bar(
            _SIDE + (place - low) * step + 1,
            _TOP + _HEIGHT * (1 - n / most),
            step - 2,
            _HEIGHT * n / most,
            "time",
        )
        for place, n in sorted(spread.bins.items())
    ]
    base = _TOP + _HEIGHT
    ticks = [
        label(
            _SIDE + (decade * BINS_PER_DECADE - low) * step,
            base + 18,
            seconds(10.0**decade),
            "tick",
            "middle",
        )
        for decade in range(-3, 6)
        if low < decade * BINS_PER_DECADE < high
    ]
    told = (
        f"half within {seconds(figures.p50)}, 90\N{NO-BREAK SPACE}% {seconds(figures.p90)}, "
        f"99\N{NO-BREAK SPACE}% {seconds(figures.p99)}, at most {seconds(figures.most)}"
    )
    plot = drawing(
        base + 26,
        f"{title}: {told}",
        *bars,
        tag("path", d=f"M0 {base + 1}H{WIDTH}", class_="axis"),
        *ticks,
    )
    words = tag("p", tag("b", text(title)), text(f" {figures.n:,}: {told}"), class_="told")
    return joined(words, plot)


def tokens(report: Report, by_attempt: list[Counter[str]]) -> Markup:
    """How many tokens each attempt used, and for what."""
    most = max(each.total() for each in by_attempt)
    rows = []
    for place, each in enumerate(report.rounds):
        y = place * _ROW + 4
        rows.append(label(0, y + 14, f"attempt {each.attempt}"))
        x = float(_NAME)
        for kind in (*KINDS, OTHER):
            length = _ROOM * by_attempt[place][kind] / most
            if length:
                rows.append(bar(x, y + 2, length, _ROW - 10, kind))
            x += length
        rows.append(label(x + 8, y + 14, f"{each.tokens or 0:,}", "strong"))
        cost = f"${each.cost_usd:,.4f}" if each.cost_usd else ""
        rows.append(label(WIDTH, y + 14, cost, "tick", "end"))
    told = ", ".join(f"attempt {each.attempt} {each.tokens or 0}" for each in report.rounds)
    return drawing(len(report.rounds) * _ROW + 6, f"Tokens: {told}", *rows)


def legend(by_attempt: list[Counter[str]]) -> Markup:
    """Which colour stands for what, of what there is."""
    used = [kind for kind in (*KINDS, OTHER) if any(each[kind] for each in by_attempt)]
    return tag(
        "p", *(joined(_swatch(kind), tag("span", text(kind))) for kind in used), class_="legend"
    )


def _swatch(kind: str) -> Markup:
    return tag(
        "svg",
        tag("rect", class_=kind, width=10, height=10, rx=2),
        viewBox="0 0 10 10",
        aria_hidden="true",
    )
