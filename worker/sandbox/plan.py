"""What one run needs, worked out before it starts."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode

from .contract import Files, Harness
from .inside.protocol import SCRATCH_MARK, Request
from .inside.spare import PYTHON
from .interpreters import find_tool
from .languages import ROWS, LanguageRow, Source, source_of

# For what is mapped and never touched: libraries, arenas, thread stacks.
_ADDRESS_SPACE_ROOM_MIB = 1024


@dataclass(frozen=True)
class Plan:
    """One program on its way to a slot. It can be carried out again, should the slot be lost."""

    language: Language
    limits: Limits
    stdin: str
    request: Request
    contents: tuple[bytes, ...]
    """Of the request's files, in its order."""
    question: str | None
    """What the harness reads: a nonce, or calls. None where there is no harness."""
    is_tested: bool
    """Whether the question is a nonce."""
    is_compiling: bool = False
    """Whether it is the compiler that is run, and not yet a program."""

    def write_contents(self) -> int:
        """A memfd with all files one after the other, for the caller to close."""
        descriptor = os.memfd_create("files", os.MFD_CLOEXEC)
        for content in self.contents:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
        return descriptor


def plan_of(
    code: ExecutableCode,
    limits: Limits,
    stdin: str,
    attached: tuple[Harness, Files],
    *,
    for_everybody: bool,
) -> Plan:
    """Work out how this program is run. `for_everybody` passes over interpreters that only their owner can reach.

    Where the language is compiled, what was made of the program is among the files.

    Raises:
        InterpreterMissingError: nothing here runs this language.
    """
    harness, files = attached
    row = ROWS[code.language]
    source = source_of(code.language, code.code, harness)
    contents: dict[str, bytes] = {}
    if row.compiling is None:
        contents |= _written(source)
    contents |= {f"work/{name}": content for name, content in files.given.items()}
    return Plan(
        language=code.language,
        limits=limits,
        stdin=stdin,
        request=_request(
            _command(row, row.run, source, limits.memory_mib, for_everybody=for_everybody),
            row,
            limits,
            contents,
            files,
        ),
        contents=tuple(contents.values()),
        question=_question(harness),
        is_tested=harness.tests is not None,
    )


def compilation_of(
    language: Language, source: Source, limits: Limits, files: Files, *, for_everybody: bool
) -> Plan:
    """Work out how this program is compiled, and what is collected of it.

    Raises:
        InterpreterMissingError: there is no compiler for this language.
    """
    row = ROWS[language]
    assert row.compiling is not None  # noqa: S101  else there is nothing to be worked out
    contents = _written(source)
    command = _command(
        row, row.compiling.command, source, limits.memory_mib, for_everybody=for_everybody
    )
    return Plan(
        language=language,
        limits=limits,
        stdin="",
        request=_request(command, row, limits, contents, files),
        contents=tuple(contents.values()),
        question=None,
        is_tested=False,
        is_compiling=True,
    )


def _written(source: Source) -> dict[str, bytes]:
    texts = {source.name: source.text, **source.beside}
    return {name: text.encode("utf-8", "surrogatepass") for name, text in texts.items()}


def _question(harness: Harness) -> str | None:
    if harness.tests is not None:
        return f"{secrets.token_hex(16)}\n"
    return None if harness.calls is None else f"{harness.calls.to_json()}\n"


def _command(
    row: LanguageRow,
    words: Sequence[str],
    source: Source,
    memory_mib: int,
    *,
    for_everybody: bool,
) -> tuple[str, ...]:
    """These words of the table, as they are for this program on this machine."""
    if words[0] == PYTHON:
        return (PYTHON, *_filled(words[1:], source.words))
    tool = find_tool(row.language, for_everybody=for_everybody)
    values: dict[str, Sequence[str]] = {
        "{tool}": (str(tool.path),),
        "{folder}": (str(tool.path.parent),),
        "{flags}": tool.flags,
        "{source}": (f"{SCRATCH_MARK}/{source.name}",),
        "{file}": (source.name.rpartition("/")[2],),
        "{memory_mib}": (str(memory_mib),),
        **source.words,
    }
    return tuple(_filled(words, values))


def _filled(words: Sequence[str], values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for word in words:
        if word in values:
            yield from values[word]
            continue
        filled = word
        for name, parts in values.items():
            filled = filled.replace(name, " ".join(parts))
        yield filled


def _request(
    argv: tuple[str, ...],
    row: LanguageRow,
    limits: Limits,
    contents: Mapping[str, bytes],
    files: Files,
) -> Request:
    return Request(
        argv=argv,
        files=tuple(contents),
        sizes=tuple(str(len(content)) for content in contents.values()),
        cpu_seconds=limits.cpu_seconds,
        wall_seconds=limits.wall_seconds,
        memory_mib=limits.memory_mib,
        private_memory_mib=limits.memory_mib + row.private_memory_room_mib,
        address_space_mib=limits.memory_mib + _ADDRESS_SPACE_ROOM_MIB
        if row.bounds_address_space
        else 0,
        file_size_mib=limits.file_size_mib,
        processes=limits.processes + row.processes_room,
        open_files=max(limits.open_files, row.least_open_files),
        artefacts=files.most_collected,
        artefact_kib=files.most_collected_kib,
    )
