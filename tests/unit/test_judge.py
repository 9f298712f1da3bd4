"""How what a program did becomes a verdict, and the one line a person reads first."""

import pytest

from jobs.checkers import Case, Check, ExitsCleanly, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution
from jobs.verdicts import Outcome, Verdict
from tests.unit.executions import execution
from worker.sandbox.contract import Verification, VerificationEnd
from worker.solver.extraction import extract
from worker.solver.judge import Judgement, judge, no_program

LIMITS = Limits(cpu_seconds=2, wall_seconds=4.5, memory_mib=64, output_kib=8)
TESTS = PassesTests(tests="assert f(2) == 4")

TRACEBACK = """Traceback (most recent call last):
  File "/x/work/program.py", line 2, in <module>
    f()
  File "/x/work/program.py", line 1, in f
    1 / 0
ZeroDivisionError: division by zero
"""
FAILED_ASSERT = """Traceback (most recent call last):
  File "/x/work/program.py", line 4, in <module>
    assert f(2) == 4
           ^^^^^^^^^
AssertionError
"""
NODE_ASSERT = """node:assert:126
  throw new AssertionError(obj);
  ^

AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

1 !== 2

    at Object.<anonymous> (/x/work/program.cjs:3:8)
    at Module._compile (node:internal/modules/cjs/loader:1554:14) {
  code: 'ERR_ASSERTION'
}

Node.js v20.20.2
"""
NODE_CONSOLE_ASSERT = """/x/work/program.cjs:3
;console.assert=(ok)=>{if(!ok)throw new Error('of one')};
                              ^

Error: of one
    at console.assert (/x/work/program.cjs:3:46)
    at Object.<anonymous> (/x/work/program.cjs:4:9)

Node.js v20.20.2
"""

CODE = ExecutableCode(language=Language.PYTHON, code="whatever\n")


def verification(ran: Execution, end: VerificationEnd) -> Verification:
    verdict = Verdict.WRONG_ANSWER if end == "failed" else None
    return Verification(ran, end, "" if end == "finished" else "because", verdict, ())


def judged(
    ran: Execution, checker: Check | None = None, language: Language = Language.PYTHON
) -> Judgement:
    code = ExecutableCode(language=language, code="whatever\n")
    return judge(code, ran, checker or ExitsCleanly(), LIMITS)


@pytest.mark.parametrize(
    ("limit_hit", "verdict", "explanation"),
    [
        ("cpu", Verdict.TIME_LIMIT_EXCEEDED, "killed after 2 s of CPU time"),
        ("wall", Verdict.TIME_LIMIT_EXCEEDED, "killed after 4.5 s on the clock"),
        ("memory", Verdict.MEMORY_LIMIT_EXCEEDED, "needed more than 64 MiB of memory"),
        ("output", Verdict.OUTPUT_LIMIT_EXCEEDED, "printed more than 8 KiB"),
        ("file_size", Verdict.RUNTIME_ERROR, "wrote a file larger than 16 MiB"),
        ("processes", Verdict.RUNTIME_ERROR, "started more than 32 processes and threads"),
    ],
)
def test_a_limit_decides_before_anything_else(
    limit_hit: str, verdict: Verdict, explanation: str
) -> None:
    """A program stopped by us may have printed the right answer: it did not keep to its limits all the same."""
    ran = execution("4\n", exit_code=None, signal=9, limit_hit=limit_hit)
    found = judged(ran, MatchesOutput(cases=(Case(expect="4"),)))
    assert (found.verdict, found.explanation) == (verdict, explanation)
    assert found.result is not None
    assert found.result.execution_error == explanation


@pytest.mark.parametrize(
    ("ran", "language", "explanation"),
    [
        pytest.param(
            execution(stderr=TRACEBACK, exit_code=1),
            Language.PYTHON,
            "ZeroDivisionError: division by zero",
            id="exception",
        ),
        pytest.param(
            execution(stderr=f"{TRACEBACK}\nDuring handling:\n\n{FAILED_ASSERT}", exit_code=1),
            Language.PYTHON,
            "AssertionError: assert f(2) == 4",
            id="the last of a chain, with the line that raised it",
        ),
        pytest.param(
            execution(stderr="gave up\n", exit_code=3),
            Language.PYTHON,
            "exit code 3: gave up",
            id="its own last words",
        ),
        pytest.param(execution(exit_code=3), Language.PYTHON, "exit code 3", id="no words"),
        pytest.param(
            execution(exit_code=None, signal=11),
            Language.PYTHON,
            "ended by signal 11 (SIGSEGV)",
            id="signal",
        ),
        pytest.param(
            execution(exit_code=None, signal=40),
            Language.PYTHON,
            "ended by signal 40",
            id="nameless",
        ),
        pytest.param(
            execution(stderr="/x/work/program.sh: 3: foo: not found\n", exit_code=127),
            Language.SH,
            "exit code 127: foo: not found",
            id="shell",
        ),
        pytest.param(
            execution(stderr=NODE_ASSERT, exit_code=1),
            Language.JAVASCRIPT,
            "AssertionError [ERR_ASSERTION]: Expected values to be strictly equal: 1 !== 2",
            id="node",
        ),
        pytest.param(
            execution(stderr=NODE_CONSOLE_ASSERT, exit_code=1),
            Language.JAVASCRIPT,
            "Error: of one",
            id="plain error of node",
        ),
        pytest.param(
            execution(
                stderr="  + Exception Group Traceback (most recent call last):\n"
                '  |   File "/x/work/program.py", line 1, in <module>\n'
                "  | ExceptionGroup: two (2 sub-exceptions)\n"
                "  +-+---------------- 1 ----------------\n    | ValueError: a\n",
                exit_code=1,
            ),
            Language.PYTHON,
            "ExceptionGroup: two (2 sub-exceptions)",
            id="exception group",
        ),
    ],
)
def test_a_program_that_failed_is_explained_in_one_line(
    ran: Execution, language: Language, explanation: str
) -> None:
    """A person with a hundred failed attempts reads this line and nothing else."""
    found = judged(ran, language=language)
    assert (found.verdict, found.explanation) == (Verdict.RUNTIME_ERROR, explanation)


