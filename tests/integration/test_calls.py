"""Functions whose values are judged outside: what is right passes, and no forgery does."""

import pytest
from pydantic import JsonValue

from jobs.checkers import ExpectedCall, MatchesCalls
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.verdicts import Verdict
from tests.requiring import require
from worker.sandbox import Harness, InterpreterMissingError, Sandbox, find_interpreter
from worker.solver.judge import Judgement, judge
from worker.solver.prompts import feedback

LIMITS = Limits(cpu_seconds=5, wall_seconds=10, memory_mib=256, output_kib=64)
ADD = MatchesCalls(
    entry_point="add",
    calls=(
        ExpectedCall(arguments=(1, 2), expected=3),
        ExpectedCall(arguments=(10, 20), expected=30),
    ),
)


async def judged(
    sandbox: Sandbox,
    program: str,
    checker: MatchesCalls = ADD,
    language: Language = Language.PYTHON,
) -> Judgement:
    try:
        find_interpreter(language)
    except InterpreterMissingError:
        require(f"an interpreter for {language.value}", available=False)
    code = ExecutableCode(language=language, code=program)
    execution = await sandbox.run(code, LIMITS, harness=Harness(calls=checker.inputs))
    return judge(code, execution, checker, LIMITS)


def returning(expected: JsonValue, entry_point: str = "f") -> MatchesCalls:
    return MatchesCalls(
        entry_point=entry_point, calls=(ExpectedCall(arguments=(), expected=expected),)
    )


@pytest.mark.parametrize(
    ("language", "program"),
    [
        pytest.param(Language.PYTHON, "def add(a, b):\n    return a + b", id="python"),
        pytest.param(Language.PYTHON, "add = lambda a, b: a + b  # no def", id="python lambda"),
        pytest.param(
            Language.PYTHON,
            "list = type = open = globals = print = json = sys = None\ndef add(a, b): return a + b",
            id="python that gives away built-in names",
        ),
        pytest.param(
            Language.PYTHON,
            "import sys\nprint('talk')\nsys.stdin.read()\ndef add(a, b): print(a); return a + b",
            id="python that prints",
        ),
        pytest.param(Language.JAVASCRIPT, "const add = (a, b) => a + b", id="javascript"),
        pytest.param(
            Language.JAVASCRIPT,
            "export function add(a, b) { return a + b }",
            id="javascript module",
        ),
        pytest.param(
            Language.JAVASCRIPT, "const add = (a, b) => a + b // end", id="javascript comment"
        ),
    ],
)
async def test_a_right_function_passes(sandbox: Sandbox, language: Language, program: str) -> None:
    """What is asked of a program is the function; how it is written is its own business."""
    judgement = await judged(sandbox, program, language=language)
    assert judgement.verdict is Verdict.ACCEPTED, judgement
    assert judgement.trust == "separate_process"


@pytest.mark.parametrize(
    ("language", "program", "expected"),
    [
        (Language.PYTHON, "def f(): return (1, [2.5, None, 'ü'])", [1, [2.5, None, "ü"]]),
        (Language.PYTHON, "def f(): return {'a': True, 'b': 2**100}", {"a": True, "b": 2**100}),
        (
            Language.JAVASCRIPT,
            "function f() { return [1.0, {a: null}, 'ü'] }",
            [1, {"a": None}, "ü"],
        ),
        (Language.JAVASCRIPT, "function f() { return Object.create(null) }", {}),
    ],
    ids=["python list", "python dict", "javascript", "javascript bare object"],
)
async def test_plain_values_arrive_as_they_are(
    sandbox: Sandbox, language: Language, program: str, expected: JsonValue
) -> None:
    """A right program that is told it is wrong is mended until it is."""
    judgement = await judged(sandbox, program, returning(expected), language)
    assert judgement.verdict is Verdict.ACCEPTED, judgement


