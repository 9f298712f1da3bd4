"""Proves a sandbox by running real programs in it: what `promptmill doctor` shows."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, LimitHit

from .contract import Sandbox
from .errors import SandboxError
from .interpreters import interpreters

_LIMITS = Limits(cpu_seconds=5, wall_seconds=10, memory_mib=128, output_kib=64)

_HELLO = {
    Language.PYTHON: "print(6 * 7)",
    Language.JAVASCRIPT: "console.log(6 * 7)",
    Language.SH: "echo $((6 * 7))",
}

_BREAKERS: dict[LimitHit, tuple[str, Limits]] = {
    "cpu": ("while True: pass", _LIMITS.model_copy(update={"cpu_seconds": 0.3})),
    "wall": ("import time; time.sleep(60)", _LIMITS.model_copy(update={"wall_seconds": 0.5})),
    "memory": ("blocks = []\nwhile True: blocks.append(bytearray(1 << 20))", _LIMITS),
    "output": ("while True: print('x' * 1000)", _LIMITS),
}

_NETWORK_REACHED = """
import socket
names = [name for _, name in socket.if_nameindex() if name != "lo"]
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
    names.append("a route")
except OSError:
    pass
print(*names)
"""
_FILES_REACHED = """
import os, sys
for path in sys.stdin.read().splitlines():
    if os.path.exists(path):
        print(path)
"""


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


async def self_check(sandbox: Sandbox) -> list[Check]:
    """Run a program in every installed language, break each limit once, and reach for the host.

    What does not hold is a check that is not ok, a failure of the sandbox itself included; nothing is raised.
    """
    checks = [
        await _check_language(sandbox, found.language) for found in interpreters() if found.path
    ]
    checks += [await _check_limit(sandbox, limit) for limit in _BREAKERS]
    if sandbox.isolation.profile == "strict":
        checks.append(await _check_out_of_reach(sandbox, "network", _NETWORK_REACHED, ()))
        with tempfile.NamedTemporaryFile() as planted:
            files = (Path(__file__), Path(planted.name), Path("/etc/shadow"))
            checks.append(await _check_out_of_reach(sandbox, "host files", _FILES_REACHED, files))
    return checks


async def _check_language(sandbox: Sandbox, language: Language) -> Check:
    outcome = await _run(sandbox, ExecutableCode(language=language, code=_HELLO[language]), _LIMITS)
    if isinstance(outcome, SandboxError):
        return Check(f"language {language.value}", ok=False, detail=_words_of(outcome))
    detail = (
        f"{outcome.wall_seconds * 1000:.0f} ms"
        if outcome.stdout == "42\n"
        else outcome.stderr[-200:]
    )
    return Check(f"language {language.value}", ok=outcome.stdout == "42\n", detail=detail)


async def _check_limit(sandbox: Sandbox, limit: LimitHit) -> Check:
    program, limits = _BREAKERS[limit]
    outcome = await _run(sandbox, ExecutableCode(language=Language.PYTHON, code=program), limits)
    if isinstance(outcome, SandboxError):
        return Check(f"limit {limit}", ok=False, detail=_words_of(outcome))
    detail = f"ended by {outcome.limit_hit or 'itself'} after {outcome.wall_seconds:.2f} s"
    return Check(f"limit {limit}", ok=outcome.limit_hit == limit, detail=detail)


async def _check_out_of_reach(
    sandbox: Sandbox, what: str, program: str, paths: Sequence[Path]
) -> Check:
    code = ExecutableCode(language=Language.PYTHON, code=program)
    outcome = await _run(sandbox, code, _LIMITS, stdin="\n".join(map(str, paths)))
    if isinstance(outcome, SandboxError):
        return Check(f"{what} out of reach", ok=False, detail=_words_of(outcome))
    reached = (outcome.stdout + outcome.stderr).strip()
    ok = outcome.exit_code == 0 and not reached
    return Check(
        f"{what} out of reach",
        ok=ok,
        detail=f"reached: {reached}" if reached else "nothing reached",
    )


async def _run(
    sandbox: Sandbox, code: ExecutableCode, limits: Limits, stdin: str = ""
) -> Execution | SandboxError:
    try:
        return await sandbox.run(code, limits, stdin=stdin)
    except SandboxError as error:
        return error


def _words_of(error: SandboxError) -> str:
    return "; ".join((error.message, *error.facts.values()))
