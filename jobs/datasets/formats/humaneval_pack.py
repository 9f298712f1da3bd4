"""HumanEvalPack: HumanEval in several languages, each with a broken program to be mended."""

from typing import Any

from jobs.languages import Language

from .human_eval import tests_of
from .rows import (
    ForeignRowError,
    Format,
    Row,
    before_function,
    requires_of,
    rest_of,
    text_of,
    to_mend,
)

_LANGUAGES = {
    "Python": Language.PYTHON,
    "JavaScript": Language.JAVASCRIPT,
    "CPP": Language.CPP,
    "C++": Language.CPP,
    "Go": Language.GO,
    "Java": Language.JAVA,
    "Rust": Language.RUST,
}


def _task(row: Row) -> dict[str, Any]:
    word = str(row["task_id"]).partition("/")[0]
    language = _LANGUAGES.get(word)
    if language is None:
        raise ForeignRowError(
            f"its id begins with {word!r}, which is no language that is run here; known are {', '.join(_LANGUAGES)}"
        )
    prompt, is_python = text_of(row, "prompt"), language is Language.PYTHON
    start = text_of(row, "import") + text_of(row, "test_setup") + prompt
    mended, broken = (start + text_of(row, f"{which}_solution") for which in ("canonical", "buggy"))
    tests = (
        tests_of(row)
        if is_python and "def check(" in text_of(row, "test")
        else text_of(row, "test")
    )
    return {
        "id": row["task_id"],
        "language": language.value,
        "prompt": to_mend(language.value, broken),
        "preamble": before_function(prompt, text_of(row, "entry_point")) if is_python else "",
        "tests": tests,
        "reference": mended,
        "brokenReference": broken,
        "requires": requires_of(mended, tests) if is_python else [],
        "metadata": rest_of(
            row, "task_id", "prompt", "canonical_solution", "buggy_solution", "test"
        ),
    }


FORMATS = (
    Format(
        name="humaneval-pack",
        title="HumanEvalPack, to be mended",
        keys=frozenset(
            ("task_id", "prompt", "entry_point", "canonical_solution", "buggy_solution", "test")
        ),
        task=_task,
        gives="the broken program in the prompt and as `brokenReference`, hidden `tests`",
    ),
)
