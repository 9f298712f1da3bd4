"""Everybody who is measured, behind one call: do it once, and say how long it took."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from worker.sandbox import NO_HARNESS, Harness, Sandbox
from worker.sandbox.interpreters import readable_paths

from .figures import Series

LIMITS = Limits(cpu_seconds=5, wall_seconds=10, memory_mib=256)
_ANSWERING = Path(__file__).with_name("answering.py")
_N_WARM_UP = 3
# After a run its slot makes the next spare, which whoever comes next would pay for.
_SETTLE_SECONDS = 0.03


class MissingError(Exception):
    """A peer is not on this machine."""


class WrongAnswerError(Exception):
    """What was timed did not do what it is timed for."""


@dataclass(frozen=True)
class Contender:
    """Somebody to measure."""

    name: str
    once: Callable[[], Awaitable[float]]
    """Does it and returns the seconds it took."""


async def interleaved(contenders: Sequence[Contender], n_rounds: int) -> dict[str, Series]:
    """Measure them in turn, a round at a time: a busy moment of the machine then meets all of them."""
    seconds: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(_N_WARM_UP + n_rounds):
        # Each begins a round as often as any other.
        first = number % len(contenders)
        for each in (*contenders[first:], *contenders[:first]):
            took = await each.once()
            await asyncio.sleep(_SETTLE_SECONDS)
            if number >= _N_WARM_UP:
                seconds[each.name].append(took)
    return {name: Series(name, tuple(taken)) for name, taken in seconds.items()}


def in_sandbox(name: str, sandbox: Sandbox, program: str, prints: str) -> Contender:
    """A whole run of ours, from the call to the `Execution`."""

    async def once() -> float:
        started = time.perf_counter()
        await run_one(sandbox, program, prints)
        return time.perf_counter() - started

    return Contender(name, once)


async def run_one(
    sandbox: Sandbox, program: str, prints: str, harness: Harness = NO_HARNESS
) -> None:
    """Run a Python program of which it is known that it ends well.

    Raises:
        WrongAnswerError: it did not.
    """
    code = ExecutableCode(language=Language.PYTHON, code=program)
    execution = await sandbox.run(code, LIMITS, harness=harness)
    is_proven = execution.tests_finished is not False
    if execution.exit_code != 0 or execution.stdout != prints or not is_proven:
        raise WrongAnswerError(f"{program[:200]!r} gave {execution!r}")


def as_command(name: str, *command: str, prints: str = "1\n") -> Contender:
    """A process of its own, started, read and waited for, with no limit and no wall that it does not bring along."""

    async def once() -> float:
        started = time.perf_counter()
        ran = subprocess.run(  # noqa: ASYNC221  nothing else may run meanwhile
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={}, check=False
        )
        took = time.perf_counter() - started
        if ran.stdout != prints:
            raise WrongAnswerError(f"{command} gave {ran!r}")
        return took

    return Contender(name, once)


def bubblewrap(interpreter: Path) -> Contender:
    """The usual way to have walls without writing them.

    Raises:
        MissingError: it is not installed.
    """
    bwrap, prlimit = shutil.which("bwrap"), shutil.which("prlimit")
    if bwrap is None or prlimit is None:
        raise MissingError(
            "no bwrap and prlimit on PATH; Debian has them in bubblewrap, util-linux"
        )
    shown = [word for path in readable_paths(interpreter) for word in ("--ro-bind-try", path, path)]
    return as_command(
        "bubblewrap with prlimit",
        *(
            prlimit,
            "--cpu=5",
            f"--data={256 << 20}",
            "--nofile=64",
            f"--fsize={16 << 20}",
            "--core=0",
        ),
        *(bwrap, "--unshare-all", "--new-session", "--die-with-parent", "--clearenv", *shown),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108  its own
        *(str(interpreter), "-I", "-S", "-c", "print(1)"),
    )


async def answering(
    stack: AsyncExitStack, name: str, python: Sequence[str], *arguments: str
) -> Contender:
    """What `answering.py` times by itself, in a process that lives until `stack` ends.

    Raises:
        MissingError: that interpreter has no such package.
    """
    process = await asyncio.create_subprocess_exec(
        *python,
        # Or the benchmarks beside it would be what the standard library calls `queue`.
        "-P",
        _ANSWERING,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stack.push_async_callback(process.wait)
    requests, answers = process.stdin, process.stdout
    if requests is None or answers is None:
        raise MissingError(f"{name}: it was given no pipes")
    stack.callback(requests.close)
    said = (await answers.readline()).decode().strip()
    if said != "ready":
        raise MissingError(f"{name}: {said or 'it died'}; --peers names a Python that has it")

    async def once() -> float:
        requests.write(b"\n")
        line = await answers.readline()
        if not line:
            raise WrongAnswerError(f"{name} died")
        return float(line)

    return Contender(name, once)
