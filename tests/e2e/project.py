"""A folder that somebody works in, and the commands they type there."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from jobs.keys import Keys
from jobs.models import Record
from tests.waiting import wait_until

from .processes import Process, group_of, tree_of

SCRIPTS = Path(sysconfig.get_path("scripts"))
PYTHON = sys.executable
_COMMAND_SECONDS = 50.0
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and what it said."""

    code: int
    """Its exit code, or less than 0 for the signal that ended it."""
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams: what must be in neither is looked for here."""
        return self.out + self.err

    def json(self) -> Any:
        """Standard output, which has to be one JSON value and nothing else."""
        return json.loads(self.out)


class Running:
    """A command that runs in a process group of its own, its output kept in files."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text("utf-8")

    async def until_it_says(self, words: str, deadline_seconds: float = 30) -> None:
        """Return as soon as `words` stand in its standard error."""
        await wait_until(
            lambda: words in self.err or self._process.poll() is not None,
            deadline_seconds,
            f"{words!r} in {self.err!r}",
        )
        assert words in self.err

    async def until_it_prints(self, words: str, deadline_seconds: float = 30) -> None:
        """Return as soon as `words` stand in its standard output."""
        await wait_until(
            lambda: words in self.out or self._process.poll() is not None,
            deadline_seconds,
            f"{words!r} in {self.out!r}",
        )
        assert words in self.out, self.err

    def tree(self) -> frozenset[Process]:
        """It and every process below it, whatever their groups and sessions."""
        return tree_of(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself, and nothing below it."""
        self._process.send_signal(number)

    def interrupt_group(self) -> None:
        """What Ctrl-C in a terminal does: SIGINT for everything in the foreground."""
        os.killpg(self.pid, signal.SIGINT)

    def ended(self, within_seconds: float = _COMMAND_SECONDS) -> Ended:
        """Wait for its end."""
        try:
            code = self._process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {within_seconds} s: {self.err}") from None
        return Ended(code, self.out, self.err)

    def make_sure(self) -> None:
        """End it if it still runs, and everything in its group that has outlived it."""
        self._process.kill()
        self._process.wait()
        for process in group_of(self.pid):
            process.kill()


class Project:
    """A folder, and the little that a shell in it knows."""

    def __init__(self, folder: Path, redis_url: str | None = None) -> None:
        """Work in `folder`; without `redis_url` the commands use their embedded server."""
        self.folder = folder
        self.redis_url = redis_url
        self.environment = {"PATH": f"{SCRIPTS}:{_SYSTEM_PATH}", "HOME": str(folder)}
        if redis_url is not None:
            self.environment["PROMPTMILL_REDIS__URL"] = redis_url
        self._started: list[Running] = []

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Ended:
        """Run `promptmill` with these words to its end; a surrogate in `stdin` is a byte that is no UTF-8."""
        return self.run_program("promptmill", *words, stdin=stdin, **environment)

    def run_program(
        self, program: str, *words: str, stdin: str | None = None, **environment: str
    ) -> Ended:
        """Run any program that the folder's PATH has; without `stdin` there is none to read."""
        running = self._start([program, *words], environment, stdin)
        return running.ended()

    def start(self, *words: str, **environment: str) -> Running:
        """Start `promptmill` with these words; the test's end is its end at the latest."""
        return self._start(["promptmill", *words], environment, None)

    def start_program(self, program: str, *words: str, **environment: str) -> Running:
        """Start any program that the folder's PATH has."""
        return self._start([program, *words], environment, None)

    async def start_worker(self, *words: str, **environment: str) -> Running:
        """Start a worker and return once it takes jobs."""
        worker = self.start("worker", *words, **environment)
        await worker.until_it_says("worker ready")
        return worker

    def write(self, name: str, text: str) -> Path:
        """Write a file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def write_rows(self, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
        """Write a JSON Lines file of the folder."""
        return self.write(name, "".join(f"{json.dumps(row)}\n" for row in rows))

    def submit(self, *words: str) -> str:
        """The id of the one job that `promptmill submit` with these words queues."""
        ended = self.run("submit", *words)
        assert ended.code == 0, ended.err
        return ended.out.strip()

    def solve(self, prompt: str, **fields: object) -> Record:
        """The record of one prompt, worked off by `promptmill eval` with a worker of its own."""
        self.write_rows("one.jsonl", [{"id": "one", "prompt": prompt, **fields}])
        ended = self.run("eval", "one.jsonl")
        assert ended.code == 0, ended.err
        [record] = self.records()
        return record

    def records(self) -> list[Record]:
        """Every record in the folder, by job id."""
        paths = (self.folder / ".promptmill" / "records").glob("??/*.json")
        found = [Record.model_validate_json(path.read_bytes()) for path in paths]
        return sorted(found, key=lambda record: record.job_id)

    def queued(self) -> int:
        """Jobs in the queue, the running ones included."""
        with self.client() as client:
            prefixes = (Keys().waiting("*", "*", "*"), Keys().leased("*", "*", "*"))  # type: ignore[arg-type]
            names = [name for prefix in prefixes for name in client.scan_iter(prefix)]
            return sum(int(client.zcard(name)) for name in names)

    def kept_in_redis(self) -> set[str]:
        """Every key but the signs of life of workers: nothing was queued where there is none."""
        with self.client() as client:
            keys = {key.decode() for key in client.scan_iter()}
        return {key for key in keys if not key.startswith(Keys().worker(""))}

    def client(self) -> Redis:
        """A connection to the folder's Redis."""
        assert self.redis_url is not None
        return Redis.from_url(self.redis_url)

    def close(self) -> None:
        """End whatever was started here and still runs."""
        for running in self._started:
            running.make_sure()

    def _start(
        self, words: Sequence[str], environment: Mapping[str, str], stdin: str | None
    ) -> Running:
        place = self.folder.with_name(f"{self.folder.name}-{len(self._started)}")
        out, err, given = (place.with_suffix(suffix) for suffix in (".out", ".err", ".in"))
        given.write_text(stdin or "", "utf-8", "surrogateescape")
        with given.open("rb") as reading, out.open("wb") as saying, err.open("wb") as telling:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=reading,
                stdout=saying,
                stderr=telling,
                process_group=0,
                # Found by the PATH that it is given, not by ours.
                executable=_found(words[0], {**self.environment, **environment}["PATH"]),
            )
        running = Running(process, out, err)
        self._started.append(running)
        return running


def _found(program: str, path: str) -> str:
    for folder in path.split(":"):
        if os.access(candidate := os.path.join(folder, program), os.X_OK):  # noqa: PTH118
            return candidate
    raise AssertionError(f"{program!r} is not on {path}")
