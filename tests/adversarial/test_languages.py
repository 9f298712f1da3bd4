"""Every language of the table, by its programs: each gets the verdict that a person would give it."""

import pytest

from jobs.checkers import Case, Checker, ExitsCleanly, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.models import ExecutableCode, Execution, PromptJob
from jobs.verdicts import Verdict
from tests.programs_by_language import PROGRAMS
from tests.requiring import require
from worker.sandbox import InterpreterMissingError, Sandbox, UnusableTestsError, find_interpreter
from worker.sandbox.languages import ROWS
from worker.solver.checking import check
from worker.solver.fairness import FairRunner
from worker.solver.judge import Judgement
from worker.solver.machine import Machine
from worker.solver.tracebacks import failure_of
from worker.solver.turns import Turns

from .programs import LIMITS

pytestmark = [pytest.mark.adversarial, pytest.mark.timeout(240)]

# Python's tests have a process of their own.
_TRUST = {Language.PYTHON: "separate_process"}
# CPU time decides, so that a busy machine changes no verdict.
_LIMITS = LIMITS.model_copy(update={"cpu_seconds": 1.0, "wall_seconds": 60.0, "memory_mib": 128})
# To start a virtual machine takes some itself.
_ENOUGH = _LIMITS.model_copy(update={"cpu_seconds": 20.0})
_EACH = pytest.mark.parametrize("language", list(Language), ids=str)


async def _run(
    sandbox: Sandbox, language: Language, program: str, checker: Checker | None = None
) -> tuple[Judgement, Execution]:
    is_root = sandbox.isolation.profile != "strict"
    try:
        find_interpreter(language, for_everybody=is_root)
    except InterpreterMissingError as error:
        require(f"{language.value}: {error.message}, {error.facts}", available=False)
    checker = checker or ExitsCleanly()
    code = ExecutableCode(language=language, code=program)
    limits = _LIMITS if program == PROGRAMS[language].endless else _ENOUGH
    job = PromptJob(prompt="x", language=language, checker=checker)
    found = await check(job, code, limits, FairRunner(sandbox, Turns(1), Machine()))
    assert found.execution is not None
    return found.judgement, found.execution


def test_every_language_has_its_programs() -> None:
    """A language is added by a row and by these."""
    assert set(PROGRAMS) == set(Language) == set(ROWS)


@_EACH
async def test_a_first_program_is_accepted(walled: Sandbox, language: Language) -> None:
    """The smallest that can be wrong: it is found, made, started and read."""
    checker = MatchesOutput(cases=(Case(expect="42"),))
    judgement, _ = await _run(walled, language, ROWS[language].hello, checker)
    assert judgement.verdict is Verdict.ACCEPTED, judgement


@_EACH
async def test_a_program_that_is_refused_is_a_compile_error(
    walled: Sandbox, language: Language
) -> None:
    """It asks for another repair than a crash does, and the compiler's own words say which."""
    programs = PROGRAMS[language]
    judgement, execution = await _run(walled, language, programs.broken)
    assert judgement.verdict is Verdict.COMPILE_ERROR, (judgement, execution.stderr)
    assert execution.compile_failed
    assert programs.broken_words in execution.stderr
    assert judgement.result is not None
    assert judgement.result.execution_error


@_EACH
async def test_a_program_that_fails_says_where(strict: Sandbox, language: Language) -> None:
    """The line in the program's own file is what a repair begins with."""
    programs = PROGRAMS[language]
    judgement, execution = await _run(strict, language, programs.failing)
    assert judgement.verdict is Verdict.RUNTIME_ERROR, (judgement, execution.stderr)
    assert programs.failing_words in judgement.explanation
    if programs.line_of_failure is not None:
        failure = failure_of(execution.stderr, language)
        assert failure is not None
        assert failure.frames[-1].line == programs.line_of_failure


