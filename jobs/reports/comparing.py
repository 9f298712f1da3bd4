"""Whether two runs differ by more than chance, task by task."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from jobs.models import PromptJob, Record
from jobs.stats import (
    difference_interval,
    holm,
    mcnemar_p,
    paired_interval,
    sign_flip_p,
)
from jobs.verdicts import Verdict
from jobs.wire import Wire

from . import natural_order
from .rates import grouped

_SIGNIFICANT = 0.05


@dataclass
class Results:
    """A run as far as it is compared: what was asked and under which conditions, and how the samples of tasks did."""

    run_id: str
    tasks: dict[str, list[bool]] = field(default_factory=dict)
    """Of each task, which of its judged samples were solved; empty where none was judged or its row is left out."""
    asked: dict[str, bytes] = field(default_factory=dict)
    """Of each task, the hash of its prompt, its check and what its programs are given."""
    policies: set[str] = field(default_factory=set)
    limits: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    """Tasks that are left out of its score."""
    clusters: dict[str, str] = field(default_factory=dict)
    """Of tasks that name one, the cluster."""
    n_unscored: int = 0

    def add(self, record: Record) -> None:
        """Take in a record of the run."""
        task = record.job.task_id or record.job_id
        solved = self.tasks.setdefault(task, [])
        if record.job.excluded is not None:
            self.excluded.add(task)
        elif record.verdict.is_scored:
            solved.append(record.verdict is Verdict.ACCEPTED)
        else:
            self.n_unscored += 1
        if record.job.cluster is not None:
            self.clusters[task] = record.job.cluster
        self.asked[task] = _digest(record.job)
        self.policies |= _policies(record)
        self.limits.add(record.limits.to_json())

    def differences(self, other: Self) -> list[str]:
        """What was not the same for both, each in a line; empty where they may be compared."""
        found: list[str] = []
        missing = len(self.tasks.keys() ^ other.tasks.keys())
        if missing:
            found.append(f"dataset: {missing} tasks are in one of them only")
        changed = [
            task for task, asked in self.asked.items() if other.asked.get(task, asked) != asked
        ]
        if changed:
            found.append(
                f"dataset: {len(changed)} tasks ask or check something else, first {changed[0]!r}"
            )
        for name in ("policies", "limits"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found.append(f"{name}: {_listed(ours - theirs)} against {_listed(theirs - ours)}")
        return found


class Flip(Wire):
    """A task that did better in one of the runs."""

    task_id: str
    first: float
    """The share of its samples that the first run solved."""
    second: float


class Comparison(Wire):
    """The second run beside the first, over the tasks that both have judged."""

    first: str
    second: str
    n_tasks: int
    n_left_out: int
    """Tasks that one of them has not, of which it has judged nothing, or which it leaves out of its score."""
    n_unscored: int
    """Jobs of the two that failed because of us."""
    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    n_same: int
    first_rate: float
    """The mean over tasks."""
    second_rate: float
    difference: float
    """The second less the first."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    method: str
    """What test and interval are."""
    p: float
    p_adjusted: float
    """By Holm, for how many runs are compared with the first."""
    is_distinguishable: bool
    """Whether the adjusted p is below 0.05."""
    differences: tuple[str, ...]
    """What was not the same for both, and was said not to matter."""

    @property
    def conclusion(self) -> str:
        """What it comes to, in words."""
        if not self.is_distinguishable:
            return "not distinguishable: chance alone makes such a difference"
        better, worse = (
            (self.second, self.first) if self.difference > 0 else (self.first, self.second)
        )
        return f"{better} is better than {worse}"


def compare(runs: Sequence[Results]) -> list[Comparison]:
    """Each run after the first beside the first one."""
    first, *others = runs
    found = [_paired(first, other) for other in others]
    adjusted = holm([each.p for each in found])
    return [
        each.model_copy(update={"p_adjusted": p, "is_distinguishable": p < _SIGNIFICANT})
        for each, p in zip(found, adjusted, strict=True)
    ]


