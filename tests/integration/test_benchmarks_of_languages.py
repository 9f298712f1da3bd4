"""Known benchmarks in other languages than Python: each answer gets the verdict that an independent run gave it."""

import asyncio
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from jobs.checkers import PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.verdicts import Verdict
from tests.requiring import material, require
from worker.sandbox import InterpreterMissingError, Sandbox, find_interpreter, open_sandbox
from worker.solver.checking import check
from worker.solver.extraction import extract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_LIMITS = Limits(cpu_seconds=5, wall_seconds=60, memory_mib=512)
_AT_A_TIME = 2
# The independent run put its `import` and the tests' `require` into one file that allows only one of the two.
_RIGHT_ALL_THE_SAME = {("ts", "HumanEval_162_string_to_md5")}


@dataclass(frozen=True)
class _Answer:
    name: str
    program: str
    tests: str


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(material(f"data/{name}"), "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


async def _accepted(language: Language, answers: Sequence[_Answer]) -> set[str]:
    """The names of the answers whose tests ran to their end."""
    try:
        find_interpreter(language)
    except InterpreterMissingError as error:
        require(error.message, available=False)
    free = asyncio.Semaphore(_AT_A_TIME)
    async with await open_sandbox("contained") as sandbox:
        verdicts = await asyncio.gather(
            *(_verdict(sandbox, free, language, answer) for answer in answers)
        )
    return {
        answer.name
        for answer, verdict in zip(answers, verdicts, strict=True)
        if verdict is Verdict.ACCEPTED
    }


async def _verdict(
    sandbox: Sandbox, free: asyncio.Semaphore, language: Language, answer: _Answer
) -> Verdict:
    code = ExecutableCode(language=language, code=answer.program)
    job = PromptJob(prompt="x", language=language, checker=PassesTests(tests=answer.tests))
    async with free:
        return (await check(job, code, _LIMITS, sandbox)).judgement.verdict


@pytest.mark.parametrize(
    ("name", "language"),
    [("sh", Language.BASH), ("js", Language.JAVASCRIPT), ("ts", Language.TYPESCRIPT)],
)
async def test_raw_answers_get_the_verdicts_they_got_elsewhere(
    name: str, language: Language
) -> None:
    """From the chat text, fences and prose, to the last assertion: 81 of 158, 138 of 161, 141 of 159 (and one)."""
    file = f"datasets/multipl-e_humaneval-{name}"
    expected = {
        row["task_id"]
        for row in _rows("expected_rows.jsonl.gz")
        if row["file"] == file and row["statuses"] == ["passed"]
    }
    answers = []
    for row in _rows(f"{file}.jsonl.gz"):
        found = extract(row["gpt_solution"], language)
        assert found.code is not None, (row["task_id"], found.reason)
        # Where a completion ended, the tests close the function; these answers have closed it themselves.
        tests = row["tests"].removeprefix("}")
        answers.append(_Answer(row["task_id"], found.code, tests))
    accepted = await _accepted(language, answers)
    assert {(name, task) for task in accepted ^ expected} <= _RIGHT_ALL_THE_SAME


@pytest.mark.parametrize("solution", ["canonical_solution", "buggy_solution"])
async def test_repair_tasks_tell_the_mended_program_from_the_broken_one(solution: str) -> None:
    """Of the broken ones 153 end with exit code 0: node's own assertions print a line and go on."""
    rows = list(_rows("datasets/humanevalpack-js.jsonl.gz"))
    answers = [
        _Answer(row["task_id"], f"{row['prompt']}{row[solution]}", row["test"]) for row in rows
    ]
    accepted = await _accepted(Language.JAVASCRIPT, answers)
    # One needs a package that has to be installed.
    mended = {row["task_id"] for row in rows} - {"JavaScript/162"}
    assert accepted == (mended if solution == "canonical_solution" else set())
