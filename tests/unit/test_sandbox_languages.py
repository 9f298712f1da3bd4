"""The language table: files, lines and the words of failing programs."""

from pathlib import Path

import pytest

from jobs.languages import Language
from worker.sandbox import NO_HARNESS, Harness
from worker.sandbox.languages import (
    ROWS,
    LanguageRow,
    grew_a_file_too_large,
    language_of,
    ran_out_of_memory,
    source_of,
    was_denied,
    was_refused_by_compiler,
)
from worker.sandbox.languages.reference import languages_page


def test_every_language_has_a_row() -> None:
    """A language that can be asked for and not be run is a crash in the middle of a night."""
    assert set(ROWS) == set(Language)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("import fs from 'fs';", "work/program.mjs"),
        ("import 'fs';", "work/program.mjs"),
        ("const a = 1;\nexport { a };", "work/program.mjs"),
        ("export default function () {}", "work/program.mjs"),
        ("export const a = 1;", "work/program.mjs"),
        ("const fs = require('fs');", "work/program.cjs"),
        ("exports.a = 1;", "work/program.cjs"),
        ("const m = await_import('x'); import('fs');", "work/program.cjs"),
        ("// import nothing\nconst important = 1;", "work/program.cjs"),
    ],
)
def test_the_kind_of_a_javascript_file_follows_its_source(program: str, name: str) -> None:
    """Node refuses `import` in one kind and `require` in the other."""
    assert source_of(Language.JAVASCRIPT, program, NO_HARNESS).name == name


@pytest.mark.parametrize("language", list(Language), ids=str)
def test_a_program_keeps_its_lines_with_tests_after_it(language: Language) -> None:
    """Errors name lines; the model knows only those of its own program."""
    program = "first\nsecond"
    text = source_of(language, program, Harness(tests="tests")).text
    assert text.startswith(f"{program}\n")
    assert text.splitlines()[3] == "tests"


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.language.value)
def test_no_label_and_no_ending_is_forgotten(row: LanguageRow) -> None:
    """The name that a job gives is what the model is asked to label its program with."""
    assert row.language.value in row.labels
    assert all(language_of(Path(f"a{suffix}")) is row.language for suffix in row.suffixes)
    assert row.compiling is not None or row.compile_error is not None


@pytest.mark.parametrize(
    ("program", "file", "main"),
    [
        ("class A { public static void main(String[] a) {} }", "A.java", "A"),
        ("class A {} public class B { static void main(String[] a) {} }", "B.java", "B"),
        ("class A { static void main(String[] a) {} } public class B {}", "B.java", "A"),
        ("package x.y;\nclass A { static void main(String[] a) {} }", "A.java", "x.y.A"),
        (
            "// class C { static void main(\nclass A { static void main(String[] a) {} }",
            "A.java",
            "A",
        ),
        ('class A { String s = "} class C {"; static void main(String[] a) {} }', "A.java", "A"),
        ("class A { class C { static void main(String[] a) {} } }\nclass B {}", "A.java", "A"),
        (
            "record A(int x) {}\nenum B { C; public static void main(String... a) {} }",
            "B.java",
            "B",
        ),
        ("int x;", "Main.java", "Main"),
    ],
    ids=["one", "public", "both", "package", "comment", "text", "nested", "kinds", "none"],
)
def test_the_class_to_start_is_found(program: str, file: str, main: str) -> None:
    """Java asks for the file to be named after one class, and for the name of the other when it is started."""
    source = source_of(Language.JAVA, program, NO_HARNESS)
    assert source.name == f"work/{file}"
    assert source.words["{main}"] == (main,)


@pytest.mark.parametrize(
    ("tests", "name", "how"),
    [
        ("func main() { f() }", "work/program.go", ("build",)),
        ("func TestF(t *testing.T) {}", "work/program_test.go", ("test", "-c", "-vet=off")),
    ],
    ids=["main", "go test"],
)
def test_both_kinds_of_tests_of_go_are_told_apart(
    tests: str, name: str, how: tuple[str, ...]
) -> None:
    """One kind is a program, the other is what `go test` makes one of."""
    source = source_of(Language.GO, "package main\n\nfunc f() {}", Harness(tests=tests))
    assert (source.name, source.words["{how}"]) == (name, how)
    assert "func main()" not in source.text


