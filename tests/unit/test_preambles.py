"""What is put before a program: below what Python wants at the beginning, and told apart from it again."""

import pytest

from jobs.preambles import lines_of_preamble, with_preamble, without_preamble

PREAMBLE = "import math\n"
BODY = "print(math.pi)\n"
FUTURE = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    "start",
    [
        "",
        FUTURE,
        f"# A comment.\n\n{FUTURE}",
        f'"""Adds."""\n{FUTURE}',
        f'r"""Adds "it".\n\nfrom here.\\"""" # so\n\n{FUTURE}',
        f"'Adds.'\n{FUTURE}",
        f'""\n{FUTURE}',
        f"{FUTURE}\n# And\nfrom __future__ import division\n",
        "from __future__ import (\n    annotations,\n)\n",
        FUTURE.replace("\n", "\r\n"),
        '"""Adds."""\n',
        "from __future__ import annotations; import os\n",
    ],
)
def test_a_program_runs_with_its_preamble_whatever_it_begins_with(start: str) -> None:
    """A right answer would be a SyntaxError, for lines that are none of its own."""
    program = start + BODY
    whole = with_preamble(PREAMBLE, program)
    compile(whole, "program.py", "exec")
    assert without_preamble(PREAMBLE, whole) == program
    lines = whole.split("\n")
    assert [lines[number - 1] for number in lines_of_preamble(PREAMBLE, whole)] == ["import math"]


@pytest.mark.parametrize(
    "program",
    ["\n" * 500_000, "#\n" * 250_000, '"""' + '"\\' * 250_000, FUTURE * 15_000 + "from __future__"],
    ids=["empty-lines", "comments", "quotes", "imports"],
)
def test_a_long_beginning_is_looked_at_once(program: str) -> None:
    """A model that answers with empty lines must not occupy a worker for hours."""
    assert without_preamble(PREAMBLE, with_preamble(PREAMBLE, program)) == program
