"""JavaScript and TypeScript, both by Node.js."""

import re
from dataclasses import replace

from jobs.languages import Language

from .errors import CompileError, ErrorForm
from .looks import Looks
from .row import (
    ANSWER_DESCRIPTOR,
    QUESTION_DESCRIPTOR,
    Appended,
    LanguageRow,
    Tool,
    Trial,
    lines_that_begin,
)

_ESM = re.compile(r"^[ \t]*(?:import\s*[\w{*'\"]|export\s+[\w{*])", re.MULTILINE)

# An import() works in both kinds of module, and in programs that have a `require` or a `process` of their own.
# Tests that wait for something, as those of node:test do, end when nothing is waited for any more, and not with
# their last line.
_EPILOGUE = (
    ";import('node:fs').then(fs=>import('node:process').then(({default:p})=>{p.once('beforeExit',()=>{"
    "const b=Buffer.alloc(64);"
    f"fs.writeSync({ANSWER_DESCRIPTOR},b,0,fs.readSync({QUESTION_DESCRIPTOR},b))}})}}));"
)
# Node's own prints a line and goes on.
_ASSERT = (
    ";console.assert=(ok,...words)=>"
    "{if(!ok)throw new Error(words.length?words.map(String).join(' '):'Assertion failed')};"
)
# Tests are written for either kind of module, and most begin with require('assert').
_ESM_REQUIRE = (
    "import {createRequire as _createRequire} from 'node:module';"
    "globalThis.require??=_createRequire(import.meta.url)"
)

# Nothing in this decides anything: values are compared where the program cannot reach. It stops at the first call that
# went wrong, whose error standard error shows.
_CALLS = (
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
_LOOKS = Looks(
    line=re.compile(
        r"\s*(?://|/?\*|[)\]}]|#!|.*[;{}(\[]\s*$|.*\)\s*$|(?:const|let|var|function|class|import|export)\b)"
    ),
    proof=re.compile(
        r"\b(?:const|let|var)\s+[\w${\[]+.*=|\bfunction\b[ *]*\w*\s*\(|=>|\bconsole\.\w+\("
        r"|\brequire\(|^\s*(?:import|export)\s.*['\"{]|\bprocess\.\w+",
        re.MULTILINE,
    ),
    comment=re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE),
    effect=re.compile(r"[(=]"),
    definition=re.compile(
        r"^(?:export\s+)?(?:async\s+)?(?:function\s*\*?|class|const|let|var)\s+([\w$]+)",
        re.MULTILINE,
    ),
    load=re.compile(r"(?:\bfrom|\bimport|\brequire\()\s*['\"]\./([\w-]+)"),
)


def _is_module(program: str) -> bool:
    return _ESM.search(program) is not None


def _prologue(program: str) -> str:
    return (_ESM_REQUIRE if _is_module(program) else "") + _ASSERT


JAVASCRIPT = LanguageRow(
    language=Language.JAVASCRIPT,
    title="JavaScript",
    description="JavaScript for Node.js, with nothing but its built-in modules",
    labels=("javascript", "js", "node", "nodejs", "mjs", "cjs"),
    suffixes=(".js", ".mjs", ".cjs"),
    tool=Tool(("node", "nodejs"), "nodejs", stands_alone=True),
    source=Appended(
        name=lambda program: f"program.{'m' if _is_module(program) else 'c'}js",
        tests_prologue=_prologue,
        tests_epilogue=_EPILOGUE,
        calls_epilogue=_CALLS,
    ),
    run=("{tool}", "--max-old-space-size={memory_mib}", "{source}"),
    hello="console.log(6 * 7)",
    tests="after the program, in its file; `console.assert` throws",
    # Else the error is read from the stack in a way of its own.
    errors=ErrorForm(
        missing=re.compile(r"^ReferenceError: |is not (?:a function|a constructor|defined)\b")
    ),
    # A SyntaxError thrown while running has a stack that passes through the program.
    compile_error=CompileError(
        first_line=re.compile(r"(?:file://)?.*/work/program\.[cm]js:\d+$"),
        error_line=re.compile(r"SyntaxError: "),
        never_after="/work/program.",
    ),
    looks=_LOOKS,
    bounds_address_space=False,
    # Node.js 24 maps 570 MiB before it runs anything.
    private_memory_room_mib=1024,
    memory_words=lines_that_begin(
        "FATAL ERROR: ",
        "RangeError: Array buffer allocation failed",
        "# Fatal process out of memory",
        "# Fatal JavaScript out of memory",
    ),
    denied_words=lines_that_begin(
        "Error: EPERM: operation not permitted",
        "Error: spawn EPERM",
        r"SystemError \[ERR_SYSTEM_ERROR\]: .* returned EPERM ",
    ),
    file_size_words=lines_that_begin("Error: EFBIG: "),
    tests_fail_by="assertion",
)
TYPESCRIPT = replace(
    JAVASCRIPT,
    language=Language.TYPESCRIPT,
    title="TypeScript",
    description=(
        "TypeScript for Node.js, which takes the types away and does not check them, with nothing but its built-in "
        "modules"
    ),
    labels=("typescript", "ts", "mts", "cts"),
    suffixes=(".ts", ".mts", ".cts"),
    tool=Tool(
        ("node", "nodejs"),
        "nodejs",
        stands_alone=True,
        trial=Trial(
            arguments=("--disable-warning=ExperimentalWarning", "{file}"),
            what="it cannot take types away, as Node.js can from 22.7 on",
            file_name="trial.cts",
            program="const answer: number = 42; process.exit(answer === 42 ? 0 : 1)",
            # The first knows enums and namespaces as well.
            flags=(("--experimental-transform-types",), ("--experimental-strip-types",)),
        ),
    ),
    source=Appended(
        name=lambda program: f"program.{'m' if _is_module(program) else 'c'}ts",
        tests_prologue=_prologue,
        tests_epilogue=_EPILOGUE,
        calls_epilogue=_CALLS,
    ),
    run=(
        "{tool}",
        "{flags}",
        "--disable-warning=ExperimentalWarning",
        "--max-old-space-size={memory_mib}",
        "{source}",
    ),
    hello="const answer: number = 6 * 7; console.log(answer)",
    compile_error=CompileError(
        first_line=re.compile(r"(?:file://)?.*/work/program\.[cm]ts:\d+$"),
        error_line=re.compile(r"SyntaxError(?: \[\w+\])?: "),
        never_after="/work/program.",
    ),
)
