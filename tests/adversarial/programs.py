"""Short ways to write hostile programs down, and to look for what they left behind."""

import os
import secrets
import sys
from pathlib import Path

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode

LIMITS = Limits(
    cpu_seconds=2,
    wall_seconds=5,
    memory_mib=256,
    output_kib=256,
    file_size_mib=16,
    scratch_mib=64,
    processes=32,
    open_files=64,
)

SPEAKS_FOR_ITSELF = """
import os
def asked(): return os.read(3, int.from_bytes(os.read(3, 4), 'big'))
def say(words): os.write(4, len(words).to_bytes(4, 'big') + words)
asked()
"""
"""A program that does not wait until ours answers its tests: what it says after this is its first answer."""


def python(code: str) -> ExecutableCode:
    """A Python program."""
    return ExecutableCode(language=Language.PYTHON, code=code)


def javascript(code: str) -> ExecutableCode:
    """A JavaScript program."""
    return ExecutableCode(language=Language.JAVASCRIPT, code=code)


def sh(code: str) -> ExecutableCode:
    """A shell program."""
    return ExecutableCode(language=Language.SH, code=code)


def unique_nap() -> str:
    """An argument for `sleep` that no other process on this machine has: how a survivor is recognised."""
    return f"300.{secrets.randbelow(10**15):015}"


def is_alive(argument: str) -> bool:
    """Whether any process of this machine has this argument, zombies not counted."""
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in command_line.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def descriptors() -> list[str]:
    """The open descriptors of this process, that of the listing included."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def zygotes() -> list[int]:
    """Zygotes that this process has started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"inside" in _command_line(pid)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # It has been buried since it was listed.
        return b""


def host_has(path: str) -> bool:
    """Whether there is a file of this name, seen from outside every wall."""
    return Path(path).exists()


def own_interpreter() -> Path:
    """The Python these tests run under, links resolved."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def is_named(name: str, *, hidden: bool = False) -> bool:
    """Whether any process of this machine goes by this name, of at most 15 characters, zombies not counted.

    `hidden` asks for one that has no command line.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "status").read_text("utf-8", "replace")
            if text.startswith(f"Name:\t{name}\n") and "\nState:\tZ" not in text:
                return not hidden or not (process / "cmdline").read_bytes()
        except OSError:
            continue
    return False
