"""What of a dataset is run: the same tasks on every machine, and nothing that nobody meant."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.datasets.choosing import ChosenTasks
from jobs.datasets.readers import Dataset
from jobs.errors import DatasetError, UsageError
from jobs.parts import Part, Shard
from tests.making import parse_tasks
from worker.cli.part_flags import PartFlags, part_in

ROWS: list[Mapping[str, object]] = [
    {"id": "a", "prompt": "x", "tags": ["sums", "easy"], "metadata": {"level": 1}},
    {
        "id": "b",
        "prompt": "x",
        "language": "lua",
        "metadata": {"level": 2, "from": {"year": "1999"}},
    },
    {"id": "c", "prompt": "x", "tags": ["sums"], "metadata": {"level": True}},
    {"id": "d", "prompt": "x", "tags": ["words"], "metadata": {"level": "1"}},
]


def dataset() -> Dataset:
    return parse_tasks([json.dumps(row) for row in ROWS], "rows.jsonl")


def chosen(**flags: object) -> list[str | None]:
    part = part_in(PartFlags(**flags))  # type: ignore[arg-type]
    assert part is not None
    tasks = ChosenTasks(dataset(), part)
    ids = [task.id for task in tasks]
    assert len(tasks) == len(ids) == tasks.languages.total()
    return ids


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        ({"limit": 2}, ["a", "b"]),
        ({"limit": 9}, ["a", "b", "c", "d"]),
        ({"item": ("c", "a", "c")}, ["a", "c"]),
        ({"where": ("tag=sums",)}, ["a", "c"]),
        ({"where": ("tag=sums", "tag=easy")}, ["a"]),
        ({"where": ("language=lua",)}, ["b"]),
        ({"where": ("metadata.level=1",)}, ["a", "d"]),
        ({"where": ("metadata.level=true",)}, ["c"]),
        ({"where": ("metadata.from.year=1999",)}, ["b"]),
        ({"where": ("tag=sums",), "limit": 1}, ["a"]),
    ],
    ids=str,
)
def test_what_is_meant_is_run(flags: dict[str, object], ids: list[str]) -> None:
    """A prompt is tried on ten tasks before a night is spent on a thousand."""
    assert chosen(**flags) == ids


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"where": ("topic=sums",)}, "known are tag=NAME, language=NAME and metadata.KEY=VALUE"),
        ({"where": ("metadata=sums",)}, "known are tag=NAME"),
        ({"where": ("tag",)}, "is no FIELD=VALUE"),
        ({"shard": "3/2"}, "there is no shard 3 of 2"),
        ({"shard": "0/2"}, "--shard cannot be used"),
        ({"shard": "half"}, "is no NUMBER/OF"),
        ({"item": tuple(map(str, range(300)))}, "--item cannot be used"),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused_with_what_would(
    flags: dict[str, object], words: str
) -> None:
    """A misspelt field would quietly mean all of it, or nothing."""
    with pytest.raises(UsageError) as refused:
        chosen(**flags)
    assert words in str([refused.value.message, *refused.value.fixes])


@pytest.mark.parametrize(
    ("flags", "known"),
    [
        ({"where": ("tag=sum",)}, "tags are easy, sums, words"),
        ({"where": ("language=ruby",)}, "languages are lua, python"),
        ({"where": ("metadata.lvel=1",)}, "keys are metadata.from, metadata.level"),
        ({"where": ("metadata.level=7",)}, "values are 1, 2, true"),
        ({"item": ("aa",)}, "a"),
    ],
    ids=str,
)
def test_a_part_without_a_task_is_refused_with_what_there_is(
    flags: dict[str, object], known: str
) -> None:
    """An empty run is reported as one in which nothing failed."""
    with pytest.raises(DatasetError) as refused:
        chosen(**flags)
    assert known in refused.value.facts.values()
    assert refused.value.note == "nothing was queued"


@given(ids=st.sets(st.text(min_size=1, max_size=20)), of=st.integers(1, 40))
def test_each_task_is_in_one_shard(ids: set[str], of: int) -> None:
    """What is in two is counted twice, and what is in none is never run."""
    shards = [Shard(number=number, of=of) for number in range(1, of + 1)]
    for task_id in ids:
        assert sum(shard.has(task_id) for shard in shards) == 1


def test_a_task_is_in_the_same_shard_for_good() -> None:
    """Machines that disagree leave tasks out; and a resumed run must find its own."""
    names = [f"HumanEval/{number}" for number in range(164)]
    sizes = [sum(Shard(number=n, of=4).has(name) for name in names) for n in range(1, 5)]
    assert sum(sizes) == 164
    first = [number for number, name in enumerate(names) if Shard(number=1, of=40).has(name)]
    assert first == [24, 29, 63, 82, 123]


def test_a_part_reads_as_the_flags_that_mean_it() -> None:
    """It stands in reports, and somebody will want to type it again."""
    flags = PartFlags(limit=5, item=("a", "b c"), where=("tag=x", "metadata.y=z=1"), shard="2/3")
    part = part_in(flags)
    assert part is not None
    words = "--item a --item 'b c' --where tag=x --where metadata.y=z=1 --shard 2/3 --limit 5"
    assert part.in_words == words
    assert Part.model_validate_json(part.to_json()) == part
    assert part_in(PartFlags()) is None
