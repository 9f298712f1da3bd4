"""What one run needs, worked out before it starts."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode

from .contract import Files, Harness
from .inside.protocol import SCRATCH_MARK, Request
from .inside.spare import PYTHON
from .interpreters import find_interpreter
from .languages import ROWS, LanguageRow, source_of

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

    Raises:
        InterpreterMissingError: nothing here runs this language.
    """
    harness, files = attached
    source = source_of(code.language, code.code, harness)
    contents = {source.name: source.text.encode("utf-8", "surrogatepass")}
    contents |= {f"work/{name}": content for name, content in files.given.items()}
    return Plan(
        language=code.language,
        limits=limits,
        stdin=stdin,
        request=_request(
            _command(code.language, source.name, limits.memory_mib, for_everybody=for_everybody),
            ROWS[code.language],
            limits,
            contents,
            files,
        ),
        contents=tuple(contents.values()),
        question=_question(harness),
        is_tested=harness.tests is not None,
    )


def _question(harness: Harness) -> str | None:
    if harness.tests is not None:
        return f"{secrets.token_hex(16)}\n"
    return None if harness.calls is None else f"{harness.calls.to_json()}\n"


def _command(
    language: Language, source: str, memory_mib: int, *, for_everybody: bool
) -> tuple[str, ...]:
    """How the file `source`, a path below the scratch directory, is started."""
    path = f"{SCRATCH_MARK}/{source}"
    if language is Language.PYTHON:
        return (PYTHON,)
    interpreter = str(find_interpreter(language, for_everybody=for_everybody))
    match language:
        case Language.JAVASCRIPT:
            return (interpreter, f"--max-old-space-size={memory_mib}", path)
        case Language.SH:
            return (interpreter, path)
        case _:
            assert_never(language)


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
        processes=limits.processes,
        open_files=limits.open_files,
        artefacts=files.most_collected,
        artefact_kib=files.most_collected_kib,
    )
