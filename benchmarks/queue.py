"""What the queue costs, beside arq and others: `python -m benchmarks.queue`.

Each contender queues no-op jobs and works them off in one process of its own, all of them in turn on one server, round
after round. Peers are run under the interpreters named by `--peers`, each by the first that has it; two are needed,
since they do not agree on a version of redis-py:

    pip install --group bench-queues          saq, streaq, dramatiq, rq, celery, uvloop
    pip install taskiq taskiq-redis uvloop    in a second virtual environment
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from .figures import Budget, Series, as_json, budgets_table, rates_table, ratio, times_table
from .queue_whole import Whole, measure_whole
from .servers import empty, own_server

_SCRIPT = Path(__file__).with_name("queue_peers.py")
_OURS, _ARQ, _ARQ_50 = "ours", "arq", "arq-50"
# arq as it comes does 200 a second.
_N_JOBS = {_OURS: 5000, _ARQ: 600, _ARQ_50: 1500, "rq": 500, "celery": 1000}
_N_JOBS_OF_OTHERS = 2000
_PEERS = ("saq", "streaq", "taskiq", "dramatiq", "rq", "celery")
_BEST_OF = ("saq", "streaq", "taskiq", "dramatiq")
_LONGEST_SECONDS = 120


def main() -> int:
    """Measure, print, and say by the exit code whether the budgets were kept."""
    arguments = _arguments()
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}\n",
        flush=True,
    )
    with own_server() as url:
        figures = _in_turn(url, arguments.peers, arguments.rounds)
        noop_of_arq = Series(_ARQ_50, tuple(each["run"] for each in figures[_ARQ_50]))
        whole = asyncio.run(measure_whole(url, arguments.rounds, noop_of_arq))
    budgets = _budgets(figures, whole)
    submit = [
        Series(name, tuple(each["submit"] for each in kept)) for name, kept in figures.items()
    ]
    run = [Series(name, tuple(each["run"] for each in kept)) for name, kept in figures.items()]
    cpu = [Series(name, tuple(each["cpu"] for each in kept)) for name, kept in figures.items()]
    print(rates_table("jobs queued", submit), "\n")
    print(rates_table("no-op jobs done by one worker", run), "\n")
    print(times_table("CPU of the worker for one of them", cpu, ()), "\n")
    print(times_table("ours as a whole, each job", whole.series, ()), "\n")
    print(budgets_table(budgets))
    if arguments.json is not None:
        content = as_json([*submit, *run, *cpu, *whole.series], budgets)
        arguments.json.write_text(json.dumps(content, indent=2))
    return 0 if all(budget.is_kept for budget in budgets) else 1


def _in_turn(url: str, peers: list[Path], rounds: int) -> dict[str, list[dict[str, float]]]:
    commands = {_OURS: [sys.executable, "-m", "benchmarks.queue_ours"]}
    # Without -P, the file beside it would be what the standard library calls `queue`.
    commands |= {name: [sys.executable, "-P", str(_SCRIPT), name] for name in (_ARQ, _ARQ_50)}
    for name in _PEERS:
        able = next((python for python in peers if _has(python, name)), None)
        if able is None:
            print(f"{name}: none of the interpreters has it; left out")
        else:
            commands[name] = [str(able), "-P", str(_SCRIPT), name]
    figures: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name, command in commands.items():
            empty(url)
            n_jobs = _N_JOBS.get(name, _N_JOBS_OF_OTHERS)
            figures[name].append(_run([*command, url, str(n_jobs)]))
    empty(url)
    return dict(figures)


def _has(python: Path, name: str) -> bool:
    module = {"taskiq": "taskiq_redis"}.get(name, name)
    found = subprocess.run(
        [python, "-P", "-c", f"import {module}"], check=False, capture_output=True
    )
    return found.returncode == 0


def _run(command: list[str]) -> dict[str, float]:
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=_LONGEST_SECONDS
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith('{"submit"')]
    if len(lines) != 1:
        raise RuntimeError(f"{' '.join(command)} gave no figures:\n{ran.stdout}{ran.stderr}")
    figures: dict[str, float] = json.loads(lines[0])
    return figures


def _budgets(figures: dict[str, list[dict[str, float]]], whole: Whole) -> list[Budget]:
    def series(name: str, what: str) -> Series:
        return Series(name, tuple(each[what] for each in figures[name]))

    ours = series(_OURS, "run")
    budgets = [
        Budget(
            "jobs queued, x arq's enqueue_job loop",
            ratio(series(_ARQ, "submit"), series(_OURS, "submit")),
            20,
            is_upper=False,
        ),
        Budget(
            "no-op jobs a second, x arq as it comes",
            ratio(series(_ARQ, "run"), ours),
            15,
            is_upper=False,
        ),
    ]
    peers = [series(name, "run") for name in _BEST_OF if name in figures]
    if peers:
        best = min(peers, key=lambda each: each.median_ms)
        what = f"no-op jobs a second, x the best peer ({best.name})"
        budgets.append(Budget(what, ratio(best, ours), 2, is_upper=False))
    return [*budgets, *whole.budgets]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queue",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument(
        "--peers",
        type=Path,
        action="append",
        default=[],
        metavar="PYTHON",
        help="an interpreter that has other queues; may be given several times",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
