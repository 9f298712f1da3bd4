"""Tests that Node.js runs one after another, and when those are over."""

from collections.abc import AsyncIterator

import pytest

from jobs.datasets import Task
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from jobs.verdicts import Verdict
from worker.sandbox import Sandbox, open_sandbox
from worker.solver.checking import check
from worker.solver.fairness import FairRunner
from worker.solver.machine import Machine
from worker.solver.turns import Turns

TESTS = """
const test = require('node:test');
const assert = require('node:assert');
test('returns', async () => {
  await new Promise(resolve => setImmediate(resolve));
  assert.strictEqual(add(1, 2), 3);
});
test('returns again', () => assert.strictEqual(add(3, 4), 7));
"""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with await open_sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("language", [Language.JAVASCRIPT, Language.TYPESCRIPT])
@pytest.mark.parametrize(
    ("program", "is_right"),
    [
        ("function add(a, b) { return a + b }", True),
        ("function process(a, b) { return a + b }\nconst add = process", True),
        ("function add(a, b) { return a - b }", False),
        ("function add(a, b) { return a === 1 ? 3 : 0 }", False),
        ("function add(a, b) { process.exit(0) }", False),
        ("process.exit(0)", False),
    ],
    ids=["right", "a-process-of-its-own", "wrong", "half-right", "exit-when-called", "exit"],
)
async def test_tests_of_node_have_to_end_before_they_count(
    sandbox: Sandbox, language: Language, program: str, is_right: bool
) -> None:
    """They begin when the file is at its end, and a program that ends the process then has passed none of them."""
    unit_file = {"code": TESTS, "runner": "node:test"}
    task = Task.model_validate(
        {"id": "row", "prompt": "x", "language": language, "unitFile": unit_file}
    )
    job = task.to_job("run", max_attempts=1, limits=Limits())
    code = ExecutableCode(language=language, code=program)
    found = await check(job, code, job.limits or Limits(), FairRunner(sandbox, Turns(1), Machine()))
    assert (found.judgement.verdict is Verdict.ACCEPTED) is is_right, found.judgement.explanation
