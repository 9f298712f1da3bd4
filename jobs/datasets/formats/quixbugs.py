"""QuixBugs: forty algorithms in Python with one fault each."""

from typing import Any

from .rows import Format, Row, requires_of, rest_of, text_of, to_mend


def _task(row: Row) -> dict[str, Any]:
    broken, mended, tests = (text_of(row, key) for key in ("buggy_program", "solution", "tests"))
    return {
        "id": row["name"],
        "prompt": to_mend("python", broken, text_of(row, "docstring").strip('"\n ')),
        "tests": tests,
        "reference": mended,
        "brokenReference": broken,
        "requires": requires_of(mended, tests),
        "metadata": rest_of(row, "name", "buggy_program", "docstring", "solution", "tests"),
    }


FORMATS = (
    Format(
        name="quixbugs",
        title="QuixBugs",
        keys=frozenset(("name", "buggy_program", "solution", "tests")),
        task=_task,
        gives="the broken program in the prompt and as `brokenReference`, hidden `tests`",
    ),
)