@_EACH
async def test_an_endless_program_runs_out_of_time(strict: Sandbox, language: Language) -> None:
    """Whatever its runtime does with signals, threads and timers of its own."""
    judgement, execution = await _run(strict, language, PROGRAMS[language].endless)
    assert judgement.verdict is Verdict.TIME_LIMIT_EXCEEDED, (judgement, execution.stderr)
    assert execution.limit_hit == "cpu"


@_EACH
async def test_a_greedy_program_runs_out_of_memory(strict: Sandbox, language: Language) -> None:
    """Whether the watcher sees it first, or the runtime is refused more and says so in its own words."""
    judgement, execution = await _run(strict, language, PROGRAMS[language].hog)
    assert judgement.verdict is Verdict.MEMORY_LIMIT_EXCEEDED, (judgement, execution.stderr)


@_EACH
async def test_tests_of_a_right_program_reach_their_end(
    walled: Sandbox, language: Language
) -> None:
    """The nonce comes back from every kind of harness, and Python's tests from a slot of their own."""
    programs = PROGRAMS[language]
    checker = PassesTests(tests=programs.tests)
    judgement, execution = await _run(walled, language, programs.right, checker)
    assert judgement.verdict is Verdict.ACCEPTED, (judgement, execution.stderr)
    assert judgement.trust == _TRUST.get(language, "same_process")


@_EACH
async def test_tests_of_a_wrong_program_are_a_wrong_answer(
    strict: Sandbox, language: Language
) -> None:
    """Not an error of the program: it ran, and what it computed is wrong."""
    programs = PROGRAMS[language]
    checker = PassesTests(tests=programs.tests)
    judgement, execution = await _run(strict, language, programs.wrong, checker)
    assert judgement.verdict is Verdict.WRONG_ANSWER, (judgement, execution.stderr)


@_EACH
async def test_a_program_that_leaves_its_tests_has_not_passed_them(
    strict: Sandbox, language: Language
) -> None:
    """Exit code 0 is the cheapest forgery, in every language."""
    programs = PROGRAMS[language]
    checker = PassesTests(tests=programs.tests)
    judgement, execution = await _run(strict, language, programs.leaving, checker)
    assert judgement.verdict is Verdict.WRONG_ANSWER, (judgement, execution.stderr)
    assert not execution.tests_finished


