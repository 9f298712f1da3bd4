"""A preamble goes where its language lets it stand, and is told from what the model wrote."""

import pytest

from jobs.preambles import lines_of_preamble, with_preamble, without_preamble

_PREAMBLE = "import math\nN = 1"
_FUTURE = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("program", "first"),
    [
        pytest.param("x = 1\n", 1, id="at the top"),
        pytest.param(f"# a\n\n{_FUTURE}x = 1\n", 4, id="below what has to be first"),
        pytest.param(f'"""What\nit does."""\n{_FUTURE}x = 1\n', 4, id="below a docstring"),
        pytest.param(f"'what it does'\n\n{_FUTURE}x = 1\n", 4, id="below a short one"),
        pytest.param(
            f"{_FUTURE}\n# b\nfrom __future__ import (\n    division,\n)  # c\nx = 1\n",
            7,
            id="below several of them",
        ),
        pytest.param('"""What it does."""\nx = 1\n', 1, id="above a docstring alone"),
    ],
)
def test_a_program_with_a_preamble_is_one_that_python_takes(program: str, first: int) -> None:
    """A right program must not fail because of lines that its model never saw."""
    whole = with_preamble(_PREAMBLE, program)
    compile(whole, "program.py", "exec")
    assert lines_of_preamble(_PREAMBLE, whole) == range(first, first + 2)
    assert without_preamble(_PREAMBLE, whole) == program


@pytest.mark.parametrize(
    "program", ['"""' * 200_000, "\n" * 500_000, "from __future__ import (" * 30_000]
)
def test_where_a_preamble_goes_is_found_in_one_pass(program: str) -> None:
    """Programs are as long as models like, and the worker has other jobs to see to."""
    assert with_preamble("N = 1", program) == f"N = 1\n{program}"
