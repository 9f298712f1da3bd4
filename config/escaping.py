"""Text from strangers as it may be shown: nothing in it steers a terminal or hides itself."""

import re

# C0 (ESC and line ends among them), C1, marks that reorder or hide text, and halves of surrogate pairs.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_CONTROLS_IN_A_BLOCK = re.compile(_CONTROLS.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def escaped(text: str) -> str:
    """`text` on one line, with every control character spelled out."""
    return _CONTROLS.sub(_spelled, text)


def escaped_block(text: str) -> str:
    """`text` with its line ends and tabs, and every other control character spelled out."""
    return _CONTROLS_IN_A_BLOCK.sub(_spelled, text)


def escaped_json(document: str) -> str:
    """A JSON document of the same value in which strings spell out every such character."""
    # JSON has no raw control character outside of strings but tabs and line ends, which stay.
    return _CONTROLS_IN_A_BLOCK.sub(lambda control: f"\\u{ord(control[0]):04x}", document)


def _spelled(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode("ascii")
