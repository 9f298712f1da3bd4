"""The language table: how a program of each language is written down, started, tested and understood when it fails."""

import re
from dataclasses import dataclass
from typing import assert_never

from jobs.languages import Language

from .contract import Harness

QUESTION_DESCRIPTOR = 3
"""Where a program's harness finds the nonce, or the calls it is to make."""
ANSWER_DESCRIPTOR = 4
"""Where it hands the nonce back, or what the calls returned."""

_ESM = re.compile(r"^[ \t]*(?:import\s*[\w{*'\"]|export\s+[\w{*])", re.MULTILINE)


# A compiler quotes a line or two. What a program has printed before may be longer, and is not searched for its words.
_COMPILERS_CHARACTERS = 65_536


@dataclass(frozen=True)
class CompileError:
    """How a compiler speaks, line by line: a pattern over many lines could be made to search for hours."""

    first_line: re.Pattern[str] | None
    """How its first line begins; None where it may come after output of the program."""
    error_line: re.Pattern[str]
    """How the line begins that names the error."""
    never_after: str
    """What stands after that only where the error was raised by a running program; empty where nothing tells."""

    def is_said_in(self, stderr: str) -> bool:
        """Whether this is the compiler's word."""
        lines = stderr[:_COMPILERS_CHARACTERS].splitlines()
        if self.first_line is not None and not (lines and self.first_line.match(lines[0])):
            return False
        said = next((n for n, line in enumerate(lines) if self.error_line.match(line)), None)
        if said is None:
            return False
        return not self.never_after or self.never_after not in "\n".join(lines[said + 1 :])


@dataclass(frozen=True)
class LanguageRow:
    """What the sandbox knows about one language."""

    interpreter_names: tuple[str, ...]
    """What to look for, best first."""
    apt_package: str
    bounds_address_space: bool
    """Whether RLIMIT_AS may be set near the memory limit; a JIT reserves far more than it uses."""
    private_memory_room_mib: int
    """How far RLIMIT_DATA lies above the memory limit.

    It counts what is mapped, 48 MiB in an idle node, and V8 crashes without a word where it is refused memory. The
    watcher, which counts what is used, has to come first.
    """
    memory_marks: tuple[str, ...]
    """What standard error says, after a line break, where an allocation was refused."""
    compile_error: "CompileError"
    """What standard error of a program looks like that the language itself refused."""
    tests_prologue: str
    """One line between the program and its tests."""
    tests_epilogue: str
    """What follows the tests: reached only if they ended without an error, it hands the nonce back."""
    calls_epilogue: str
    """What makes the calls of `MatchesCalls` and says what they returned; empty where a language has no values."""
    denied_marks: tuple[str, ...]
    """What standard error says, after a line break, where the sandbox refused a call."""
    file_size_marks: tuple[str, ...] = ()
    """What standard error says where a file would have grown too large and the kernel sent no signal."""


@dataclass(frozen=True)
class Source:
    """The file to run."""

    name: str
    """Below the scratch directory."""
    text: str


# An import() works in both kinds of module, and in programs that have a `require` of their own.
_NODE_EPILOGUE = (
    ";import('node:fs').then(fs=>{const b=Buffer.alloc(64);"
    f"fs.writeSync({ANSWER_DESCRIPTOR},b,0,fs.readSync({QUESTION_DESCRIPTOR},b))}});"
)
# Node's own prints a line and goes on.
_NODE_ASSERT = (
    ";console.assert=(ok,...words)=>"
    "{if(!ok)throw new Error(words.length?words.map(String).join(' '):'Assertion failed')};"
)
# Tests are written for either kind of module, and most begin with require('assert').
_ESM_REQUIRE = (
    "import {createRequire as _createRequire} from 'node:module';"
    "globalThis.require??=_createRequire(import.meta.url)"
)

