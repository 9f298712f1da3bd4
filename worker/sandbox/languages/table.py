"""The language table, and what it says of one program."""

from pathlib import Path

from jobs.languages import Language
from worker.sandbox.contract import Harness

from .java import JAVA
from .native import CPP, GO, RUST, C
from .node import JAVASCRIPT, TYPESCRIPT
from .python import PYTHON
from .row import LanguageRow, Source
from .scripts import LUA, PERL, PHP, RUBY, R
from .shells import BASH, SH

ROWS: dict[Language, LanguageRow] = {
    row.language: row
    for row in (
        PYTHON,
        JAVASCRIPT,
        TYPESCRIPT,
        SH,
        BASH,
        C,
        CPP,
        GO,
        RUST,
        JAVA,
        RUBY,
        PERL,
        PHP,
        LUA,
        R,
    )
}
_BY_SUFFIX = {suffix: row.language for row in ROWS.values() for suffix in row.suffixes}


def source_of(language: Language, program: str, harness: Harness) -> Source:
    """The file to run or to compile. The program comes first, so that the lines of its errors are right."""
    return ROWS[language].source(program, harness)


def language_of(path: Path) -> Language | None:
    """What a file is written in, by its ending."""
    return _BY_SUFFIX.get(path.suffix.lower())


def known_suffixes() -> list[str]:
    """Every ending that names a language."""
    return sorted(_BY_SUFFIX)


def ran_out_of_memory(language: Language, stderr: str) -> bool:
    """Whether a program that failed says so itself."""
    return ROWS[language].memory_words.search(stderr) is not None


def was_denied(language: Language, stderr: str) -> bool:
    """Whether a program that failed says that it failed of a refusal of ours."""
    return ROWS[language].denied_words.search(stderr) is not None


def grew_a_file_too_large(language: Language, stderr: str) -> bool:
    """Whether a program that failed says that it failed of the limit on files."""
    return ROWS[language].file_size_words.search(stderr) is not None


def was_refused_by_compiler(language: Language, stderr: str) -> bool:
    """Whether the language's own check refused the program, where that is no run of its own."""
    form = ROWS[language].compile_error
    return form is not None and form.is_said_in(stderr)