# Programs that subtract, fail themselves, and have no `add`; and tests that raise by other means than an assertion.
_RAISING = {
    Language.JAVASCRIPT: (
        ("const add = (a, b) => a - b", "const add = (a, b) => { throw new Error('mine') }", "const sum = 1"),
        "if (add(1, 2) !== 3) throw new Error('wrong')",
    ),
    Language.RUBY: (
        ("def add(a, b) a - b end", "def add(a, b) raise 'mine' end", "def sum(a) a end"),
        "raise 'wrong' unless add(1, 2) == 3",
    ),
    Language.PERL: (
        ("sub add { $_[0] - $_[1] }", "sub add { die 'mine' }", "sub sum { 1 }"),
        "die 'wrong' unless add(1, 2) == 3;",
    ),
    Language.PHP: (
        (
            "<?php function add($a, $b) { return $a - $b; }",
            "<?php function add($a, $b) { throw new Exception('mine'); }",
            "<?php function sum() {}",
        ),
        "if (add(1, 2) !== 3) throw new Exception('wrong');",
    ),
    Language.LUA: (
        ("function add(a, b) return a - b end", "function add(a, b) error('mine', 2) end", "function sum() end"),
        "assert(add(1, 2) == 3, 'wrong')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", _RAISING, ids=str)
async def test_what_tests_raise_themselves_is_a_test_that_failed(
    strict: Sandbox, language: Language
) -> None:
    """Many tests have no assertions; an error of the program, or a name it lacks, is another matter."""
    programs, tests = _RAISING[language]
    judged = [
        (await _run(strict, language, program, PassesTests(tests=tests)))[0] for program in programs
    ]
    assert [each.verdict for each in judged] == [
        Verdict.WRONG_ANSWER,
        Verdict.RUNTIME_ERROR,
        Verdict.RUNTIME_ERROR,
    ], [each.explanation for each in judged]


async def test_an_error_that_perl_reports_where_a_function_was_called_is_the_programs(
    strict: Sandbox,
) -> None:
    """`croak` names a line of the tests for what the program raised."""
    program = "use Carp;\nsub add { croak 'mine' }"
    checker = PassesTests(tests="die 'wrong' unless add(1, 2) == 3;")
    judgement, _ = await _run(strict, Language.PERL, program, checker)
    assert judgement.verdict is Verdict.RUNTIME_ERROR


_CLOSED_BY_TESTS = {
    Language.C: (
        "#include <assert.h>\nlong add(long a, long b) {\n  return a + b;",
        "}\nint main(void) { assert(add(1, 2) == 3); return 0; }\n",
    ),
    Language.CPP: (
        "#include <assert.h>\nlong add(long a, long b) {\n  return a + b;",
        "}\nint main() {\n  auto candidate = add;\n  assert(candidate((1), (2)) == (3));\n}\n",
    ),
    Language.RUST: (
        "fn add(a: isize, b: isize) -> isize {\n    a + b",
        "}\n\nfn main() {\n    let candidate = add;\n    assert_eq!(candidate(1, 2), 3);\n}\n",
    ),
    Language.JAVA: (
        "import java.util.*;\nclass Problem {\n  public static long add(long a, long b) {\n    return a + b;",
        "  }\n  public static void main(String[] args) {\n    assert(add((1l), (2l)) == (3l));\n  }\n}\n",
    ),
    Language.GO: (
        'package main\n\nimport "fmt"\n\nfunc add(a, b int) int {\n\treturn a + b',
        '}\n\nfunc main() {\n\tif add(1, 2) != 3 {\n\t\tpanic("no")\n\t}\n\tfmt.Println()\n}\n',
    ),
    Language.PERL: (
        "sub add {\n  my ($a, $b) = @_;\n  return $a + $b;",
        "}\nsub test { my $candidate = \\&add; if ($candidate->(1, 2) != 3) { exit 1; } }\ntest();",
    ),
    Language.RUBY: (
        "def add(a, b)\n  a + b",
        (
            "end\nrequire 'test/unit'\nclass TestAdd < Test::Unit::TestCase\n  def test_add\n"
            "    assert_equal(3, method(:add).call(1, 2))\n  end\nend\n"
        ),
    ),
}


@pytest.mark.parametrize("language", _CLOSED_BY_TESTS, ids=str)
@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
async def test_tests_may_close_what_the_program_left_open(
    strict: Sandbox, language: Language, *, is_right: bool
) -> None:
    """Benchmarks for many languages ask for the end of a function, and their tests go on from there."""
    program, tests = _CLOSED_BY_TESTS[language]
    program = program if is_right else program.replace(" + ", " - ")
    judgement, execution = await _run(strict, language, program, PassesTests(tests=tests))
    assert (judgement.verdict is Verdict.ACCEPTED) is is_right, execution.stderr
    assert execution.tests_finished is is_right


# Programs with a `main` of their own, which is as often there as it was asked for; and tests that bring one, too.
_TWO_MAINS = {
    Language.C: (
        "int add(int a, int b) { return a + b; }\nint main(void) { return 0; }",
        "#include <assert.h>\nint main(void) { assert(add(1, 2) == 3); return 0; }",
    ),
    Language.CPP: (
        "int add(int a, int b) { return a + b; }\nint main() {}",
        "#include <cassert>\nint main() { assert(add(1, 2) == 3); }",
    ),
    Language.RUST: (
        "fn add(a: i32, b: i32) -> i32 { a + b }\nfn main() {}",
        "fn main() { assert_eq!(add(1, 2), 3); }",
    ),
    Language.GO: (
        "package main\n\nfunc add(a, b int) int { return a + b }\n\nfunc main() {}",
        'import "os"\n\nfunc main() {\n\tif add(1, 2) != 3 {\n\t\tos.Exit(1)\n\t}\n}',
    ),
    Language.JAVA: (
        (
            "public class Main {\n  static int add(int a, int b) { return a + b; }\n"
            "  public static void main(String[] words) {}\n}"
        ),
        "public class Test {\n  public static void main(String[] words) { assert Main.add(1, 2) == 3; }\n}",
    ),
}
_GO_TEST = "func TestAdd(t *testing.T) {\n\tif add(1, 2) != 3 {\n\t\tt.Fatal(add(1, 2))\n\t}\n}\n"
_GO_STYLES = {
    "a file": f'// Tests.\npackage main\n\nimport "testing"\n\n{_GO_TEST}',
    "imports": f'import (\n\t"testing"\n)\n\n{_GO_TEST}',
}


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("language", _TWO_MAINS, ids=str)
async def test_the_main_of_the_tests_is_run_and_not_the_programs(
    strict: Sandbox, language: Language, *, is_right: bool
) -> None:
    """Else every program with a `main` would pass, or none would compile."""
    program, tests = _TWO_MAINS[language]
    program = program if is_right else program.replace("a + b", "a - b")
    judgement, execution = await _run(strict, language, program, PassesTests(tests=tests))
    assert (judgement.verdict is Verdict.ACCEPTED) is is_right, execution.stderr
    assert judgement.verdict is not Verdict.COMPILE_ERROR, execution.stderr


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("tests", _GO_STYLES.values(), ids=_GO_STYLES)
async def test_tests_as_go_test_has_them_are_run_beside_a_program_with_a_main(
    strict: Sandbox, tests: str, *, is_right: bool
) -> None:
    """They are written as a file of their own, and a program for the command line has its own `main`."""
    program = f"package main\n\nfunc add(a, b int) int {{ return a {'+' if is_right else '-'} b }}\n\nfunc main() {{}}"
    judgement, execution = await _run(strict, Language.GO, program, PassesTests(tests=tests))
    verdict = Verdict.ACCEPTED if is_right else Verdict.WRONG_ANSWER
    assert judgement.verdict is verdict, execution.stderr


@pytest.mark.parametrize("language", _TWO_MAINS, ids=str)
async def test_tests_without_a_main_are_a_fault_of_the_check(
    strict: Sandbox, language: Language
) -> None:
    """The program's own would be run in its place, and pass."""
    program, _ = _TWO_MAINS[language]
    with pytest.raises(UnusableTestsError, match="they hold no `main`"):
        await _run(strict, language, program, PassesTests(tests="// check add later"))


async def test_what_does_not_compile_for_its_tests_says_what_to_do(strict: Sandbox) -> None:
    """The line is none of the program's, so its place tells a model nothing."""
    tests = "class T { public static void main(String[] words) { assert Main.add(1, 2) == 3; } }"
    program = "class Main { static int sum(int a, int b) { return a + b; } }"
    judgement, _ = await _run(strict, Language.JAVA, program, PassesTests(tests=tests))
    assert judgement.verdict is Verdict.COMPILE_ERROR
    assert judgement.hint.endswith("define each name that they ask for, and none of theirs")


async def test_a_main_of_go_that_leaves_its_tests_has_not_passed_them(strict: Sandbox) -> None:
    """Its `main` has another name with us, and what calls it is ours."""
    program = (
        'package main\n\nimport "os"\n\nfunc add(a, b int) int {\n\tos.Exit(0)\n\treturn 3\n}\n'
    )
    tests = 'func main() {\n\tif add(1, 2) != 3 {\n\t\tpanic("no")\n\t}\n}\n'
    judgement, _ = await _run(strict, Language.GO, program, PassesTests(tests=tests))
    assert judgement.verdict is Verdict.WRONG_ANSWER
