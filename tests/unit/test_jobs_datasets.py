"""Files of tasks: what is read, and how everything that is wrong with one is told at once."""

import gzip
import json
from pathlib import Path

import pytest

from jobs.checkers import (
    Case,
    Checker,
    ExitsCleanly,
    ExpectedCall,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.datasets import Task
from jobs.datasets.readers import demo_tasks, read_tasks
from jobs.errors import DatasetError, ExitCode
from jobs.limits import Limits
from tests.making import parse_tasks

GOOD = '{"prompt": "Print 1."}'


def problem_of(line: str) -> dict[str, str]:
    """What is said about one bad line."""
    with pytest.raises(DatasetError) as caught:
        parse_tasks([line], "tasks")
    return caught.value.facts


def written(folder: Path, content: bytes) -> Path:
    path = folder / "tasks.jsonl"
    path.write_bytes(content)
    return path


def test_all_bad_lines_are_named_at_once_with_line_and_column(tmp_path: Path) -> None:
    """Told one at a time, a file of thousands is mended a run at a time."""
    lines = [GOOD] * 100
    lines[16] = '{"prompt": }'
    lines[87] = '{"prompt": "x", "maxAttempts": 99}'
    path = written(tmp_path, "\n".join(lines).encode())
    with pytest.raises(DatasetError) as caught:
        read_tasks(path)
    error = caught.value
    assert error.message == f"{path} has 2 bad lines of 100"
    assert error.facts == {
        "line 17, column 12": "not JSON: expecting value",
        "line 88": 'field "maxAttempts" is 99: input should be less than or equal to 20',
    }
    assert (error.exit_code, error.note) == (ExitCode.USAGE, "nothing was queued")


def test_two_faults_of_one_line_are_told_together() -> None:
    """One visit to a line should mend it."""
    assert problem_of('{"promt": "x"}') == {
        "line 1": 'the field "prompt" is missing; unknown field "promt"; did you mean "prompt"?'
    }


@pytest.mark.parametrize(
    ("line", "what"),
    [
        pytest.param('{"prompt": ""}', "at least 1 character", id="empty prompt"),
        pytest.param(
            '{"prompt": "x", "maxAtempts": 1}', 'did you mean "maxAttempts"?', id="near field"
        ),
        pytest.param(
            '{"prompt": "x", "difficulty": 1}', "put it into metadata", id="unknown field"
        ),
        pytest.param(
            '{"prompt": "x", "limits": {"cpuSecond": 1}}',
            'did you mean "limits.cpuSeconds"?',
            id="near limit",
        ),
        pytest.param(
            '{"prompt": "x", "limits": {"gpu": 1}}', "known are cpuSeconds", id="unknown limit"
        ),
        pytest.param(
            '{"prompt": "x", "limits": {"cpuSeconds": 1e9}}', "3600", id="limit beyond all bounds"
        ),
        pytest.param(
            '{"prompt": "x", "limits": {"memoryMib": 999999}}',
            'field "limits.memoryMib" is 999999: input should be less than or equal to 65536',
            id="more memory than a machine has",
        ),
        pytest.param(
            '{"prompt": "x", "language": "cobol"}',
            "is \"cobol\": input should be 'python'",
            id="language",
        ),
        pytest.param('{"prompt": "x", "tags": ["a", 7]}', 'field "tags.1" is 7', id="in a list"),
        pytest.param('{"prompt": "x", "max_attempts": 0}', "is 0: ", id="in the other spelling"),
        pytest.param(
            '{"prompt": "x", "expect": "1", "tests": "t"}',
            'give either "expect" or "tests", not both',
            id="two checks",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "entryPoint": "f", "calls": [{"arguments": [], "expected": 1}]}',
            'give either "expect" or "calls", not both',
            id="calls and another check",
        ),
        pytest.param(
            '{"prompt": "x", "calls": [{"arguments": [], "expected": 1}]}',
            '"entryPoint" and "calls" go together',
            id="calls of nothing",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f"}',
            '"entryPoint" and "calls" go together',
            id="function without calls",
        ),
        pytest.param(
            '{"prompt": "x", "language": "sh", "entryPoint": "f", "calls": [{"arguments": [], "expected": 1}]}',
            '"calls" cannot check sh',
            id="calls in sh",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f", "calls": []}',
            'field "calls" is []: at least 1 of them is needed',
            id="no calls",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f()", "calls": [{"arguments": [], "expected": 1}]}',
            'field "entryPoint" is "f()": ',
            id="entry point that is no name",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f", "calls": [{"arguments": [1]}]}',
            'the field "calls.0.expected" is missing',
            id="call without an answer",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f", "calls": [{"arguments": [1], "expectd": 1, "expected": 1}]}',
            'did you mean "calls.0.expected"?',
            id="near field of a call",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f", "calls": [{"arguments": 1, "expected": 1}]}',
            'field "calls.0.arguments" is 1: ',
            id="one argument that is no list",
        ),
        pytest.param(
            '{"prompt": "x", "entryPoint": "f", "calls": [{"arguments": [], "expected": NaN}]}',
            "JSON has no word for NaN",
            id="NaN is expected",
        ),
        pytest.param(
            '{"prompt": "x", "tests": "assert f(\\n"}',
            "\"tests\" cannot be used: they do not compile: line 1: '(' was never closed",
            id="tests that do not compile",
        ),
        pytest.param(
            '{"prompt": "x", "tests": "def check(f): assert f()"}',
            '"tests" cannot be used: they hold no case',
            id="tests without a case",
        ),
        pytest.param('{"prompt": "a", "prompt": "b"}', 'the key "prompt" comes twice', id="twice"),
        pytest.param(
            '{"prompt": "a", "limits": {"cpuSeconds": 1, "cpuSeconds": 2}}',
            'the key "cpuSeconds" comes twice',
            id="twice in the limits",
        ),
        pytest.param(
            '{"prompt": "a", "metadata": {"x": [{"y": 1, "y": 1}]}}',
            'the key "y" comes twice',
            id="twice deep inside",
        ),
        pytest.param(
            '{"prompt": "a", "maxAttempts": true}',
            'field "maxAttempts" is true: this field is no yes or no',
            id="true for a number",
        ),
        pytest.param(
            '{"prompt": "a", "limits": {"cpuSeconds": true}}',
            'field "limits.cpuSeconds" is true: this field is no yes or no',
            id="true for a limit",
        ),
        pytest.param('{"prompt": "x", "metadata": {"x": NaN}}', "metadata", id="NaN"),
        pytest.param('{"prompt": "x", "sample": 1e999}', "sample", id="infinity"),
        pytest.param('{"prompt": "\\ud800"}', "invalid|Invalid", id="half a surrogate pair"),
        pytest.param('["prompt"]', "a JSON object is expected, not an array", id="array"),
        pytest.param('"prompt"', "a JSON object is expected, not a string", id="string"),
        pytest.param("null", "a JSON object is expected, not null", id="null"),
        pytest.param("12", "a JSON object is expected, not a bare value", id="number"),
        pytest.param(
            '{"prompt": "x", "metadata": {"n": ' + "9" * 5000 + "}}", "too many digits", id="huge"
        ),
        pytest.param("[" * 100_000, "nested too deeply", id="very deep"),
        pytest.param(
            '{"prompt": "x", "metadata": {"d": ' + "[" * 190 + "]" * 190 + "}}",
            "nested more than 100 deep",
            id="too deep to be recorded",
        ),
        pytest.param(
            '{"prompt": "x", "metadata": {"d": ' + "[" * 500 + "]" * 500 + "}}",
            "recursion limit",
            id="deep",
        ),
    ],
)
def test_a_fault_is_said_in_words(line: str, what: str) -> None:
    """The message has to be enough to mend the line; nobody wants a traceback out of a parser."""
    facts = problem_of(line)
    assert list(facts) == ["line 1"]
    assert any(word in facts["line 1"] for word in what.split("|")), facts


