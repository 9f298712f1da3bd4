"""What was typed or written and cannot be used: told in one form, with the right exit code, and nothing queued."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from .project import Ended, Project
from .told import Told, told_as_json_by, told_by

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Refusal:
    """A command line that has to be refused, and what the refusal has to say."""

    words: tuple[str, ...]
    says: tuple[str, ...]
    kind: str = "usage"
    stdin: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def _rows_with_two_bad_lines() -> bytes:
    rows = [f'{{"id": "p{number}", "prompt": "Print {number}."}}' for number in range(1, 101)]
    rows[16] = '{"id": "p17", "prompt": "Sort the list" "tests": "pass"}'
    rows[87] = '{"id": "p88", "prompt": "Sort the list", "maxAttempts": 50}'
    return "\n".join(rows).encode()


BAD_ROWS = _rows_with_two_bad_lines()
BAD_LINES = ("has 2 bad lines of 100", "line 17, column 41", "line 88", "maxAttempts", "50")
TASK = {"one.jsonl": b'{"prompt": "Print 1."}\n'}

REFUSALS = {
    "eval-bad-lines": Refusal(
        ("eval", "bad.jsonl"), BAD_LINES, kind="dataset-invalid", files={"bad.jsonl": BAD_ROWS}
    ),
    "submit-bad-lines": Refusal(
        ("submit", "--jsonl", "bad.jsonl"),
        BAD_LINES,
        kind="dataset-invalid",
        files={"bad.jsonl": BAD_ROWS},
    ),
    "submit-bad-lines-of-stdin": Refusal(
        ("submit", "--jsonl", "-"), BAD_LINES, kind="dataset-invalid", stdin=BAD_ROWS.decode()
    ),
    "unknown-key-in-toml": Refusal(
        ("eval", "one.jsonl"),
        ("limits.memroy_mib", "did you mean limits.memory_mib?", "promptmill.toml:3"),
        kind="config-unknown-key",
        files={**TASK, "promptmill.toml": b"# mine\n[limits]\nmemroy_mib = 64\n"},
    ),
    "unknown-variable": Refusal(
        ("submit", "Print 1."),
        ("PROMPTMILL_LIMITS__MEMROY_MIB", "did you mean PROMPTMILL_LIMITS__MEMORY_MIB?"),
        kind="config-unknown-key",
        environment={"PROMPTMILL_LIMITS__MEMROY_MIB": "64"},
    ),
    "unknown-variable-of-a-worker": Refusal(
        ("worker",),
        ("PROMPTMILL_WORKRE__LEASE_SECONDS",),
        kind="config-unknown-key",
        environment={"PROMPTMILL_WORKRE__LEASE_SECONDS": "15"},
    ),
    "bad-value-of-a-setting": Refusal(
        ("submit", "Print 1."),
        ("attempts.max", "99", "PROMPTMILL_ATTEMPTS__MAX"),
        kind="config-invalid",
        environment={"PROMPTMILL_ATTEMPTS__MAX": "99"},
    ),
    "redis-url-of-no-kind": Refusal(
        ("submit", "Print 1.", "--redis", "http://localhost"),
        ("redis.url", "http://localhost", "command line"),
        kind="config-invalid",
    ),
    "redis-url-that-is-none": Refusal(
        ("submit", "Print 1.", "--redis", "redis://:pw@[host"), ("is not a Redis URL",)
    ),
    "unknown-option": Refusal(("submit", "Print 1.", "--atempts", "2"), ("--atempts",)),
    "word-too-many": Refusal(("job", "list", "my job"), ("not understood: 'my job'",)),
    "unknown-option-alone": Refusal(("submit", "--wiat"), ("unknown option", "--wiat")),
    "unknown-option-before-a-file": Refusal(
        ("sandbox", "run", "--jsn", "one.py"), ("unknown option: '--jsn'",)
    ),
    "short-option-before-a-file": Refusal(
        ("sandbox", "run", "-x", "one.py"), ("unknown option: '-x'",)
    ),
    "file-too-many": Refusal(
        ("sandbox", "run", "one.py", "--memory_mib", "64", "--stdin", "--what", "two.py"),
        ("not understood: two.py",),
    ),
    "program-from-nowhere": Refusal(
        ("sandbox", "run", "--stdn"), ("unknown option: '--stdn'", "-- --stdn")
    ),
    "program-without-a-language": Refusal(
        ("sandbox", "run", "-"), ("standard input names no language",), stdin="print(1)"
    ),
    "program-and-its-input-in-one": Refusal(
        ("sandbox", "run", "-", "--stdin", "-", "--language", "python"),
        ("cannot be both the program and what it reads",),
        stdin="print(1)",
    ),
    "several-bad-limits": Refusal(
        ("sandbox", "run", "-", "--language", "sh", "--memory-mib", "2", "--cpu-seconds", "0"),
        ("--memory-mib 2", "--cpu-seconds 0"),
        stdin="echo",
    ),
    "half-a-number": Refusal(
        ("sandbox", "run", "one.py", "--memory-mib", "300.9"), ("'300.9' is no whole number",)
    ),
    "half-a-task": Refusal(("eval", "one.jsonl", "--limit", "2.5"), ("'2.5'",), files=TASK),
    "unknown-command": Refusal(("sumbit", "Print 1."), ("sumbit",)),
    "bad-value-of-an-option": Refusal(
        ("submit", "Print 1.", "--max-attempts", "0"), ("--max-attempts",)
    ),
    "unknown-language": Refusal(
        ("submit", "Print 1.", "--language", "pyhton"), ("pyhton", "python")
    ),
    "name-that-cannot-be-a-run's": Refusal(
        ("eval", "one.jsonl", "--run", "a/b"), ("'a/b'",), files=TASK
    ),
    "name-that-no-file-could-have": Refusal(
        ("eval", "one.jsonl", "--run", ".hidden"), ("'.hidden'",), files=TASK
    ),
    "name-that-is-too-long": Refusal(
        ("eval", "one.jsonl", "--run", "a" * 129), ("128",), files=TASK
    ),
    "run-of-a-single-prompt": Refusal(
        ("submit", "Print 1.", "--run", "mine"), ("--run", "--jsonl")
    ),
    "id-of-a-file": Refusal(
        ("submit", "--jsonl", "one.jsonl", "--id", "mine"), ("--id", "--run"), files=TASK
    ),
    "id-that-cannot-be-a-job's": Refusal(("submit", "Print 1.", "--id", "a/b"), ("'a/b'",)),
    "empty-prompt": Refusal(("submit", ""), ("empty",)),
    "empty-standard-input": Refusal(("submit", "-"), ("empty",), stdin=" \n"),
    "no-prompt": Refusal(("submit",), ("--jsonl",)),
    "file-of-no-name": Refusal(("submit", "@"), ("no file is named after @",)),
    "two-checks": Refusal(
        ("submit", "Print 1.", "--expect", "1", "--tests", "one.jsonl"),
        ("--tests", "--expect"),
        files=TASK,
    ),
    "missing-prompt-file": Refusal(("submit", "@prompt.txt"), ("prompt.txt", "No such file")),
    "prompt-that-is-no-text": Refusal(
        ("submit", "@prompt.txt"), ("prompt.txt", "UTF-8"), files={"prompt.txt": b"\xff\xfe"}
    ),
    "standard-input-that-is-no-text": Refusal(
        ("submit", "-"), ("standard input", "UTF-8"), stdin="Print 1\udcff."
    ),
    "dataset-on-standard-input-that-is-no-text": Refusal(
        ("submit", "--jsonl", "-"),
        ("standard input", "UTF-8", "line 2"),
        kind="dataset-invalid",
        stdin='{"prompt": "Print 1."}\n{"prompt": "\udcff"}\n',
    ),
    "prompt-beyond-all-bounds": Refusal(
        ("submit", "@prompt.txt"), ("'prompt'", "1000000"), files={"prompt.txt": b"x" * 1_000_001}
    ),
    "empty-tests": Refusal(
        ("submit", "Print 1.", "--tests", "tests.py"), ("'tests'", "1"), files={"tests.py": b""}
    ),
    "tests-without-a-case": Refusal(
        ("submit", "Print 1.", "--tests", "tests.py"),
        ("tests.py", "they hold no case"),
        files={"tests.py": b"x = 1\n"},
    ),
    "missing-tests-file": Refusal(
        ("submit", "Print 1.", "--tests", "tests.py"), ("tests.py", "No such file")
    ),
    "missing-dataset": Refusal(
        ("eval", "prompts.jsonl"), ("prompts.jsonl", "No such file"), kind="dataset-invalid"
    ),
    "damaged-dataset": Refusal(
        ("eval", "prompts.jsonl.gz"),
        ("prompts.jsonl.gz", "gzip"),
        kind="dataset-invalid",
        files={"prompts.jsonl.gz": b"\x1f\x8b\x08\x00damaged"},
    ),
    "empty-dataset": Refusal(
        ("eval", "none.jsonl"),
        ("holds no task",),
        kind="dataset-invalid",
        files={"none.jsonl": b"\n"},
    ),
    "missing-recordings": Refusal(
        ("eval", "one.jsonl", "--model", "replay:said.jsonl"),
        ("said.jsonl", "No such file"),
        files=TASK,
    ),
    "bad-recordings": Refusal(
        ("eval", "one.jsonl", "--model", "replay:said.jsonl"),
        ("line 2",),
        kind="dataset-invalid",
        files={
            **TASK,
            "said.jsonl": b'{"taskId": "line-1", "attempt": 1, "reply": "hm"}\n{"attempt": 1}\n',
        },
    ),
    "bad-recordings-of-a-worker": Refusal(
        ("worker", "--model", "replay:said.jsonl"),
        ("line 1",),
        kind="dataset-invalid",
        files={"said.jsonl": b"hm\n"},
    ),
    "missing-program": Refusal(
        ("sandbox", "run", "nope.py"), ("nope.py", "No such file", "no program was run")
    ),
    "program-of-no-language": Refusal(
        ("sandbox", "run", "one.txt"), ("one.txt", ".py", "--language"), files={"one.txt": b"1"}
    ),
    "program-that-is-no-text": Refusal(
        ("sandbox", "run", "one.py"), ("one.py", "UTF-8"), files={"one.py": b"\xff"}
    ),
    "no-limit": Refusal(
        ("sandbox", "run", "one.py", "--wall-seconds", "0"),
        ("--wall-seconds", "greater than 0"),
        files={"one.py": b""},
    ),
    "missing-file-beside-a-program": Refusal(
        ("sandbox", "run", "one.py", "--files", "two.txt"),
        ("two.txt", "No such file"),
        files={"one.py": b""},
    ),
    "file-in-place-of-a-program": Refusal(
        ("sandbox", "run", "one.py", "--files", "program.py"),
        ("'program.py' is taken",),
        files={"one.py": b"", "program.py": b""},
    ),
    "files-that-find-no-room": Refusal(
        ("sandbox", "run", "one.py", "--files", "two.txt", "--scratch-mib", "1"),
        ("1 MiB", "--scratch-mib"),
        files={"one.py": b"", "two.txt": bytes(2 << 20)},
    ),
    "packages-of-no-environment": Refusal(
        ("worker",),
        ("nowhere", "is not a virtual environment", "-m venv"),
        kind="sandbox-packages",
        environment={"PROMPTMILL_SANDBOX__PYTHON__ENVIRONMENT": "nowhere"},
    ),
    "module-that-cannot-be-preloaded": Refusal(
        ("eval", "one.jsonl"),
        ("import nowhere", "sandbox.python.preload", "nothing was queued"),
        kind="sandbox-packages",
        files=TASK,
        environment={"PROMPTMILL_SANDBOX__PYTHON__PRELOAD": "json,nowhere"},
    ),
    "calls-in-sh": Refusal(
        ("submit", "--jsonl", "-"),
        ("line 1", '"calls" cannot check sh'),
        kind="dataset-invalid",
        stdin='{"prompt": "x", "language": "sh", "entryPoint": "f", "calls": [{"arguments": [], "expected": 1}]}',
    ),
    "unknown-job": Refusal(
        ("job", "show", "job-nobody-knows"), ("job-nobody-knows",), kind="record-not-found"
    ),
}


def _refused(project: Project, refusal: Refusal, *more: str) -> Ended:
    for name, content in refusal.files.items():
        (project.folder / name).write_bytes(content)
    return project.run(*refusal.words, *more, stdin=refusal.stdin, **refusal.environment)


def _assert_meant(told: Told, refusal: Refusal) -> None:
    assert (told.kind, told.code, told.retryable) == (refusal.kind, 2, False)
    everything = f"{told.message}\n{told.body}\n{told.note}"
    assert [word for word in refusal.says if word not in everything] == [], everything


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_used_is_refused_in_words(project: Project, refusal: Refusal) -> None:
    """Whoever mistyped has to read what and where, not a traceback, and find nothing half done."""
    _assert_meant(told_by(_refused(project, refusal)), refusal)
    assert project.kept_in_redis() == set()


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_used_is_refused_in_json(project: Project, refusal: Refusal) -> None:
    """A program that drives us branches on the kind of an error, not on its words."""
    _assert_meant(told_as_json_by(_refused(project, refusal, "--json")), refusal)
    assert project.kept_in_redis() == set()