def _paired(first: Results, second: Results) -> Comparison:
    every = first.tasks.keys() | second.tasks.keys()
    judged = (name for name in every if first.tasks.get(name) and second.tasks.get(name))
    names = sorted({*judged} - first.excluded - second.excluded, key=natural_order)
    flips = [Flip(task_id=n, first=_share(first, n), second=_share(second, n)) for n in names]
    gained = tuple(flip for flip in flips if flip.second > flip.first)
    lost = tuple(flip for flip in flips if flip.second < flip.first)
    clusters = {**second.clusters, **first.clusters}
    of_cluster = grouped(
        (clusters.get(flip.task_id, flip.task_id), flip.second - flip.first) for flip in flips
    )
    are_single = all(len(run.tasks[name]) == 1 for run in (first, second) for name in names)
    if are_single and len(of_cluster) == len(flips):
        (low, high), p, method = _of_pairs(flips)
    else:
        (low, high), p, method = _of_clusters(of_cluster)
    n = len(flips)
    return Comparison(
        first=first.run_id,
        second=second.run_id,
        n_tasks=n,
        n_left_out=len(every) - n,
        n_unscored=first.n_unscored + second.n_unscored,
        gained=gained,
        lost=lost,
        n_same=n - len(gained) - len(lost),
        first_rate=sum(flip.first for flip in flips) / max(n, 1),
        second_rate=sum(flip.second for flip in flips) / max(n, 1),
        difference=sum(flip.second - flip.first for flip in flips) / max(n, 1),
        low=low,
        high=high,
        method=method,
        p=p,
        p_adjusted=p,
        is_distinguishable=p < _SIGNIFICANT,
        differences=tuple(first.differences(second)),
    )


def _of_pairs(flips: Sequence[Flip]) -> tuple[tuple[float, float], float, str]:
    """Interval, p and their names, of tasks that are independent and have one sample each."""
    both = sum(flip.first == flip.second == 1 for flip in flips)
    only_first = sum(flip.first > flip.second for flip in flips)
    only_second = sum(flip.second > flip.first for flip in flips)
    neither = len(flips) - both - only_first - only_second
    interval = paired_interval(both, only_first, only_second, neither)
    return interval, mcnemar_p(only_first, only_second), "exact McNemar, Newcombe's interval"


def _of_clusters(differences: Sequence[Sequence[float]]) -> tuple[tuple[float, float], float, str]:
    """The same of the differences of each cluster, of which a task by itself is one."""
    sums, n = [math.fsum(each) for each in differences], sum(map(len, differences))
    mean, usual = math.fsum(sums) / n, n / len(differences)
    # Where clusters are of unequal size, so is what each of them does to the mean over tasks.
    shares = [
        mean + (total - mean * len(each)) / usual
        for total, each in zip(sums, differences, strict=True)
    ]
    of_what = "tasks" if n == len(differences) else "clusters"
    method = f"sign flips of {of_what}, bootstrap over {of_what} and one more each way"
    return difference_interval(shares), sign_flip_p(sums), method


def _share(run: Results, task: str) -> float:
    solved = run.tasks[task]
    return sum(solved) / len(solved)


def _digest(job: PromptJob) -> bytes:
    given = (job.stdin, job.preamble, json.dumps(job.files, sort_keys=True))
    parts = (job.prompt, job.language, job.checker.model_dump_json(), *given)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _policies(record: Record) -> set[str]:
    job = record.job
    feedback = job.conversation.feedback
    conversation = job.conversation.model_dump_json(exclude_defaults=True, exclude={"feedback"})
    by_gemini = ", run by Gemini" if job.code_execution else ""
    return {
        f"at most {job.max_attempts} attempts, feedback {feedback}, conversation {conversation}{by_gemini}",
        *(f"extraction {attempt.extraction.policy}" for attempt in record.attempts),
        *([f"judged by {record.imported_from}"] if record.imported_from else []),
    }


def _listed(words: set[str]) -> str:
    return "; ".join(sorted(words)) or "nothing else"
