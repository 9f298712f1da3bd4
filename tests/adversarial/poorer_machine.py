"""Opens a sandbox where the kernel refuses something: `python -m tests.adversarial.poorer_machine <refused> <require>`.

What is refused is said in words joined by commas; the refusal is a filter of system calls over this whole process, as a
container's own would be.
"""

import asyncio
import ctypes
import errno
import os
import struct
import sys
from typing import cast

from pydantic import Field

from jobs.wire import Wire
from worker.sandbox import Profile, SandboxTooWeakError, open_sandbox
from worker.sandbox.inside import syscalls

from .programs import LIMITS, python

_ALLOW, _FAIL = 0x7FFF_0000, 0x0005_0000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
_IS_X86 = os.uname().machine == "x86_64"
# Calls by what they are needed for: their number, and the answer.
_REFUSABLE = {
    "namespaces": [(272 if _IS_X86 else 97, errno.EPERM)],
    "landlock": [(number, errno.ENOSYS) for number in (444, 445, 446)],
    "seccomp": [(317 if _IS_X86 else 277, errno.ENOSYS)],
}
_PRCTL = 157 if _IS_X86 else 167

# Each prints its word where it could be done.
_TRY = """
import ctypes, os, socket, sys
path, port, pid = sys.stdin.read().split()
libc = ctypes.CDLL(None)
def attempt(word, action):
    try: action()
    except OSError: return
    print(word)
def keyring():
    if libc.syscall(250 if os.uname().machine == "x86_64" else 219, 0, -3, 1) < 0: raise OSError
attempt("files", lambda: open(path).read())
attempt("network", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
attempt("signals", lambda: os.kill(int(pid), 0))
attempt("keyring", keyring)
"""


class Outcome(Wire):
    """What came of opening a sandbox there."""

    refused: str | None = None
    facts: dict[str, str] = Field(default_factory=dict)
    fixes: tuple[str, ...] = ()
    profile: str | None = None
    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    """What a program could do that no program should."""


def _refuse(what: list[str]) -> None:
    code = [(_LOAD, 0, 0, _NUMBER_AT)]
    for word in what:
        for number, error in _REFUSABLE[word]:
            code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | error)]
    if "seccomp" in what:
        code += [
            (_JUMP_EQUAL, 0, 3, _PRCTL),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_JUMP_EQUAL, 0, 1, syscalls.PR_SET_SECCOMP),
            (_RETURN, 0, 0, _FAIL | errno.EINVAL),
        ]
    code.append((_RETURN, 0, 0, _ALLOW))
    raw = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    program = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(syscalls.PR_SET_SECCOMP, 2, program)


async def _open(require: Profile, planted: str) -> Outcome:
    try:
        sandbox = await open_sandbox(require)
    except SandboxTooWeakError as error:
        return Outcome(refused=error.kind, facts=dict(error.facts), fixes=tuple(error.fixes))
    async with sandbox:
        execution = await sandbox.run(python(_TRY), LIMITS, stdin=planted)
        return Outcome(
            profile=sandbox.isolation.profile,
            layers=sandbox.isolation.layers,
            missing=sandbox.isolation.missing,
            done=tuple(execution.stdout.split()),
        )


if __name__ == "__main__":
    _refuse([word for word in sys.argv[1].split(",") if word])
    outcome = asyncio.run(_open(cast("Profile", sys.argv[2]), sys.stdin.read()))
    sys.stdout.write(outcome.to_json())
