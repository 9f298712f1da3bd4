"""Endurance: thousands of honest and hostile programs in one process, with zygotes killed in between.

`python -m benchmarks.soak` runs 20,000 and takes about a quarter of an hour. Every result has to be the expected one,
and nothing may pile up: no process, descriptor, mount, directory or memory, here or in a zygote. It exits with 1 if
anything did.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobs.languages import Language
from jobs.models import ExecutableCode
from worker.sandbox import PROFILES, Profile, Sandbox, SandboxError
from worker.sandbox.opening import probe

from .soak_programs import LIMITS, Case, cases
from .traces import Lookout, Memory, Traces

_MOST_GROWTH = 0.05
_MOST_SHOWN = 50
_IN_MID_RUN_SECONDS = 0.003
_BRIEFLY = ExecutableCode(language=Language.PYTHON, code="import time; time.sleep(0.1)")


@dataclass(frozen=True)
class Plan:
    """What to do."""

    n_runs: int = 20_000
    n_slots: int = 2
    kill_every: int = 200
    """A supervisor is killed at each run of this number; 0 kills none."""
    check_every: int = 1000
    """The first check, when everything is warm, is what the later ones are compared with."""
    profile: Profile = "strict"
    seed: int = 0


@dataclass
class Outcome:
    """What came of it."""

    n_ended: int = 0
    n_killed: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    """In words; empty where all is well."""
    traces: list[Traces] = field(default_factory=list)
    """At each check."""
    memory: list[Memory] = field(default_factory=list)
    """At each check."""


async def soak(plan: Plan, say: Callable[[str], None]) -> Outcome:
    """Carry it out, and report with `say` at each check.

    Raises:
        LayerRefused: the profile cannot be had here.
    """
    nap = f"300.{secrets.randbelow(10**15):015}"
    with _own_folder_for_temporary_files() as folder:
        lookout = Lookout(nap, folder, is_strict=plan.profile == "strict")
        nothing = lookout.traces()
        async with await probe(plan.profile) as sandbox:
            soaking = _Soaking(plan, sandbox, lookout)
            await soaking.run(list(cases(plan.n_runs, plan.seed, nap)), say)
        soaking.compare("after the sandbox was closed", nothing)
    return soaking.outcome


class _Soaking:
    """The runs, and the looks between them."""

    def __init__(self, plan: Plan, sandbox: Sandbox, lookout: Lookout) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._sandbox = sandbox
        self._lookout = lookout

    async def run(self, wanted: list[Case], say: Callable[[str], None]) -> None:
        """Run all of them, with a check after so many."""
        started = time.monotonic()
        numbered = list(enumerate(wanted, start=1))
        for first in range(0, len(numbered), self._plan.check_every):
            left = iter(numbered[first : first + self._plan.check_every])
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.n_slots):
                    group.create_task(self._one_slot(left))
            await self._check()
            self.outcome.seconds = time.monotonic() - started
            say(self._progress())
        if self.outcome.n_ended != len(wanted):
            self._violated(f"{len(wanted) - self.outcome.n_ended} runs were lost")

    def compare(self, moment: str, expected: Traces | None) -> None:
        """Note what is there that was not, once things have settled."""
        found = self._lookout.when_settled(expected)
        self.outcome.traces.append(found)
        if expected is None and found.orphans:
            # Else it would be what the later ones are compared with.
            self._violated(f"{moment}: orphans {found.orphans}")
        if expected is not None and found != expected:
            before, now = asdict(expected), asdict(found)
            changed = [
                f"{name} {before[name]} -> {now[name]}" for name in now if now[name] != before[name]
            ]
            self._violated(f"{moment}: {', '.join(changed)}")

    async def _one_slot(self, left: Iterator[tuple[int, Case]]) -> None:
        for number, case in left:
            if self._plan.kill_every and number % self._plan.kill_every == 0:
                self._kill_one(in_mid_run=number // self._plan.kill_every % 2 == 0)
            await self._run_one(number, case)

    async def _run_one(self, number: int, case: Case) -> None:
        try:
            execution = await self._sandbox.run(
                case.code, case.limits, stdin=case.stdin, harness=case.harness, files=case.files
            )
        except SandboxError as error:
            self._violated(f"run {number}, {case.name!r}: {error} {error.facts}")
            return
        self.outcome.n_ended += 1
        if not case.is_expected(execution):
            self._violated(f"run {number}, {case.name!r}, gave {execution!r}"[:1000])

    def _kill_one(self, *, in_mid_run: bool) -> None:
        """Kill a supervisor, before the run that comes or under it.

        The youngest: the other one then lives long enough to show what gathers in it.
        """

        def kill() -> None:
            with suppress(ProcessLookupError):
                for process in self._lookout.supervisors()[-1:]:
                    os.kill(process.pid, signal.SIGKILL)
                    self.outcome.n_killed += 1

        if in_mid_run:
            asyncio.get_running_loop().call_later(_IN_MID_RUN_SECONDS, kill)
        else:
            kill()

    async def _check(self) -> None:
        # So many at one time that each slot is there, whichever was lost last.
        everywhere = [self._sandbox.run(_BRIEFLY, LIMITS) for _ in range(self._plan.n_slots)]
        await asyncio.gather(*everywhere)
        first = self.outcome.traces[0] if self.outcome.traces else None
        self.compare(f"after {self.outcome.n_ended} runs", first)
        self.outcome.memory.append(self._lookout.memory())
        before, now = self.outcome.memory[0], self.outcome.memory[-1]
        for name, kib in asdict(now).items():
            if kib > asdict(before)[name] * (1 + _MOST_GROWTH):
                self._violated(
                    f"after {self.outcome.n_ended} runs: {name} {asdict(before)[name]} -> {kib}"
                )

    def _progress(self) -> str:
        memory = self.outcome.memory[-1]
        return (
            f"{self.outcome.n_ended:>7} runs in {self.outcome.seconds:.0f} s, "
            f"{self.outcome.n_killed} zygotes killed, {len(self.outcome.violations)} violations; "
            f"resident: worker {memory.own_kib} KiB, zygote {memory.supervisor_kib} KiB"
        )

    def _violated(self, what: str) -> None:
        self.outcome.violations.append(what)


@contextmanager
def _own_folder_for_temporary_files() -> Iterator[Path]:
    """Have temporary files in a folder where nobody else makes any."""
    with tempfile.TemporaryDirectory(prefix="promptmill-soak-") as folder:
        # The way through: a run's directory below it may belong to another user.
        Path(folder).chmod(0o711)
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default, add = Plan(), parser.add_argument
    add("--runs", dest="n_runs", type=int, default=default.n_runs)
    add("--slots", dest="n_slots", type=int, default=default.n_slots)
    add("--kill-every", type=int, default=default.kill_every, help="0 kills nobody")
    add("--check-every", type=int, default=default.check_every)
    add("--profile", choices=PROFILES, default=default.profile)
    add("--seed", type=int, default=default.seed)
    return Plan(**vars(parser.parse_args()))


def main() -> None:
    """Soak, say what was found, and exit by it."""
    outcome = asyncio.run(soak(_plan(), lambda line: print(line, flush=True)))
    print(f"at the first check: {outcome.traces[0]}")
    print(f"at the last check:  {outcome.traces[-2]}")
    print(f"after the end:      {outcome.traces[-1]}")
    for violation in outcome.violations[:_MOST_SHOWN]:
        print(f"VIOLATION {violation}")
    rate = outcome.n_ended / outcome.seconds
    print(f"{outcome.n_ended} runs, {rate:.0f} a second, {len(outcome.violations)} violations")
    sys.exit(bool(outcome.violations))


if __name__ == "__main__":
    main()
