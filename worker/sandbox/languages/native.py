"""C, C++, Rust and Go: a compiler makes one file, which is the program."""

import re
from collections.abc import Sequence
from dataclasses import replace

from jobs.languages import Language
from worker.sandbox.contract import Harness

from .errors import ErrorForm
from .looks import with_braces
from .row import (
    ANSWER_DESCRIPTOR,
    COMPILER_LIMITS,
    NOTHING,
    QUESTION_DESCRIPTOR,
    Compiling,
    LanguageRow,
    Source,
    Tool,
    Trial,
    lines_that_begin,
)

PROGRAM = "program"
"""What the compiler is to call what it makes."""
# The linker gives this the place of `main`, and the program's own the other name.
_HARNESS = f"""\
#include <unistd.h>
#ifdef __cplusplus
extern "C"
{{
#endif
int __real_main(int n_words, char **words, char **variables);
int __wrap_main(int n_words, char **words, char **variables);
int __wrap_main(int n_words, char **words, char **variables)
{{
    int code = __real_main(n_words, words, variables);
    char nonce[64];
    ssize_t n = code == 0 ? read({QUESTION_DESCRIPTOR}, nonce, sizeof nonce) : 0;
    return n > 0 && write({ANSWER_DESCRIPTOR}, nonce, (size_t)n) < n ? 1 : code;
}}
#ifdef __cplusplus
}}
#endif
"""
_WRAPPED = "-Wl,--wrap=main"
_OWN = "of_the_program"
# Up to the tests `main` is another word: a program may have one of its own.
_RENAMED, _NAMED = f"-Dmain=main_{_OWN}", "#undef main"
_AFTER = "after the program, in its file; their `main` is run, and its return of 0 is their end"
_MAIN = re.compile(r"\bmain\s*\(")


class _Wrapped:
    """Tests follow the program, and a file of ours stands beside it around their `main`."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        between: str = "",
        own_main: re.Pattern[str] = NOTHING,
    ) -> None:
        """`between` is a line between the two; `own_main` finds a `main` of the program's, which makes room."""
        self._name = name
        self._words = words
        self._between = between
        self._own_main = own_main

    def __call__(self, program: str, harness: Harness) -> Source:
        if harness.tests is None:
            return Source(f"work/{self._name}", program, words={"{harness}": ()})
        own = self._own_main.sub(rf"\g<0>_{_OWN}", program)
        text = f"{own}\n{self._between}\n{harness.tests}\n"
        beside = {"work/harness.c": _HARNESS}
        return Source(f"work/{self._name}", text, beside, {"{harness}": self._words})


