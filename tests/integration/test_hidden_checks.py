"""Hidden checks stay hidden: programs that try to tell a model what they were given, by every way out of a run."""

import asyncio
import re
from shutil import which

import pytest

from jobs.checkers import Case, Checker, ExpectedCall, MatchesCalls, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import Attempt, PromptJob
from jobs.verdicts import Verdict
from tests.programs import PROSE, fenced
from tests.requiring import require
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox
from worker.solver.checkpoints import Progress
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

CANARY = "Zq7x31337"
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=5, memory_mib=64, output_kib=16)

# Each is given `text`, in which the canary stands, and has `sys` and `os`.
WAYS_OUT = {
    "output": "print(text)",
    "standard error": "print(text, file=sys.stderr)\n    sys.exit(3)",
    "message": "raise ValueError(text)",
    "message in disguise": "raise ValueError(text[::-1] + text.encode().hex())",
    "assertion": "raise AssertionError(text)",
    "type": "raise type(word, (Exception,), {})()",
    "type of an error": "raise type(word + 'Error', (Exception,), {})('division by zero')",
    "value": "return text",
    "exit code": "os._exit(9 * len(word))",
    "name": "raise NameError(f\"name '{word}' is not defined\")",
    "function": "say('Traceback (most recent call last):\\n  File \"/x/program.py\", line 2, in ' + word"
    " + '\\n    ' + word + '\\nZeroDivisionError: division by zero')",
    "syntax error": "say('  File \"/x/program.py\", line 1\\n    ' + word + '\\nSyntaxError: ' + word)",
    "endless": "print(text, flush=True)\n    while True: pass",
    "endless output": "while True: print(text)",
    "memory": "print(text, flush=True)\n    return len([0] * 10**9)",
    "forbidden": "say(text + '\\nPermissionError: [Errno 1] ' + text)",
    "signal": "print(text, flush=True)\n    os.kill(os.getpid(), 11)",
    "leaving": "print(text, flush=True)\n    os._exit(0)",
}
_LEAK = (
    "import os, re, sys\n"
    "def say(words):\n    sys.stderr.write(words + '\\n')\n    sys.stderr.flush()\n    os._exit(1)\n"
    "def leak(text):\n    word = (re.findall('Zq7x[0-9]+', text) or ['none'])[0]\n    {way}\n"
)
BROKEN = fenced("def f(:\n")

OUTPUT = MatchesOutput(
    cases=(
        Case(stdin="1\n", expect="1\n", public=True),
        Case(stdin=f"{CANARY}\n", expect=CANARY * 2),
    )
)
TESTS = PassesTests(
    tests=f"word = '{CANARY}'  # {CANARY}\nassert f(word) == '{CANARY}', '{CANARY}'"
)
CALLS = MatchesCalls(
    entry_point="f", calls=(ExpectedCall(arguments=(CANARY, 1), expected=f"{CANARY}-{CANARY}"),)
)

_MAIN = "text = sys.stdin.read()\nif 'Zq7x' in text: leak(text)\nelse: print(text)\n"
CHECKS: dict[str, tuple[Checker, str]] = {
    "cases": (OUTPUT, _MAIN),
    "tests": (TESTS, "def f(word): leak(word)\n"),
    "source of tests": (TESTS, "leak(open(__file__).read())\n"),
    "calls": (CALLS, "def f(word, number): leak(word)\n"),
}


class NoCheckpoint:
    """Keeps nothing: nobody dies here."""

    async def load(self) -> Progress:
        return Progress(attempts=(), reply=None)

    async def save_reply(self, *_: object) -> None: ...

    async def save_attempt(self, *_: object) -> None: ...

    async def make_sure(self) -> None: ...


async def solve(
    sandbox: Sandbox, checker: Checker, *replies: str, language: Language = Language.PYTHON
) -> tuple[ScriptedModel, tuple[Attempt, ...]]:
    """What came of a job for which the model gives these replies."""
    job = PromptJob(
        prompt="Do as you are told.",
        language=language,
        checker=checker,
        max_attempts=len(replies),
    )
    model = ScriptedModel(*replies)

    async def ignore(_: Attempt) -> None: ...

    loop = FeedbackLoop(model, sandbox, calls=asyncio.Semaphore(1), turns=Turns(1))
    return model, await loop.solve(job, LIMITS, NoCheckpoint(), ignore)


