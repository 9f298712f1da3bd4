"""What is kept of the search for a program in a reply."""

from enum import StrEnum
from typing import Literal

from .wire import Wire


class ExtractionPolicy(StrEnum):
    """Where in a reply its program is looked for. An attempt keeps the name with the number of its rules."""

    STRUCTURE_FIRST = "structure-first"
    """The block or blocks that can be the program, whatever else the reply holds; what chat windows did is mended."""
    FIRST_FENCE = "first-fence"
    """The first fenced block of the language or of none, as it stands."""
    LAST_FENCE = "last-fence"
    """The last one, as it stands."""
    WHOLE_REPLY = "whole-reply"
    """The text of the reply, fences and prose and all."""


ExtractionOutcome = Literal["program", "no_code", "wrong_language", "truncated"]
"""What the search came to: all but the first are never run."""


class Extracted(Wire):
    """How the program of an attempt was found in its reply."""

    policy: str
    """The rules by name and number: under another number the same reply may come to another program."""
    outcome: ExtractionOutcome
    rule: str
    """The one that found it, and what had to be mended; empty where there is no program."""
    truncated: bool = False
    """The end of the program is missing or was never marked."""