def test_the_page_about_languages_is_what_the_table_would_write(repository: Path) -> None:
    """A reference that lags behind is believed; `make docs` writes it again."""
    page = repository / "docs/reference/languages.md"
    assert page.read_text(encoding="utf-8") == languages_page()


@pytest.mark.parametrize("language", list(Language), ids=str)
def test_a_program_without_tests_is_run_as_it_is(language: Language) -> None:
    """Not a byte of ours is in what the model wrote."""
    assert source_of(language, "anything", NO_HARNESS).text == "anything"


@pytest.mark.parametrize(
    ("language", "stderr", "expected"),
    [
        (Language.PYTHON, "Traceback ...\nMemoryError\n", True),
        (Language.PYTHON, "MemoryError", True),
        (Language.PYTHON, "ValueError: MemoryError\n", False),
        (Language.PYTHON, "MemoryErrorRate: 0.5\n", False),
        (Language.PYTHON, "MemoryError: no room\n", True),
        (Language.PYTHON, "numpy._core._exceptions._ArrayMemoryError: Unable to\n", True),
        (
            Language.JAVASCRIPT,
            "\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            True,
        ),
        (Language.JAVASCRIPT, "RangeError: Array buffer allocation failed", True),
        (Language.JAVASCRIPT, "RangeError: Maximum call stack size exceeded", False),
        (Language.SH, "sort: Cannot allocate memory", False),
        (Language.CPP, "terminate called after throwing an instance of 'std::bad_alloc'", True),
        (Language.RUST, "memory allocation of 4294967296 bytes failed", True),
        (Language.GO, "fatal error: runtime: out of memory", True),
        (Language.GO, "runtime: cannot allocate memory", True),
        (
            Language.JAVA,
            'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
            True,
        ),
        (Language.RUBY, "[FATAL] failed to allocate memory", True),
        (
            Language.RUBY,
            "/s/work/program.rb:2:in `f': failed to allocate memory (NoMemoryError)",
            True,
        ),
        (Language.PERL, "Out of memory!", True),
        (Language.PHP, "Fatal error: Allowed memory size of 134217728 bytes exhausted", True),
        (Language.LUA, "lua5.4: not enough memory", True),
        (Language.R, "Error: cannot allocate vector of size 7.5 Gb", True),
        (Language.BASH, "/s/work/program.sh: line 2: xrealloc: cannot allocate 1 bytes", True),
        (Language.BASH, "/s/work/program.sh: xrealloc: cannot allocate 1 bytes", True),
        (Language.JAVA, "caught java.lang.OutOfMemoryError", False),
    ],
)
def test_a_refused_allocation_is_read_from_the_language_s_own_words(
    language: Language, stderr: str, expected: bool
) -> None:
    """The kernel says nothing when it refuses memory; the interpreter does."""
    assert ran_out_of_memory(language, stderr) is expected


@pytest.mark.parametrize(
    ("language", "stderr", "expected"),
    [
        (
            Language.PYTHON,
            '  File "/s/work/program.py", line 1\n    x=(\n      ^\nSyntaxError: never closed\n',
            True,
        ),
        (
            Language.PYTHON,
            '  File "/s/work/program.py", line 2\n    x\nIndentationError: unexpected indent\n',
            True,
        ),
        (
            Language.PYTHON,
            'Traceback (most recent call last):\n  File "/s/work/program.py", line 1\nSyntaxError: x',
            False,
        ),
        (Language.PYTHON, '  File "/s/work/other.py", line 1\nSyntaxError: x', False),
        (Language.SH, "/s/work/program.sh: 3: Syntax error: end of file unexpected", True),
        (Language.SH, "/s/work/program.sh: 1: eval: Syntax error: word unexpected", False),
    ],
)
def test_a_compile_error_is_read_from_the_language_s_own_words(
    language: Language, stderr: str, expected: bool
) -> None:
    """It asks the model for another repair than a crash does."""
    assert was_refused_by_compiler(language, stderr) is expected


