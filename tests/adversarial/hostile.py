"""A hostile program, what it has to keep, and the looks from outside that find out whether it did."""

import base64
import random
import shlex
from dataclasses import dataclass

from jobs.checkers import ExpectedCall, MatchesCalls
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution
from jobs.verdicts import Verdict
from worker.solver.judge import judge

from .asking import Asked
from .attacked import Attacked, Seen

LIMITS = Limits(
    cpu_seconds=1,
    wall_seconds=2.5,
    memory_mib=256,
    output_kib=256,
    processes=32,
    open_files=64,
    file_size_mib=16,
    scratch_mib=64,
)
"""The corpus's, with half the time: what it asks for has to hold all the more."""

_LANGUAGES = {"python": Language.PYTHON, "javascript": Language.JAVASCRIPT, "bash": Language.SH}
_MOST_COLLECTED, _MOST_COLLECTED_KIB = 8, 64
# Beyond the wall limit: reaping a tree and collecting files, on a busy machine.
_WALL_ROOM_SECONDS = 2.5
# Between two looks a fast program takes this much more than it may.
_MEMORY_ROOM_MIB = 64
_PAIRS = 20
# Kept by every program, whatever its row says.
_ALWAYS = (
    "no_breach_line",
    "canary_absent",
    "redis_untouched",
    "net_untouched",
    "bystander_alive",
    "runner_alive",
    "no_survivors",
    "host_fs_clean",
    "next_run_clean",
    "output_le",
    "collector_bounded",
)
_EXACT_OUTPUT = {
    "o21_binary_output": bytes(range(256)) * 4 + b"\x00\xff\xfe\xed\xa0\x80 end\n",
    "o22_terminal_escapes": b"\x1b]52;c;cm0gLXJmIC8=\x07\x1b]0;owned\x07\x1b[2J\x1b[6n\x1b[31mPASSED\x1b[0m"
    b"\rFAILED \xe2\x80\xae gnp.exe\n<script>alert(1)</script>\n",
}


@dataclass(frozen=True)
class Then:
    """A probe that has to run clean in the same slot afterwards."""

    source: str = "print(6 * 7)"
    expect_stdout: str = "42\n"
    forbid_stdout: str = "POISONED"


_ANY_PROBE = Then()


@dataclass(frozen=True)
class Hostile:
    """One program."""

    name: str
    source: str
    verdicts: tuple[str, ...]
    """In the corpus's words; any of them is right."""
    own_invariants: tuple[str, ...] = ()
    """What has to be kept beyond what all have to keep; some have a value after a colon."""
    language: str = "python"
    category: str = ""
    is_judged: bool = False
    """Whether it defines `add` and wants to be taken for right."""
    stdin: str = ""
    then: Then = _ANY_PROBE

    @property
    def invariants(self) -> list[str]:
        """All that has to be kept, its own first."""
        names = {each.partition(":")[0] for each in self.own_invariants}
        return [*self.own_invariants, *(name for name in _ALWAYS if name not in names)]

    def code(self, source: str) -> ExecutableCode:
        """The program, as aimed by whoever planted its targets."""
        if self.language == "bash":
            # Our own `sh` knows less.
            source = f"exec bash -c {shlex.quote(source)}"
        return ExecutableCode(language=_LANGUAGES[self.language], code=source)


def _additions() -> MatchesCalls:
    """Random sums: nobody can know the answers but who adds."""
    generator = random.Random()
    pairs = [
        (generator.randrange(-(10**6), 10**6), generator.randrange(10**6)) for _ in range(_PAIRS)
    ]
    calls = tuple(ExpectedCall(arguments=(a, b), expected=a + b) for a, b in pairs)
    return MatchesCalls(entry_point="add", calls=calls)


