"""The plots of outcomes, as SVG: what each round of attempts did, and the verdicts."""

from jobs.reports import Rate, Report
from jobs.reports.rates import RepairRound
from jobs.verdicts import Verdict

from .markup import Markup, joined, tag, text

WIDTH = 520
_LEFT, _RIGHT, _TOP, _HEIGHT = 56, 14, 10, 210
_BOTTOM = _TOP + _HEIGHT
_CHANGES, _BARS = 158, 30
_NARROW, _FONT = 40, 13
_LINE, _NAME, _COUNT = 28, 180, 130
_WORDS = {verdict: verdict.value.replace("_", " ") for verdict in Verdict}
_KINDS = {
    Verdict.ACCEPTED: "good",
    Verdict.WRONG_ANSWER: "wrong",
    Verdict.RUNTIME_ERROR: "error",
    Verdict.COMPILE_ERROR: "error",
    Verdict.INTERNAL_ERROR: "ours",
}


def drawing(height: float, title: str, *content: Markup) -> Markup:
    """An SVG of the usual width, which says in words what it shows."""
    return tag(
        "svg",
        tag("title", text(title)),
        *content,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=title,
    )


def label(x: float, y: float, words: object, kind: str = "", anchor: str = "start") -> Markup:
    """Words in a drawing."""
    place = {"x": f"{x:g}", "y": f"{y:g}", "text_anchor": anchor}
    return tag("text", text(words), class_=kind or None, **place)


def bar(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A bar, never so small that nobody sees it."""
    size = {"width": f"{max(width, 1.5):.2f}", "height": f"{max(height, 1.5):.2f}"}
    return tag("rect", class_=kind, x=f"{x:.2f}", y=f"{y:.2f}", rx=1.5, **size)


def percent(share: float) -> str:
    """`12.3 %`."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def curve(report: Report) -> Markup:
    """The share that is solved after each round, with its interval, and below what the round gained and lost."""
    rates = [each.rate for each in report.rounds]
    step = (WIDTH - _LEFT - _RIGHT) / len(rates)
    xs = [_LEFT + (i + 0.5) * step for i in range(len(rates))]
    points = [(x, _y(rate.value or 0)) for x, rate in zip(xs, rates, strict=True)]
    above = [(x, _y(rate.high)) for x, rate in zip(xs, rates, strict=True)]
    below = [(x, _y(rate.low)) for x, rate in zip(xs, rates, strict=True)]
    return drawing(
        _BOTTOM + _CHANGES,
        f"Solved after each attempt: {', '.join(percent(rate.value or 0) for rate in rates)}",
        _grid(),
        tag("path", d=f"{_path(above + below[::-1])}Z", class_="band"),
        tag("path", d=_path(points), class_="curve"),
        *(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5, class_="point") for x, y in points),
        *(_value(xs[place], rates[place]) for place in (0, -1)),
        label(0, _BOTTOM + 28, "attempt", "tick"),
        *_row(xs, _BOTTOM + 28, [each.attempt for each in report.rounds], step),
        *_changes(xs, report.rounds, step),
    )


def verdicts(report: Report) -> Markup:
    """How all jobs ended, a bar for each verdict; shares are those of the judged ones, as in every rate."""
    ends = sorted(
        report.verdicts.items(), key=lambda item: (item[0] is not Verdict.ACCEPTED, -item[1])
    )
    most = max(n for _, n in ends)
    n_judged = sum(n for verdict, n in ends if verdict.is_scored)
    room = WIDTH - _NAME - _COUNT
    rows = []
    for place, (verdict, n) in enumerate(ends):
        y = place * _LINE + 6
        length = room * n / most
        rows += [
            label(_NAME - 12, y + 15, _WORDS[verdict], anchor="end"),
            bar(_NAME, y + 2, length, _LINE - 10, kind_of(verdict)),
            label(_NAME + max(length, 1.5) + 8, y + 15, f"{n:,}", "strong"),
        ]
        if verdict.is_scored:
            rows.append(label(WIDTH, y + 15, percent(n / n_judged), "tick", "end"))
    told = ", ".join(f"{_WORDS[verdict]} {n}" for verdict, n in ends)
    return drawing(len(ends) * _LINE + 8, f"Jobs by their last verdict: {told}", *rows)


def kind_of(verdict: Verdict) -> str:
    """The family of a verdict, which has a colour."""
    return _KINDS.get(verdict, "limit")


def _y(share: float) -> float:
    return _BOTTOM - _HEIGHT * share


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _grid() -> Markup:
    lines = []
    for quarter in range(5):
        y = _y(quarter / 4)
        lines += [
            tag("path", d=f"M{_LEFT} {y:g}H{WIDTH - _RIGHT}", class_="grid"),
            label(0, y + 4, f"{25 * quarter}\N{NO-BREAK SPACE}%", "tick"),
        ]
    return joined(*lines)


def _value(x: float, rate: Rate) -> Markup:
    """A rate in words, where neither the curve nor its interval is."""
    above = _y(rate.high) - 8
    y = above if above > _TOP + _FONT else _y(rate.low) + _FONT + 6
    return label(x, y, percent(rate.value or 0), "strong", "middle")


def _row(xs: list[float], y: float, values: list[int], step: float) -> list[Markup]:
    """A number at each place, or at every second one where they would touch."""
    every = 1 if step > _NARROW else 2
    there = list(zip(xs, values, strict=True))[::every]
    return [label(x, y, f"{value:,}", "tick", "middle") for x, value in there]


def _changes(xs: list[float], rounds: tuple[RepairRound, ...], step: float) -> list[Markup]:
    middle = _BOTTOM + 110
    most = max(max(each.gained, each.lost) for each in rounds[1:]) or 1
    width = min(26.0, 0.6 * step)
    parts = [
        label(0, _BOTTOM + 50, "kept", "tick"),
        *_row(xs[1:], _BOTTOM + 50, [each.kept for each in rounds[1:]], step),
        tag("path", d=f"M{_LEFT} {middle:g}H{WIDTH - _RIGHT}", class_="axis"),
        label(0, middle - 8, "gained", "tick"),
        label(0, middle + 18, "lost", "tick"),
    ]
    if not any(each.lost for each in rounds):
        parts.append(label(xs[0], middle + 18, "none", "tick", "middle"))
    # All that the first round has is new; beside it nothing else could be seen.
    for x, each in zip(xs[1:], rounds[1:], strict=True):
        up, down = _BARS * each.gained / most, _BARS * each.lost / most
        if each.gained:
            parts.append(bar(x - width / 2, middle - max(up, 1.5), width, up, "good"))
            parts.append(label(x, middle - up - 5, f"+{each.gained}", "tick", "middle"))
        if each.lost:
            lost = f"\N{MINUS SIGN}{each.lost}"
            parts.append(bar(x - width / 2, middle, width, down, "wrong"))
            parts.append(label(x, middle + down + 14, lost, "tick", "middle"))
    return parts
