"""Runs beside the first of them, as one HTML file that needs nothing else, and no script."""

from collections.abc import Iterator, Sequence
from string import Template

from jobs.reports.comparing import Comparison, Flip

from .markup import Markup, joined, table, tag, text, when
from .page import card, figure
from .pieces import head, piece
from .plots import WIDTH, bar, drawing, label, percent

_ROW, _MARGIN = 46, 12
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""How far an axis of differences may reach to either side."""
_BAR = 22


def comparison_page(found: Sequence[Comparison]) -> Iterator[str]:
    """The page, piece by piece; between two of them a line may end."""
    first, others = found[0].first, ", ".join(each.second for each in found)
    title = f"{others} beside {first}"
    yield Template(piece("comparison.html")).substitute(
        head=head(title),
        title=text(title),
        told=text("Whether they differ by more than chance, task by task."),
        body=joined(_differences(found), *(_one(each, len(found)) for each in found)),
    )


def _differences(found: Sequence[Comparison]) -> Markup:
    """All of them on one axis, with their intervals, and in words."""
    note = (
        "In points, with its 95\N{NO-BREAK SPACE}% interval. What lies right of the line is better."
    )
    words = [
        joined(tag("dt", text(each.second)), tag("dd", text(each.conclusion))) for each in found
    ]
    return tag(
        "section",
        figure(f"Difference from {found[0].first}", note, _axis(found)),
        tag("div", tag("h2", text("What that says")), tag("dl", *words)),
        class_="plots",
        aria_label="Differences",
    )


def _axis(found: Sequence[Comparison]) -> Markup:
    reach = max(max(abs(each.low), abs(each.high)) for each in found)
    end = next((step for step in _STEPS if step >= reach), 1.0)
    bottom = len(found) * _ROW + 6
    middle, half = WIDTH / 2, WIDTH / 2 - _MARGIN

    def at(difference: float) -> float:
        return middle + half * difference / end

    parts = [
        tag("path", d=f"M{at(share):.1f} 0V{bottom}", class_="grid" if share else "axis")
        for share in (-end, -end / 2, 0, end / 2, end)
    ]
    for place, each in enumerate(found):
        y = place * _ROW + 34
        low, high = at(each.low), at(each.high)
        parts += [
            label(0, y - 18, each.second, "strong"),
            label(WIDTH, y - 18, _interval(each), "tick", "end"),
            tag(
                "path",
                d=f"M{low:.1f} {y - 6}V{y + 6}M{high:.1f} {y - 6}V{y + 6}M{low:.1f} {y}H{high:.1f}",
                class_="interval",
            ),
            tag("circle", cx=f"{at(each.difference):.1f}", cy=y, r=4, class_="point"),
        ]
    parts += [
        label(at(share), bottom + 18, points(share), "tick", anchor)
        for share, anchor in ((-end, "start"), (0, "middle"), (end, "end"))
    ]
    told = "; ".join(f"{each.second} {_interval(each)}" for each in found)
    return drawing(bottom + 26, f"Difference from {found[0].first}: {told}", *parts)


def _one(found: Comparison, n_compared: int) -> Markup:
    adjusted = f"{found.p_adjusted:.3g} by Holm for {n_compared} runs"
    by_chance = (f"p = {found.p:.3g}", *([adjusted] if n_compared > 1 else []), found.method)
    difference = (f"95\N{NO-BREAK SPACE}% interval {_ends(found)}", *by_chance)
    return tag(
        "section",
        tag("h2", text(f"{found.second} beside {found.first}")),
        tag(
            "div",
            card("Difference", points(found.difference), difference, is_first=True),
            card(found.first, percent(found.first_rate), ("mean over the tasks",)),
            card(found.second, percent(found.second_rate), ("mean over the tasks",)),
            card("Tasks", f"{found.n_tasks:,}", _told_of_tasks(found)),
            class_="headlines",
        ),
        *(tag("p", text(words), class_="warning", role="note") for words in _warnings(found)),
        tag(
            "div",
            tag(
                "div",
                when(found.n_tasks, _changes(found)),
                _flips(f"Better in {found.second}", found, found.gained),
            ),
            tag("div", _flips(f"Better in {found.first}", found, found.lost)),
            class_="plots",
        ),
        class_="grounds",
        aria_label=f"{found.second} beside {found.first}",
    )


def _told_of_tasks(found: Comparison) -> tuple[str, ...]:
    left_out = f"{found.n_left_out:,} that one of them has not judged, or leaves out of its score"
    return ("that both have judged", *([left_out] if found.n_left_out else []))


def _warnings(found: Comparison) -> Iterator[str]:
    yield from (f"Not the same for both: {words}" for words in found.differences)
    if found.n_unscored:
        yield f"{found.n_unscored:,} jobs failed because of us, and are in no figure."


def _changes(found: Comparison) -> Markup:
    """How many tasks did better, the same and worse, as one bar."""
    parts, x = [], 0.0
    counts = ((len(found.gained), "good"), (found.n_same, "time"), (len(found.lost), "wrong"))
    for n, kind in counts:
        if n:
            width = WIDTH * n / found.n_tasks
            parts.append(bar(x, 0, width - 1, _BAR, kind))
            x += width
    told = f"{len(found.gained):,} gained, {found.n_same:,} the same, {len(found.lost):,} lost."
    return figure("Tasks that changed", told, drawing(_BAR, told, *parts))


def _flips(title: str, found: Comparison, flips: Sequence[Flip]) -> Markup:
    rows = [(each.task_id, percent(each.first), percent(each.second)) for each in flips]
    return when(rows, table(f"{title}: {len(rows):,}", ("task", found.first, found.second), rows))


def points(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    told = f"{100 * difference:+.1f}"
    return "0.0" if float(told) == 0 else told.replace("-", "\N{MINUS SIGN}")


def _ends(found: Comparison) -> str:
    return f"{points(found.low)} to {points(found.high)}"


def _interval(found: Comparison) -> str:
    return f"{points(found.difference)} ({_ends(found)})"
