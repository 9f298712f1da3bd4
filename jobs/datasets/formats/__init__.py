"""Datasets in the words of others: recognised by the keys of their rows, and turned into rows of ours."""

from collections.abc import Mapping

from . import (
    bigcodebench,
    code_contests,
    evalplus,
    human_eval,
    humaneval_pack,
    live_code_bench,
    mbpp,
    multipl_e,
    quixbugs,
)
from .rows import ForeignRowError, Format

__all__ = ["FORMATS", "ForeignRowError", "Format", "format_of"]

FORMATS: tuple[Format, ...] = (
    *evalplus.FORMATS,
    *humaneval_pack.FORMATS,
    *human_eval.FORMATS,
    *mbpp.FORMATS,
    *multipl_e.FORMATS,
    *quixbugs.FORMATS,
    *bigcodebench.FORMATS,
    *live_code_bench.FORMATS,
    *code_contests.FORMATS,
)
"""Those that ask for more keys stand before those that are content with fewer."""


def format_of(row: Mapping[str, object]) -> Format | None:
    """The first whose keys a row has."""
    return next((each for each in FORMATS if each.fits(row)), None)
