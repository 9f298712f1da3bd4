"""The languages a program can be written in, by name only: how they run is the sandbox's business."""

from enum import StrEnum


class Language(StrEnum):
    """A superset of Gemini's own `Language`, which knows only `PYTHON`."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    SH = "sh"
