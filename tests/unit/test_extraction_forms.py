"""Further forms that replies come in, and what a person who reads them would run."""

import pytest

from jobs.extraction_policies import ExtractionPolicy
from jobs.languages import Language
from jobs.models import ModelReply
from worker.solver.extraction import POLICIES, extract, program_of

ONE = "print(1)\n"
FENCE = "```"


def block(code: str, label: str = "python") -> str:
    return f"{FENCE}{label}\n{code}{FENCE}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(block(ONE, "tool_code") + block("1\n", "tool_outputs"), ONE, id="tool_code"),
        pytest.param("<tool_code>\nprint(1)\n</tool_code>", ONE, id="tool_code tag"),
        pytest.param(block("x", "diff") + "Whole:\n" + block(ONE), ONE, id="after a patch"),
        pytest.param(
            block(">>> x = 2\n>>> print(x)\n2\n", "pycon"), "x = 2\nprint(x)\n", id="pycon"
        ),
        pytest.param(
            block(">>> def f():\n...     return 1\n...\n>>> print(f())\n1\n"),
            "def f():\n    return 1\n\nprint(f())\n",
            id="session of several lines",
        ),
        pytest.param(
            block("In [1]: x = 1\n\nIn [2]: print(x)\n1\n"), "x = 1\nprint(x)\n", id="IPython"
        ),
        pytest.param(block("%%time\nprint(1)\n"), ONE, id="cell magic"),
        pytest.param(block("!pip install x\nprint(1)\n"), ONE, id="shell escape"),
        pytest.param(f"Here is the code:{FENCE}python\nprint(1)\n{FENCE}", ONE, id="glued opener"),
        pytest.param(f"{FENCE}python print(1)\n{FENCE}", ONE, id="code beside its label"),
        pytest.param("``python\nprint(1)\n``", ONE, id="fence of two backticks"),
        pytest.param("'''python\nprint(1)\n'''", ONE, id="fence of quotes"),
        pytest.param("Use `print(2)`.\n\n" + block(ONE) + "`f()` is bad.", ONE, id="inline code"),
        pytest.param(
            "First try:\n" + block("print(0)\n") + "Wait, that is wrong. Corrected:\n" + block(ONE),
            ONE,
            id="a script that is corrected",
        ),
        pytest.param(
            "Option 1:\n" + block("import sys\nprint(0)\n") + "Option 2:\n" + block(ONE),
            "import sys\nprint(0)\n\nprint(1)\n",
            id="a second block that may need what the first one imports",
        ),
        pytest.param(
            block('def f(x):\n    """\n    >>> f(1)\n    2\n    """\n    return x\nprint(f(1))\n'),
            'def f(x):\n    """\n    >>> f(1)\n    2\n    """\n    return x\nprint(f(1))\n',
            id="doctest",
        ),
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 |\n\n" + block(ONE), ONE, id="after a table"),
        pytest.param('[{"code": "print(1)"}]', ONE, id="JSON list"),
        pytest.param('Here it is: {"code": "print(1)"} as asked', ONE, id="JSON in prose"),
        pytest.param("<code><![CDATA[\nprint(1)\n]]></code>", ONE, id="CDATA"),
        pytest.param("<answer>\nprint(1)\n</answer>", ONE, id="answer tag"),
        pytest.param(block("\ufeffprint(1)\n"), ONE, id="byte order mark inside"),
        pytest.param(
            block("if True:\r\n    print(1)\r\n"), "if True:\n    print(1)\n", id="carriage returns"
        ),
        pytest.param(block("print\uff081\uff09\n"), ONE, id="wide brackets"),
        pytest.param(
            block("print\uff08'a\uff0cb'\uff09\n"),
            "print('a\uff0cb')\n",
            id="wide comma in a string",
        ),
        pytest.param(block("print(max(1\uff0c0))\n"), "print(max(1,0))\n", id="wide comma"),
        pytest.param(block("print(\u201ca\u201d)\n"), 'print("a")\n', id="typographic quotes"),
        pytest.param(block("1 | x = 1\n2 | print(x)\n"), "x = 1\nprint(x)\n", id="line numbers"),
        pytest.param(block(ONE, 'python title="main.py"'), ONE, id="title in the info string"),
        pytest.param(
            block(ONE) + "Run:\n" + block("python main.py\n", "bash"), ONE, id="then bash"
        ),
        pytest.param(
            block("print('x')\n") + "Output:\n" + block("x = 1\n", ""), "print('x')\n", id="output"
        ),
        pytest.param("1. Do:\n\n   ```python\n   print(1)\n   ```\n", ONE, id="numbered list"),
        pytest.param(
            "The key line is:\n"
            + block("    f(1)\n")
            + "Complete:\n"
            + block("f = print\nif True:\n    f(1)\n")
            + "Here\n"
            + block("f(1)\n")
            + "prints.",
            "f = print\nif True:\n    f(1)\n",
            id="excerpts before and after",
        ),
        pytest.param(block(ONE, "plaintext"), ONE, id="a label that says nothing"),
        pytest.param(
            '{"name": "python", "arguments": {"code": "print(1)"}}', ONE, id="call of a tool"
        ),
        pytest.param(block("print 1\n"), "print 1\n", id="Python 2, which its error teaches best"),
    ],
)
def test_a_form_gives_what_a_person_would_run(text: str, expected: str) -> None:
    """Each is a way in which a model that was right has been counted as wrong."""
    assert extract(text, Language.PYTHON).code == expected


