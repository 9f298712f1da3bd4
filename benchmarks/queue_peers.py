"""What other queues do with no-op jobs: `PYTHON queue_peers.py PEER REDIS_URL N_JOBS`, run by path under any Python.

One process queues the jobs as its users would, then works them off with 50 at one time (arq also as it comes, with ten)
and prints seconds for each job as JSON. Each peer is as its documentation sets it up, with uvloop where it runs on
asyncio.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

_AT_ONCE = 50
_PROMPT = "x" * 200


class Count:
    """Counts jobs, and ends the process with the figures when the last one has run."""

    def __init__(self, n_jobs: int) -> None:
        """Wait for so many."""
        self.n_jobs = n_jobs
        # One step, also for threads.
        self._numbers = itertools.count(1)
        self.submit_seconds = self.began = self.cpu_began = 0.0

    def submitted(self, seconds: float) -> None:
        """All of them are queued, which took so long."""
        self.submit_seconds = seconds
        self.cpu_began = time.process_time()

    def hit(self) -> None:
        """One job ran."""
        number = next(self._numbers)
        if number == 1:
            self.began = time.perf_counter()
        if number == self.n_jobs:
            report(
                self.submit_seconds / self.n_jobs,
                (time.perf_counter() - self.began) / self.n_jobs,
                (time.process_time() - self.cpu_began) / self.n_jobs,
            )
            os._exit(0)


def report(submit_seconds: float, run_seconds: float, cpu_seconds: float) -> None:
    """Say what one job took."""
    print(
        json.dumps({"submit": submit_seconds, "run": run_seconds, "cpu": cpu_seconds}), flush=True
    )


COUNT = Count(int(sys.argv[3]) if len(sys.argv) > 3 else 0)


async def noop(ctx: dict[Any, Any], prompt: str = "") -> None:
    """The job, as arq calls it."""
    COUNT.hit()


async def noop_of_saq(_: object, *, prompt: str) -> None:
    """The job, as SAQ calls it."""
    COUNT.hit()


def noop_of_threads(prompt: str) -> None:
    """The job, for those that call functions."""
    COUNT.hit()


async def arq(url: str, n_jobs: int, at_once: int = 10) -> None:
    """By `enqueue_job` one after the other, and ten jobs at one time, which is its default."""
    from arq.connections import RedisSettings, create_pool
    from arq.worker import Worker

    pool = await create_pool(RedisSettings.from_dsn(url))
    began = time.perf_counter()
    for _ in range(n_jobs):
        await pool.enqueue_job("noop", _PROMPT)
    COUNT.submitted(time.perf_counter() - began)
    await Worker([noop], redis_pool=pool, handle_signals=False, max_jobs=at_once).main()


async def arq_50(url: str, n_jobs: int) -> None:
    """As many at one time as the others."""
    await arq(url, n_jobs, _AT_ONCE)


async def saq(url: str, n_jobs: int) -> None:
    """With as many submissions at one time as jobs."""
    from saq import Queue, Worker

    queue = Queue.from_url(url)
    await queue.connect()
    began = time.perf_counter()
    for _ in range(0, n_jobs, _AT_ONCE):
        await asyncio.gather(
            *(queue.enqueue("noop_of_saq", prompt=_PROMPT) for _ in range(_AT_ONCE))
        )
    COUNT.submitted(time.perf_counter() - began)
    await Worker(queue, functions=[noop_of_saq], concurrency=_AT_ONCE).start()


async def streaq(url: str, n_jobs: int) -> None:
    """By `enqueue_many`, 500 at one time."""
    from streaq import Worker

    worker = Worker(redis_url=url, concurrency=_AT_ONCE, handle_signals=False)

    @worker.task()
    async def job(prompt: str) -> None:
        COUNT.hit()

    async with worker:
        began = time.perf_counter()
        for start in range(0, n_jobs, 500):
            n = min(500, n_jobs - start)
            await worker.enqueue_many([job.enqueue(_PROMPT) for _ in range(n)])
        COUNT.submitted(time.perf_counter() - began)
    await worker.run_async()


async def taskiq(url: str, n_jobs: int) -> None:
    """By its Redis stream."""
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(url)

    @broker.task
    async def job(prompt: str) -> None:
        COUNT.hit()

    await broker.startup()
    began = time.perf_counter()
    for _ in range(n_jobs):
        await job.kiq(_PROMPT)
    COUNT.submitted(time.perf_counter() - began)
    broker.is_worker_process = True
    await Receiver(broker, max_async_tasks=_AT_ONCE).listen(asyncio.Event())


def dramatiq(url: str, n_jobs: int) -> None:
    """With threads."""
    import dramatiq as library
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=url)
    library.set_broker(broker)
    job = library.actor(noop_of_threads)
    began = time.perf_counter()
    for _ in range(n_jobs):
        job.send(_PROMPT)
    COUNT.submitted(time.perf_counter() - began)
    library.Worker(broker, worker_threads=_AT_ONCE).start()
    time.sleep(3600)


def rq(url: str, n_jobs: int) -> None:
    """By its worker that does not fork for each job."""
    from redis import Redis
    from rq import Queue, SimpleWorker

    connection = Redis.from_url(url)
    queue = Queue(connection=connection)
    began = time.perf_counter()
    for _ in range(n_jobs):
        # By its name in this file, which is no module that could be imported again.
        queue.enqueue("__main__.noop_of_threads", _PROMPT)
    COUNT.submitted(time.perf_counter() - began)
    SimpleWorker([queue], connection=connection).work(burst=True, logging_level="WARNING")


def celery(url: str, n_jobs: int) -> None:
    """With threads."""
    from celery import Celery

    app = Celery("queue_peers", broker=url)
    app.conf.worker_redirect_stdouts = False
    job = app.task(name="noop")(noop_of_threads)
    began = time.perf_counter()
    for _ in range(n_jobs):
        job.delay(_PROMPT)
    COUNT.submitted(time.perf_counter() - began)
    app.worker_main(["worker", "--pool=threads", f"-c{_AT_ONCE}", "--loglevel=ERROR"])


PEERS: dict[str, Callable[[str, int], Coroutine[Any, Any, None] | None]] = {
    "arq": arq,
    "arq-50": arq_50,
    "saq": saq,
    "streaq": streaq,
    "taskiq": taskiq,
    "dramatiq": dramatiq,
    "rq": rq,
    "celery": celery,
}


def main() -> None:
    """Run one of them."""
    _, peer, url, n_jobs = sys.argv
    running = PEERS[peer](url, int(n_jobs))
    if running is not None:
        if not peer.startswith("arq"):
            import uvloop

            uvloop.run(running)
        else:
            asyncio.run(running)


if __name__ == "__main__":
    main()
