"""Python, which runs in the zygote's own interpreter."""

import re
from dataclasses import replace

from jobs.languages import Language
from worker.sandbox.contract import Harness
from worker.sandbox.inside.python_program import TESTED
from worker.sandbox.inside.spare import PYTHON as OWN_INTERPRETER

from .errors import CompileError, ErrorForm
from .row import (
    ANSWER_DESCRIPTOR,
    QUESTION_DESCRIPTOR,
    Appended,
    LanguageRow,
    Source,
    Tool,
    lines_that_begin,
)

# Nothing in this decides anything: values are compared where the program cannot reach. It stops at the first call that
# went wrong, whose error standard error shows. It keeps to names of its own, and reaches built-in functions by a way
# that a program rarely spoils by accident: many call something `list` or `type`.
_CALLS = f"""
def _promptmill_answers():
    import builtins as b, json, sys
    class Unfit(b.Exception): pass
    def plain(value):
        kind = b.type(value)
        if value is None or kind in (b.bool, b.int, b.str) or kind is b.float and value - value == 0:
            return value
        if kind in (b.list, b.tuple):
            return [plain(item) for item in value]
        if kind is b.dict and b.all(b.type(key) is b.str for key in value):
            return {{key: plain(item) for key, item in value.items()}}
        if kind is b.dict:
            raise Unfit("dict with keys other than str")
        raise Unfit(b.repr(value) if kind is b.float else kind.__name__)
    def written(value):
        try:
            return json.dumps({{"value": plain(value)}})
        except b.RecursionError:
            raise Unfit("a value that is nested too deeply, or in itself") from None
        except b.ValueError:
            raise Unfit("an int with more digits than Python writes out") from None
    with b.open({QUESTION_DESCRIPTOR}) as asked, b.open({ANSWER_DESCRIPTOR}, "w") as answers:
        question = json.load(asked)
        name = question["entryPoint"]
        for call in question["calls"]:
            try:
                if name not in b.globals():
                    raise b.NameError(f"name {{name!r}} is not defined")
                value = b.globals()[name](*call["arguments"])
                b.print(written(value), file=answers, flush=True)
                continue
            except Unfit as error:
                answer = {{"unfit": b.str(error)}}
            except b.Exception as error:
                answer = {{"error": f"{{b.type(error).__name__}}: {{error}}"[:500]}}
                error.__traceback__ = error.__traceback__.tb_next
                sys.excepthook(b.type(error), error, error.__traceback__)
            b.print(json.dumps(answer), file=answers, flush=True)
            break
_promptmill_answers()
"""

# Its interpreter is ours: what runs test cases, and hands the nonce back, stands there.
_WRITTEN = Appended(name="program.py", tests_prologue="", tests_epilogue="", calls_epilogue=_CALLS)


def _python_source(program: str, harness: Harness) -> Source:
    """The one file, and the line in it where tests begin."""
    first_line = program.count("\n") + 3
    words = () if harness.tests is None else (TESTED, str(first_line))
    return replace(_WRITTEN(program, harness), words={"{harness}": words})


PYTHON = LanguageRow(
    language=Language.PYTHON,
    title="Python",
    description="Python 3, with nothing but its standard library",
    # Gemini labels code for its own tool `tool_code`.
    labels=("python", "py", "pyw", "ipython", "pycon", "python-repl", "tool_code"),
    suffixes=(".py",),
    tool=Tool(("python3",), "python3", stands_alone=True),
    source=_python_source,
    run=(OWN_INTERPRETER, "{harness}"),
    hello="print(6 * 7)",
    tests="after the program, in its file; unittest's and test functions are run at its end",
    # The error is read from tracebacks in a way of its own.
    errors=ErrorForm(),
    # Only the compiler speaks of the program's own file without a traceback.
    compile_error=CompileError(
        first_line=re.compile(
            r'  File "[^"]*/work/program\.py", line \d+$|(?:Syntax|Indentation|Tab)Error: '
        ),
        error_line=re.compile(r"(?:Syntax|Indentation|Tab)Error: "),
        never_after="",
    ),
    memory_words=lines_that_begin(
        # NumPy has one of its own.
        r"(?:numpy\.[\w.]+\._Array)?MemoryError(?::|$)",
        r"OSError: \[Errno 12\]",
        r"BlockingIOError: \[Errno 12\]",
    ),
    denied_words=lines_that_begin(r"PermissionError: \[Errno 1\] "),
    file_size_words=lines_that_begin(
        r"OSError: \[Errno 27\] ", r"subprocess\.CalledProcessError: .* died with <Signals\.SIGXFSZ"
    ),
    tests_fail_by="assertion",
)
