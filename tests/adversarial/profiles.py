"""Measures what each profile holds, and writes it into `docs/sandbox.md`: `python -m tests.adversarial.profiles`.

It needs root. Under `rlimits` some of the programs do what they try: they kill every process of their user, fill shared
folders and read homes. So all of it happens in namespaces that are thrown away, around an ordinary user who has nothing
else there.
"""

import asyncio
import os
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from worker.sandbox import PROFILES, Profile
from worker.sandbox.inside import syscalls

from .accounts import Account, accounts
from .attacked import Attacked, attacked
from .corpus import rows
from .hostile import LIMITS, Hostile, broken_by

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
BEGIN, END = "<!-- profiles: measured -->", "<!-- profiles: end -->"
# The corpus's own: numbers that are printed should not depend on how busy the machine was.
_LIMITS = LIMITS.model_copy(update={"cpu_seconds": 2.0, "wall_seconds": 5.0})
_THROWN_AWAY = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue")


@dataclass
class Measured:
    """What became of the corpus in one profile."""

    profile: Profile
    broken: dict[str, list[str]] = field(default_factory=dict)
    """By program: the promises that were not kept, of those where any was not."""


async def measure(profile: Profile, account: Account) -> Measured:
    """Run all of it; where something broke, the next program gets new surroundings."""
    measured = Measured(profile)
    with ExitStack() as stack:
        worker: Attacked | None = None
        for hostile in rows():
            if worker is None:
                worker = stack.enter_context(attacked(profile, account))
                opened = await worker.opened()
                if opened.refused is not None:
                    raise SystemExit(f"{profile} cannot be had here: {opened.refused}")
                await worker.settle()
            broken = await _broken_by(worker, hostile)
            if broken:
                measured.broken[hostile.name] = broken
                worker = None
                stack.close()
    return measured


async def _broken_by(worker: Attacked, hostile: Hostile) -> list[str]:
    try:
        return await broken_by(worker, hostile, _LIMITS)
    except (AssertionError, OSError) as error:
        # The worker is gone, or Redis is.
        return [f"surroundings: {type(error).__name__}"]


def table_of(results: list[Measured]) -> str:
    """The part of the page between the two marks."""
    programs = rows()
    lines = [
        "| category | " + " | ".join(f"`{result.profile}`" for result in results) + " |",
        "|---|" + "---|" * len(results),
    ]
    for category in sorted({hostile.category for hostile in programs}):
        names = [hostile.name for hostile in programs if hostile.category == category]
        lines.append(
            f"| {category} | " + " | ".join(_cell(result, names) for result in results) + " |"
        )
    everything = [hostile.name for hostile in programs]
    lines.append("| all | " + " | ".join(_cell(result, everything) for result in results) + " |")
    for result in results:
        if result.broken:
            named = "; ".join(
                f"`{name}` ({', '.join(dict.fromkeys(map(_word, broken)))})"
                for name, broken in result.broken.items()
            )
            lines += ["", f"Not held in `{result.profile}`: {named}."]
    return "\n".join(lines)


def _cell(result: Measured, names: list[str]) -> str:
    return f"{sum(name not in result.broken for name in names)}/{len(names)}"


def _word(broken: str) -> str:
    return broken.replace(":", " ").split()[0]


def _leave_the_host() -> None:
    """Go on as PID 1 of a machine without neighbours; this process waits for it and ends with its exit code."""
    syscalls.call("unshare", syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC)
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("proc", "/proc", "proc", 0)
    for folder in _THROWN_AWAY:
        with suppress(OSError):
            syscalls.mount("none", folder, "tmpfs", 0, "size=2g,mode=1777")


def main() -> None:
    """Measure every profile and put the table into its place."""
    if os.geteuid() != 0:
        raise SystemExit("this needs root: it makes a machine to throw away, and an account on it")
    if not rows():
        raise SystemExit("this needs the corpus of hostile programs in ../shared")
    _leave_the_host()
    account = accounts()[-1]
    table = table_of([asyncio.run(measure(profile, account)) for profile in PROFILES])
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} has no {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


if __name__ == "__main__":
    main()
