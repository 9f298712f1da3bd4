"""What ended a program, read from the words of each compiler and runtime."""

import pytest

from jobs.languages import Language
from worker.solver.tracebacks import failure_of

_C_LINKER = """\
/usr/bin/ld: /scratch/run/tmp/cc1.o: in function `main':
program.c:(.text.startup+0x5): undefined reference to `f'
collect2: error: ld returned 1 exit status
"""
_GO_DEADLOCK = """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.wait(...)
\t/scratch/run/work/program.go:5
main.main()
\t/scratch/run/work/program.go:9 +0x2c
"""
_GO_TEST = "--- FAIL: TestAdd (0.00s)\n    program_test.go:9: got -1\nFAIL\n"
_RUST_RAN = """\
thread 'main' panicked at program.rs:3:20:
index out of bounds: the len is 0 but the index is 1
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
_RUST_OLD = """\
thread 'main' panicked at 'assertion failed: `(left == right)`
  left: `-1`,
 right: `3`', program.rs:5:5
"""
_JAVA = """\
Exception in thread "main" java.lang.IllegalStateException: no
\tat Main.f(Main.java:4)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat Main.main(Main.java:2)
\tat PromptmillHarness.main(PromptmillHarness.java:3)
"""
_JAVA_DEEP = (
    'Exception in thread "main" java.lang.StackOverflowError\n' + "\tat A.f(A.java:1)\n" * 1024
)
_R_LONG = "Error in compute_something_with_a_long_name(1, 2, 3) : \n  no way\nCalls: f -> g\n"
_LUA = """\
lua5.4: /s/work/program.lua:1: no
stack traceback:
\t[C]: in function 'error'
\t/s/work/program.lua:1: in function 'f'
\t/s/work/program.lua:4: in main chunk
"""
_LIMIT = "promptmill: the compiler needed more than 30 s of CPU time\n"


@pytest.mark.parametrize(
    ("language", "stderr", "summary", "lines"),
    [
        (Language.C, _C_LINKER, "error: undefined reference to `f'", []),
        (
            Language.CPP,
            "program.cpp: In function 'int main()':\nprogram.cpp:2:3: error: a\nprogram.cpp:3:3: error: b\n",
            "line 2: a",
            [2],
        ),
        (Language.CPP, _LIMIT, "compiler: the compiler needed more than 30 s of CPU time", []),
        (Language.GO, _GO_DEADLOCK, "fatal error: all goroutines are asleep - deadlock!", [9, 5]),
        (Language.GO, _GO_TEST, "got -1", [9]),
        (Language.RUST, _RUST_RAN, "panicked: index out of bounds: the len is 0 but the index is 1", [3]),
        (Language.RUST, _RUST_OLD, "panicked: assertion failed: `(left == right)`", []),
        (
            Language.RUST,
            "error[E0425]: cannot find value `x`\n --> program.rs:7:5\n  |\n",
            "line 7: cannot find value `x`",
            [7],
        ),
        (Language.JAVA, _JAVA, "java.lang.IllegalStateException: no", [2, 4]),
        (Language.PERL, "no way at /s/work/program.pl line 2.\n", "no way", [2]),
        (Language.PERL, "no way at /s/work/program.pl line 2, <STDIN> line 1.\n", "no way", [2]),
        (
            Language.LUA,
            _LUA,
            "no",
            [4, 1],
        ),
        (Language.R, _R_LONG, "no way", []),
        (Language.R, "Error: no way\nExecution halted\n", "no way", []),
        (Language.BASH, "/s/work/program.sh: line 3: nope: command not found\n", "nope: command not found", [3]),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_its_places(
    language: Language, stderr: str, summary: str, lines: list[int]
) -> None:
    """It is what a person reads first, and what the model is shown of its own program."""
    failure = failure_of(stderr, language)
    assert failure is not None
    assert failure.summary == summary
    assert [frame.line for frame in failure.frames] == lines


def test_an_error_is_found_above_a_long_trace() -> None:
    """What is read of standard error is bounded, and a recursion without end leaves more."""
    failure = failure_of(_JAVA_DEEP, Language.JAVA)
    assert failure is not None
    assert failure.summary == "java.lang.StackOverflowError"


@pytest.mark.parametrize("language", list(Language), ids=str)
@pytest.mark.parametrize(
    "text", ["", "\n", "hello\n", "x" * 100_000, "\n" * 100_000, "Error" * 9_000]
)
def test_other_words_on_standard_error_are_no_failure_or_a_short_one(
    language: Language, text: str
) -> None:
    """Programs log there as well, and a search that takes squares of a length would hang here."""
    failure = failure_of(text, language)
    assert failure is None or len(failure.summary) <= 300
