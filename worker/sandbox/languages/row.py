"""What a row of the language table holds."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from jobs.languages import Language
from jobs.limits import Limits
from worker.sandbox.contract import Harness

from .errors import CompileError, ErrorForm
from .looks import Looks

QUESTION_DESCRIPTOR = 3
"""Where a program's harness finds the nonce, or the calls it is to make."""
ANSWER_DESCRIPTOR = 4
"""Where it hands the nonce back, or what the calls returned."""

COMPILER_LIMITS = Limits(
    cpu_seconds=30,
    wall_seconds=60,
    memory_mib=1024,
    output_kib=256,
    file_size_mib=64,
    scratch_mib=64,
    processes=128,
    open_files=256,
)
NOTHING: re.Pattern[str] = re.compile(r"(?!)")
"""Matches no text."""
_NONE: Mapping[str, str] = MappingProxyType({})
_NO_WORDS: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Source:
    """The file to run or to compile."""

    name: str
    """Below the scratch directory."""
    text: str
    beside: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """Further files of ours, by name."""
    words: Mapping[str, Sequence[str]] = field(default_factory=lambda: _NO_WORDS)
    """What stands for a word of the row's commands, where that depends on the program."""


@dataclass(frozen=True)
class Trial:
    """How to find out whether a tool that was found is fit: by having it do what it is needed for."""

    arguments: tuple[str, ...]
    """`{file}` stands for a file that holds `program`."""
    what: str
    """What one that fails cannot do, in words."""
    file_name: str = ""
    program: str = ""
    flags: tuple[tuple[str, ...], ...] = ((),)
    """To be tried in this order before the arguments; the first with which it ends well are used with programs too."""


@dataclass(frozen=True)
class Tool:
    """The interpreter, or the compiler, of a language."""

    names: tuple[str, ...]
    """What to look for, best first."""
    apt_package: str
    version_question: tuple[str, ...] = ("--version",)
    stands_alone: bool = False
    """Whether it is one file, which can be shown to programs wherever it lies; else it has to lie below `/usr`."""
    trial: Trial | None = None


@dataclass(frozen=True)
class Compiling:
    """How a program is made before it is run: in a run of its own, of which only files come out."""

    command: tuple[str, ...]
    limits: Limits = COMPILER_LIMITS
    """The compiler's own, whatever those of the program are."""


@dataclass(frozen=True)
class LanguageRow:
    """All that is known of one language.

    In commands `{tool}` stands for what was found, `{folder}` for where it lies, `{flags}` for what its trial found
    out, `{source}` for the program's file and `{file}` for
    its name, `{memory_mib}` for its limit of memory, and `{scratch}` for its directory.
    """

    language: Language
    title: str
    """Its name for people."""
    description: str
    """What the model is told to write."""
    labels: tuple[str, ...]
    """What code blocks of it are labelled, and the endings of its files; a shell's are those of all shells."""
    suffixes: tuple[str, ...]
    """Endings of files that can be nothing else, the usual one first."""
    tool: Tool
    source: Callable[[str, Harness], Source]
    """The program comes first in it, so that the lines of its errors are right."""
    run: tuple[str, ...]
    hello: str
    """A program that prints 42."""
    tests: str
    """How tests are attached, in words."""
    errors: ErrorForm
    compiling: Compiling | None = None
    compile_error: CompileError | None = None
    """How the language's own check speaks where that is no run of its own."""
    looks: Looks | None = None
    """How its programs are told from prose; None where there is a better way."""
    bounds_address_space: bool = True
    """Whether RLIMIT_AS may be set near the memory limit; a JIT reserves far more than it uses."""
    private_memory_room_mib: int = 0
    """How far RLIMIT_DATA lies above the memory limit.

    It counts what is mapped, 570 MiB in an idle node, and V8 crashes without a word where it is refused memory. The
    watcher, which counts what is used, has to come first.
    """
    processes_room: int = 0
    """Threads of the runtime's own, beyond the program's limit."""
    least_open_files: int = 0
    """Below which it does not start."""
    readable: tuple[str, ...] = ()
    """Paths outside `/usr` that it needs; patterns are allowed."""
    memory_words: re.Pattern[str] = NOTHING
    """What standard error says, at the start of a line, where an allocation was refused."""
    denied_words: re.Pattern[str] = NOTHING
    """What it says where the sandbox refused a call."""
    file_size_words: re.Pattern[str] = NOTHING
    """What it says where a file would have grown too large, for it or for a command of its own."""
    tests_begin_at: re.Pattern[str] | None = None
    """What is found in tests that are run at all; None where they are run as they stand."""
    tests_fail_by: Literal["assertion", "exit code", "either"] = "either"
    """How a test says no: by an assertion, by any exit code, or by an exit code where no error is reported."""


def lines_that_begin(*beginnings: str) -> re.Pattern[str]:
    """A pattern for lines that begin so; each is a regular expression that stays within its line."""
    return re.compile(rf"^(?:{'|'.join(beginnings)})", re.MULTILINE)


@dataclass(frozen=True)
class Appended:
    """Tests and calls stand in the program's own file, after it, and a last line of ours after them."""

    name: str | Callable[[str], str]
    tests_prologue: str | Callable[[str], str]
    """One line between the program and its tests."""
    tests_epilogue: str
    """What follows the tests: reached only if they ended without an error, it hands the nonce back."""
    calls_epilogue: str = ""
    """What makes the calls of `MatchesCalls` and says what they returned; empty where a language has no values."""

    def __call__(self, program: str, harness: Harness) -> Source:
        """The one file."""
        name = self.name if isinstance(self.name, str) else self.name(program)
        if harness.tests is not None:
            prologue = self.tests_prologue
            between = prologue if isinstance(prologue, str) else prologue(program)
            text = f"{program}\n{between}\n{harness.tests}\n{self.tests_epilogue}\n"
        elif harness.calls is not None:
            text = f"{program}\n{self.calls_epilogue}\n"
        else:
            text = program
        return Source(f"work/{name}", text)
