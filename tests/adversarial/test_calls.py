"""Functions of a program are called inside, and what they return is judged outside."""

import pytest
from pydantic import JsonValue

from jobs.checkers import Call, CallInputs, ExpectedCall, MatchesCalls
from jobs.models import ExecutableCode
from jobs.verdicts import Verdict
from worker.sandbox import Harness, Sandbox
from worker.solver.judge import judge

from .programs import LIMITS, javascript, python

pytestmark = pytest.mark.adversarial

_ADD = MatchesCalls(
    entry_point="add",
    calls=(
        ExpectedCall(arguments=(71, 5), expected=76),
        ExpectedCall(arguments=(-9, 4), expected=-5),
    ),
)


def _echo(*values: JsonValue) -> Harness:
    return Harness(
        calls=CallInputs(entry_point="echo", calls=tuple(Call(arguments=(v,)) for v in values))
    )


@pytest.mark.parametrize(
    "program",
    [python("def echo(value): return value"), javascript("const echo = value => value")],
    ids=["python", "javascript"],
)
async def test_a_function_is_called_with_the_values_and_returns_them(
    sandbox: Sandbox, program: ExecutableCode
) -> None:
    """What a checker compares is what the function returned, in order and whole."""
    values: list[JsonValue] = [1, -2.5, "é\n\0\u2028", None, True, [[], {"a b": [0]}], 2**40]
    execution = await sandbox.run(program, LIMITS, harness=_echo(*values))
    assert execution.returned is not None
    assert [(each.value, each.error) for each in execution.returned] == [(v, None) for v in values]


_FORGERIES = {
    "answers what it read": python(
        "import json, os\nasked = json.loads(os.read(3, 65536))\n"
        "for call in asked['calls']: os.write(4, json.dumps({'value': call['arguments']}).encode() + b'\\n')\nos._exit(0)"
    ),
    "answers before the calls": python(
        "import os\nos.write(4, b'{\"value\": 0}\\n' * 2)\ndef add(a, b): return a + b"
    ),
    "answers in javascript before the calls": javascript(
        "require('fs').writeSync(4, '{\"value\":0}\\n'.repeat(2)); const add = (a, b) => a + b"
    ),
    "looks for the expected values": python(
        "import gc, sys\n"
        "seen = [o for o in gc.get_objects() if type(o) is dict and 'expected' in o]\n"
        "frames, frame = [], sys._getframe()\n"
        "while frame: frames.append(frame); frame = frame.f_back\n"
        "def add(a, b): return [len(seen), [f.f_locals.get('expected') for f in frames]]"
    ),
    "a subclass of int": python(
        "class Int(int):\n    def __eq__(self, other): return True\ndef add(a, b): return Int(0)"
    ),
    "a value equal to everything": python(
        "class Any:\n    __eq__ = lambda *_: True\n    __repr__ = lambda _: '76'\ndef add(a, b): return Any()"
    ),
    "an exact type with a wrong class": python("def add(a, b): return float(a + b)"),
    "true for one": python("def add(a, b): return True"),
    "an error that reads like a value": python(
        "def add(a, b): raise ValueError('{\"value\": 76}')"
    ),
    "replaces json": python(
        "import json\njson.dumps = lambda *a, **k: '{\"value\": 76}'\ndef add(a, b): return 0"
    ),
    "replaces print": python(
        "import builtins\nreal = print\nbuiltins.print = lambda *a, **k: real('{\"value\": 76}', **k)\ndef add(a, b): return 0"
    ),
    "answers too often": python(
        'import os\nos.write(4, b\'{"value": 76}\\n{"value": 76}\\n{"value": -5}\\n\')\nos._exit(0)'
    ),
    "answers something else as well": python(
        'import os\nos.write(4, b\'{"value": 76, "error": null}\\n{"value": -5}\\n\')\nos._exit(0)'
    ),
    "a depth that ends whoever reads it": python(
        "import os\nos.write(4, b'{\"value\": ' + b'[' * 60000 + b']' * 60000 + b'}\\n')\nos._exit(0)"
    ),
    "a number that takes for ever": python(
        "import os\nos.write(4, b'{\"value\": ' + b'9' * 100000 + b'}\\n')\nos._exit(0)"
    ),
    "half a surrogate pair": python("def add(a, b): return '\\ud800'"),
    "half a surrogate pair in an error": python("def add(a, b): raise ValueError('\\ud800')"),
    "a number that is none in JSON": python(
        'import os\nos.write(4, b\'{"value": 1e999}\\n{"value": 1e999}\\n\')'
    ),
    "not a number": python("def add(a, b): return float('nan')"),
    "no end of answers": python("import os\nwhile True: os.write(4, b'{\"value\": 76}\\n' * 1000)"),
    "invalid utf-8": python('import os\nos.write(4, b\'{"value": "\\xff\\xfe"}\\n\')\nos._exit(0)'),
}


@pytest.mark.parametrize("name", _FORGERIES)
async def test_no_forged_answer_is_accepted(sandbox: Sandbox, name: str) -> None:
    """The channel is the program's to write to: only a value that is right says that it is right."""
    program = _FORGERIES[name]
    execution = await sandbox.run(program, LIMITS, harness=Harness(calls=_ADD.inputs))
    judgement = judge(program, execution, _ADD, LIMITS)
    assert judgement.verdict is not Verdict.ACCEPTED
    # What is stored of it can be written down.
    assert execution.to_json()
    assert judgement.explanation.encode()


@pytest.mark.parametrize(
    "program",
    [python("def add(a, b): return a + b"), javascript("function add(a, b) { return a + b }")],
    ids=["python", "javascript"],
)
async def test_right_answers_are_accepted(sandbox: Sandbox, program: ExecutableCode) -> None:
    """A check that refuses everything would pass every test above."""
    execution = await sandbox.run(program, LIMITS, harness=Harness(calls=_ADD.inputs))
    assert judge(program, execution, _ADD, LIMITS).verdict is Verdict.ACCEPTED


async def test_no_expected_value_enters_the_sandbox(sandbox: Sandbox) -> None:
    """What is not there cannot be found, by whatever trick."""
    program = (
        "import gc, os, sys\ntext = os.read(3, 65536).decode()\n"
        "print('76' in text, '-5' in text, 'expected' in text, 'add' in text)\n"
        "print(any('expected' in repr(o) for o in gc.get_objects() if type(o) is dict and len(o) < 9))"
    )
    execution = await sandbox.run(python(program), LIMITS, harness=Harness(calls=_ADD.inputs))
    assert execution.stdout == "False False False True\nFalse\n"