def _everything_said(model: ScriptedModel) -> str:
    return "".join(str(request) for request in model.requests)


@pytest.mark.parametrize("name", CHECKS)
async def test_no_way_out_of_a_run_leads_a_hidden_check_to_the_model(
    sandbox: Sandbox, name: str
) -> None:
    """A model that has read its tests has solved nothing, and a rate that counts it is worthless."""
    checker, rest = CHECKS[name]
    programs = [fenced(f"{_LEAK.format(way=way)}{rest}") for way in WAYS_OUT.values()]
    model, attempts = await solve(sandbox, checker, *programs, BROKEN, PROSE)
    said = _everything_said(model)
    assert CANARY not in said
    for disguise in (CANARY[::-1], CANARY.encode().hex(), "31337"):
        assert disguise.lower() not in said.lower()
    assert f"exit code {9 * len(CANARY)}" not in said
    never_told = {Verdict.ACCEPTED, Verdict.INTERNAL_ERROR}
    if name == "calls":
        # An allocation that is refused is an error that the call raised.
        never_told.add(Verdict.MEMORY_LIMIT_EXCEEDED)
    assert {attempt.verdict for attempt in attempts} == set(Verdict) - never_told


@pytest.mark.parametrize("name", ["cases", "tests", "calls"])
async def test_the_record_has_what_the_model_was_not_told(sandbox: Sandbox, name: str) -> None:
    """Whoever looks into a failed job has to see why, hidden or not."""
    checker, rest = CHECKS[name]
    _, (attempt,) = await solve(
        sandbox, checker, fenced(f"{_LEAK.format(way=WAYS_OUT['message'])}{rest}")
    )
    assert CANARY in attempt.explanation
    assert CANARY in str(attempt.cases)


@pytest.mark.parametrize(
    ("checker", "program", "told"),
    [
        pytest.param(
            OUTPUT,
            "print(input()[:4])",
            "failed (wrong answer): hidden test 2 of 2 failed: the output is not what is expected\n",
            id="output",
        ),
        pytest.param(
            OUTPUT,
            "word = input()\nif len(word) > 1: [][1]\nprint(word)",
            "failed (runtime error): hidden test 2 of 2 failed: "
            "ended with an error: IndexError: list index out of range\n\n"
            "In your program:\n```text\nline 2\n\n",
            id="error",
        ),
        pytest.param(
            TESTS,
            "def f(word): return 1",
            "failed (wrong answer): the hidden tests failed: a test failed\n",
            id="tests",
        ),
        pytest.param(
            TESTS,
            "def f(word): return g(word)",
            "ended with an error: NameError: name 'g' is not defined\n\n"
            "In your program:\n```text\nline 1\n\n",
            id="error in tests",
        ),
        pytest.param(
            CALLS,
            "class Unlucky(Exception): pass\ndef f(word, number): raise Unlucky(word)",
            "raised an error: Unlucky\n\nIn your program:\n```text\nline 2\n\n",
            id="error of its own",
        ),
        pytest.param(
            CALLS,
            "def f(word, number): return number",
            "failed (wrong answer): the hidden test failed: the function returned a wrong value\n",
            id="calls",
        ),
        pytest.param(
            MatchesOutput(cases=(Case(expect=CANARY),)),
            "print('mine')\nraise ValueError('my own')",
            "the hidden test failed: ended with an error: ValueError: my own\n",
            id="nothing was given",
        ),
    ],
)
async def test_a_model_is_told_how_a_hidden_check_failed_and_where(
    sandbox: Sandbox, checker: Checker, program: str, told: str
) -> None:
    """There is no repair without a hint, and these hints hold nothing of the check."""
    model, _ = await solve(sandbox, checker, fenced(program), PROSE)
    feedback = str(model.requests[1].turns[-1].text)  # type: ignore[union-attr]
    assert told in feedback
    assert CANARY not in feedback