async def broken_by(worker: Attacked, hostile: Hostile, limits: Limits = LIMITS) -> list[str]:
    """Have it run, and name each promise that is not kept; none is how it should be."""
    attack = _Attack(worker, hostile, limits)
    await attack.carry_out()
    broken = [] if attack.is_verdict_right else [f"verdict {attack.verdict}: {attack.last_words}"]
    for invariant in hostile.invariants:
        name, _, value = invariant.partition(":")
        if not await attack.keeps(name, value):
            broken.append(f"{invariant} ({attack.detail})" if attack.detail else invariant)
    return broken


class _Attack:
    """One program in one worker: what it did, and what can be found afterwards."""

    def __init__(self, worker: Attacked, hostile: Hostile, limits: Limits) -> None:
        self._worker = worker
        self._planted = worker.planted
        self._hostile = hostile
        self._limits = limits
        self._checker = _additions()
        self.detail = ""
        """About the promise that was asked for last."""

    async def carry_out(self) -> None:
        """Run it."""
        self._files_before = self._files()
        code = self._hostile.code(self._planted.aimed(self._hostile.source))
        self._code = code
        self._seen: Seen = await self._worker.run(
            Asked(
                code=code,
                limits=self._limits,
                stdin=self._hostile.stdin,
                calls=self._checker.inputs if self._hostile.is_judged else None,
                most_collected=_MOST_COLLECTED,
                most_collected_kib=_MOST_COLLECTED_KIB,
            )
        )

    @property
    def execution(self) -> Execution | None:
        """What came of it; None where the worker failed."""
        return self._seen.answered.execution if self._seen.answered else None

    @property
    def verdict(self) -> str:
        """In the corpus's own words."""
        execution = self.execution
        if execution is None:
            return "SE"
        if self._hostile.is_judged:
            judged = judge(self._code, execution, self._checker, self._limits)
            return "PASS" if judged.verdict is Verdict.ACCEPTED else "FAIL"
        match execution.limit_hit:
            case "cpu" | "wall":
                return "TLE"
            case "memory":
                return "MLE"
            case "output":
                return "OLE"
            case "file_size" | "processes" | "denied":
                return "RE"
            case None:
                return "SIG" if execution.signal else "RE" if execution.exit_code else "OK"

    @property
    def is_verdict_right(self) -> bool:
        """Whether the row expects it."""
        return self.verdict in self._hostile.verdicts

    @property
    def last_words(self) -> str:
        """For whoever reads why a test failed."""
        if self.execution is None:
            return self._seen.answered.failed or "" if self._seen.answered else "the worker died"
        return self.execution.stderr[-500:]

    async def keeps(self, name: str, value: str) -> bool:
        """Whether this promise is kept."""
        self.detail = ""
        if name in {"no_survivors", "next_run_clean"}:
            return await (self._left_nobody() if name == "no_survivors" else self._next_is_clean())
        if name == "wall_le":
            return self._ended_within(
                float(value or self._limits.wall_seconds + _WALL_ROOM_SECONDS)
            )
        if name == "limit_is":
            self.detail = str(self.execution and self.execution.limit_hit)
            return self.detail in value.split("|")
        if name in {"stdout_has", "output_lossless"}:
            expected = _EXACT_OUTPUT[self._hostile.name] if name == "output_lossless" else b""
            return value.encode() in self._stdout if value else self._stdout == expected
        return self._is_untouched(name) and self._is_bounded(name)

    def _is_untouched(self, name: str) -> bool:
        match name:
            case "canary_absent":
                return self._keeps_secrets()
            case "redis_untouched":
                return self._planted.redis_is_untouched
            case "net_untouched":
                self.detail = ", ".join(self._planted.touched_listeners)
                return not self._planted.touched_listeners
            case "bystander_alive":
                return self._planted.bystander_is_alive
            case "runner_alive":
                return self._worker.is_alive and self.execution is not None
            case "host_fs_clean":
                return self._left_no_file()
            case _:
                return True

    def _is_bounded(self, name: str) -> bool:
        match name:
            case "rss_le":
                return self._stayed_small()
            case "output_le":
                return self._output_is_bounded()
            case "collector_bounded":
                return self._collection_is_bounded()
            case "no_breach_line":
                return b"BREACH" not in self._stdout
            case "passed" | "not_passed":
                return (self.verdict == "PASS") == (name == "passed")
            case "no_raw_escape_in_ui":
                # Of whole commands, in a test of its own.
                return True
            case _ if name in _ALWAYS:
                return True
            case _:
                raise AssertionError(f"nobody checks {name}")

    @property
    def _stdout(self) -> bytes:
        execution = self.execution
        if execution is None:
            return b""
        return _exact(execution.stdout, execution.stdout_base64)

    async def _left_nobody(self) -> bool:
        try:
            await self._worker.settle()
        except AssertionError as error:
            self.detail = str(error)
            return False
        self.detail = ", ".join(map(str, self._worker.strays()))
        return not self.detail

    async def _next_is_clean(self) -> bool:
        then = self._hostile.then
        code = ExecutableCode(language=Language.PYTHON, code=then.source)
        seen = await self._worker.run(Asked(code=code, limits=self._limits))
        execution = seen.answered.execution if seen.answered else None
        if execution is None:
            return False
        self.detail = execution.stdout + execution.stderr
        is_clean = then.forbid_stdout not in execution.stdout
        return is_clean and then.expect_stdout in execution.stdout

    def _ended_within(self, seconds: float) -> bool:
        by_us, execution = self._seen.wall_seconds, self.execution
        self.detail = f"{by_us:.2f} s"
        return by_us <= seconds and (execution is None or execution.wall_seconds <= seconds)

    def _stayed_small(self) -> bool:
        by_worker = (self.execution and self.execution.peak_memory_kib) or 0
        self.detail = f"{by_worker} KiB by its word, {self._seen.peak_kib} KiB by ours"
        most = (self._limits.memory_mib + _MEMORY_ROOM_MIB) * 1024
        return max(by_worker, self._seen.peak_kib) <= most

    def _output_is_bounded(self) -> bool:
        execution, most = self.execution, self._limits.output_kib * 1024
        if execution is None:
            return True
        stderr = _exact(execution.stderr, execution.stderr_base64)
        is_told = all(
            told or len(kept) == n_bytes
            for kept, n_bytes, told in (
                (self._stdout, execution.stdout_bytes, execution.stdout_truncated),
                (stderr, execution.stderr_bytes, execution.stderr_truncated),
            )
        )
        return is_told and max(len(self._stdout), len(stderr)) <= most

    def _collection_is_bounded(self) -> bool:
        if self.execution is None:
            return True
        artefacts = self.execution.artefacts
        contents = [base64.b64decode(each.content_base64) for each in artefacts]
        are_honest = all(
            each.truncated or len(content) == each.size_bytes
            for each, content in zip(artefacts, contents, strict=True)
        )
        n_bytes = sum(map(len, contents))
        self.detail = f"{len(artefacts)} files, {n_bytes} bytes"
        is_small = len(artefacts) <= _MOST_COLLECTED and n_bytes <= _MOST_COLLECTED_KIB * 1024
        return are_honest and is_small

    def _keeps_secrets(self) -> bool:
        execution = self.execution
        if execution is None:
            return True
        said = [self._stdout, _exact(execution.stderr, execution.stderr_base64)]
        said += [base64.b64decode(each.content_base64) for each in execution.artefacts]
        said += [each.name.encode() for each in execution.artefacts]
        self.detail = ", ".join(self._planted.leaks_in(b"\0".join(said)))
        return not self.detail

    def _left_no_file(self) -> bool:
        left = self._files() - self._files_before
        folders = self._worker.scratch_folders()
        # The slot's own folder, and the next run's in it.
        self.detail = f"{sorted(left)} {folders}"
        return not left and len(folders) <= 2

    def _files(self) -> frozenset[tuple[str, int]]:
        return self._planted.files(self._worker.uid_of_programs)


def _exact(text: str, exact_base64: str | None) -> bytes:
    return text.encode() if exact_base64 is None else base64.b64decode(exact_base64)
