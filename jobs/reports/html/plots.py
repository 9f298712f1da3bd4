"""The plots of outcomes, as SVG: what each round of attempts did, and the verdicts."""

from jobs.reports import Rate, Report
from jobs.reports.rates import RepairRound
from jobs.verdicts import Verdict

from .markup import Markup, joined, tag, text, when

WIDTH = 520
_LEFT, _RIGHT, _TOP, _HEIGHT = 44, 30, 14, 190
_CHANGES = 122
_BARS = 30
_KEPT = 68
_ROW, _NAME, _COUNT = 28, 150, 88
_LINE_CHARACTERS = 7
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


def rates_of(report: Report) -> list[Rate]:
    """The rate after each round. It is less than that within so many attempts where later ones lost what others had."""
    within = dict(enumerate(report.solved_within, 1))
    return [
        within[each.attempt]
        if within[each.attempt].successes == each.solved
        else Rate.of(each.solved, report.n_scored)
        for each in report.rounds
    ]


def curve(report: Report) -> Markup:
    """The share that is solved after each round, with its interval, and below what the round gained and lost."""
    rates = rates_of(report)
    xs = [_LEFT + (i + 0.5) * (WIDTH - _LEFT - _RIGHT) / len(rates) for i in range(len(rates))]
    points = [(x, _y(rate.value or 0)) for x, rate in zip(xs, rates, strict=True)]
    has_changes = len(rates) > 1
    bottom = _TOP + _HEIGHT
    return drawing(
        bottom + (_CHANGES if has_changes else 0) + 40,
        f"Solved after each attempt: {', '.join(percent(rate.value or 0) for rate in rates)}",
        _grid(),
        _interval(xs, rates),
        when(has_changes, tag("path", d=_path(points), class_="curve")),
        *(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5, class_="point") for x, y in points),
        *_ends(points, rates),
        *(
            label(x, bottom + 18, each.attempt, "tick", "middle")
            for x, each in zip(xs, report.rounds, strict=True)
        ),
        label(WIDTH - _RIGHT, bottom + 34, "attempts", "tick", "end"),
        *(_changes(xs, report.rounds) if has_changes else ()),
    )


def verdicts(report: Report) -> Markup:
    """How all jobs ended, a bar for each verdict."""
    ends = sorted(
        report.verdicts.items(), key=lambda item: (item[0] is not Verdict.ACCEPTED, -item[1])
    )
    most = max(n for _, n in ends)
    room = WIDTH - _NAME - _COUNT
    rows = []
    for place, (verdict, n) in enumerate(ends):
        y = place * _ROW + 6
        length = room * n / most
        rows += [
            label(_NAME - 12, y + 15, _WORDS[verdict], anchor="end"),
            bar(_NAME, y + 2, length, _ROW - 10, kind_of(verdict)),
            label(_NAME + max(length, 1.5) + 8, y + 15, f"{n:,}", "strong"),
            label(WIDTH, y + 15, percent(n / report.n_jobs), "tick", "end"),
        ]
    told = ", ".join(f"{_WORDS[verdict]} {n}" for verdict, n in ends)
    return drawing(len(ends) * _ROW + 8, f"Jobs by their last verdict: {told}", *rows)


def kind_of(verdict: Verdict) -> str:
    """The family of a verdict, which has a colour."""
    return _KINDS.get(verdict, "limit")


def _y(share: float) -> float:
    return _TOP + _HEIGHT * (1 - share)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _grid() -> Markup:
    lines = []
    for quarter in range(5):
        y = _y(quarter / 4)
        lines += [
            tag("path", d=f"M{_LEFT} {y:g}H{WIDTH - _RIGHT}", class_="grid"),
            label(_LEFT - 8, y + 4, f"{25 * quarter}", "tick", "end"),
        ]
    return joined(*lines, label(_LEFT - 8, _TOP - 2, "%", "tick", "end"))


def _interval(xs: list[float], rates: list[Rate]) -> Markup:
    if len(rates) == 1:
        low, high, x = _y(rates[0].low), _y(rates[0].high), xs[0]
        whisker = (
            f"M{x - 7:.1f} {low:.1f}h14M{x - 7:.1f} {high:.1f}h14M{x:.1f} {low:.1f}V{high:.1f}"
        )
        return tag("path", d=whisker, class_="whisker")
    above = [(x, _y(rate.high)) for x, rate in zip(xs, rates, strict=True)]
    below = [(x, _y(rate.low)) for x, rate in zip(xs, rates, strict=True)]
    return tag("path", d=f"{_path(above + below[::-1])}Z", class_="band")


def _ends(points: list[tuple[float, float]], rates: list[Rate]) -> list[Markup]:
    """The value of the first point, and of the last."""
    return [
        label(
            points[place][0],
            _below(points[place][1]),
            percent(rates[place].value or 0),
            "strong",
            "middle",
        )
        for place in sorted({0, len(points) - 1})
    ]


def _below(y: float) -> float:
    return y + 20 if y < _TOP + _HEIGHT - 26 else y - 10


def _changes(xs: list[float], rounds: tuple[RepairRound, ...]) -> list[Markup]:
    middle = _TOP + _HEIGHT + 92
    most = max(max(each.gained, each.lost) for each in rounds[1:]) or 1
    width = min(26.0, 0.6 * (xs[1] - xs[0]))
    parts = [
        tag("path", d=f"M{_LEFT} {middle:g}H{WIDTH - _RIGHT}", class_="axis"),
        label(0, middle - 10, "gained", "tick"),
        label(0, middle + 18, "lost", "tick"),
        label(0, middle + _KEPT, "kept", "tick"),
    ]
    # All that the first round has is new; beside it nothing else could be seen.
    for x, each in zip(xs[1:], rounds[1:], strict=True):
        parts.append(label(x, middle + _KEPT, each.kept, "tick", "middle"))
        up, down = _BARS * each.gained / most, _BARS * each.lost / most
        if each.gained:
            parts.append(bar(x - width / 2, middle - max(up, 1.5), width, up, "gained"))
            parts.append(label(x, middle - up - 5, f"+{each.gained}", "tick", "middle"))
        if each.lost:
            parts.append(bar(x - width / 2, middle, width, down, "lost"))
            parts.append(
                label(x, middle + down + 13, f"\N{MINUS SIGN}{each.lost}", "tick", "middle")
            )
    return parts