# Each is given `digits`, and may choose by them from what the program holds.
NUMBERS_IN_DISGUISE = {
    "line numbers": (
        "frames = [frame(5 + digit, 'f') for digit in digits]",
        "ZeroDivisionError: division by zero",
    ),
    "function names": (
        "frames = [frame(1, words[digit]) for digit in digits]",
        "ZeroDivisionError: division by zero",
    ),
    "one function name": (
        "frames = [frame(1, '.'.join(words[digit] for digit in digits[1:]))]",
        "ZeroDivisionError: division by zero",
    ),
    "name of the error": (
        "frames = [frame(1, 'f')]\n    name = '.'.join(words[digit] for digit in digits[1:])",
        "{name}: division by zero",
    ),
    "one word of the error": ("frames = [frame(1, 'f')]\n    name = words[digits[1]]", "{name}"),
    "words of a message": (
        "frames = [frame(1, 'f')]\n    name, other = words[digits[1]], words[digits[2]]",
        "AttributeError: '{name}' object has no attribute '{other}'",
    ),
}
_FORGED = """import os, re, sys
words = "zero one two three four five six seven eight nine".split()
def frame(line, function):
    return f'  File "/x/program.py", line {{line}}, in {{function}}\\n    pass\\n'
#
#
#
#
#
#
#
#
#
def leak(text):
    digits = [int(sign) for sign in re.findall('Zq7x([0-9]+)', text)[0]]
    {frames}
    sys.stderr.write('Traceback (most recent call last):\\n' + ''.join(frames) + f"{last}\\n")
    sys.stderr.flush()
    os._exit(1)
leak(sys.stdin.read())
"""


@pytest.mark.parametrize("way", NUMBERS_IN_DISGUISE)
async def test_a_forged_traceback_tells_no_number_that_the_program_was_given(
    sandbox: Sandbox, way: str
) -> None:
    """Five places, or a few names of its own, spell a hidden input: one place is all that a program may choose."""
    frames, last = NUMBERS_IN_DISGUISE[way]
    program = fenced(_FORGED.format(frames=frames, last=last))
    told = []
    # The innermost place is told, so the last digit is the same.
    for number in ("31337", "42967"):
        checker = MatchesOutput(cases=(Case(stdin=f"Zq7x{number}", expect="1"),))
        model, _ = await solve(sandbox, checker, program, PROSE)
        told.append(str(model.requests[1].turns[-1].text))  # type: ignore[union-attr]
    assert told[0] == told[1]
    assert re.findall(r"^line .*$", told[0], re.MULTILINE) == [
        "line 12" if way == "line numbers" else "line 1"
    ]


@pytest.mark.parametrize(
    ("language", "tool", "program", "told"),
    [
        (
            "javascript", "node", "const x = null;\nx.foo;",
            "ended with an error: TypeError: Cannot read properties of null (reading 'foo')\n",
        ),
        ("ruby", "ruby", "x = nil\nx.foo", "ended with an error: NoMethodError: undefined method "),
        ("ruby", "ruby", "raise KeyError, gets", "ended with an error: KeyError\n"),
        ("php", "php", "<?php\necho intdiv(1, 0);", "ended with an error: DivisionByZeroError: Division by zero\n"),
        ("perl", "perl", "my $x = 0;\nprint 1 / $x;", "an exit code other than 0: Illegal division by zero\n"),
        ("perl", "perl", "die scalar <STDIN>;", "an exit code other than 0\n"),
        ("lua", "lua5.4", "local t\nprint(t.x)", "exit code 1: attempt to index a nil value (local 't')\n"),
        ("lua", "lua5.4", "error(io.read())", "exit code 1\n"),
    ],
)  # fmt: skip
async def test_what_another_interpreter_says_of_every_program_alike_is_told(
    sandbox: Sandbox, language: str, tool: str, program: str, told: str
) -> None:
    """A model that repairs Ruby needs the name of the error no less, and no more of what the program says."""
    require(tool, available=which(tool) is not None)
    hidden = MatchesOutput(cases=OUTPUT.cases[1:])
    model, _ = await solve(
        sandbox, hidden, fenced(program, language), PROSE, language=Language(language)
    )
    said = str(model.requests[1].turns[-1].text)  # type: ignore[union-attr]
    assert f"the hidden test failed: {told}" in said
    assert CANARY not in said