C = LanguageRow(
    language=Language.C,
    title="C",
    description="C (C17), in one file, with nothing but the C library",
    labels=("c", "h"),
    suffixes=(".c",),
    tool=Tool(("gcc", "cc", "clang"), "gcc libc6-dev"),
    source=_Wrapped("program.c", (_RENAMED, "harness.c", _WRAPPED), _NAMED),
    tests_begin_at=_MAIN,
    compiling=Compiling(
        ("{tool}", "-std=gnu17", "-O2", "-o", PROGRAM, "program.c", "{harness}", "-lm", "-pthread")
    ),
    run=(f"{{scratch}}/work/{PROGRAM}",),
    hello='#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); return 0; }\n',
    tests=_AFTER,
    errors=ErrorForm(
        run=re.compile(
            r"\S*program: \S*program\.\w+:(?P<line>\d+): (?:(?P<function>.*): )?(?P<words>Assertion .* failed\.)$"
        ),
        compile=re.compile(
            r"(?:\S*program\.\w+:(?P<line>\d+):(?:\d+:)? (?P<name>(?:fatal )?error): (?P<words>.+)"
            r"|.*program\.\w+:.*(?P<link>undefined reference to .+)|.*(?P<linker>multiple definition of .+))$"
        ),
        assertion=re.compile(r"Assertion "),
    ),
    looks=with_braces(
        "int|void|char|long|double|float|unsigned|static|const|struct|typedef|enum|union|return|if|else|for|while"
        "|switch|case|break|continue|sizeof",
        r"^\s*#include\s*[<\"]|\bint\s+main\s*\(|^\s*(?:int|void|char|long|double|static|struct)\b.*[;{]$",
        r"^(?:static\s+)?[\w*]+\s+\**(\w+)\s*\(",
    ),
    # Only what is touched counts, so that a program that asks for too much is caught by the watcher.
    private_memory_room_mib=1024,
    bounds_address_space=False,
    # What perror() and its like write, and last: after another line it has gone on.
    denied_words=lines_that_begin(r".*: Operation not permitted$(?!\n.)"),
    file_size_words=lines_that_begin(r".*: File too large$"),
)
CPP = replace(
    C,
    language=Language.CPP,
    title="C++",
    description="C++ (C++17), in one file, with nothing but the standard library",
    labels=("cpp", "c++", "cxx", "cc", "hpp"),
    suffixes=(".cpp", ".cc", ".cxx"),
    tool=Tool(("g++", "c++", "clang++"), "g++"),
    source=_Wrapped("program.cpp", (_RENAMED, "harness.c", _WRAPPED), _NAMED),
    compiling=Compiling(
        ("{tool}", "-std=gnu++17", "-O2", "-o", PROGRAM, "program.cpp", "{harness}", "-pthread")
    ),
    hello="#include <iostream>\nint main() { std::cout << 6 * 7 << std::endl; }\n",
    errors=replace(
        C.errors,
        run=re.compile(
            r"(?:\S*program: \S*program\.\w+:(?P<line>\d+): (?:(?P<function>.*): )?(?P<words>Assertion .* failed\.)"
            r"|terminate called after throwing an instance of '(?P<name>[^']+)')$"
        ),
        continued=re.compile(r"  what\(\):  (?P<words>.*)$"),
    ),
    looks=with_braces(
        "int|void|char|long|double|float|auto|unsigned|static|const|struct|class|template|namespace|using|return|if"
        "|else|for|while|switch|case|break|continue|public|private",
        r"^\s*#include\s*<|\bint\s+main\s*\(|\bstd::\w|\bcout\s*<<|\busing namespace\b|^template\s*<",
        r"^(?:static\s+|inline\s+)?[\w:<>,*& ]+[ *&](\w+)\s*\(",
    ),
    memory_words=lines_that_begin(
        "terminate called after throwing an instance of 'std::bad_(?:alloc|array_new_length)'"
    ),
)
RUST = LanguageRow(
    language=Language.RUST,
    title="Rust",
    description="Rust (edition 2021), in one file, with nothing but the standard library",
    labels=("rust", "rs"),
    suffixes=(".rs",),
    tool=Tool(
        ("rustc",),
        "rustc",
        # A version manager's own `rustc` starts another one, if it is told which.
        trial=Trial(("--print", "sysroot"), "it does not say where its libraries are"),
    ),
    source=_Wrapped(
        "program.rs",
        ("-C", "link-arg=harness.c", "-C", f"link-arg={_WRAPPED}"),
        own_main=re.compile(r"^(?:pub[ \t]+)?fn[ \t]+main\b", re.MULTILINE),
    ),
    tests_begin_at=_MAIN,
    compiling=Compiling(
        ("{tool}", "--edition=2021", "-O", "-o", PROGRAM, "program.rs", "{harness}")
    ),
    run=C.run,
    hello='fn main() { println!("{}", 6 * 7); }\n',
    tests=_AFTER,
    errors=ErrorForm(
        run=re.compile(
            # Up to 1.72 the words stand between the quotes, and may go on below.
            r"thread '[^']*'(?: \(\d+\))? (?P<name>panicked) at "
            r"(?:(?:'(?P<words>.*)', )?(?:program\.rs:(?P<line>\d+)|\S+):\d+:?|'(?P<words2>.*))$"
        ),
        continued=re.compile(r"(?P<words>\S.*)$"),
        compile=re.compile(r"(?P<name>error(?:\[E\d+\])?): (?P<words>.+)$"),
        place=re.compile(r"\s*--> program\.rs:(?P<line>\d+):\d+$"),
        assertion=re.compile(r"assertion "),
    ),
    looks=with_braces(
        "fn|let|use|mod|pub|struct|enum|impl|trait|match|if|else|for|while|loop|return|static|const",
        r"\bfn \w+\s*[<(]|^\s*use \w+::|\blet (?:mut )?\w+|\bprintln!\(|^impl\b",
        r"^(?:pub\s+)?(?:fn|struct|enum|trait)\s+(\w+)",
    ),
    private_memory_room_mib=1024,
    bounds_address_space=False,
    memory_words=lines_that_begin(r"memory allocation of \d+ bytes failed"),
    # Up to 1.72 behind the place, since then below it.
    denied_words=lines_that_begin(
        r"(?:thread '[^'\n]*'.* panicked at ')?called `Result::\w+\(\)` on an `Err` value: Os \{ code: 1, "
    ),
)

_GO_MAIN = re.compile(r"^func[ \t]+main[ \t]*\([ \t]*\)", re.MULTILINE)
_GO_FILE = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*(?:(?P<package>package)|import)\b", re.DOTALL)
_GO_PACKAGE = re.compile(r"^package[ \t]+(\w+)", re.MULTILINE)
_GO_ANSWER = (
    f"b := make([]byte, 64); n, _ := syscall.Read({QUESTION_DESCRIPTOR}, b); "
    f"if n > 0 {{ syscall.Write({ANSWER_DESCRIPTOR}, b[:n]) }}"
)
_GO_AFTER_MAIN = (
    f'package main\n\nimport "syscall"\n\nfunc main() {{ promptmillMain(); {_GO_ANSWER} }}\n'
)
_GO_AFTER_TESTS = (
    'package {package}\n\nimport (\n\t"os"\n\t"syscall"\n\t"testing"\n)\n\n'
    "func TestMain(m *testing.M) {\n\tcode := m.Run()\n\tif code == 0 { " + _GO_ANSWER + " }\n"
    "\tos.Exit(code)\n}\n"
)
_GO_BUILD, _GO_TEST = ("build",), ("test", "-c", "-vet=off")


