"""The ways to find a program in a reply, by name."""

from enum import StrEnum


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
