"""Rows of others that are not what their keys promise: a bad line each, and never the end of the command."""

import base64
import json
import pickle  # noqa: TID251  (what is read here has to be made)
import zlib
from pathlib import Path
from typing import Any

import pytest

from jobs.datasets.containers import Container
from jobs.datasets.readers import Dataset, read_tasks
from jobs.datasets.reading import AS_IT_IS, Reading
from jobs.errors import DatasetError

NESTED = "[" * 5_000 + "]" * 5_000
LIVE = {"question_id": "abc", "question_content": "Add.", "public_test_cases": "[]"}
PLUS = {
    "task_id": "HumanEval/9",
    "prompt": "def add(a, b):\n",
    "entry_point": "add",
    "base_input": [],
    "plus_input": [],
}
APPS = '{"question": "Add.", "input_output": {"inputs": ["1"], "outputs": ["1"]}, "deep": '


def read(*lines: str, how: Reading = AS_IT_IS) -> Dataset:
    return Dataset(lambda: lines, "tasks", how)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 9, "content": "Add.", "test": "assert add(1, 2) == 3"},
        {
            "id": 9,
            "content": "Add.",
            "canonical_solution": "",
            "test": "x y",
            "labels": "none known",
        },
        {
            **LIVE,
            "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(NESTED))).decode(),
        },
        {
            **LIVE,
            "metadata": json.dumps({"func_name": "add"}),
            "public_test_cases": [{"input": NESTED, "output": "1", "testtype": "functional"}],
        },
        {**PLUS, "canonical_solution": f"    return {'-' * 5_000}1\n"},
    ],
    ids=["tests-in-python", "labels-in-words", "private-cases", "arguments", "reference"],
)
def test_a_row_that_cannot_be_read_is_a_bad_line(row: dict[str, Any]) -> None:
    """Whoever is handed a dataset learns which line to look at, and sees no traceback."""
    with pytest.raises(DatasetError, match="1 bad line of 1"):
        read(json.dumps(row))


@pytest.mark.parametrize("depth", range(900, 1_000, 5))
def test_a_row_of_others_is_refused_however_deep_it_is_nested(depth: int) -> None:
    """There is a depth that can be read and not written again."""
    with pytest.raises(DatasetError, match="1 bad line of 1"):
        read(f"{APPS}{'[' * depth}{']' * depth}}}")


def test_a_cell_of_metadata_that_is_no_object_is_a_bad_line() -> None:
    """A column of that name that holds words is no object, and nothing of a row is lost without a word."""
    row = json.dumps({"prompt": "x", "metadata": "hard", "topic": "y"})
    with pytest.raises(DatasetError) as error:
        read(row, how=Reading(container=Container.CSV))
    assert error.value.facts == {"line 1": 'field "metadata" is "hard": input should be an object'}


def test_a_row_of_a_table_is_told_of_by_the_line_that_it_ends_on(tmp_path: Path) -> None:
    """Whoever opens the file looks for the line, and heads and cells of two lines are lines too."""
    place = tmp_path / "tasks.csv"
    place.write_text('prompt,maxAttempts\n"Print\n1.",3\n\nPrint 2.,many\nPrint 3.,4\n')
    with pytest.raises(DatasetError, match="1 bad line of 3") as error:
        read_tasks(place)
    assert list(error.value.facts) == ["line 5"]
    place.write_text(place.read_text().replace("many", "2"))
    assert [task.id for task in read_tasks(place)] == ["line-3", "line-5", "line-6"]


@pytest.mark.parametrize("row", ["Print 2.", "Print 2.,2,3"], ids=["fewer", "more"])
def test_a_row_of_a_table_has_a_cell_for_each_column(tmp_path: Path, row: str) -> None:
    """Cut off before its check, nearly every answer to it would be right."""
    place = tmp_path / "tasks.csv"
    place.write_text(f"prompt,expect\nPrint 1.,1\n{row}\n")
    with pytest.raises(DatasetError, match=r"line 3 has (fewer|more) cells"):
        read_tasks(place)


def test_what_a_table_expects_is_not_overwritten_by_its_column_of_outputs() -> None:
    """A row that has both says what is right by the field of that name, in whatever order they stand."""
    row = json.dumps({"prompt": "x", "expect": "1", "stdout": "2", "topic": "y"})
    (task,) = read(row, how=Reading(container=Container.CSV))
    assert (task.expect, task.metadata) == ("1", {"stdout": "2", "topic": "y"})


def test_a_cell_of_a_field_that_is_no_text_is_json(tmp_path: Path) -> None:
    """Whoever keeps tasks in a spreadsheet wants their tags, cases and limits there, too."""
    place = tmp_path / "tasks.csv"
    place.write_text(
        "prompt,max_attempts,tags,cases,public,limits,metadata\n"
        'x,3,"[""easy""]","[{""stdin"": ""1"", ""expect"": ""2""}]",true,"{""cpuSeconds"": 2}","{""by"": 1}"\n'
    )
    (task,) = read_tasks(place)
    assert (task.max_attempts, task.tags, task.public) == (3, ("easy",), True)
    assert (task.limits.cpu_seconds, task.metadata) == (2, {"by": 1})
    assert task.expected is not None
    assert task.expected[0].expect == "2"


def test_a_cell_of_text_is_never_json(tmp_path: Path) -> None:
    """An output of 1 is the text 1, and a prompt may ask for a list by writing one."""
    place = tmp_path / "tasks.csv"
    place.write_text('id,prompt,expect,stdin\n7,[1],"[1, 2]",true\n')
    (task,) = read_tasks(place)
    assert (task.id, task.prompt, task.expect, task.stdin) == ("7", "[1]", "[1, 2]", "true")


@pytest.mark.parametrize(
    ("field", "value"),
    [("maxAttempts", '"3"'), ("relativeTolerance", '"0.1"'), ("limits", '{"cpuSeconds": "2"}')],
)
def test_a_text_is_no_number(field: str, value: str) -> None:
    """Of a field that is read as what it is not, nobody learns that its file was written by mistake."""
    row = f'{{"prompt": "x", "expect": "1", "compare": "float", "{field}": {value}}}'
    with pytest.raises(DatasetError) as error:
        read(row)
    assert "a number is expected, and this is a text" in error.value.facts["line 1"]
