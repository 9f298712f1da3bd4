"""Programs that have to be made before they are run: each is compiled once, in a run of its own.

Theory of operation. The compiler is run like a program, confined like one, under limits of its own, and what it leaves
is collected; the program's run is then given these files and nothing else, so that the two share nothing. What was made
is kept for a while: a program that is run for several inputs is compiled for the first.
"""

import asyncio
import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jobs.given_files import room_for
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, LimitHit

from .contract import Files, Harness
from .languages import ROWS, Source, source_of
from .plan import Plan, compilation_of

_KIB, _MIB = 1024, 1024 * 1024
_MOST_FILES = 256
_KEPT_PROGRAMS = 16
_KEPT_BYTES = 64 * _MIB
LIMIT_WORDS = "promptmill: the compiler needed more than "
"""How standard error ends where the compiler ran into its own limits."""

_LAST_CHARACTERS = 4096
# Words that a part of the compiler says of itself, and not of a line of the program that it quotes.
_LIMIT_OF_A_PART = re.compile(
    r"^(?!program|\w+\.java)\S+: [^'\"\n]{0,200}(?P<file>File size limit exceeded|File too large)"
    r"|^(?!program|\w+\.java)\S+: [^'\"\n]{0,200}(?:out of memory|virtual memory exhausted|annot allocate memory)"
    r"|^(?:memory allocation of \d+ bytes|java\.lang\.OutOfMemoryError|The system is out of resources)",
    re.MULTILINE,
)


@dataclass
class _Making:
    """One program, for all who ask for it while it is being made."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever has it compiles. Who is cancelled leaves that to the next."""
    n_asking: int = 0
    made: Files | Execution | None = None


class Workshop:
    """Compiles programs, and keeps a few that it has made."""

    def __init__(self, see_through: Callable[[Plan], Awaitable[Execution]]) -> None:
        """`see_through` runs a plan to its end."""
        self._see_through = see_through
        self._kept: OrderedDict[bytes, Files] = OrderedDict()
        self._making: dict[bytes, _Making] = {}

    async def made_of(
        self, code: ExecutableCode, harness: Harness, limits: Limits, *, for_everybody: bool
    ) -> Files | Execution:
        """What is to lie beside the program's run, or the execution of a program that could not be made.

        Whoever asks for a program that is being made already is given the same.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
            InterpreterMissingError: there is no compiler for this language.
        """
        source = source_of(code.language, code.code, harness)
        key = _key(code.language, source)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        ours = _limits(code.language, limits)
        files = Files(most_collected=_MOST_FILES, most_collected_kib=ours.file_size_mib * _KIB)
        plan = compilation_of(code.language, source, ours, files, for_everybody=for_everybody)
        return await self._made_once(key, plan)

    async def _made_once(self, key: bytes, plan: Plan) -> Files | Execution:
        making = self._making.setdefault(key, _Making())
        making.n_asking += 1
        try:
            async with making.turn:
                if making.made is None:
                    making.made = await self._made(key, plan)
                return making.made
        finally:
            making.n_asking -= 1
            if making.n_asking == 0:
                del self._making[key]

    async def _made(self, key: bytes, plan: Plan) -> Files | Execution:
        execution = await self._see_through(plan)
        reason = _why_nothing_was_made(execution, plan.limits)
        if reason is not None:
            return _not_made(execution, reason)
        made = {one.name: base64.b64decode(one.content_base64) for one in execution.artefacts}
        self._keep(key, Files(given=made))
        return Files(given=made)

    def _keep(self, key: bytes, made: Files) -> None:
        self._kept[key] = made
        while len(self._kept) > _KEPT_PROGRAMS or self._kept_bytes > _KEPT_BYTES:
            self._kept.popitem(last=False)

    @property
    def _kept_bytes(self) -> int:
        return sum(len(content) for made in self._kept.values() for content in made.given.values())


def without_room(given: Files, made: Files, scratch_mib: int) -> Execution | None:
    """The execution of a program that, compiled, is too large for a directory of this size; None where it fits.

    Raises:
        FilesTooLargeError: it would fit, and does not beside the files that it is given.
    """
    n_bytes = room_for(made.given.values())
    if n_bytes > scratch_mib * _MIB:
        said = (
            f"promptmill: compiled, the program takes {n_bytes:,} bytes of disk, and the directory that it runs in "
            f"holds {scratch_mib} MiB\n"
        )
        return Execution.unmeasured(exit_code=1, stderr=said, compile_failed=True)
    given.require_room(scratch_mib, made.given.values())
    return None


def _key(language: Language, source: Source) -> bytes:
    parts = [language.value, source.name, source.text, *source.beside.values()]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _limits(language: Language, limits: Limits) -> Limits:
    """The compiler's own; where it can do with the program's directory, no other slot is needed."""
    compiling = ROWS[language].compiling
    assert compiling is not None  # noqa: S101  the caller has asked
    scratch_mib = max(compiling.limits.scratch_mib, limits.scratch_mib)
    return compiling.limits.model_copy(update={"scratch_mib": scratch_mib})


def _why_nothing_was_made(execution: Execution, limits: Limits) -> str | None:
    """What is added to the compiler's own words; None where it made a program."""
    limit = execution.limit_hit or (_limit_in_words(execution) if execution.exit_code else None)
    if limit is not None:
        return LIMIT_WORDS + _amount(limit, limits)
    if execution.exit_code != 0:
        return "" if execution.signal is None else "promptmill: the compiler itself crashed"
    if execution.artefacts_omitted or any(one.truncated for one in execution.artefacts):
        return f"{LIMIT_WORDS}{limits.file_size_mib} MiB, or {_MOST_FILES} files, for the program"
    return None if execution.artefacts else "promptmill: the compiler made no program"


def _limit_in_words(execution: Execution) -> LimitHit | None:
    """Which limit ended one of the programs that a compiler starts: it says so itself, and ends like any other."""
    found = _LIMIT_OF_A_PART.search(execution.stderr[-_LAST_CHARACTERS:])
    if found is None:
        return None
    return "file_size" if found["file"] else "memory"


def _amount(limit: LimitHit, limits: Limits) -> str:
    return {
        "cpu": f"{limits.cpu_seconds:g} s of CPU time",
        "wall": f"{limits.wall_seconds:g} s on the clock",
        "memory": f"{limits.memory_mib} MiB of memory",
        "output": f"{limits.output_kib} KiB for its messages",
        "file_size": f"{limits.file_size_mib} MiB for a file",
        "processes": f"{limits.processes} processes and threads",
    }.get(limit, "it may have")


def _not_made(execution: Execution, reason: str) -> Execution:
    """No program has run, so it used nothing: what the compiler used is not its."""
    line_end = "" if not execution.stderr or execution.stderr.endswith("\n") else "\n"
    added = f"{line_end}{reason}\n" if reason else ""
    return execution.model_copy(
        update={
            "exit_code": execution.exit_code or 1,
            "signal": None,
            "limit_hit": None,
            "compile_failed": True,
            "cpu_seconds": 0.0,
            "wall_seconds": 0.0,
            "peak_memory_kib": None,
            "peak_processes": None,
            "stderr": execution.stderr + added,
            "stderr_base64": _with_more(execution.stderr_base64, added),
            "stderr_bytes": execution.stderr_bytes + len(added.encode()),
            "artefacts": (),
            "artefacts_omitted": 0,
        }
    )


def _with_more(exact_base64: str | None, added: str) -> str | None:
    if exact_base64 is None:
        return None
    return base64.b64encode(base64.b64decode(exact_base64) + added.encode()).decode()