# Nothing in these decides anything: values are compared where the program cannot reach. Each stops at the first call
# that went wrong, whose error standard error shows. Both keep to names of their own, and the second reaches built-in
# functions by a way that a program rarely spoils by accident: many call something `list` or `type`.
_NODE_CALLS = (
    # No entry point holds a $, so none is hidden from `eval` by a name of ours.
    ";import('node:fs').then($fs=>{"
    "const $plain=$value=>{"
    "if($value===null||['string','boolean'].includes(typeof $value)||Number.isFinite($value))return $value;"
    "if(Array.isArray($value))return Array.from($value,$item=>$plain($item));"
    "const $made=typeof $value==='object'?Object.getPrototypeOf($value):undefined;"
    "if($made===Object.prototype||$made===null)"
    "return Object.fromEntries(Object.entries($value).map(([$key,$item])=>[$key,$plain($item)]));"
    "throw{unfit:typeof $value==='object'?String($made.constructor?.name):"
    "typeof $value==='number'?String($value):typeof $value}};"
    f"const $asked=JSON.parse($fs.readFileSync({QUESTION_DESCRIPTOR},'utf8'));"
    "for(const $call of $asked.calls){let $answer;"
    "try{$answer={value:$plain(eval($asked.entryPoint)(...$call.arguments))}}"
    "catch($error){"
    "if(typeof $error?.unfit==='string')$answer={unfit:$error.unfit};"
    "else{$answer={error:String($error)};console.error($error)}}"
    f"$fs.writeSync({ANSWER_DESCRIPTOR},JSON.stringify($answer)+'\\n');"
    "if(!('value'in $answer))break}});"
)
_PYTHON_CALLS = f"""
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

ROWS = {
    Language.PYTHON: LanguageRow(
        interpreter_names=("python3",),
        apt_package="python3",
        bounds_address_space=True,
        private_memory_room_mib=0,
        memory_marks=("MemoryError", "OSError: [Errno 12]", "BlockingIOError: [Errno 12]"),
        # Only the compiler speaks of the program's own file without a traceback.
        compile_error=CompileError(
            first_line=re.compile(
                r'  File "[^"]*/work/program\.py", line \d+$|(?:Syntax|Indentation|Tab)Error: '
            ),
            error_line=re.compile(r"(?:Syntax|Indentation|Tab)Error: "),
            never_after="",
        ),
        tests_prologue="",
        tests_epilogue=f"import posix as _p; _p.write({ANSWER_DESCRIPTOR}, _p.read({QUESTION_DESCRIPTOR}, 64))",
        calls_epilogue=_PYTHON_CALLS,
        denied_marks=("PermissionError: [Errno 1] ",),
        file_size_marks=("OSError: [Errno 27] ",),
    ),
    Language.JAVASCRIPT: LanguageRow(
        interpreter_names=("node", "nodejs"),
        apt_package="nodejs",
        bounds_address_space=False,
        private_memory_room_mib=256,
        memory_marks=(
            "FATAL ERROR: ",
            "RangeError: Array buffer allocation failed",
            "# Fatal process out of memory",
            "# Fatal JavaScript out of memory",
        ),
        # A SyntaxError thrown while running has a stack that passes through the program.
        compile_error=CompileError(
            first_line=re.compile(r"(?:file://)?.*/work/program\.[cm]js:\d+$"),
            error_line=re.compile(r"SyntaxError: "),
            never_after="/work/program.",
        ),
        tests_prologue=_NODE_ASSERT,
        tests_epilogue=_NODE_EPILOGUE,
        calls_epilogue=_NODE_CALLS,
        denied_marks=("Error: EPERM: operation not permitted", "Error: spawn EPERM"),
    ),
    Language.SH: LanguageRow(
        interpreter_names=("sh",),
        apt_package="dash",
        bounds_address_space=True,
        private_memory_room_mib=0,
        memory_marks=("Out of space", "Cannot allocate memory", "memory exhausted"),
        compile_error=CompileError(
            first_line=None,
            error_line=re.compile(r".*/work/program\.sh: (?:line )?\d+: [Ss]yntax error"),
            never_after="",
        ),
        # Without it a failing test would be followed by the epilogue.
        tests_prologue="set -e",
        tests_epilogue=(
            f'IFS= read -r _nonce <&{QUESTION_DESCRIPTOR}; command printf "%s" "$_nonce" >&{ANSWER_DESCRIPTOR}'
        ),
        calls_epilogue="",
        denied_marks=(),
    ),
}


def source_of(language: Language, program: str, harness: Harness) -> Source:
    """The file to run. The program comes first, so that the lines of its errors are right."""
    name = _file_name(language, program)
    row = ROWS[language]
    if harness.tests is not None:
        prologue = (_ESM_REQUIRE if name.endswith(".mjs") else "") + row.tests_prologue
        return Source(
            f"work/{name}", f"{program}\n{prologue}\n{harness.tests}\n{row.tests_epilogue}\n"
        )
    if harness.calls is not None:
        return Source(f"work/{name}", f"{program}\n{row.calls_epilogue}\n")
    return Source(f"work/{name}", program)


def ran_out_of_memory(language: Language, stderr: str) -> bool:
    """Whether a program that failed says so itself."""
    return any(f"\n{mark}" in f"\n{stderr}" for mark in ROWS[language].memory_marks)


def was_denied(language: Language, stderr: str) -> bool:
    """Whether a program that failed says that it failed of a refusal of ours."""
    return any(f"\n{mark}" in f"\n{stderr}" for mark in ROWS[language].denied_marks)


def grew_a_file_too_large(language: Language, stderr: str) -> bool:
    """Whether a program that failed says that it failed of the limit on files."""
    return any(f"\n{mark}" in f"\n{stderr}" for mark in ROWS[language].file_size_marks)


def was_refused_by_compiler(language: Language, stderr: str) -> bool:
    """Whether the language's own check refused the program."""
    return ROWS[language].compile_error.is_said_in(stderr)


def _file_name(language: Language, program: str) -> str:
    match language:
        case Language.PYTHON:
            return "program.py"
        case Language.JAVASCRIPT:
            return "program.mjs" if _ESM.search(program) else "program.cjs"
        case Language.SH:
            return "program.sh"
        case _:
            assert_never(language)