def test_a_long_value_is_not_shown_whole() -> None:
    """A prompt of a megabyte would bury the message it stands in."""
    (what,) = problem_of(json.dumps({"prompt": "x", "language": "y" * 10_000})).values()
    assert len(what) < 300


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{GOOD}\r\n{GOOD}\r\n".encode(), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + f"{GOOD}\n{GOOD}".encode(), id="byte order mark"),
        pytest.param(gzip.compress(f"{GOOD}\n{GOOD}\n".encode()), id="gzip"),
        pytest.param(f"\n{GOOD}\n   \n\t\n{GOOD}\n\n".encode(), id="blank lines"),
        pytest.param(f"{GOOD}\n{GOOD}".encode(), id="no line end at the end"),
    ],
)
def test_files_as_people_have_them_are_read(tmp_path: Path, content: bytes) -> None:
    """Editors and other systems write all of these."""
    tasks = read_tasks(written(tmp_path, content))
    assert [task.prompt for task in tasks] == ["Print 1.", "Print 1."]


def test_a_row_without_an_id_is_called_by_its_line(tmp_path: Path) -> None:
    """Blank lines count, so that the name is the number an editor shows."""
    tasks = read_tasks(written(tmp_path, f"\n{GOOD}\n\n{GOOD}\n".encode()))
    assert [task.id for task in tasks] == ["line-2", "line-4"]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_a_character_that_only_looks_like_a_line_end_stays_in_its_string(
    tmp_path: Path, separator: str
) -> None:
    """JSON allows it inside a string; `splitlines` would tear the row apart."""
    if separator < " ":
        row = json.dumps({"prompt": f"a{separator}b"})
    else:
        row = json.dumps({"prompt": f"a{separator}b"}, ensure_ascii=False)
    (task,) = read_tasks(written(tmp_path, row.encode()))
    assert task.prompt == f"a{separator}b"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "holds no task", id="empty"),
        pytest.param(b"\n \n", "holds no task", id="blank"),
        pytest.param(b"\xef\xbb\xbf", "holds no task", id="only a byte order mark"),
        pytest.param(b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "byte is on line 2", id="not UTF-8"),
        pytest.param(GOOD.encode("utf-16"), "is not UTF-8 text", id="UTF-16"),
        pytest.param(gzip.compress(GOOD.encode())[:-9], "damaged gzip file", id="cut gzip"),
        pytest.param(b"\x1f\x8bno", "damaged gzip file", id="no gzip at all"),
    ],
)
def test_a_file_that_is_no_dataset_is_refused_by_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """The wrong file was given, and the message has to say which."""
    path = written(tmp_path, content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_tasks(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("name", "reason"), [("", "Is a directory"), ("absent.jsonl", "No such file")]
)
def test_a_path_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, reason: str
) -> None:
    """A typing error in a path is the most common fault of all."""
    with pytest.raises(DatasetError, match=reason) as caught:
        read_tasks(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message


@pytest.mark.parametrize(
    ("fields", "checker"),
    [
        pytest.param({}, ExitsCleanly(), id="none"),
        pytest.param({"expect": "1"}, MatchesOutput(cases=(Case(expect="1"),)), id="output"),
        pytest.param({"expect": ""}, MatchesOutput(cases=(Case(expect=""),)), id="no output"),
        pytest.param({"tests": "assert f()"}, PassesTests(tests="assert f()"), id="tests"),
    ],
)
def test_a_row_is_checked_as_it_says(fields: dict[str, str], checker: Checker) -> None:
    """Nothing expected and no expectation are different things."""
    assert Task.model_validate({"prompt": "x", **fields}).judged_by == checker


def test_a_row_of_calls_is_checked_by_them() -> None:
    """What is expected stays with us; the program is given the rest."""
    row = '{"prompt": "x", "entryPoint": "add", "calls": [{"arguments": [1, 2], "expected": 3}]}'
    (task,) = parse_tasks([row], "tasks")
    calls = (ExpectedCall(arguments=(1, 2), expected=3),)
    assert task.judged_by == MatchesCalls(entry_point="add", calls=calls)
    assert "expected" not in task.judged_by.inputs.to_json()


def test_a_row_becomes_the_same_job_every_time() -> None:
    """Submitting a dataset again after a crash must find the jobs that are already there."""
    (task,) = parse_tasks(['{"id": "HumanEval/1", "prompt": "x"}'], "tasks")
    first, again = (task.to_job("run", max_attempts=3, limits=Limits()) for _ in range(2))
    assert first == again


def test_samples_and_runs_of_a_row_are_different_jobs() -> None:
    """Samples are independent by definition, and a second run is paid for on purpose."""
    (task,) = parse_tasks([GOOD], "tasks")
    made = [
        task.to_job(run, sample=sample, max_attempts=3, limits=Limits()).job_id
        for run in ("r1", "r2")
        for sample in (0, 1)
    ]
    assert len(set(made)) == 4


def test_what_a_row_says_goes_before_what_the_run_says() -> None:
    """A row knows its own task; the run's options are defaults."""
    (task,) = parse_tasks(
        ['{"prompt": "x", "maxAttempts": 1, "limits": {"cpuSeconds": 2}, "tags": ["easy"]}'], "t"
    )
    job = task.to_job("r", max_attempts=5, limits=Limits(memory_mib=99))
    assert job.max_attempts == 1
    assert job.limits == Limits(cpu_seconds=2, memory_mib=99)
    assert job.metadata == {"tags": ["easy"]}


def test_a_task_that_was_not_read_from_a_file_has_to_be_named() -> None:
    """Without a name its job would have no id of its own."""
    with pytest.raises(ValueError, match="gets its id"):
        Task(prompt="x").to_job("r", max_attempts=1, limits=Limits())


def test_the_tasks_that_ship_are_good_tasks() -> None:
    """They are the first thing anybody runs."""
    tasks = list(demo_tasks())
    assert len(tasks) == len({task.id for task in tasks}) == 12


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        pytest.param(None, "that is there", id="missing"),
        pytest.param('{"prompt": "x"}'.encode("utf-16"), "iconv -f UTF-16", id="UTF-16"),
        pytest.param('{"prompt": "é"}'.encode("latin-1"), "iconv -f WINDOWS-1252", id="Latin-1"),
        pytest.param(b"\x7fELF\x02\x01\xff", "name a file of text", id="no text"),
        pytest.param(b"\x1f\x8b\x08\x00damaged", "gzip -k", id="damaged archive"),
        pytest.param(b"\n", "one JSON object a line", id="empty"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do_and_that_nothing_was_queued(
    tmp_path: Path, content: bytes | None, fix: str
) -> None:
    """Whoever meets it first wants to know whether a part of it is running already."""
    path = tmp_path / "tasks.jsonl" if content is None else written(tmp_path, content)
    with pytest.raises(DatasetError) as caught:
        read_tasks(path)
    assert fix in " ".join(caught.value.fixes)
    assert caught.value.note == "nothing was queued"


def test_metadata_may_hold_a_yes_or_no() -> None:
    """It is the dataset's own, and only carried."""
    (task,) = parse_tasks(['{"prompt": "x", "metadata": {"hard": true}}'], "tasks")
    assert task.metadata == {"hard": True}