def test_what_a_compiler_refused_is_a_compile_error() -> None:
    """It says that the model's syntax is wrong, which a rate of runtime errors would hide."""
    stderr = (
        '  File "/x/work/program.py", line 1\n    print(1\n         ^\nSyntaxError: never closed\n'
    )
    found = judged(execution(stderr=stderr, exit_code=1, compile_failed=True))
    assert (found.verdict, found.explanation) == (
        Verdict.COMPILE_ERROR,
        "SyntaxError: never closed",
    )


@pytest.mark.parametrize(
    ("ran", "language", "verdict"),
    [
        pytest.param(
            execution(stderr=FAILED_ASSERT, exit_code=1, tests_finished=False),
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            id="assertion",
        ),
        pytest.param(
            execution(
                stderr=FAILED_ASSERT.replace("AssertionError", "tests.MyAssertionError: 5"),
                exit_code=1,
                tests_finished=False,
            ),
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            id="kind of assertion",
        ),
        pytest.param(
            execution(stderr=NODE_ASSERT, exit_code=1, tests_finished=False),
            Language.JAVASCRIPT,
            Verdict.WRONG_ANSWER,
            id="node assertion",
        ),
        pytest.param(
            execution(stderr=NODE_CONSOLE_ASSERT, exit_code=1, tests_finished=False),
            Language.JAVASCRIPT,
            Verdict.WRONG_ANSWER,
            id="console assertion",
        ),
        pytest.param(
            execution(exit_code=1, tests_finished=False),
            Language.SH,
            Verdict.WRONG_ANSWER,
            id="exit code of a shell test",
        ),
        pytest.param(
            execution(exit_code=None, signal=11, tests_finished=False),
            Language.SH,
            Verdict.RUNTIME_ERROR,
            id="crash of a shell",
        ),
        pytest.param(
            execution(stderr=TRACEBACK, exit_code=1, tests_finished=False),
            Language.PYTHON,
            Verdict.RUNTIME_ERROR,
            id="another exception",
        ),
    ],
)
def test_a_failed_test_is_a_wrong_answer_and_a_crash_is_not(
    ran: Execution, language: Language, verdict: Verdict
) -> None:
    """The two call for different repairs, and Gemini is told different outcomes."""
    assert judged(ran, TESTS, language).verdict is verdict


@pytest.mark.parametrize("tests_finished", [False, None])
def test_exit_code_0_alone_never_passes_tests(*, tests_finished: bool | None) -> None:
    """`sys.exit(0)` in the program would otherwise pass every task there is."""
    found = judged(execution(tests_finished=tests_finished), TESTS)
    assert found.verdict is Verdict.WRONG_ANSWER
    assert found.explanation == "the program ended before its tests did"


def test_tests_that_ran_to_their_end_are_accepted_and_say_where_they_ran() -> None:
    """A reader must be able to tell a check behind a wall from one behind a nonce."""
    found = judged(execution("x\n", tests_finished=True), TESTS)
    assert (found.verdict, found.trust) == (Verdict.ACCEPTED, "same_process")
    assert judged(execution()).trust == "separate_process"


@pytest.mark.parametrize(
    ("expected", "stdout"),
    [
        pytest.param("1\n2\n", "1\n2", id="last line end"),
        pytest.param("1\n2", "1  \n2\t\n", id="white space at line ends"),
        pytest.param("1\n2", "1\r\n2\r\n", id="carriage returns"),
        pytest.param("1\n2", "1\n2\n\n \n", id="empty lines at the end"),
        pytest.param("", "\n", id="nothing"),
    ],
)
def test_output_is_compared_by_trimmed_lines(expected: str, stdout: str) -> None:
    """A right answer must not fail for white space that nobody sees."""
    assert (
        judged(execution(stdout), MatchesOutput(cases=(Case(expect=expected),))).verdict
        is Verdict.ACCEPTED
    )


