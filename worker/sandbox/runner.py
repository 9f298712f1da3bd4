"""One subprocess per run, inside the walls this machine grants."""

import asyncio
import hmac
import os
import secrets
import tempfile
from contextlib import suppress

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation

from .errors import SandboxError
from .inside import scratch
from .inside.protocol import Report, Request
from .interpreters import SEARCH_PATH, find_interpreter, readable_paths
from .languages import ROWS, command, source_of
from .launch import Launcher, LayerRefused
from .pipes import Plumbing
from .reading import execution_of

_PRIVATE_SCRATCH = "/scratch"
# What a launcher may take beyond the program's wall time, to build walls and to bury a large tree.
_GRACE_SECONDS = 10.0
# For what is mapped and never touched: libraries, arenas, thread stacks.
_ADDRESS_SPACE_ROOM_MIB = 1024
_KIB = 1024
# A virtual environment without packages: the standard library and nothing else, and still `exit` and `quit`,
# which programs call and `-S` would take away.
_PYTHON_LINK = "python/bin/python"
_PYTHON_CONFIG = "python/pyvenv.cfg"


class SubprocessSandbox:
    """A `Sandbox` in which every run has a process tree, and in `strict` a machine, of its own.

    Runs may be concurrent; how many is the caller's business. Get one from `open_sandbox`, which has proven that
    the layers of `isolation` can be had.
    """

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    @property
    def isolation(self) -> Isolation:
        """The layers that are in force while a program runs here."""
        return self._isolation

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str = "", tests: str | None = None
    ) -> Execution:
        """Run a program, and `tests` after it in its own process and scope.

        It cannot raise because of what the program did. Cancelling it kills the program and everything it started,
        and returns when they are dead.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
            InterpreterMissingError: nothing here runs this language.
        """
        try:
            execution, _ = await OneRun(self._isolation.profile, code, limits, tests).to_its_end(
                stdin
            )
        except LayerRefused as refused:
            raise SandboxError(
                "the sandbox lost a layer it had when it was opened",
                facts={"layer": refused.layer, "reason": refused.detail},
            ) from refused
        return execution


class OneRun:
    """One program on its way through one launcher."""

    def __init__(
        self, profile: str, code: ExecutableCode, limits: Limits, tests: str | None
    ) -> None:
        self._profile = profile
        self._language = code.language
        self._limits = limits
        self._nonce = None if tests is None else secrets.token_hex(16)
        for_everybody = profile == "rlimits" and os.geteuid() == 0
        self._interpreter = find_interpreter(code.language, for_everybody=for_everybody)
        self._source = source_of(code.language, code.code, tests)
        self._scratch = (
            _PRIVATE_SCRATCH
            if profile == "strict"
            else f"{tempfile.gettempdir()}/promptmill-run-{secrets.token_hex(8)}"
        )

    async def to_its_end(self, stdin: str) -> tuple[Execution, tuple[str, ...]]:
        """Run it; say what happened, and which layers were in force.

        Raises:
            SandboxError: we failed.
            LayerRefused: the kernel refused a layer, and nothing ran.
        """
        plumbing = Plumbing(stdin, self._nonce, self._limits.output_kib * _KIB)
        try:
            report = await self._report(plumbing)
        finally:
            plumbing.close()
            if self._profile != "strict":
                # The launcher removes it. It is still there only if the launcher was killed.
                with suppress(OSError):
                    scratch.remove(self._scratch)
        execution = execution_of(
            report,
            self._language,
            plumbing.stdout,
            plumbing.stderr,
            tests_finished=self._tests_finished(plumbing),
        )
        return execution, report.layers

    async def _report(self, plumbing: Plumbing) -> Report:
        ends = plumbing.ends_for_the_program
        async with Launcher(ends) as launcher:
            plumbing.start(launcher.stop)
            try:
                async with asyncio.timeout(self._limits.wall_seconds + _GRACE_SECONDS):
                    report = await launcher.serve(self._request(ends), self._contents())
            except TimeoutError as error:
                raise SandboxError(
                    "the sandbox's launcher did not report in time",
                    facts={"waited": f"{self._limits.wall_seconds + _GRACE_SECONDS:g} s"},
                ) from error
            plumbing.read_what_is_left()
        return report

    def _tests_finished(self, plumbing: Plumbing) -> bool | None:
        if self._nonce is None:
            return None
        return hmac.compare_digest(plumbing.proof.encode(), self._nonce.encode())

    def _contents(self) -> list[bytes]:
        source = self._source.text.encode("utf-8", "surrogatepass")
        config = f"home = {self._interpreter.parent}\ninclude-system-site-packages = false\n"
        return [source, config.encode()] if self._language is Language.PYTHON else [source]

    def _request(self, ends: tuple[int, ...]) -> Request:
        is_python = self._language is Language.PYTHON
        interpreter = f"{self._scratch}/{_PYTHON_LINK}" if is_python else str(self._interpreter)
        source = f"{self._scratch}/{self._source.name}"
        limits = self._limits
        row = ROWS[self._language]
        return Request(
            profile=self._profile,
            argv=command(self._language, interpreter, source, limits.memory_mib),
            environment=self._environment(),
            scratch=self._scratch,
            files=(self._source.name, _PYTHON_CONFIG) if is_python else (self._source.name,),
            links=(f"{_PYTHON_LINK}={self._interpreter}",) if is_python else (),
            readable=readable_paths(self._interpreter),
            descriptors=tuple(map(str, ends)),
            cpu_seconds=limits.cpu_seconds,
            wall_seconds=limits.wall_seconds,
            memory_mib=limits.memory_mib,
            private_memory_mib=limits.memory_mib + row.private_memory_room_mib,
            address_space_mib=limits.memory_mib + _ADDRESS_SPACE_ROOM_MIB
            if row.bounds_address_space
            else 0,
            file_size_mib=limits.file_size_mib,
            scratch_mib=limits.scratch_mib,
            processes=limits.processes,
            open_files=limits.open_files,
        )

    def _environment(self) -> tuple[str, ...]:
        """All of it: nothing of ours is handed on."""
        return (
            f"PATH={SEARCH_PATH}",
            "LANG=C.UTF-8",
            f"HOME={self._scratch}/work",
            f"TMPDIR={self._scratch}/tmp",  # noqa: S108  below a directory of the run's own
        )
