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
_AFTER = "after the program, in its file, with the `main` of both; its return of 0 is their end"


class _Wrapped:
    """Tests follow the program, and a file of ours stands beside it around their `main`."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._name = name
        self._words = words

    def __call__(self, program: str, harness: Harness) -> Source:
        if harness.tests is None:
            return Source(f"work/{self._name}", program, words={"{harness}": ()})
        text = f"{program}\n\n{harness.tests}\n"
        beside = {"work/harness.c": _HARNESS}
        return Source(f"work/{self._name}", text, beside, {"{harness}": self._words})


C = LanguageRow(
    language=Language.C,
    title="C",
    description="C (C17), in one file, with nothing but the C library",
    labels=("c", "h"),
    suffixes=(".c",),
    tool=Tool(("gcc", "cc", "clang"), "gcc libc6-dev"),
    source=_Wrapped("program.c", ("harness.c", _WRAPPED)),
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
)
CPP = replace(
    C,
    language=Language.CPP,
    title="C++",
    description="C++ (C++17), in one file, with nothing but the standard library",
    labels=("cpp", "c++", "cxx", "cc", "hpp"),
    suffixes=(".cpp", ".cc", ".cxx"),
    tool=Tool(("g++", "c++", "clang++"), "g++"),
    source=_Wrapped("program.cpp", ("harness.c", _WRAPPED)),
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
    source=_Wrapped("program.rs", ("-C", "link-arg=harness.c", "-C", f"link-arg={_WRAPPED}")),
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
)

_GO_MAIN = re.compile(r"^func[ \t]+main[ \t]*\([ \t]*\)", re.MULTILINE)
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
    """Tests of the kind that `go test` runs need a name of their own; others bring the `main`."""
    if harness.tests is None:
        return Source("work/program.go", program, words={"{how}": _GO_BUILD, "{harness}": ()})
    text = f"{program}\n\n{harness.tests}\n"
    if _GO_MAIN.search(text):
        return Source(
            "work/program.go",
            _GO_MAIN.sub("func promptmillMain()", text),
            {"work/harness.go": _GO_AFTER_MAIN},
            {"{how}": _GO_BUILD, "{harness}": ("harness.go",)},
        )
    package = _GO_PACKAGE.search(text)
    beside = _GO_AFTER_TESTS.replace("{package}", package[1] if package else "main")
    return Source(
        "work/program_test.go",
        text,
        {"work/harness_test.go": beside},
        {"{how}": _GO_TEST, "{harness}": ("harness_test.go",)},
    )


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
    tests="after the program, in its file: with the `main` of both, or with functions that `go test` runs",
    errors=ErrorForm(
        run=re.compile(
            r"(?P<name>panic|fatal error): (?P<words>.+)$|--- (?P<test>FAIL): (?P<function>\w+)"
        ),
        continued=re.compile(r"    \S*program_test\.go:(?P<line>\d+): (?P<words>.*)$"),
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
)
