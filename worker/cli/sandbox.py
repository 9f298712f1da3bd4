"""`promptmill sandbox run`: one program, exactly as a worker would run it."""

import asyncio
import base64
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators
from pydantic import ValidationError

from config.escaping import escaped
from config.settings import Settings
from jobs.errors import ExitCode, UsageError
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation
from worker.sandbox import Files, open_sandbox, packages_of

from .execution import execution_lines
from .flags import AsJson, read_settings
from .output import emit_json, pass_on, talk

_LANGUAGES = {
    ".py": Language.PYTHON,
    ".js": Language.JAVASCRIPT,
    ".mjs": Language.JAVASCRIPT,
    ".cjs": Language.JAVASCRIPT,
    ".sh": Language.SH,
}
_OWN_NAMES = {f"program{suffix}" for suffix in _LANGUAGES}
_KIB, _MIB = 1024, 1024 * 1024
_MOST_FILES = 256
_NOTHING = "no program was run"


@Parameter(name="*")
@dataclass(frozen=True)
class Surroundings:
    """What a program is given, and what is taken from it."""

    language: Annotated[
        Language | None, Parameter(help="what it is written in, if its suffix does not say")
    ] = None
    stdin: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="its standard input: text, @FILE, or - for ours"),
    ] = ""
    files: Annotated[
        tuple[Path, ...],
        Parameter(
            consume_multiple=True, negative=(), help="files to put beside it, by their last name"
        ),
    ] = ()
    collect: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=0, lte=1000),
            help="files of its own to collect at most; nothing is written here",
        ),
    ] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class LimitFlags:
    """Limits for this run; the `ceiling.*` settings hold."""

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mib: int | None = None
    output_kib: int | None = None
    file_size_mib: int | None = None
    scratch_mib: int | None = None
    processes: int | None = None
    open_files: int | None = None


NO_SURROUNDINGS = Surroundings()
NO_LIMITS = LimitFlags()


def run_program(
    program: Path,
    /,
    *,
    given: Surroundings = NO_SURROUNDINGS,
    limits: LimitFlags = NO_LIMITS,
    json: AsJson = False,
) -> int:
    """Run one program exactly as a worker would: same settings, same sandbox, same limits.

    What it prints goes where it printed it, a summary to standard error. Exits with 0 if it ended well, 1 if it failed
    or went over a limit, 2 if it was not run, 3 if the sandbox failed.

    Args:
        program: the file it stands in.
        json: the whole execution and the isolation as JSON, and nothing else.
    """
    settings = read_settings(quiet=True)
    code = ExecutableCode(language=_language_of(program, given), code=_text_in(program))
    bounds = _limits(settings, limits)
    files = _files(given, bounds, code)
    execution, isolation = asyncio.run(
        _run(settings, code, bounds, stdin=_stdin(given.stdin), files=files)
    )
    if json:
        emit_json(_as_object(code.language, bounds, execution, isolation))
    else:
        pass_on(_bytes(execution.stdout, execution.stdout_base64), sys.stdout)
        pass_on(_bytes(execution.stderr, execution.stderr_base64), sys.stderr)
        for line in _summary(execution, isolation):
            talk(escaped(line))
    is_well = execution.exit_code == 0 and execution.limit_hit is None
    return ExitCode.OK if is_well else ExitCode.GATE_FAILED


async def _run(
    settings: Settings, code: ExecutableCode, limits: Limits, *, stdin: str, files: Files
) -> tuple[Execution, Isolation]:
    python = settings.sandbox.python
    packages = packages_of(python.environment, python.preload)
    async with await open_sandbox(settings.sandbox.require, packages) as sandbox:
        execution = await sandbox.run(code, limits, stdin=stdin, files=files)
        return execution, sandbox.isolation


def _language_of(program: Path, given: Surroundings) -> Language:
    language = given.language or _LANGUAGES.get(program.suffix.lower())
    if language is None:
        names = ", ".join(sorted(_LANGUAGES))
        raise UsageError(
            f"the suffix of {program} names no language that is known here",
            facts={"known": names},
            fixes=[f"say what it is written in: --language {'|'.join(Language)}"],
            note=_NOTHING,
        )
    return language


def _stdin(words: str) -> str:
    if words == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    return _text_in(Path(words[1:])) if words.startswith("@") else words


def _text_in(path: Path) -> str:
    return _decoded(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", note=_NOTHING) from None


def _decoded(raw: bytes, name: str) -> str:
    try:
        return TextIOWrapper(BytesIO(raw), "utf-8").read()
    except UnicodeDecodeError:
        raise UsageError(f"{name} cannot be read: it is not UTF-8 text", note=_NOTHING) from None


def _limits(settings: Settings, flags: LimitFlags) -> Limits:
    given = {name: value for name, value in asdict(flags).items() if value is not None}
    try:
        asked = Limits.model_validate({**settings.limits.model_dump(), **given})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        flag = f"--{str(fault['loc'][0]).replace('_', '-')}"
        why = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        raise UsageError(f"{flag} cannot be used: {why}", note=_NOTHING) from None
    capped = asked.capped_by(settings.ceiling)
    for name in given:
        ours, theirs = getattr(capped, name), getattr(asked, name)
        if ours != theirs:
            talk(
                f"limit     --{name.replace('_', '-')} {theirs:g} is over ceiling.{name}: {ours:g}"
            )
    return capped


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
    n_bytes = sum(map(len, contents.values())) + len(code.code.encode())
    if n_bytes > limits.scratch_mib * _MIB:
        raise UsageError(
            f"program and files take {n_bytes:,} bytes, and its directory holds {limits.scratch_mib} MiB",
            fixes=["give it more: --scratch-mib N"],
            note=_NOTHING,
        )
    return Files(contents, given.collect, limits.scratch_mib * _KIB)


def _bytes(text: str, exact: str | None) -> bytes:
    return text.encode() if exact is None else base64.b64decode(exact)


def _as_object(
    language: Language, limits: Limits, execution: Execution, isolation: Isolation
) -> dict[str, object]:
    parts = {"limits": limits, "execution": execution, "isolation": isolation}
    told = {name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()}
    return {"language": language.value, **told}


def _summary(execution: Execution, isolation: Isolation) -> Iterator[str]:
    yield from execution_lines(execution)
    missing = (
        f"; without {' '.join(isolation.missing)}" if isolation.missing else ", every layer of it"
    )
    yield f"sandbox   {isolation.profile}{missing}"
