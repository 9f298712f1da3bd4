"""How ours grows: `python -m benchmarks.scale`, or `--jobs 1000000` for the whole of it.

First, one, two and four workers whose model takes two seconds and whose programs are trivial: what each more brings.
Then many prompts through a queue that holds few of them: the memory of the command that submits them, of Redis and of
the worker over time, beside what Redis takes for as many jobs as the high-water mark lets in.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import cast

import redis

from jobs.events import follow
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from jobs.runs import get_run

from .scale_worker import MODEL_SECONDS, N_SLOTS
from .servers import empty, own_server

_PROMPTMILL = Path(sysconfig.get_path("scripts")) / "promptmill"
_HIGH_WATER = 5000
_PROMPT_CHARACTERS = 1000
_MODEL = "gemini-3"
_LANE = "promptmill:queue:default:gemini:normal"
_LOOK_SECONDS = 0.25
_N_SHOWN = 10
_MOST_PRODUCER_MIB = 150
_MOST_REDIS = 1.2


def main() -> int:
    """Measure, print, and say by the exit code whether memory stayed within its bounds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs", type=int, default=30_000, help="prompts to be submitted (30000)")
    parser.add_argument("--waves", type=int, default=4, help="rounds of calls a worker (4)")
    arguments = parser.parse_args()
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}\n",
        flush=True,
    )
    with own_server() as url:
        _grow(url, arguments.waves)
        return 0 if _keeps_its_bounds(url, arguments.jobs) else 1


@contextmanager
def _workers(
    kind: str, n: int, url: str, folder: Path
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    command = [sys.executable, "-m", "benchmarks.scale_worker", kind, url, str(folder)]
    workers = [subprocess.Popen(command) for _ in range(n)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def _grow(url: str, waves: int) -> None:
    print(f"a model of {MODEL_SECONDS:.0f} s, {N_SLOTS} jobs in a worker\n{'':14}{'a second':>10}")
    first = 0.0
    for n_workers in (1, 2, 4):
        empty(url)
        n_jobs = n_workers * N_SLOTS * waves
        with (
            tempfile.TemporaryDirectory() as folder,
            _workers("solve", n_workers, url, Path(folder)),
        ):
            # Each opens its sandbox first; a job for each shows that all of them are at work.
            n_warm = n_workers * N_SLOTS
            asyncio.run(_submit_and_wait(url, "warm", range(n_warm)))
            began = time.perf_counter()
            asyncio.run(_submit_and_wait(url, "run", range(n_warm, n_warm + n_jobs)))
            rate = n_jobs / (time.perf_counter() - began)
        first = first or rate
        ideal = n_workers * N_SLOTS / MODEL_SECONDS
        print(
            f"  {n_workers} workers   {rate:>10.1f}   x {rate / first:.2f} of one, "
            f"{100 * rate / ideal:.0f} % of what {MODEL_SECONDS:.0f} s a call allow",
            flush=True,
        )
    print()


async def _submit_and_wait(url: str, run_id: str, samples: range) -> None:
    async with JobQueue(url, records=MemoryRecordStore()) as queue:
        await queue.submit_all(
            PromptJob(prompt="x", job_id=f"{run_id}-{n}", run_id=run_id, sample=n) for n in samples
        )
        async for _ in follow(queue.redis, queue.keys, run_id):
            if (await get_run(queue, run_id)).ended == len(samples):
                return


def _keeps_its_bounds(url: str, n_jobs: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = folder / "prompts.jsonl"
        with prompts.open("w") as file:
            file.writelines(
                f'{{"prompt": "{number:08} {"x" * (_PROMPT_CHARACTERS - 9)}"}}\n'
                for number in range(n_jobs)
            )
        mark_mib = _size_of_the_mark(url, prompts)
        empty(url)
        with _workers("noop", 1, url, folder) as [worker]:
            rows = _watched(url, prompts, worker.pid)
    most = [max(row[column] for row in rows) for column in (1, 2, 3)]
    print(f"{n_jobs} prompts of {_PROMPT_CHARACTERS} characters, high-water mark {_HIGH_WATER}")
    print(f"{'seconds':>10}{'submitting MiB':>16}{'Redis MiB':>12}{'worker MiB':>12}{'queued':>10}")
    for row in rows[:: max(1, len(rows) // _N_SHOWN)]:
        print(
            "".join(
                (
                    f"{row[0]:>10.1f}",
                    f"{row[1]:>16.1f}",
                    f"{row[2]:>12.1f}",
                    f"{row[3]:>12.1f}",
                    f"{row[4]:>10.0f}",
                )
            )
        )
    print(f"{'most':>10}{most[0]:>16.1f}{most[1]:>12.1f}{most[2]:>12.1f}")
    print(f"\nRedis with {_HIGH_WATER} such jobs and nothing else: {mark_mib:.1f} MiB")
    is_kept = most[0] < _MOST_PRODUCER_MIB and most[1] < _MOST_REDIS * mark_mib
    print(
        f"submitting under {_MOST_PRODUCER_MIB} MiB, Redis under {_MOST_REDIS} x that: "
        f"{'kept' if is_kept else 'NOT KEPT'} ({most[1] / mark_mib:.2f} x)"
    )
    return is_kept


def _size_of_the_mark(url: str, prompts: Path) -> float:
    """What the first of the same prompts take, submitted by the same command, while nobody takes them."""
    empty(url)
    few = prompts.with_name("mark.jsonl")
    with prompts.open() as every, few.open("w") as file:
        file.writelines(islice(every, _HIGH_WATER))
    subprocess.run(
        _submit_command(few),
        env=_environment(url),
        cwd=few.parent,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with redis.Redis.from_url(url) as client:
        n_queued = client.zcard(_LANE)
    if n_queued != min(_HIGH_WATER, _n_lines(few)):
        raise RuntimeError(f"{n_queued} prompts are queued, not as many as the mark allows")
    return _redis_mib(url)


def _n_lines(path: Path) -> int:
    with path.open() as file:
        return sum(1 for _ in file)


def _submit_command(prompts: Path) -> list[str]:
    return [
        *(str(_PROMPTMILL), "submit", "--jsonl", str(prompts)),
        *("--run", "scale", "--model", _MODEL),
    ]


def _environment(url: str) -> dict[str, str]:
    return {
        **os.environ,
        "PROMPTMILL_REDIS__URL": url,
        "PROMPTMILL_QUEUE__HIGH_WATER": str(_HIGH_WATER),
    }


def _watched(url: str, prompts: Path, worker: int) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    began = time.perf_counter()
    with (
        redis.Redis.from_url(url) as client,
        subprocess.Popen(
            _submit_command(prompts),
            env=_environment(url),
            cwd=prompts.parent,
            stdout=subprocess.DEVNULL,
        ) as producer,
    ):
        while producer.poll() is None:
            queued = client.zcard(_LANE)
            rows.append(
                (
                    time.perf_counter() - began,
                    _rss_mib(producer.pid),
                    _redis_mib(url),
                    _rss_mib(worker),
                    float(str(queued)),
                )
            )
            time.sleep(_LOOK_SECONDS)
    if producer.returncode != 0:
        raise RuntimeError("the prompts could not be submitted")
    return rows


def _rss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _redis_mib(url: str) -> float:
    with redis.Redis.from_url(url) as client:
        info = cast("dict[str, int]", client.info("memory"))
    return info["used_memory_dataset"] / 2**20


if __name__ == "__main__":
    sys.exit(main())
