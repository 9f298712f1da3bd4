"""What is kept of the search for a program in a reply."""

from typing import Literal

from .wire import Wire

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
