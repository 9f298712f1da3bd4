"""The language table: how a program of each language is written down, made, started, tested, and understood."""

from .errors import ErrorForm
from .looks import Looks
from .row import Compiling, LanguageRow, Source, Tool
from .table import (
    ROWS,
    grew_a_file_too_large,
    known_suffixes,
    language_of,
    ran_out_of_memory,
    source_of,
    was_denied,
    was_refused_by_compiler,
)

__all__ = [
    "ROWS",
    "Compiling",
    "ErrorForm",
    "LanguageRow",
    "Looks",
    "Source",
    "Tool",
    "grew_a_file_too_large",
    "known_suffixes",
    "language_of",
    "ran_out_of_memory",
    "source_of",
    "was_denied",
    "was_refused_by_compiler",
]