@pytest.mark.parametrize(
    ("expected", "stdout", "explanation"),
    [
        ("1\n5\n", "1\n4\n", "line 2: expected '5', got '4'"),
        ("1\n5\n", "1\n", "line 2: expected '5', got the end of the output"),
        ("1\n", "1\n\n2\n", "line 2: expected the end of the output, got ''"),
        (" 1", "1", "line 1: expected ' 1', got '1'"),
        ("a\x0cb", "a\nb", "line 1: expected 'a\\x0cb', got 'a'"),
        (
            "a" * 100 + "b" * 100,
            "a" * 100 + "c" * 100,
            f"line 1: expected …'{'a' * 20}{'b' * 60}'…, got …'{'a' * 20}{'c' * 60}'…",
        ),
    ],
    ids=["other", "too little", "too much", "margin", "only line feeds end lines", "long lines"],
)
def test_the_first_line_that_differs_is_named(expected: str, stdout: str, explanation: str) -> None:
    """It is what a person would look for, and what the model repairs by."""
    found = judged(execution(stdout), MatchesOutput(cases=(Case(expect=expected),)))
    assert (found.verdict, found.explanation) == (Verdict.WRONG_ANSWER, explanation)


def test_output_that_was_cut_is_never_right() -> None:
    """What is missing might have been wrong."""
    found = judged(
        execution("1\n", stdout_truncated=True), MatchesOutput(cases=(Case(expect="1"),))
    )
    assert found.verdict is Verdict.OUTPUT_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("ran", "checker", "outcome", "output", "error"),
    [
        pytest.param(
            execution("4\n", "warning\n"),
            MatchesOutput(cases=(Case(expect="4"),)),
            Outcome.OK,
            "4\n",
            None,
            id="accepted",
        ),
        pytest.param(
            execution("5\n", "warning\n"),
            MatchesOutput(cases=(Case(expect="4"),)),
            Outcome.OK,
            "5\n",
            None,
            id="wrong output",
        ),
        pytest.param(
            execution("5", FAILED_ASSERT, exit_code=1, tests_finished=False),
            TESTS,
            Outcome.OK,
            f"5\n{FAILED_ASSERT}",
            "AssertionError: assert f(2) == 4",
            id="failed test",
        ),
        pytest.param(
            execution("5\n", TRACEBACK, exit_code=1),
            ExitsCleanly(),
            Outcome.FAILED,
            f"5\n{TRACEBACK}",
            TRACEBACK.rstrip(),
            id="exception",
        ),
        pytest.param(
            execution("5\n", exit_code=None, signal=9, limit_hit="wall"),
            ExitsCleanly(),
            Outcome.DEADLINE_EXCEEDED,
            "5\n",
            "killed after 4.5 s on the clock",
            id="too slow",
        ),
    ],
)
def test_the_result_says_what_geminis_resource_would(
    ran: Execution, checker: Check, outcome: Outcome, output: str, error: str | None
) -> None:
    """Readers of records know the resource from Gemini: a wrong answer ran well, an error is kept apart."""
    result = judged(ran, checker).result
    assert result is not None
    assert (result.outcome, result.output, result.execution_error) == (outcome, output, error)


def test_a_reply_without_a_program_has_no_result() -> None:
    """Nothing ran, so there is no outcome to tell, only the reason."""
    found = no_program(extract("I would rather not.", Language.PYTHON))
    assert found == Judgement(
        Verdict.NO_CODE, "the reply holds no program", result=None, trust="separate_process"
    )


def test_a_forbidden_call_is_told_with_the_error_it_was_refused_by() -> None:
    """Which of its calls was refused is all that helps whoever has to write the next program."""
    stderr = TRACEBACK.replace(
        "ZeroDivisionError: division by zero", "PermissionError: [Errno 1] Operation not permitted"
    )
    judgement = judged(execution(stderr=stderr, exit_code=1, limit_hit="denied"))
    assert judgement.verdict is Verdict.FORBIDDEN_CALL
    assert judgement.explanation.endswith("PermissionError: [Errno 1] Operation not permitted")


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ("finished", Verdict.ACCEPTED),
        ("untried", Verdict.WRONG_ANSWER),
        ("failed", Verdict.WRONG_ANSWER),
        ("program_ended", Verdict.WRONG_ANSWER),
        ("out_of_time", Verdict.WRONG_ANSWER),
        ("tests_over_limit", Verdict.TIME_LIMIT_EXCEEDED),
    ],
)
def test_every_end_of_tests_in_a_slot_of_their_own_has_its_verdict(
    end: VerificationEnd, verdict: Verdict
) -> None:
    """One that nobody thought of must not be taken for a wrong answer."""
    judgement = judge(CODE, execution(), TESTS, LIMITS, tested=verification(execution(), end))
    assert (judgement.verdict, judgement.trust) == (verdict, "separate_process")


@pytest.mark.parametrize("exit_code", [0, 1])
def test_tests_that_cannot_cross_are_no_verdict(exit_code: int) -> None:
    """They say nothing of the program: whoever has them judged so has forgotten to run them beside it."""
    ran = execution(exit_code=exit_code)
    with pytest.raises(ValueError, match="cannot cross"):
        judge(CODE, ran, TESTS, LIMITS, tested=verification(ran, "cannot_cross"))
