"""What a report of many records takes: `python -m benchmarks.reporting`, or `--records 10000` for less of it.

The records lie in files; `report` reads all of them and must stay below 20 s and 1 GiB for 100,000. `run list` asks
Redis alone, and must answer within a second.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.connection import make_client
from jobs.extracted import Extracted
from jobs.keys import Keys
from jobs.limits import Limits
from jobs.models import (
    Attempt,
    CodeExecutionResult,
    ExecutableCode,
    Execution,
    Isolation,
    ModelReply,
    PromptJob,
    Record,
)
from jobs.records.index import SummaryIndex
from jobs.records.reading import shard_of, write_record
from jobs.summaries import Summary
from jobs.usage import Usage
from jobs.verdicts import Verdict

from .servers import own_server

_PROMPTMILL = Path(sysconfig.get_path("scripts")) / "promptmill"
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_PROGRAM = "def solve(values):\n    return sum(values)\n" * 20
_BOUND_SECONDS, _BOUND_MIB, _BOUND_LIST_SECONDS = 20.0, 1024.0, 1.0
_SAMPLES = 10
_RUNS = 50


def main() -> int:
    """Measure, print, and say by the exit code whether the bounds were kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reporting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=100_000, help="how many (100000)")
    n = parser.parse_args().records
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {n:,} records", flush=True)
    with tempfile.TemporaryDirectory() as name, own_server() as url:
        folder = Path(name)
        _fill(folder / ".promptmill" / "records", n)
        asyncio.run(_count(url, n))
        # The first command of all writes the bytecode of what it loads.
        _timed(folder, url, "run", "list")
        report = _timed(folder, url, "report", "big", "--json")
        listing = _timed(folder, url, "run", "list")
    for name, (seconds, mib, cpu) in (("report", report), ("run list", listing)):
        print(f"  {name:<10}{seconds:7.2f} s, of CPU {cpu:6.2f} s{mib:7.0f} MiB")
    print(f"  bounds: {_BOUND_SECONDS:g} s and {_BOUND_MIB:g} MiB; {_BOUND_LIST_SECONDS:g} s")
    is_kept = report[0] < _BOUND_SECONDS and report[1] < _BOUND_MIB
    return 0 if is_kept and listing[0] < _BOUND_LIST_SECONDS else 1


async def _count(url: str, n: int) -> None:
    # What Redis keeps of a run that has ended: its counters, however many jobs it had.
    keys = Keys()
    async with make_client(url, keys) as client, client.pipeline() as pipe:
        for number in range(_RUNS):
            name = f"big-{number}"
            pipe.zadd(keys.runs, {name: number})
            pipe.hset(keys.run(name), mapping={"submitted": n, "verdict:accepted": n})
        await pipe.execute()


def _fill(folder: Path, n: int) -> None:
    # As the store lays them out, without waiting for the disk after each.
    folder.mkdir(parents=True)
    index = SummaryIndex(folder, lambda: False)
    for start in range(0, n, 1000):
        records = [_record(number) for number in range(start, min(start + 1000, n))]
        for record in records:
            path = folder / shard_of(record.job_id) / f"{record.job_id}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(write_record(record))
        index.add([Summary.of(record) for record in records])
    index.close()


def _record(number: int) -> Record:
    solved = number % 3 != 0
    job = PromptJob(
        prompt="Sum the values.\n" * 20,
        job_id=f"job-{number:07}",
        run_id="big",
        task_id=f"task/{number // _SAMPLES}",
        sample=number % _SAMPLES,
    )
    verdicts = [Verdict.ACCEPTED] if solved else [Verdict.WRONG_ANSWER] * 2
    attempts = tuple(_attempt(place, verdict) for place, verdict in enumerate(verdicts, 1))
    return Record(
        job=job,
        verdict=verdicts[-1],
        attempts=attempts,
        requested_model="model",
        served_model="model-1",
        simulated=False,
        limits=Limits(),
        isolation=Isolation(profile="rlimits", layers=("rlimits",)),
        worker="w",
        versions={},
        deliveries=1,
        usage=sum((attempt.reply.usage for attempt in attempts), Usage()),
        queued_at=_BEGAN,
        started_at=_BEGAN,
        finished_at=_BEGAN + timedelta(seconds=number),
    )


def _attempt(number: int, verdict: Verdict) -> Attempt:
    outcome = verdict.outcome
    assert outcome is not None  # noqa: S101
    job = PromptJob(prompt="x")
    return Attempt(
        number=number,
        reply=ModelReply(
            content=None,
            text=_PROGRAM,
            finish_reason="STOP",
            model_version="model-1",
            usage=Usage(prompt_token_count=100, total_token_count=300),
            latency_seconds=1.5,
        ),
        extraction=Extracted(policy="p/1", outcome="program", rule="fence"),
        executable_code=ExecutableCode(language=job.language, code=_PROGRAM),
        code_execution_result=CodeExecutionResult(
            outcome=outcome, output="1\n", execution_error=None
        ),
        execution=Execution(
            exit_code=0,
            signal=None,
            limit_hit=None,
            cpu_seconds=0.1,
            wall_seconds=0.2,
            peak_memory_kib=9000,
            stdout="1\n",
            stderr="",
            stdout_bytes=2,
            stderr_bytes=0,
            stdout_truncated=False,
            stderr_truncated=False,
        ),
        verdict=verdict,
        explanation="line 1: expected 2, printed 1",
        started_at=_BEGAN,
        finished_at=_BEGAN,
    )


def _timed(folder: Path, url: str, *words: str) -> tuple[float, float, float]:
    """Seconds, MiB at the most, and seconds of CPU, which say more where others work on the machine."""
    # No more than that: Python may be told there to write no bytecode, and would compile everything each time.
    environment = {"PATH": os.defpath, "HOME": "/", "PROMPTMILL_REDIS__URL": url}
    began = time.monotonic()
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([_PROMPTMILL, *words], cwd=folder, env=environment, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"promptmill {' '.join(words)} ended with {process.returncode}")
    seconds = time.monotonic() - began
    return seconds, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
