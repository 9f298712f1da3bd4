"""One program, from the command line through the sandbox to what is told of it."""

import asyncio
import base64
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

from pydantic import ValidationError

from config.settings import Settings
from jobs.datasets import PartialLimits
from jobs.errors import UsageError
from jobs.given_files import room_for
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation
from worker.sandbox import Files, open_sandbox, packages_of
from worker.sandbox.languages import known_suffixes, language_of

from .execution import execution_lines
from .flags import refuse_option
from .output import talk
from .program_flags import LimitFlags, Surroundings

_OWN_NAMES = {"program", *(f"program{suffix}" for suffix in known_suffixes())}
_KIB, _MIB = 1024, 1024 * 1024
_MOST_FILES = 256
_MOST_BYTES = 512 * _MIB
_NOTHING = "no program was run"
_OURS, _STDIN = "-", "standard input"


@dataclass(frozen=True)
class Tried:
    """A program that was run."""

    language: Language
    limits: Limits
    execution: Execution
    isolation: Isolation

    @property
    def ended_well(self) -> bool:
        """Whether it ended by itself, with exit code 0 and under all limits."""
        return self.execution.exit_code == 0 and self.execution.limit_hit is None

    @property
    def stdout(self) -> bytes:
        """What it wrote to standard output, byte by byte."""
        return _bytes(self.execution.stdout, self.execution.stdout_base64)

    @property
    def stderr(self) -> bytes:
        """What it wrote to standard error, byte by byte."""
        return _bytes(self.execution.stderr, self.execution.stderr_base64)

    def as_object(self) -> dict[str, object]:
        """Everything, as JSON has it."""
        parts = {"limits": self.limits, "execution": self.execution, "isolation": self.isolation}
        told = {name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()}
        return {"language": self.language.value, **told}

    def summary(self) -> Iterator[str]:
        """The facts in a few lines, not escaped."""
        yield from execution_lines(self.execution)
        missing = " ".join(self.isolation.missing)
        without = f"; without {missing}" if missing else ", every layer of it"
        yield f"sandbox   {self.isolation.profile}{without}"


def try_program(settings: Settings, program: str, given: Surroundings, limits: LimitFlags) -> Tried:
    """Run the program in this file as a worker under these settings would.

    Raises:
        UsageError: something that was given cannot be used; no program was run.
        SandboxError: the sandbox cannot be had, or failed.
    """
    text = _code_of(program, given)
    code = ExecutableCode(language=_language_of(program, given), code=text)
    bounds = _limits(settings, limits)
    files = _files(given, bounds, code)
    run = _run(settings, code, bounds, stdin=_stdin(given.stdin), files=files)
    execution, isolation = asyncio.run(run)
    return Tried(code.language, bounds, execution, isolation)


async def _run(
    settings: Settings, code: ExecutableCode, limits: Limits, *, stdin: str, files: Files
) -> tuple[Execution, Isolation]:
    python = settings.sandbox.python
    packages = packages_of(python.environment, python.preload)
    async with await open_sandbox(settings.sandbox.require, packages) as sandbox:
        execution = await sandbox.run(code, limits, stdin=stdin, files=files)
        return execution, sandbox.isolation


def _language_of(program: str, given: Surroundings) -> Language:
    language = given.language or language_of(Path(program))
    if language is None:
        name = _STDIN if program == _OURS else f"the suffix of {program}"
        names = ", ".join(known_suffixes())
        raise UsageError(
            f"{name} names no language that is known here",
            facts={"known": names},
            fixes=[f"say what it is written in: --language {'|'.join(Language)}"],
            note=_NOTHING,
        )
    return language


def _code_of(program: str, given: Surroundings) -> str:
    if program != _OURS:
        refuse_option(program, "sandbox run", "a file", note=_NOTHING)
        return _text_in(Path(program))
    if given.stdin == _OURS:
        raise UsageError(
            f"{_STDIN} cannot be both the program and what it reads",
            fixes=["name the file of one of them:  --stdin @FILE"],
            note=_NOTHING,
        )
    return _text_of_ours()


def _stdin(words: str) -> str:
    if words == _OURS:
        return _text_of_ours()
    return _text_in(Path(words[1:])) if words.startswith("@") else words


def _text_of_ours() -> str:
    raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
    return _decoded(_no_more_than_can_be_used(raw, _STDIN), _STDIN)


def _text_in(path: Path) -> str:
    return _decoded(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A FIFO would be waited for, and a device may have no end.
            raise UsageError(f"{path} cannot be read: it is no plain file", note=_NOTHING)
        with path.open("rb") as file:
            return _no_more_than_can_be_used(file.read(_MOST_BYTES + 1), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", note=_NOTHING) from None


def _no_more_than_can_be_used(raw: bytes, name: str) -> bytes:
    if len(raw) > _MOST_BYTES:
        most = f"{_MOST_BYTES // _MIB} MiB"
        raise UsageError(f"{name} cannot be used: it holds more than {most}", note=_NOTHING)
    return raw


def _decoded(raw: bytes, name: str) -> str:
    try:
        return TextIOWrapper(BytesIO(raw), "utf-8").read()
    except UnicodeDecodeError:
        raise UsageError(f"{name} cannot be read: it is not UTF-8 text", note=_NOTHING) from None


def _limits(settings: Settings, flags: LimitFlags) -> Limits:
    given = {name: value for name, value in asdict(flags).items() if value is not None}
    try:
        asked = PartialLimits.model_validate(given).over(settings.limits)
    except ValidationError as error:
        faults = {
            str(fault["loc"][0]): f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
            for fault in error.errors(include_url=False, include_input=False)
        }
        typed = ", ".join(f"{_flag_of(name)} {given.get(name)}" for name in faults)
        raise UsageError(
            f"{typed} cannot be used",
            facts={_flag_of(name): why for name, why in faults.items()},
            note=_NOTHING,
        ) from None
    capped = asked.capped_by(settings.ceiling)
    for name in given:
        ours, theirs = getattr(capped, name), getattr(asked, name)
        if ours != theirs:
            talk(f"limit     {_flag_of(name)} {theirs:g} is over ceiling.{name}: {ours:g}")
    return capped


def _flag_of(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _files(given: Surroundings, limits: Limits, code: ExecutableCode) -> Files:
    if len(given.files) > _MOST_FILES:
        raise UsageError(f"--files takes no more than {_MOST_FILES} files", note=_NOTHING)
    contents: dict[str, bytes] = {}
    for path in given.files:
        # The sandbox chooses the name of the program's own file, which must stay what it is.
        if path.name in contents or path.name in _OWN_NAMES:
            raise UsageError(
                f"{path} cannot lie beside the program: its name {path.name!r} is taken",
                fixes=["give it another name"],
                note=_NOTHING,
            )
        contents[path.name] = _read(path)
    n_bytes = room_for([*contents.values(), code.code.encode()])
    if n_bytes > limits.scratch_mib * _MIB:
        raise UsageError(
            f"program and files take {n_bytes:,} bytes of disk, and its directory holds {limits.scratch_mib} MiB",
            fixes=["give it more: --scratch-mib N"],
            note=_NOTHING,
        )
    return Files(contents, given.collect, limits.scratch_mib * _KIB)


def _bytes(text: str, exact: str | None) -> bytes:
    return text.encode() if exact is None else base64.b64decode(exact)