async def test_a_compiler_that_saw_nothing_hidden_is_quoted(sandbox: Sandbox) -> None:
    """It ran before there was any input, and its words are what a repair is made of."""
    require("gcc", available=which("gcc") is not None)
    hidden = MatchesOutput(cases=OUTPUT.cases[1:])
    program = "int main(void) {\n  int n = x;\n  return n;\n}"
    model, (attempt, _) = await solve(
        sandbox, hidden, fenced(program, "c"), PROSE, language=Language.C
    )
    assert attempt.verdict is Verdict.COMPILE_ERROR
    said = str(model.requests[1].turns[-1].text)  # type: ignore[union-attr]
    assert re.search("failed: it does not compile: line 2: .x. undeclared", said), said
    assert "Standard error (" in said


async def test_a_compiler_that_saw_hidden_tests_is_not_quoted(sandbox: Sandbox) -> None:
    """They stand in the same file, and a compiler shows the lines it complains of."""
    require("gcc", available=which("gcc") is not None)
    tests = PassesTests(tests=f'int main(void) {{ return f("{CANARY}", 31337); }}')
    program = fenced("int f(char *word) { return 0; }", "c")
    model, (attempt, _) = await solve(sandbox, tests, program, PROSE, language=Language.C)
    assert attempt.verdict is Verdict.COMPILE_ERROR
    assert CANARY in str(attempt.execution)
    assert "31337" not in _everything_said(model)


async def test_a_public_case_that_failed_is_shown_though_a_hidden_one_failed_before_it(
    sandbox: Sandbox,
) -> None:
    """All cases were run, and one that may be shown says more than any that may not."""
    checker = MatchesOutput(
        cases=(
            Case(stdin=f"{CANARY}\n", expect=CANARY * 2),
            Case(stdin="1\n", expect="1"),
            Case(name="sample", stdin="4\n", expect="8", public=True),
        ),
        run_all=True,
    )
    program = "import sys\nword = input()\nprint(word, file=sys.stderr)\nif 'Zq' in word: [][1]\nprint(word)"
    model, (attempt, _) = await solve(sandbox, checker, fenced(program), PROSE)
    assert attempt.verdict is Verdict.RUNTIME_ERROR
    assert attempt.explanation.startswith("case 1: IndexError")
    said = str(model.requests[1].turns[-1].text)  # type: ignore[union-attr]
    assert "failed (wrong answer): sample: line 1: expected '8', got '4'" in said
    assert "Its input:\n```text\n4\n```\n\nExpected:\n```text\n8\n```" in said
    assert CANARY not in _everything_said(model)


@pytest.mark.parametrize(
    ("checker", "program", "shown"),
    [
        pytest.param(
            OUTPUT.model_copy(
                update={"cases": (Case(stdin="4\n2\n", expect="6"),), "public": True}
            ),
            "print(5)",
            "Its input:\n```text\n4\n2\n```\n\nExpected:\n```text\n6\n```\n\nGot:\n```text\n5\n```",
            id="case",
        ),
        pytest.param(
            CALLS.model_copy(update={"public": True}),
            "def f(word, number): return number",
            f"f('{CANARY}', 1) returned 1 instead of '{CANARY}-{CANARY}'",
            id="call",
        ),
        pytest.param(
            TESTS.model_copy(update={"public": True}),
            "def f(word): return 1",
            f"assert f(word) == '{CANARY}'",
            id="tests",
        ),
    ],
)
async def test_of_a_public_check_the_first_failure_is_shown(
    sandbox: Sandbox, checker: Checker, program: str, shown: str
) -> None:
    """Examples of a statement, and the checks of whoever wants one program to work, are there to be repaired by."""
    model, _ = await solve(sandbox, checker, fenced(program), PROSE)
    assert shown in str(model.requests[1].turns[-1].text)  # type: ignore[union-attr]
