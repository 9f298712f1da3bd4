"""Takes a part of a dataset, and says of one in which there is nothing what there would be."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jobs.errors import DatasetError
from jobs.languages import Language
from jobs.parts import Part, Where, value_in

from . import Task, the_larger

_SHOWN = 20
_KEPT = 1_000
_NOTHING = "nothing was queued"


class Tasks(Protocol):
    """Tasks that are read one by one, the same ones each time."""

    name: str
    languages: Counter[Language]
    """How many of them are to be solved in each."""
    requires: Counter[str]
    """How many need each module beyond the standard library; of those that count."""
    n_unchecked: int
    """How many have nothing that says what is right."""
    excluded: Mapping[str, str]
    """Why a task is left out of the score, by its id."""
    largest: Task | None
    """That with the most room for its files, of those that leave it to the run how much there is."""

    @property
    def n_rows(self) -> int:
        """How many there are in the dataset that these are all, or a part of."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Task]: ...


class ChosenTasks:
    """A part of a dataset, read from it each time."""

    largest: Task | None = None

    def __init__(self, tasks: Tasks, part: Part) -> None:
        """Look which tasks are meant.

        Raises:
            DatasetError: none is, or one that is named is not there.
        """
        self.name = tasks.name
        self._tasks = tasks
        self._part = part
        self.excluded = tasks.excluded
        self.languages: Counter[Language] = Counter()
        self.requires: Counter[str] = Counter()
        self.n_unchecked = 0
        self.n_rows = tasks.n_rows
        for task in self:
            self.largest = the_larger(self.largest, task)
            self.languages[task.language] += 1
            self.n_unchecked += task.is_unchecked
            if task.id not in self.excluded:
                self.requires.update(task.requires)
        self._n = self.languages.total()
        if len(part.items) > 0 or not self._n:
            self._refuse_what_is_not_there()

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Task]:
        n = 0
        for task in self._tasks:
            if self._part.limit is not None and n >= self._part.limit:
                return
            if _is_meant(task, self._part):
                n += 1
                yield task

    def _refuse_what_is_not_there(self) -> None:
        known = _Known.of(self._tasks, self._part)
        missing = [item for item in self._part.items if item not in known.named]
        if missing:
            near = difflib.get_close_matches(missing[0], known.ids, 3)
            raise DatasetError(
                f"{self.name} has no task {', '.join(map(repr, missing[:_SHOWN]))}",
                facts={"did you mean": ", ".join(near)} if near else {},
                fixes=["name tasks by their id, with --item, or leave it out"],
                note=_NOTHING,
            )
        if self._n:
            return
        facts = {
            f"--where {each.field}={each.value}": known.told(each) for each in self._part.where
        }
        raise DatasetError(
            f"no task of {self.name} is meant by {self._part.in_words}",
            facts=facts,
            fixes=["leave out some of it, or name what there is"],
            note=_NOTHING,
        )


@dataclass
class _Known:
    """What there is in a dataset."""

    ids: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    tags: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    values: dict[tuple[str, ...], Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tasks: Tasks, part: Part) -> "_Known":
        known, items = cls(), set(part.items)
        for task in tasks:
            task_id = task.id or ""
            known.named |= {task_id} & items
            if len(known.ids) < _KEPT:
                known.ids.append(task_id)
                known.tags.update(task.tags)
                known.keys.update(f"metadata.{key}" for key in task.metadata)
            known.languages[task.language] += 1
            for each in part.where:
                value = value_in(task.metadata, each.keys) if each.keys else None
                if value is not None:
                    known.values.setdefault(each.keys, Counter())[value[:100]] += 1
        return known

    def told(self, where: Where) -> str:
        """What could have been asked of this field."""
        if where.field == "tag":
            return f"tags are {_listed(self.tags)}"
        if where.field == "language":
            return f"languages are {_listed(self.languages)}"
        values = self.values.get(where.keys)
        return f"values are {_listed(values)}" if values else f"keys are {_listed(self.keys)}"


def _listed(counts: Counter[str]) -> str:
    if not counts:
        return "not used here"
    shown = [name for name, _ in counts.most_common(_SHOWN)]
    return ", ".join(sorted(shown)) + (", …" if len(counts) > _SHOWN else "")


def _is_meant(task: Task, part: Part) -> bool:
    task_id = task.id or ""
    return (
        (not part.items or task_id in part.items)
        and all(each.holds(task.tags, task.language, task.metadata) for each in part.where)
        and (part.shard is None or part.shard.has(task_id))
    )