@pytest.mark.parametrize("name", ["fs", "answer", "call", "value", "asked", "plain", "error"])
@pytest.mark.parametrize("language", [Language.PYTHON, Language.JAVASCRIPT])
async def test_a_function_may_have_any_name(
    sandbox: Sandbox, language: Language, name: str
) -> None:
    """What we need to call it must not stand in its way."""
    program = {
        Language.PYTHON: f"def {name}(): return 1",
        Language.JAVASCRIPT: f"const {name} = () => 1",
    }[language]
    judgement = await judged(sandbox, program, returning(1, name), language)
    assert judgement.verdict is Verdict.ACCEPTED, judgement


@pytest.mark.parametrize(
    ("language", "program", "words"),
    [
        (Language.PYTHON, "def f(): return {1, 2}", "returned set"),
        (Language.PYTHON, "def f(): return {1: 2}", "dict with keys other than str"),
        (Language.PYTHON, "def f(): return float('nan')", "returned nan"),
        (Language.PYTHON, "def f(): return 1.0", "returned 1.0 instead of 1"),
        (Language.PYTHON, "def f(): return True", "returned True instead of 1"),
        (Language.PYTHON, "def f(): return chr(0xd800)", "cannot be written as JSON"),
        (Language.JAVASCRIPT, "function f() {}", "returned undefined"),
        (Language.JAVASCRIPT, "function f() { return NaN }", "returned NaN"),
        (Language.JAVASCRIPT, "async function f() { return 1 }", "returned Promise"),
        (Language.JAVASCRIPT, "function f() { return [new Map()] }", "returned Map"),
        (Language.JAVASCRIPT, "function f() { return true }", "returned true instead of 1"),
    ],
)
async def test_another_value_is_a_wrong_answer_that_says_what_came(
    sandbox: Sandbox, language: Language, program: str, words: str
) -> None:
    """It is what the author of the program can find the mistake by."""
    judgement = await judged(sandbox, program, returning(1), language)
    assert judgement.verdict is Verdict.WRONG_ANSWER
    assert words in judgement.explanation


@pytest.mark.parametrize(
    ("language", "program"),
    [
        (Language.PYTHON, "def inner(): raise ValueError('of it')\ndef f(): return inner()"),
        (
            Language.JAVASCRIPT,
            "const inner = () => { throw new RangeError('of it') }\nfunction f() { return inner() }",
        ),
    ],
    ids=["python", "javascript"],
)
async def test_an_error_in_a_call_is_a_runtime_error_and_the_model_sees_where(
    sandbox: Sandbox, language: Language, program: str
) -> None:
    """The line helps more than the words; it is in the traceback that a shell would have shown."""
    code = ExecutableCode(language=language, code=program)
    checker = returning(1)
    execution = await sandbox.run(code, LIMITS, harness=Harness(calls=checker.inputs))
    judgement = judge(code, execution, checker, LIMITS)
    assert judgement.verdict is Verdict.RUNTIME_ERROR
    assert "f() failed: " in judgement.explanation
    told = feedback(1, PromptJob(prompt="Write f.", checker=checker), judgement, code, execution)
    assert "> 1 | " in told, told
    assert "_promptmill" not in told


@pytest.mark.parametrize(
    ("entry_point", "words"),
    [
        ("nowhere", "the program defines no 'nowhere' at its top level"),
        ("number", "number() failed: "),
    ],
    ids=["missing", "that is no function"],
)
@pytest.mark.parametrize("language", [Language.PYTHON, Language.JAVASCRIPT])
async def test_a_function_that_is_not_there_is_named(
    sandbox: Sandbox, language: Language, entry_point: str, words: str
) -> None:
    """A model that chose another name needs to be told which one was asked for."""
    judgement = await judged(sandbox, "number = 1", returning(1, entry_point), language)
    assert judgement.verdict is Verdict.RUNTIME_ERROR
    assert words in judgement.explanation


