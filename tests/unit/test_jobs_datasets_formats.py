"""Datasets of others: recognised by the keys of their rows, whatever they come in, and never run by being read."""

import base64
import csv
import gzip
import io
import json
import pickle  # noqa: TID251  (what is read here has to be made)
import zlib
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typing_extensions import override

from jobs.checkers import AllOf, MatchesCalls, MatchesOutput, PassesTests
from jobs.datasets import Task
from jobs.datasets.findings import Fault, Findings, Found, duplicates_in
from jobs.datasets.formats import FORMATS
from jobs.datasets.named import place_of
from jobs.datasets.readers import Dataset, read_tasks
from jobs.datasets.reading import Reading, reading_as
from jobs.errors import DatasetError, UsageError
from jobs.languages import Language
from tests.making import parse_tasks
from tests.requiring import material

HUMAN_EVAL = {
    "task_id": "HumanEval/9",
    "prompt": 'from typing import List\n\n\ndef add(a, b):\n    """Add."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
PACK = {**HUMAN_EVAL, "task_id": "Python/9", "buggy_solution": "    return a - b\n"}
PLUS = {**HUMAN_EVAL, "base_input": [[1, 2]], "plus_input": [[0.5, 1]], "atol": 0}
MBPP = {
    "task_id": 2,
    "text": "Add two numbers.",
    "code": "def add(a, b):\r\n    return a + b",
    "test_list": ["assert add(1, 2) == 3"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
MULTIPL_E = {
    "name": "HumanEval_9_add",
    "language": "js",
    "prompt": "function add(a, b){\n",
    "tests": "}\n\nconst assert = require('node:assert');\nassert.equal(add(1, 2), 3);\n",
    "stop_tokens": ["\n}"],
}
QUIXBUGS = {
    "name": "add",
    "buggy_program": "def add(a, b):\n    return a - b",
    "docstring": '"""\nAdd.\n"""',
    "solution": "def add(a, b):\n    return a + b",
    "tests": "assert add(1, 2) == 3",
}
BIG_CODE = {
    "task_id": "BigCodeBench/9",
    "complete_prompt": "import numpy as np\ndef task_func(a):\n",
    "canonical_solution": "    return np.sum(a)\n",
    "test": "import unittest\nclass TestCases(unittest.TestCase):\n"
    "    def test_a(self):\n        self.assertEqual(task_func([1]), 1)\n",
}
STREAMS = {"input": ["1 2\n"], "output": ["3\n"]}
CODE_CONTESTS = {
    "name": "9_A. Add",
    "description": "Add.",
    "public_tests": STREAMS,
    "private_tests": {"input": ["4 5\n"], "output": ["9\n"]},
    "solutions": {"language": [2, 3], "solution": ["int main(){}", "print(3)"]},
}
FUSION = {
    "id": 9,
    "content": "Add.",
    "labels": "{}",
    "test": json.dumps([{"input": {"stdin": "1 2"}, "output": {"stdout": "3"}}]),
}
APPS = {
    "problem_id": 9,
    "question": "Add.",
    "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}),
    "solutions": json.dumps(["print(sum(map(int, input().split())))"]),
    "difficulty": "interview",
}
CALLED = {
    **APPS,
    "input_output": json.dumps({"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]}),
}
LIVE = {
    "question_id": "abc",
    "question_content": "Add.",
    "contest_date": "2024-02-03T00:00:00",
    "public_test_cases": json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}]),
    "private_test_cases": base64.b64encode(
        zlib.compress(
            pickle.dumps(json.dumps([{"input": "4 5", "output": "9", "testtype": "stdin"}]))
        )
    ).decode(),
}


def tasks_of(*rows: dict[str, Any], how: Reading | None = None) -> Dataset:
    lines = [json.dumps(row) for row in rows]
    return Dataset(lambda: lines, "tasks", how or Reading())


def task_of(row: dict[str, Any]) -> Task:
    (task,) = tasks_of(row)
    return task


@pytest.mark.parametrize(
    ("row", "name", "task_id", "kind"),
    [
        (HUMAN_EVAL, "human-eval", "HumanEval/9", PassesTests),
        (PACK, "humaneval-pack", "Python/9", PassesTests),
        (PLUS, "evalplus", "HumanEval/9", PassesTests),
        (MBPP, "mbpp", "MBPP/2", PassesTests),
        ({**MBPP, "prompt": "x", "test_imports": []}, "mbpp-sanitized", "MBPP/2", PassesTests),
        (
            {**MBPP, "prompt": "x", "test": "assert add(1, 1) == 2"},
            "mbpp-plus",
            "MBPP/2",
            PassesTests,
        ),
        (MULTIPL_E, "multipl-e", "HumanEval_9_add", PassesTests),
        (QUIXBUGS, "quixbugs", "add", PassesTests),
        (BIG_CODE, "bigcodebench", "BigCodeBench/9", PassesTests),
        (CODE_CONTESTS, "code-contests", "9_A. Add", MatchesOutput),
        (FUSION, "code-contests-fusion", "9", MatchesOutput),
        (APPS, "apps", "9", MatchesOutput),
        (CALLED, "apps", "9", MatchesCalls),
        (LIVE, "live-code-bench", "abc", MatchesOutput),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_format_is_known_by_its_keys(
    row: dict[str, Any], name: str, task_id: str, kind: type
) -> None:
    """Nobody should have to convert a benchmark that everybody has."""
    tasks = tasks_of(row)
    (task,) = tasks
    assert (tasks.form, task.id) == (name, task_id)
    assert isinstance(task.judged_by, kind)


def test_every_format_has_a_name_of_its_own() -> None:
    """`--format` takes one of them, and a second of the same name could never be meant."""
    names = [each.name for each in FORMATS]
    assert len(names) == len(set(names))


def test_every_format_stands_in_the_reference() -> None:
    """A format that nobody can look up is one that nobody trusts to have been meant."""
    page = (Path(__file__).parents[2] / "docs/reference/dataset-formats.md").read_text()
    for each in FORMATS:
        keys = ", ".join(f"`{key}`" for key in sorted(each.keys))
        assert f"| `{each.name}` | {each.title} | {keys} | {each.gives} |" in page


def test_a_function_is_asked_for_with_what_stands_before_it() -> None:
    """Models leave out the imports that their prompt shows, and that is no wrong answer."""
    task = task_of(HUMAN_EVAL)
    assert task.preamble == "from typing import List\n"
    assert task.tests is not None
    assert task.tests.endswith("check(add)\n")
    assert task.reference == f"{HUMAN_EVAL['prompt']}{HUMAN_EVAL['canonical_solution']}"


def test_a_broken_program_is_in_the_prompt_and_its_tests_are_not() -> None:
    """A repair benchmark without the broken program asks for something else."""
    task = task_of(PACK)
    assert "return a - b" in task.prompt
    assert "candidate(1, 2)" not in task.prompt
    assert task.broken_reference is not None
    assert task.broken_reference.endswith("return a - b\n")


def test_a_prompt_of_mbpp_shows_the_name_that_its_tests_call() -> None:
    """944 of its 974 texts do not say what the function is called."""
    assert "assert add(1, 2) == 3" in task_of(MBPP).prompt
    assert "\r" not in (task_of(MBPP).reference or "")


def test_tests_that_close_a_function_go_on_without_that() -> None:
    """Whole programs have closed it themselves, and would not compile."""
    tests = task_of(MULTIPL_E).tests or ""
    assert tests.lstrip().startswith("const assert")
    java = {
        **MULTIPL_E,
        "language": "java",
        "prompt": "import java.util.*;\nclass Problem {\n    public static long add(long a, long b) {\n",
        "tests": "    }\n    public static void main(String[] args) {\n    assert(add(1, 2) == 3);\n    }\n\n}\n",
    }
    task = task_of(java)
    assert task.language is Language.JAVA
    assert (task.tests or "").startswith(
        "class ProblemTests extends Problem {\n    public static void main"
    )


def test_what_a_row_imports_is_what_it_requires() -> None:
    """Else a missing package is found out when every answer was paid for."""
    assert task_of(BIG_CODE).requires == ("numpy",)
    assert task_of(HUMAN_EVAL).requires == ()


def test_public_cases_of_contests_are_public_and_the_others_hidden() -> None:
    """What stands in the statement may be fed back; what scores may not."""
    for row in (CODE_CONTESTS, LIVE):
        checker = task_of(row).judged_by
        assert isinstance(checker, MatchesOutput)
        assert [case.public for case in checker.cases] == [True, False]
        assert checker.cases[1].expect.strip() == "9"
    assert task_of(CODE_CONTESTS).reference == "print(3)"
    assert str(task_of(LIVE).released) == "2024-02-03"


def test_a_method_that_is_asserted_about_has_public_and_hidden_asserts() -> None:
    """LiveCodeBench asks for a class where it calls a function."""
    case = {"input": "[1, 2]\n3", "output": "[1, 2, 3]", "testtype": "functional"}
    row = {
        **LIVE,
        "starter_code": "class Solution:\n    def append(self, a, b):\n",
        "metadata": json.dumps({"func_name": "append"}),
        "public_test_cases": json.dumps([case]),
        "private_test_cases": json.dumps([case]),
    }
    checker = task_of(row).judged_by
    assert isinstance(checker, AllOf)
    assert [isinstance(one, PassesTests) and one.public for one in checker.checks] == [True, False]
    assert isinstance(checker.checks[0], PassesTests)
    assert checker.checks[0].tests == "assert Solution().append(*[[1, 2], 3]) == [1, 2, 3]"


def test_a_method_of_apps_is_called_on_an_object_of_its_class() -> None:
    """A function of that name is nowhere in a right answer, which would be wrong."""
    row = {**CALLED, "starter_code": "class Solution:\n    def add(self, a, b):\n"}
    assert task_of(row).judged_by == PassesTests(tests="assert Solution().add(*[1, 2]) == 3")


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [([[3], [[4]]], [3, [4]]), ([[3], [3, 4]], [[3], [3, 4]]), ([3, 4], [3, 4])],
    ids=["each-in-a-list", "lists", "bare"],
)
def test_results_are_taken_out_of_lists_where_all_of_a_row_stand_in_one(
    outputs: list[Any], expected: list[Any]
) -> None:
    """A function that returns a list now and then has one item in it."""
    held = {"fn_name": "add", "inputs": [[1], [2]], "outputs": outputs}
    checker = task_of({**APPS, "input_output": json.dumps(held)}).judged_by
    assert isinstance(checker, MatchesCalls)
    assert [call.expected for call in checker.calls] == expected


class _Planted:
    @override
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run",))


def test_a_pickle_is_read_and_never_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever made the file could run anything on the machine that reads it."""
    packed = base64.b64encode(zlib.compress(pickle.dumps(_Planted()))).decode()
    with pytest.raises(DatasetError, match="1 bad line") as error:
        task_of({**LIVE, "private_test_cases": packed})
    assert "neither JSON nor one packed text" in error.value.facts["line 1"]
    assert capsys.readouterr().out == ""


def test_a_row_that_is_not_what_its_format_says_is_named_with_its_line() -> None:
    """The first row decides the format, and one of another benchmark may stand behind it."""
    with pytest.raises(DatasetError) as error:
        tasks_of(HUMAN_EVAL, MBPP)
    assert error.value.facts == {
        "line 2": "no row of human-eval: the key 'canonical_solution' is missing"
    }


def test_a_file_that_is_of_no_format_names_those_that_were_tried() -> None:
    """Else nobody learns that the file would have been known with one key more."""
    with pytest.raises(DatasetError) as error:
        tasks_of({"question": "x", "answer": "y"})
    assert "human-eval" in error.value.facts["formats tried"]


def test_somebody_may_say_what_the_rows_are() -> None:
    """Keys may fit two formats, and then whoever asks knows better."""
    (task,) = tasks_of(PACK, how=reading_as("human-eval"))
    assert task.broken_reference is None
    with pytest.raises(UsageError, match="no format of a dataset") as error:
        reading_as("humaneval-x")
    assert "human-eval" in error.value.facts["known are"]


def _as_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_tables_arrays_and_texts_are_read_as_rows(tmp_path: Path, suffix: str) -> None:
    """Prompts are kept in spreadsheets and in plain files more often than in JSON Lines."""
    table = _as_csv(
        [
            {"id": "a", "prompt": "Print,\n1", "stdin": "", "stdout": "1", "topic": "x"},
            {"id": "b", "prompt": "Print it.", "stdin": "2", "stdout": "2", "topic": ""},
        ]
    )
    files = {
        "t.csv": table,
        "t.json": json.dumps(
            [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}], indent=1
        ).encode(),
        "t.txt": b"Print 1.\n\nPrint 2.\n",
    }
    read = {}
    for name, content in files.items():
        place = tmp_path / f"{name}{suffix}"
        place.write_bytes(gzip.compress(content) if suffix else content)
        read[name] = list(read_tasks(place))
    first, second = read["t.csv"]
    assert (first.id, first.prompt, first.expect, first.metadata) == (
        "a",
        "Print,\n1",
        "1",
        {"topic": "x"},
    )
    assert (second.stdin, second.expect) == ("2", "2")
    assert [task.id for task in read["t.json"]] == ["a", "b"]
    assert [task.prompt for task in read["t.txt"]] == ["Print 1.", "Print 2."]


def test_parquet_is_read_by_what_queries_results_too(tmp_path: Path) -> None:
    """Most hubs hand out datasets as Parquet alone."""
    source, place = tmp_path / "rows.json", tmp_path / "rows.parquet"
    source.write_text(json.dumps(HUMAN_EVAL))
    duckdb.connect().execute(f"COPY (SELECT * FROM read_json('{source}')) TO '{place}'")
    tasks = read_tasks(place)
    assert tasks.form == "human-eval"
    assert [task.id for task in tasks] == ["HumanEval/9"]


def test_rows_that_share_an_id_are_one_where_that_was_found_out() -> None:
    """A job has its id from its row, so a second row of the name could have no record."""
    rows = ({"id": "a", "prompt": "1"}, {"id": "a", "prompt": "2"}, {"id": "b", "prompt": "3"})
    lines = [json.dumps(row) for row in rows]
    with pytest.raises(DatasetError):
        parse_tasks(lines, "tasks")
    broken = Found(id="b", fault=Fault.BROKEN, why="because")
    found = (*duplicates_in(["a", "a", "b"]), broken)
    findings = Findings(dataset="x", n_rows=3, n_with_reference=0, n_repeats=1, found=found)
    tasks = tasks_of(*rows, how=Reading(findings=findings))
    assert len(tasks) == 2
    assert [task.prompt for task in tasks] == ["1", "3"]
    assert tasks.excluded == {"b": "broken"}


def test_a_list_of_rows_to_be_left_out_is_of_this_dataset() -> None:
    """That of another one would leave nothing out, and the score would seem to be without what is broken."""
    found = (Found(id="b", fault=Fault.BROKEN, why="because"),)
    findings = Findings(dataset="x", n_rows=1, n_with_reference=1, n_repeats=1, found=found)
    with pytest.raises(DatasetError, match="does not have: 'b'"):
        tasks_of({"id": "a", "prompt": "1"}, how=Reading(findings=findings))


def test_human_eval_is_read_out_of_its_package_and_nothing_of_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What executes programs on this very machine stands in that package."""
    package = tmp_path / "human_eval"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    place = package / "data/HumanEval.jsonl.gz"
    place.write_bytes(b"something else")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DatasetError, match="not the HumanEval that was published"):
        place_of(Path("humaneval"))
    place.write_bytes(material("data/datasets/HumanEval.jsonl.gz").read_bytes())
    assert len(read_tasks(place_of(Path("humaneval")))) == 164
