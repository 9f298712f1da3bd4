"""From what the launcher reports and the pipes hold to an `Execution`."""

import os

from jobs.languages import Language
from jobs.models import Execution, LimitHit

from .errors import SandboxError
from .inside.protocol import Report
from .languages import ran_out_of_memory, was_refused_by_compiler
from .pipes import CappedReader

_LIMITS: dict[str, LimitHit] = {
    "cpu": "cpu",
    "wall": "wall",
    "memory": "memory",
    "file_size": "file_size",
    "processes": "processes",
}


def execution_of(
    report: Report,
    language: Language,
    stdout: CappedReader,
    stderr: CappedReader,
    *,
    tests_finished: bool | None,
) -> Execution:
    """What happened, by the launcher's word, the pipes' and, where it failed, the language's own.

    Raises:
        SandboxError: the report contradicts itself.
    """
    exit_code, ended_by = _end_of(report)
    limit_hit = _limit_hit(report, stdout, stderr)
    failed = exit_code != 0
    if failed and limit_hit is None and ran_out_of_memory(language, stderr.text):
        limit_hit = "memory"
    return Execution(
        exit_code=exit_code,
        signal=ended_by,
        limit_hit=limit_hit,
        cpu_seconds=report.cpu_seconds,
        wall_seconds=report.wall_seconds,
        peak_memory_kib=report.peak_memory_kib or None,
        stdout=stdout.text,
        stderr=stderr.text,
        stdout_bytes=stdout.n_bytes,
        stderr_bytes=stderr.n_bytes,
        stdout_truncated=stdout.truncated,
        stderr_truncated=stderr.truncated,
        compile_failed=failed
        and limit_hit is None
        and was_refused_by_compiler(language, stderr.text),
        tests_finished=tests_finished,
    )


def _end_of(report: Report) -> tuple[int | None, int | None]:
    if os.WIFSIGNALED(report.wait_status):
        return None, os.WTERMSIG(report.wait_status)
    if os.WIFEXITED(report.wait_status):
        return os.WEXITSTATUS(report.wait_status), None
    raise SandboxError(
        "the sandbox reported an end that is none", facts={"wait status": str(report.wait_status)}
    )


def _limit_hit(report: Report, stdout: CappedReader, stderr: CappedReader) -> LimitHit | None:
    if stdout.truncated or stderr.truncated:
        return "output"
    return _LIMITS.get(report.reason)