_EQUAL_TO_ALL = """
class Yes(int):
    def __eq__(self, other): return True
    def __hash__(self): return 3
    def __repr__(self): return '3'
def add(a, b): return Yes(7)
"""
_FORGERIES = {
    "object equal to everything": "class Y:\n  __eq__ = lambda s, o: True\ndef add(a, b): return Y()",
    "int subclass": _EQUAL_TO_ALL,
    "object that says it is an int": (
        "class Y:\n  __class__ = property(lambda s: int)\n  __eq__ = lambda s, o: True\n"
        "def add(a, b): return Y()"
    ),
    "patched json": (
        "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\ndef add(a, b): return 0"
    ),
    "patched json that answers twice": (
        'import json\njson.dumps = lambda *a, **k: \'{"value": 3}\\n{"value": 30}\'\n'
        "def add(a, b): return 0"
    ),
    "patched built-ins": "import builtins\nbuiltins.type = lambda v: int\ndef add(a, b): return '3'",
    "own lines to descriptor 4": (
        "import os\nos.write(4, b'{\"value\": 3}\\n' * 9)\ndef add(a, b): return 0"
    ),
    "own lines and an early end": (
        'import os\nos.write(4, b\'{"value": null}\\n{"value": true}\\n\')\nos._exit(0)'
    ),
    "own words for passed": "import os\nos.write(4, b'passed\\nOK\\n')\nos._exit(0)",
    "verdicts of its own": "import os\nos.write(4, b'{\"ok\": true}\\n' * 2)\nos._exit(0)",
    "early end": "import os\nos._exit(0)",
    "early end in the call": "import sys\ndef add(a, b): sys.exit(0)",
    "another program": "import os\nos.execlp('true', 'true')",
    "a closed descriptor": "import os\nos.close(3)\nos.close(4)\ndef add(a, b): return a + b",
    "deep nesting": (
        "import os\nos.write(4, b'{\"value\": ' + b'[' * 9999 + b']' * 9999 + b'}\\n')\nos._exit(0)"
    ),
    "deep value": ("def add(a, b):\n  v = 3\n  for _ in range(300): v = [v]\n  return v"),
    "value in itself": "def add(a, b):\n  v = []\n  v.append(v)\n  return v",
    "NaN": "def add(a, b): return float('nan')",
    "NaN by hand": "import os\nos.write(4, b'{\"value\": NaN}\\n' * 2)\nos._exit(0)",
    "huge output": "import os\nwhile True: os.write(4, b'{\"value\": 3}\\n' * 999)",
    "huge value": "def add(a, b): return 'x' * 10_000_000",
    "another type": "def add(a, b): return float(a + b)",
    "text": "def add(a, b): return str(a + b)",
    "the first answer for all": "def add(a, b): return 3",
    "an answer and a crash": "def add(a, b): return a + b\nimport atexit, os\natexit.register(os._exit, 1)",
}


@pytest.mark.parametrize("name", _FORGERIES)
async def test_a_forgery_is_not_accepted(sandbox: Sandbox, name: str) -> None:
    """A verdict that a program can choose says nothing about any program."""
    judgement = await judged(sandbox, _FORGERIES[name])
    assert judgement.verdict is not Verdict.ACCEPTED
    assert "30" not in judgement.hint


async def test_what_is_expected_is_nowhere_in_the_sandbox(sandbox: Sandbox) -> None:
    """What a program cannot find it cannot hand back."""
    program = (
        "import os, sys\nasked = os.read(3, 65536).decode()\n"
        "seen = asked + open(__file__).read() + str(sys.argv) + str(dict(os.environ))\n"
        "print(str(31336 + 1) in seen, 'expec' + 'ted' in seen, '4711' in asked)"
    )
    checker = MatchesCalls(
        entry_point="f", calls=(ExpectedCall(arguments=(4711,), expected=31337),)
    )
    code = ExecutableCode(language=Language.PYTHON, code=program)
    execution = await sandbox.run(code, LIMITS, harness=Harness(calls=checker.inputs))
    assert execution.stdout == "False False True\n"
