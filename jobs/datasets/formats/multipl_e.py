"""MultiPL-E: HumanEval and MBPP in many languages, with tests that go on where a function was left open."""

import re
from typing import Any

from jobs.languages import Language

from .rows import ForeignRowError, Format, Row, rest_of, text_of, to_complete

_LANGUAGES = {
    "sh": Language.BASH,
    "bash": Language.BASH,
    "js": Language.JAVASCRIPT,
    "ts": Language.TYPESCRIPT,
    "cpp": Language.CPP,
    "go": Language.GO,
    "go_test.go": Language.GO,
    "rs": Language.RUST,
    "java": Language.JAVA,
    "rb": Language.RUBY,
    "pl": Language.PERL,
    "php": Language.PHP,
    "lua": Language.LUA,
    "r": Language.R,
    "py": Language.PYTHON,
}
# Whole programs close their own functions.
_CLOSING = re.compile(r"\A\s*(?:\}|end\b)[ \t]*\n?")
# The class that a prompt in Java begins, in which its tests go on.
_CLASS = re.compile(r"^(?:public\s+)?class\s+(\w+)\s*\{", re.MULTILINE)


def _tests(language: Language, prompt: str, tests: str) -> str:
    tests = _CLOSING.sub("", tests, count=1)
    opened = _CLASS.search(prompt) if language is Language.JAVA else None
    # A class below that one has its functions by their bare names.
    return f"class {opened[1]}Tests extends {opened[1]} {{\n{tests}" if opened else tests


def _task(row: Row) -> dict[str, Any]:
    word = text_of(row, "language")
    language = _LANGUAGES.get(word)
    if language is None:
        raise ForeignRowError(
            f"its language {word!r} is none that is run here; known are {', '.join(_LANGUAGES)}"
        )
    prompt = text_of(row, "prompt")
    return {
        "id": row["name"],
        "language": language.value,
        "prompt": to_complete(language.value, prompt),
        "tests": _tests(language, prompt, text_of(row, "tests")),
        "metadata": rest_of(row, "name", "language", "prompt", "tests"),
    }


FORMATS = (
    Format(
        name="multipl-e",
        title="MultiPL-E",
        keys=frozenset(("name", "language", "prompt", "tests", "stop_tokens")),
        task=_task,
        gives="hidden `tests` for whole programs: without the bracket that closes a function which was left open",
    ),
)
