"""A worker under attack, in a process and an account of its own, and what can be seen of it from outside."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.requiring import require
from tests.waiting import wait_until
from worker.sandbox import Profile

from .accounts import Account
from .asking import Answered, Asked, Opened
from .machine import Process, below, memory_kib, mentions, processes
from .planted import Planted, plant

_OPEN_SECONDS = 30.0
_ANSWER_SECONDS = 30.0
_LOOK_SECONDS = 0.02
# The spare for the next run is made after the answer; until it is there a survivor could be taken for it.
_STEADY_SECONDS = 0.03
_SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Seen:
    """A run, by the worker's word and by ours."""

    answered: Answered | None
    """None where the worker died."""
    wall_seconds: float
    peak_kib: int
    """The most that the slot's processes held at one look from outside."""


class Attacked:
    """The worker. One program at a time."""

    def __init__(self, profile: Profile, planted: Planted) -> None:
        self.profile = profile
        self.planted = planted
        python, variables = planted.account.command
        uid = planted.account.uid
        self._process = subprocess.Popen(
            [python, "-m", "tests.adversarial.attacked_worker", profile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=planted.runner,
            env={
                **variables,
                "PATH": os.environ["PATH"],
                "HOME": str(planted.home),
                "TMPDIR": str(planted.tmp),
                "GEMINI_API_KEY": planted.secrets["env"],
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            pass_fds=(planted.memfd,),
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._answers.fileno(), False)
        self._heard = b""
        self.uid_of_programs = planted.account.effective_uid
        """Whose processes programs are, outside; known when the slot has settled."""

    @property
    def is_alive(self) -> bool:
        """Whether the worker still runs."""
        return self._process.poll() is None

    async def opened(self) -> Opened:
        """What it could get."""
        await wait_until(self._has_spoken, _OPEN_SECONDS, "the sandbox")
        return Opened.model_validate_json(self._take_line())

    async def run(self, asked: Asked) -> Seen:
        """Have a program run, and look on."""
        peak_kib, looked_at = 0, 0.0
        started = time.monotonic()
        self._asks.write(asked.to_json().encode() + b"\n")
        self._asks.flush()

        def look() -> bool:
            nonlocal peak_kib, looked_at
            if time.monotonic() - looked_at > _LOOK_SECONDS:
                looked_at = time.monotonic()
                peak_kib = max(peak_kib, memory_kib([each.pid for each in self._slot()]))
            return self._has_spoken()

        await wait_until(look, _ANSWER_SECONDS, f"an answer about {asked.code.code[:200]!r}")
        wall_seconds = time.monotonic() - started
        line = self._take_line()
        answered = Answered.model_validate_json(line) if line else None
        return Seen(answered, wall_seconds, peak_kib)

    async def settle(self) -> None:
        """Wait until nobody is left but the zygote and a spare for the next run.

        Raises:
            AssertionError: somebody is.
        """
        seen: list[Process] = []
        known: list[tuple[int, int]] = []
        since = time.monotonic()

        def is_steady() -> bool:
            nonlocal seen, known, since
            seen = self._slot()
            now = [(each.pid, each.uid) for each in seen]
            if now != known or not self._is_chain(seen):
                known, since = now, time.monotonic()
            return time.monotonic() - since > _STEADY_SECONDS

        try:
            await wait_until(is_steady, _SETTLE_SECONDS, "the end of all processes of a run")
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen}") from None
        self.uid_of_programs = seen[-1].uid

    def strays(self) -> list[Process]:
        """Processes that a program of this worker must have left, though they are no children of its any more."""
        everybody = processes()
        own = {each.pid for each in below(self._process.pid, everybody)}
        own |= {os.getpid(), self._process.pid, self.planted.bystander.pid}
        uid = self.uid_of_programs
        is_own_uid = uid not in {0, os.geteuid(), self.planted.account.effective_uid}
        return [
            each
            for each in everybody.values()
            if each.pid not in own
            and ((is_own_uid and each.uid == uid) or mentions(each.pid, str(self.planted.tmp)))
        ]

    def scratch_folders(self) -> list[str]:
        """What the slot has on the disk now: one folder for itself, and one in it for the spare."""
        return [
            str(inner.relative_to(self.planted.tmp))
            for outer in self.planted.tmp.iterdir()
            for inner in (outer, *(outer.iterdir() if outer.is_dir() else ()))
        ]

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._asks.close()
        try:
            self._process.wait(_SETTLE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _slot(self) -> list[Process]:
        return below(self._process.pid, processes())

    def _is_chain(self, slot: list[Process]) -> bool:
        parents = [self._process.pid, *(each.pid for each in slot)][:-1]
        # Under `strict` the zygote waits for PID 1 of its namespace.
        length = 3 if self.profile == "strict" else 2
        return (
            len(slot) == length
            and [each.parent for each in slot] == parents
            and all(each.state not in "ZX" for each in slot)
            and slot[-1].uid != 0
        )

    def _has_spoken(self) -> bool:
        with suppress(BlockingIOError):
            while part := os.read(self._answers.fileno(), 1 << 20):
                self._heard += part
            return True  # its end: it died
        return b"\n" in self._heard

    def _take_line(self) -> bytes:
        line, _, self._heard = self._heard.partition(b"\n")
        return line


@contextmanager
def attacked(profile: Profile, account: Account) -> Iterator[Attacked]:
    """A worker with everything planted around it, which has not said yet what it could get."""
    with plant(account) as planted:
        worker = Attacked(profile, planted)
        try:
            yield worker
        finally:
            worker.close()


async def require_opened(worker: Attacked) -> None:
    """Go on if it has a sandbox, else skip or fail by the name of what is missing."""
    opened = await worker.opened()
    require(f"the profile {worker.profile} ({opened.refused})", available=opened.refused is None)
    await worker.settle()