def test_a_session_of_a_shell_gives_what_was_typed() -> None:
    """To a shell the prompt is a command that nobody has."""
    found = extract(block("$ echo 1\n1\n$ echo 2\n2\n", "bash"), Language.BASH)
    assert found.code == "echo 1\necho 2\n"


@pytest.mark.parametrize(
    ("language", "text", "outcome"),
    [
        pytest.param(
            "python",
            "**utils.py**\n"
            + block("def f(): ...\n")
            + "**main.py**\n"
            + block("from utils import f\nf()\n"),
            "no_code",
            id="two files",
        ),
        pytest.param(
            "python",
            block("<<<<<<< SEARCH\nf()\n=======\ng()\n>>>>>>> REPLACE\n"),
            "no_code",
            id="search and replace",
        ),
        pytest.param(
            "python",
            block("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-f()\n+g()\n"),
            "no_code",
            id="patch as Python",
        ),
        pytest.param("python", "*** Begin Patch\n-x\n+y\n*** End Patch", "no_code", id="patch"),
        pytest.param("python", "I'm sorry, but I cannot help with that.", "no_code", id="refusal"),
        pytest.param("python", "42", "no_code", id="an answer and no program"),
        pytest.param("python", block("a: 1\n", "yaml"), "no_code", id="data"),
        pytest.param("python", block("f()\n", "javascript"), "wrong_language", id="JavaScript"),
        pytest.param(
            "python",
            block("python3 - <<'E'\nprint(1)\nE\n", "bash"),
            "wrong_language",
            id="Python inside a shell",
        ),
        pytest.param("javascript", block("let a: number\n", "ts"), "wrong_language", id="kin"),
        pytest.param("c", block("int main() {}\n", "cpp"), "wrong_language", id="C++ for C"),
        pytest.param(
            "python",
            "```python\ndef f(x):\n    return (x +",
            "truncated",
            id="cut in an expression",
        ),
    ],
)
def test_what_is_not_run_says_what_it_is(language: str, text: str, outcome: str) -> None:
    """A report that knows a wrong language from a cut reply tells whoever reads it what to change."""
    found = extract(text, Language(language))
    assert (found.code, found.outcome) == (None, outcome)


def test_a_reply_that_was_cut_at_the_limit_is_called_truncated() -> None:
    """The way out is a larger limit, and not another prompt."""
    reply = ModelReply(
        content=None,
        text=block(ONE),
        finish_reason="MAX_TOKENS",
        model_version="m",
        latency_seconds=0,
    )
    found = program_of(reply, Language.PYTHON)
    assert (found.code, found.outcome, found.truncated) == (None, "truncated", True)


def test_an_attempt_keeps_by_which_rules_its_program_was_found() -> None:
    """Scores of two versions are compared: under other rules the same reply may be another program."""
    kept = extract(block(ONE), Language.PYTHON).kept(ExtractionPolicy.STRUCTURE_FIRST)
    found = (kept.policy, kept.outcome, kept.rule)
    assert found == ("structure-first/1", "program", "fences: labelled block")
    assert set(POLICIES) == set(ExtractionPolicy)
    assert all(rules.startswith(f"{policy}/") for policy, rules in POLICIES.items())


@pytest.mark.parametrize("unit", ["<", "<code ", "</code><code>", "cat <<A\n", "@a\n", "~~~\n"])
def test_a_mebibyte_of_signs_is_read_to_its_end(unit: str) -> None:
    """Each made an earlier scanner walk the whole text several times, sign by sign."""
    text = unit * (1_048_576 // len(unit))
    assert extract(text, Language.PYTHON).code is None