def _go_source(program: str, harness: Harness) -> Source:
    """Tests of the kind that `go test` runs need a name of their own; others bring the `main`.

    Those that begin as a file does are one, and all others continue the program's.
    """
    if harness.tests is None:
        return Source("work/program.go", program, words={"{how}": _GO_BUILD, "{harness}": ()})
    tests, found = harness.tests, _GO_PACKAGE.search(program)
    package = found[1] if found else "main"
    has_main = _GO_MAIN.search(tests) is not None
    if has_main:
        program = _GO_MAIN.sub("func promptmillProgram()", program)
        tests = _GO_MAIN.sub("func promptmillMain()", tests)
    ours = _GO_AFTER_MAIN if has_main else _GO_AFTER_TESTS.replace("{package}", package)
    suffix = "" if has_main else "_test"
    beside = {f"work/harness{suffix}.go": ours}
    start = _GO_FILE.match(tests)
    name, text = f"program{suffix}.go", f"{program}\n\n{tests}\n"
    if start is not None:
        clause = "" if start["package"] else f"package {package}; "
        name, text = "program.go", program
        beside[f"work/tests{suffix}.go"] = f"{clause}{tests}\n"
    words = {
        "{how}": _GO_BUILD if has_main else _GO_TEST,
        "{harness}": tuple(each.removeprefix("work/") for each in beside),
    }
    return Source(f"work/{name}", text, beside, words)


GO = LanguageRow(
    language=Language.GO,
    title="Go",
    description="Go, as one file of package main, with nothing but its standard library",
    labels=("go", "golang"),
    suffixes=(".go",),
    tool=Tool(("go",), "golang-go", version_question=("version",)),
    source=_go_source,
    compiling=Compiling(
        (
            "/usr/bin/env",
            "GOCACHE={scratch}/tmp/cache",
            "GO111MODULE=off",
            "GOTOOLCHAIN=local",
            "GOFLAGS=-p=2",
            "CGO_ENABLED=0",
            "{tool}",
            "{how}",
            "-o",
            PROGRAM,
            "{file}",
            "{harness}",
        ),
        # From 1.20 on it brings no compiled library, and makes what a program needs of it anew.
        limits=COMPILER_LIMITS.model_copy(
            update={"cpu_seconds": 120.0, "wall_seconds": 180.0, "scratch_mib": 256}
        ),
    ),
    run=C.run,
    hello='package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(6 * 7) }\n',
    tests=(
        "after the program, in its file, or in one of their own if they begin with `package` or `import`: their `main` "
        "is run, or functions that `go test` runs"
    ),
    tests_begin_at=re.compile(r"^func[ \t]+(?:main|Test|Example|Fuzz)", re.MULTILINE),
    errors=ErrorForm(
        run=re.compile(
            r"(?P<name>panic|fatal error): (?P<words>.+)$|--- (?P<test>FAIL): (?P<function>\w+)"
        ),
        continued=re.compile(
            r"    \S*(?:program_test\.go:(?P<line>\d+)|tests_test\.go:\d+): (?P<words>.*)$"
        ),
        compile=re.compile(r"\S*program(?:_test)?\.go:(?P<line>\d+):(?:\d+:)? (?P<words>.+)$"),
        frame=re.compile(r"\t\S*program(?:_test)?\.go:(?P<line>\d+)"),
        frame_name=re.compile(r"\S+?\.(?P<function>\w+(?:\.\w+)*)\("),
        assertion=re.compile(r"--- FAIL"),
    ),
    looks=with_braces(
        "package|import|func|var|const|type|return|if|else|for|switch|case|go|defer|select",
        r"^package \w+$|^\s*func\s*(?:\(\w|\w)|:=|\bfmt\.\w+\(",
        r"^(?:func|type)\s+(?:\([^)]*\)\s*)?(\w+)",
    ),
    bounds_address_space=False,
    private_memory_room_mib=1024,
    processes_room=32,
    memory_words=lines_that_begin(
        "(?:fatal error: )?runtime: (?:out of memory|cannot allocate memory)",
        "fatal error: (?:out of memory|cannot allocate memory)",
    ),
    denied_words=lines_that_begin("panic: .*operation not permitted$"),
    file_size_words=lines_that_begin("panic: .*file too large$"),
)
