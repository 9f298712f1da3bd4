"""From what the zygote reports and the pipes hold to an `Execution`."""

import base64
import hmac
import json
import os
from collections.abc import Iterator
from itertools import islice

from jobs.checkers import MAX_CALLS
from jobs.handed_back import Artefact, Returned
from jobs.languages import Language
from jobs.models import Execution, LimitHit
from jobs.wire import is_writable

from .errors import SandboxError
from .inside.protocol import Report
from .languages import (
    grew_a_file_too_large,
    ran_out_of_memory,
    was_denied,
    was_refused_by_compiler,
)
from .pipes import CappedReader, Plumbing
from .plan import Plan
from .slot import Ended

_LIMITS: dict[str, LimitHit] = {
    "cpu": "cpu",
    "wall": "wall",
    "memory": "memory",
    "file_size": "file_size",
    "processes": "processes",
}
# One more than can be asked for tells that a program has answered what nobody asked.
_MOST_ANSWERS = MAX_CALLS + 1
_MOST_WORDS = 500
_NOT_JSON = "value that cannot be written as JSON"


def execution_of(plan: Plan, plumbing: Plumbing, ended: Ended) -> Execution:
    """What happened, by the zygote's word, the pipes' and, where it failed, the language's own.

    Raises:
        SandboxError: the report contradicts itself.
    """
    report, stdout, stderr = ended.report, plumbing.stdout, plumbing.stderr
    exit_code, ended_by = _end_of(report)
    failed = exit_code != 0
    limit_hit = _limit_hit(report, plumbing)
    if failed and limit_hit is None and not plan.is_compiling:
        limit_hit = _limit_in_words(plan.language, stderr.text)
    is_answered = plan.question is not None
    return Execution(
        exit_code=exit_code,
        signal=ended_by,
        limit_hit=limit_hit,
        cpu_seconds=max(0.0, report.cpu_seconds),
        wall_seconds=report.wall_seconds,
        peak_memory_kib=report.peak_memory_kib or None,
        peak_processes=report.peak_processes,
        stdout=stdout.text,
        stderr=stderr.text,
        stdout_base64=_exact(stdout),
        stderr_base64=_exact(stderr),
        stdout_bytes=stdout.n_bytes,
        stderr_bytes=stderr.n_bytes,
        stdout_truncated=stdout.truncated,
        stderr_truncated=stderr.truncated,
        compile_failed=failed
        and limit_hit is None
        and not plan.is_compiling
        and was_refused_by_compiler(plan.language, stderr.text),
        tests_finished=_is_proven(plan, plumbing) if plan.is_tested else None,
        returned=tuple(islice(answers_in(plumbing.answer), _MOST_ANSWERS))
        if is_answered and not plan.is_tested
        else None,
        artefacts=_artefacts(ended),
        artefacts_omitted=report.artefacts_omitted,
    )


def _is_proven(plan: Plan, plumbing: Plumbing) -> bool:
    asked = (plan.question or "").strip()
    return hmac.compare_digest(plumbing.answer.strip(), asked.encode())


def answers_in(raw: bytes) -> Iterator[Returned]:
    """Answers to the calls, in order, up to the first line that is none: a program may write what it likes there.

    What is yielded can be written as JSON and read back. Nothing is raised, whatever the bytes are.
    """
    for line in raw.split(b"\n")[:-1]:
        answer = _answer_in(line)
        if answer is None:
            return
        yield answer


def _answer_in(line: bytes) -> Returned | None:
    try:
        answer = json.loads(line.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    match list(answer.items()):
        case [("value", value)]:
            # Half a surrogate pair is text to Python and JavaScript, and to nobody who reads the record.
            return Returned(value=value) if is_writable(value) else Returned(unfit=_NOT_JSON)
        case [("error" | "unfit" as name, str(words))]:
            text = words[:_MOST_WORDS].encode("utf-8", "replace").decode()
            return Returned(error=text) if name == "error" else Returned(unfit=text)
        case _:
            return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _exact(stream: CappedReader) -> str | None:
    kept = stream.kept
    return None if stream.text.encode() == kept else base64.b64encode(kept).decode()


def _artefacts(ended: Ended) -> tuple[Artefact, ...]:
    if ended.artefacts is None:
        return ()
    with os.fdopen(ended.artefacts, "rb") as content:
        content.seek(0)
        return tuple(_read_artefacts(ended.report, content.read()))


def _read_artefacts(report: Report, content: bytes) -> Iterator[Artefact]:
    at = 0
    for name, sizes in zip(report.artefacts, report.artefact_sizes, strict=True):
        kept, _, whole = sizes.partition(" of ")
        part = content[at : at + int(kept)]
        at += len(part)
        yield Artefact(
            # A name is bytes; what is no UTF-8 in it is written out.
            name=name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
            size_bytes=int(whole),
            content_base64=base64.b64encode(part).decode(),
            truncated=int(whole) > len(part),
        )


def _end_of(report: Report) -> tuple[int | None, int | None]:
    if os.WIFSIGNALED(report.wait_status):
        return None, os.WTERMSIG(report.wait_status)
    if os.WIFEXITED(report.wait_status):
        return os.WEXITSTATUS(report.wait_status), None
    raise SandboxError(
        "the sandbox reported an end that is none", facts={"wait status": str(report.wait_status)}
    )


def _limit_hit(report: Report, plumbing: Plumbing) -> LimitHit | None:
    if plumbing.overflowed:
        return "output"
    return _LIMITS.get(report.reason)


def _limit_in_words(language: Language, stderr: str) -> LimitHit | None:
    """Which limit the language itself says it failed of."""
    if ran_out_of_memory(language, stderr):
        return "memory"
    if grew_a_file_too_large(language, stderr):
        return "file_size"
    return "denied" if was_denied(language, stderr) else None
