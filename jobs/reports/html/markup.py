"""HTML and SVG whose every text is escaped: what is not markup already does not get in without `text`."""

from collections.abc import Sequence
from html import escape
from typing import NewType

Markup = NewType("Markup", str)
"""Text that is HTML. mypy keeps plain strings out of where it belongs."""

_EMPTY = Markup("")


def text(words: object) -> Markup:
    """Words that stay words, in an element as in an attribute."""
    return Markup(escape(str(words)))


def tag(name: str, *content: Markup, **attributes: object) -> Markup:
    """An element. `class_` and `stroke_width` are written as HTML spells them; an attribute of None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(content)}</{name}>")


def joined(*parts: Markup) -> Markup:
    """One after the other."""
    return Markup("".join(parts))


def when(condition: object, part: Markup) -> Markup:
    """The part, or nothing."""
    return part if condition else _EMPTY


def table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    """A table of figures, whose first column names its rows."""
    head = tag("tr", *(tag("th", text(head), scope="col") for head in heads))
    body = [
        tag("tr", tag("th", text(name), scope="row"), *(tag("td", text(cell)) for cell in cells))
        for name, *cells in rows
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", text(title)),
            tag("thead", head),
            tag("tbody", *body),
            class_="figures",
        ),
        class_="scrolls",
        tabindex="0",
        role="region",
        aria_label=title,
    )
