"""The page that lists every key in Redis says what is there."""

import inspect
import re
from pathlib import Path

import pytest

from jobs.keys import CANCEL_SECONDS, EVENT_SECONDS, QUEUED_SECONDS, Keys
from jobs.presence import SILENCE_SECONDS

# The key that arq makes from the name of the queue.
OF_ARQ = {"promptmill:queue:health-check"}


@pytest.fixture(scope="module")
def listed(repository: Path) -> dict[str, str]:
    """What the page says each key lives until."""
    text = (repository / "docs/reference/redis.md").read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|[^|]+\|[^|]+\|([^|]+)\|$", text, re.MULTILINE)
    return {key: until.strip() for key, until in rows}


def keys_in_code() -> set[str]:
    keys = Keys("promptmill")
    properties = inspect.getmembers(Keys, lambda member: isinstance(member, property))
    found = {str(getattr(keys, name)) for name, _ in properties}
    for name, method in inspect.getmembers(Keys, inspect.isfunction):
        if not name.startswith("_"):
            words = [
                word.upper() for word in inspect.signature(method).parameters if word != "self"
            ]
            found.add(getattr(keys, name)(*words))
    return found


def test_every_key_of_ours_is_listed_and_no_other(listed: dict[str, str]) -> None:
    """Whoever runs the server wants to know what fills it."""
    assert {key for key in listed if key.startswith("promptmill:")} == keys_in_code() | OF_ARQ


@pytest.mark.parametrize(
    ("key", "words", "seconds"),
    [
        ("promptmill:events:STREAM", "1 hour", EVENT_SECONDS),
        ("promptmill:checkpoint:JOB_ID", "30 days", QUEUED_SECONDS),
        ("promptmill:cancelled:JOB_ID", "1 day", CANCEL_SECONDS),
        ("promptmill:worker:WORKER_ID", "10 seconds", SILENCE_SECONDS),
        ("arq:job:JOB_ID", "30 days", QUEUED_SECONDS),
    ],
)
def test_lifetimes_are_those_of_the_code(
    listed: dict[str, str], key: str, words: str, seconds: int
) -> None:
    """A page that promises a month where the code keeps a day loses somebody's jobs."""
    number, unit = words.split()
    length = {"second": 1, "hour": 3600, "day": 86_400}[unit.rstrip("s")]
    assert words in listed[key]
    assert int(number) * length == seconds


@pytest.mark.parametrize("name", sorted(keys_in_code()))
def test_every_key_begins_with_the_prefix(name: str) -> None:
    """Two installations on one database must not read each other's keys."""
    assert name.startswith("promptmill:")
