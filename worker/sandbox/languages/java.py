"""Java: a compiler makes class files, and a virtual machine runs the one that has `main`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from jobs.languages import Language
from worker.sandbox.contract import Harness

from .errors import ErrorForm
from .looks import with_braces
from .row import (
    ANSWER_DESCRIPTOR,
    QUESTION_DESCRIPTOR,
    Compiling,
    LanguageRow,
    Source,
    Tool,
    lines_that_begin,
)

_NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?(?:\*/|\Z)|"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
_TOKEN = re.compile(
    r"(?P<brace>[{}])|(?P<type>(?P<public>\bpublic\s+(?:(?:final|abstract|sealed|strictfp)\s+)*)?"
    r"\b(?:class|enum|interface|record)\s+(?P<name>[A-Za-z_$][\w$]*))"
    r"|(?P<main>\bstatic\s+(?:final\s+)?void\s+main\s*\()"
)
_PUBLIC = "public"
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)
_HARNESS_CLASS = "PromptmillHarness"
_HARNESS = f"""\
public class {_HARNESS_CLASS} {{
    public static void main(String[] words) throws Throwable {{
        MAIN.main(words);
        byte[] nonce = new byte[64];
        try (java.io.InputStream q = new java.io.FileInputStream("/proc/self/fd/{QUESTION_DESCRIPTOR}");
             java.io.OutputStream a = new java.io.FileOutputStream("/proc/self/fd/{ANSWER_DESCRIPTOR}")) {{
            a.write(nonce, 0, q.read(nonce));
        }}
    }}
}}
"""


@dataclass(frozen=True)
class _Type:
    name: str
    at: int
    is_public: bool
    main_at: int | None
    """Where its `main` stands."""


def _types_of(text: str) -> list[_Type]:
    """The types at the top level of a source, and which of them have a `main`."""
    found: list[_Type] = []
    for depth, token in _tokens(_without_words(text)):
        if depth == 0 and token["type"]:
            is_public = bool(token["public"])
            found.append(_Type(token["name"], token.start(), is_public, main_at=None))
        elif depth == 1 and token["main"] and found:
            found[-1] = replace(found[-1], main_at=token.start())
    return found


def _without_words(text: str) -> str:
    """Without comments and texts; all else stays in its place."""
    return _NO_CODE.sub(lambda found: " " * len(found[0]), text)


def _tokens(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["brace"]:
            depth += 1 if token["brace"] == "{" else -1
        else:
            yield depth, token


def _java_source(program: str, harness: Harness) -> Source:
    """Named after its public type, as the compiler asks; started is the first type that has `main`, else the first.

    With tests that is the first whose `main` is theirs, and a public type of theirs is the only one.
    """
    text = program if harness.tests is None else f"{program}\n\n{harness.tests}\n"
    start = 0 if harness.tests is None else len(program)
    types = _types_of(text)
    public = [one for one in types if one.is_public]
    theirs = [one for one in public if one.at >= start]
    if theirs and harness.tests is not None:
        for one in public:
            if one.at < start:
                text = text[: one.at] + " " * len(_PUBLIC) + text[one.at + len(_PUBLIC) :]
        public = theirs
    first = types[0].name if types else "Main"
    started = (one.name for one in types if one.main_at is not None and one.main_at >= start)
    main = next(started, first)
    file = public[0].name if public else main
    package = _PACKAGE.search(_without_words(text))
    folder = f"{package[1]}." if package else ""
    if harness.tests is None:
        words = {"{main}": (folder + main,), "{harness}": ()}
        return Source(f"work/{file}.java", text, words=words)
    ours = (f"package {package[1]};\n" if package else "") + _HARNESS.replace("MAIN", main)
    words = {
        "{main}": (folder + _HARNESS_CLASS,),
        "{harness}": (f"{_HARNESS_CLASS}.java",),
    }
    return Source(f"work/{file}.java", text, {f"work/{_HARNESS_CLASS}.java": ours}, words)


# One collector: each thread counts. The compiler lives too short for code that is optimised twice.
_MACHINE = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto")

JAVA = LanguageRow(
    language=Language.JAVA,
    title="Java",
    description="Java, in one file with a main method, with nothing but its standard library",
    labels=("java",),
    suffixes=(".java",),
    tool=Tool(("javac",), "default-jdk-headless"),
    source=_java_source,
    compiling=Compiling(
        (
            "{tool}",
            *(f"-J{flag}" for flag in (*_MACHINE, "-XX:TieredStopAtLevel=1", "-Xmx512m")),
            "-proc:none",
            "-encoding",
            "UTF-8",
            "-d",
            ".",
            "{file}",
            "{harness}",
        )
    ),
    run=("{folder}/java", *_MACHINE, "-Xmx{memory_mib}m", "-ea", "-cp", "{scratch}/work", "{main}"),
    hello="public class Main {\n  public static void main(String[] words) { System.out.println(6 * 7); }\n}\n",
    tests="after the program, in its file; their `main` is run; `assert` is on; its return is their end",
    tests_begin_at=re.compile(r"\bmain\s*\("),
    errors=ErrorForm(
        run=re.compile(
            r"Exception in thread \"[^\"]*\" (?P<name>[\w.$]+)(?:: (?P<words>.*))?$|Error: (?P<words2>.+)$"
        ),
        compile=re.compile(r"\w+\.java:(?P<line>\d+): (?P<name>error): (?P<words>.+)$"),
        frame=re.compile(
            rf"\tat (?!.*{_HARNESS_CLASS})(?P<function>(?!java\.|jdk\.|sun\.)\S+)\(\w+\.java:(?P<line>\d+)\)"
        ),
        assertion=re.compile(r"AssertionError"),
    ),
    looks=with_braces(
        "package|import|public|private|protected|static|final|class|interface|enum|record|return|if|else|for|while"
        "|switch|case|try|catch|throw|int|void|boolean|String",
        r"\b(?:public|private)\s+(?:static|class|void|int)\b|^import java|\bSystem\.out\.|\bclass \w+",
        r"^(?:public\s+|final\s+|abstract\s+)*(?:class|interface|enum|record)\s+(\w+)",
    ),
    bounds_address_space=False,
    private_memory_room_mib=1024,
    processes_room=64,
    readable=("/etc/java-*",),
    memory_words=lines_that_begin(
        r'Exception in thread "[^"\n]*" java\.lang\.OutOfMemoryError',
        "Exception: java.lang.OutOfMemoryError",
        "java.lang.OutOfMemoryError",
        r"# There is insufficient memory for the Java Runtime",
        "Error occurred during initialization of VM",
        r"# A fatal error: native memory",
    ),
    file_size_words=lines_that_begin(
        r'Exception in thread "[^"\n]*" java\.io\.IOException: File too large'
    ),
)
