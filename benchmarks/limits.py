"""`python -m benchmarks.limits`: what shared limits cost: three processes, 600 requests a minute, a 429 in between."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import redis

from benchmarks.limits_worker import ACCOUNT, MODEL, UNDER_WAY_SECONDS
from benchmarks.servers import own_server
from jobs.keys import Keys

N_PROCESSES = 3
_MARGIN_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """What all processes together send."""

    per_minute: int = 600
    burst: int = 5
    n_requests: int = 75
    pause_after: int = 12
    """One of the processes is refused after so many of its own requests."""
    pause_seconds: float = 1.5

    @property
    def per_second(self) -> float:
        """What flows off in one second."""
        return self.per_minute / 60

    @property
    def ideal_seconds(self) -> float:
        """From the first request to the last, were none ever late."""
        paced = self.n_requests - self.burst
        # While all are silent, the burst fills again.
        saved = min(self.burst, self.pause_seconds * self.per_second) / self.per_second
        return paced / self.per_second + self.pause_seconds - saved


def admitted_at(url: str, load: Load) -> list[float]:
    """When each request was admitted, in seconds by the clock of Redis."""
    words = [str(load.per_minute), str(load.burst), str(load.n_requests // N_PROCESSES)]
    refused = [str(load.pause_after), str(load.pause_seconds)]
    never = ["0", "0"]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.limits_worker", url, *words]
            + (never if number else refused)
        )
        for number in range(N_PROCESSES)
    ]
    try:
        if any(worker.wait() for worker in workers):
            raise RuntimeError("a process failed")
    finally:
        for worker in workers:
            worker.kill()
    with redis.Redis.from_url(url) as client:
        place = Keys().under_way(ACCOUNT, MODEL)
        ends = cast("list[tuple[bytes, float]]", client.zrange(place, 0, -1, withscores=True))
    return sorted(end / 1000 - UNDER_WAY_SECONDS - _MARGIN_SECONDS for _, end in ends)


def most_in(times: Sequence[float], seconds: float) -> int:
    """The most requests in any stretch of time that is so long."""
    return max(sum(first <= each <= first + seconds for each in times) for first in times)


def most_over(times: Sequence[float], load: Load) -> float:
    """By how many requests any stretch of time holds more than the burst and what flows off in it; 0 at most."""
    pairs = [(i, j) for i in range(len(times)) for j in range(i, len(times))]
    return max(j - i + 1 - load.burst - (times[j] - times[i]) * load.per_second for i, j in pairs)


def main() -> None:
    """Print the time beside the ideal one, and how close it came to the limits."""
    load = Load()
    with own_server() as url:
        times = admitted_at(url, load)
    took = times[-1] - times[0]
    print(f"requests   {len(times)} by {N_PROCESSES} processes, a pause of {load.pause_seconds} s")
    print(f"time       {took:.2f} s, {took / load.ideal_seconds:.3f} x the ideal")
    limit = load.burst + load.per_second
    print(f"most       {most_in(times, 1.0)} in one second, of {limit:g} that may be")
    print(f"over       {most_over(times, load):.4f} requests; 0 at most")


if __name__ == "__main__":
    main()
