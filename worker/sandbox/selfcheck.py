"""Proves a sandbox by running real programs in it: what `promptmill doctor` shows."""

import os
import tempfile
from dataclasses import dataclass

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, LimitHit

from .contract import Sandbox
from .errors import SandboxError
from .interpreters import found_languages
from .languages import ROWS

_LIMITS = Limits(cpu_seconds=5, wall_seconds=10, memory_mib=128, output_kib=64, processes=16)
_LANGUAGE_LIMITS = Limits()

# The kernel may refuse it, so that nothing is over the limit: then it says how many there were.
_FORKS = f"""
import os, time
for n in range(1, {4 * _LIMITS.processes}):
    try:
        if os.fork() == 0: time.sleep(60)
    except BlockingIOError:
        print(n)
        break
else:
    time.sleep(60)
"""
_BREAKERS: dict[LimitHit, tuple[str, Limits]] = {
    "cpu": ("while True: pass", _LIMITS.model_copy(update={"cpu_seconds": 0.3})),
    "wall": ("import time; time.sleep(60)", _LIMITS.model_copy(update={"wall_seconds": 0.5})),
    "memory": ("blocks = []\nwhile True: blocks.append(bytearray(1 << 20))", _LIMITS),
    "output": ("while True: print('x' * 1000)", _LIMITS),
    "file_size": ("open('f', 'wb').write(bytes(20 << 20))", _LIMITS),
    "processes": (_FORKS, _LIMITS),
}

# Each tries one thing and prints a word if it could be done. What is planted stands on standard input: a file of the
# host, and the worker's pid.
_FORBIDDEN: dict[str, str] = {
    "network": (
        "import socket\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.connect(('192.0.2.1', 9))"
    ),
    "host files": "open(planted[0]).close()",
    "signals": "os.kill(int(planted[1]), 0)",
    "namespaces": "refuse_negative(libc.unshare(0x10000000))",
    "mounts": "refuse_negative(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))",
    "tracing": "refuse_negative(libc.ptrace(0, 0, 0, 0))",
    "keyring": "refuse_negative(libc.syscall({'x86_64': 250, 'aarch64': 219}[os.uname().machine], 0, -3, 1))",
    "limits": (
        "import resource\nmost = resource.getrlimit(resource.RLIMIT_NPROC)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (most, most + 1))"
    ),
}
_TRY = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
planted = sys.stdin.read().splitlines()
def refuse_negative(result):
    if result < 0: raise OSError
try:
    exec({action!r})
except (OSError, ValueError):
    pass
else:
    print("done")
"""


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


async def self_check(sandbox: Sandbox) -> list[Check]:
    """Run a program in every installed language, break each limit once, and try what no program may do.

    What does not hold is a check that is not ok, a failure of the sandbox itself included; nothing is raised. Under
    `rlimits` programs may do most of what is forbidden elsewhere, so that is not tried.
    """
    checks = [await check_language(sandbox, language) for language in found_languages()]
    checks += [await _check_limit(sandbox, limit) for limit in _BREAKERS]
    if sandbox.isolation.profile != "rlimits":
        with tempfile.NamedTemporaryFile() as planted:
            # Readable for everybody, so that only the sandbox can be what refuses it.
            os.fchmod(planted.fileno(), 0o644)
            stdin = f"{planted.name}\n{os.getpid()}\n"
            checks += [await _check_refusal(sandbox, name, stdin) for name in _FORBIDDEN]
    return checks


async def check_language(sandbox: Sandbox, language: Language) -> Check:
    """Run a program in this language."""
    code = ExecutableCode(language=language, code=ROWS[language].hello)
    outcome = await _run(sandbox, code, _LANGUAGE_LIMITS)
    if isinstance(outcome, SandboxError):
        return Check(f"language {language.value}", ok=False, detail=_words_of(outcome))
    ok = outcome.stdout == "42\n"
    took = f"ran in {outcome.wall_seconds * 1000:.1f} ms"
    detail = took if ok else f"did not print 42: {outcome.stderr[-200:]}"
    return Check(f"language {language.value}", ok=ok, detail=detail)


async def _check_limit(sandbox: Sandbox, limit: LimitHit) -> Check:
    program, limits = _BREAKERS[limit]
    outcome = await _run(sandbox, ExecutableCode(language=Language.PYTHON, code=program), limits)
    if isinstance(outcome, SandboxError):
        return Check(f"limit {limit}", ok=False, detail=_words_of(outcome))
    is_held = outcome.limit_hit == limit
    if outcome.limit_hit is not None:
        ended = f"over the limit of {outcome.limit_hit}"
    elif limit == "processes" and outcome.stdout.strip().isdecimal():
        n_processes = int(outcome.stdout)
        is_held = 1 < n_processes <= limits.processes
        ended = f"one more than {n_processes} was refused"
    else:
        ended = "not ended by a limit"
    return Check(f"limit {limit}", ok=is_held, detail=f"{ended} after {outcome.wall_seconds:.2f} s")


async def _check_refusal(sandbox: Sandbox, name: str, stdin: str) -> Check:
    code = ExecutableCode(language=Language.PYTHON, code=_TRY.format(action=_FORBIDDEN[name]))
    outcome = await _run(sandbox, code, _LIMITS, stdin=stdin)
    if isinstance(outcome, SandboxError):
        return Check(f"refused: {name}", ok=False, detail=_words_of(outcome))
    ok = outcome.exit_code == 0 and not outcome.stdout
    detail = "refused" if ok else f"not refused: {(outcome.stdout + outcome.stderr)[-200:]}"
    return Check(f"refused: {name}", ok=ok, detail=detail)


async def _run(
    sandbox: Sandbox, code: ExecutableCode, limits: Limits, stdin: str = ""
) -> Execution | SandboxError:
    try:
        return await sandbox.run(code, limits, stdin=stdin)
    except SandboxError as error:
        return error


def _words_of(error: SandboxError) -> str:
    return "; ".join((error.message, *error.facts.values()))