@pytest.mark.parametrize(
    ("language", "stderr"),
    [
        (Language.PYTHON, '  File "/x/work/program.py", line 1\n' + "x\n" * 300_000),
        (Language.PYTHON, '  File "' * 100_000),
        (
            Language.JAVASCRIPT,
            "x/work/program.cjs:1\n" + "SyntaxError: \n" * 80_000 + "    at program.cjs\n",
        ),
        (Language.SH, "/work/program.sh: 1" * 60_000),
    ],
    ids=["python", "python file", "javascript", "sh"],
)
def test_no_output_makes_a_compiler_s_words_hard_to_find(language: Language, stderr: str) -> None:
    """They are looked for where every other job of the worker waits; a search that takes squares of a length hangs
    here."""
    assert isinstance(was_refused_by_compiler(language, stderr), bool)


@pytest.mark.parametrize(
    ("language", "stderr"),
    [
        (Language.PYTHON, "OSError: [Errno 27] File too large"),
        (
            Language.PYTHON,
            "subprocess.CalledProcessError: Command '['dd']' died with <Signals.SIGXFSZ: 25>.",
        ),
        (Language.JAVASCRIPT, "Error: EFBIG: file too large, write\n    at Object.writeSync"),
        (Language.SH, "File size limit exceeded"),
        (Language.BASH, "bash: line 1:    11 File size limit exceededyes > f"),
        (Language.C, "write: File too large"),
        (Language.CPP, "write: File too large"),
        (Language.GO, "panic: write f: file too large\n\ngoroutine 1 [running]:"),
        (Language.JAVA, 'Exception in thread "main" java.io.IOException: File too large\n\tat x'),
    ],
)
def test_a_file_that_grew_too_large_is_read_from_the_language_s_own_words(
    language: Language, stderr: str
) -> None:
    """Runtimes ignore the kernel's signal, and a shell lives on when it ends a command."""
    assert grew_a_file_too_large(language, stderr)


@pytest.mark.parametrize(
    ("language", "stderr"),
    [
        (Language.PYTHON, "PermissionError: [Errno 1] Operation not permitted: '/'"),
        (Language.JAVASCRIPT, "Error: EPERM: operation not permitted, chmod 'x'"),
        (
            Language.JAVASCRIPT,
            "SystemError [ERR_SYSTEM_ERROR]: A system error occurred: uv_os_setpriority returned EPERM (operation",
        ),
        (Language.SH, "chgrp: changing group of 'x': Operation not permitted"),
        (Language.C, "chroot: Operation not permitted"),
        (Language.GO, "panic: operation not permitted"),
        (
            Language.RUST,
            "thread 'main' panicked at 'called `Result::unwrap()` on an `Err` value: Os { code: 1, kind: Permission",
        ),
        (
            Language.RUST,
            "thread 'main' panicked at program.rs:1:43:\ncalled `Result::unwrap()` on an `Err` value: Os { code: 1, k",
        ),
        (Language.RUBY, "/s/work/program.rb:1:in `chroot': Operation not permitted (Errno::EPERM)"),
        (Language.PERL, "Operation not permitted at /s/work/program.pl line 1."),
    ],
)
def test_a_refusal_is_read_from_the_language_s_own_words(language: Language, stderr: str) -> None:
    """The model is told that what it tried is not allowed, and not that its program is wrong."""
    assert was_denied(language, stderr)


@pytest.mark.parametrize("language", list(Language), ids=str)
def test_files_that_cannot_be_read_are_no_refusal(language: Language) -> None:
    """A path that is another's, or a typing error, is the program's own fault: EACCES is not EPERM."""
    assert not was_denied(language, "open: Permission denied\nPermissionError: [Errno 13] x")
