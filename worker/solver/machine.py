"""Looks at how busy this machine is, for next to nothing while nobody wants to know."""

import os
from dataclasses import dataclass
from pathlib import Path

from jobs.clock import monotonic
from jobs.loads import Load

_STAT = Path("/proc/stat")
# What guests use is in the time of their host's user already.
_FIELDS = slice(1, 9)
_STEAL = 7
_FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Mark:
    """A moment, and how the machine had spent its time until then, in ticks of the kernel."""

    at: float
    total: int
    stolen: int


class Machine:
    """The machine that programs run on."""

    def __init__(self) -> None:
        self._last = Mark(float("-inf"), 0, 0)

    def mark(self) -> Mark:
        """About now: a look that is a second old will do."""
        if monotonic() - self._last.at > _FRESH_SECONDS:
            self._last = _look()
        return self._last

    def load_since(self, mark: Mark) -> Load:
        """How busy it was from then until now."""
        now = _look()
        total = now.total - mark.total
        try:
            average = round(os.getloadavg()[0], 2)
        except OSError:
            average = None
        steal = round((now.stolen - mark.stolen) / total, 4) if total > 0 else None
        return Load(load_average=average, cores=os.cpu_count() or 1, steal=steal)


def _look() -> Mark:
    try:
        with _STAT.open() as file:
            ticks = [int(word) for word in file.readline().split()[_FIELDS]]
        return Mark(monotonic(), sum(ticks), ticks[_STEAL])
    except (OSError, ValueError, IndexError):
        return Mark(monotonic(), 0, 0)
