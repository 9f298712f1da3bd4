"""The shipped example tasks and their recorded replies fit together."""

import json
from importlib import resources
from itertools import groupby

import pytest

from jobs.datasets.readers import demo_tasks
from worker.model.recorded import Recording
from worker.solver.extraction import extract

RECORDINGS = [
    Recording.model_validate(json.loads(line))
    for line in resources.files("worker.model")
    .joinpath("recordings/demo.jsonl")
    .read_text("utf-8")
    .splitlines()
]
TASKS = {task.id: task for task in demo_tasks()}


def test_every_example_task_has_recorded_attempts_in_order() -> None:
    """A gap would end the tour of a newcomer with an error."""
    grouped = groupby(RECORDINGS, key=lambda row: row.task_id)
    attempts = {task_id: [row.attempt for row in rows] for task_id, rows in grouped}
    assert list(attempts) == list(TASKS)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in attempts.values())


@pytest.mark.parametrize("row", RECORDINGS, ids=lambda row: f"{row.task_id}.{row.attempt}")
def test_a_recorded_reply_answers_its_tasks_own_prompt_with_a_program(row: Recording) -> None:
    """Someone who submits an example's prompt by hand must get its recording."""
    task = TASKS[row.task_id]
    assert row.prompt == task.prompt
    assert extract(row.reply, task.language).code is not None


def test_the_first_example_is_the_one_that_newcomers_type() -> None:
    """The documentation quotes it, and without a key it is the prompt that works."""
    assert TASKS["demo/01"].prompt == "Print the first 20 primes, separated by spaces."
