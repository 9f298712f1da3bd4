"""Replies of a model, as tests script and record them."""

import json

from worker.model.recorded import Recording


def reply(program: str, language: str = "python") -> str:
    """A reply that holds `program` and nothing else."""
    return f"```{language}\n{program}\n```"


def recordings(replies: dict[str, list[str]]) -> list[dict[str, object]]:
    """The rows of a recordings file: for each task its replies in the order of their attempts."""
    return [
        json.loads(Recording(task_id=task_id, attempt=number, reply=said).to_json())
        for task_id, sayings in replies.items()
        for number, said in enumerate(sayings, 1)
    ]
