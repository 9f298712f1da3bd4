"""Jobs whose stored replies are judged again under other conditions, and what that changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from .clock import derived_id
from .datasets import Task
from .extraction_policies import ExtractionPolicy
from .limits import Limits
from .models import PromptJob, Record
from .reports import natural_order
from .summaries import Summary
from .verdicts import Verdict
from .wire import Wire

_JUDGED_BY = ("cluster", "checker", "stdin", "preamble", "files", "metadata")


@dataclass(frozen=True)
class Conditions:
    """What is to be other than it was; what is None or empty stays."""

    extraction: ExtractionPolicy | None = None
    preamble: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    """By the names of `Limits`."""

    def limits_over(self, earlier: Limits) -> Limits:
        """The earlier limits with these changes.

        Raises:
            ValidationError: one of them cannot be.
        """
        return Limits.model_validate({**earlier.model_dump(), **self.limits})


def has_answers(record: Record) -> bool:
    """Whether there are replies of a finished course: what failed because of us ended in the middle of one."""
    return bool(record.attempts) and record.error is None


def judged_again(
    record: Record, run_id: str, conditions: Conditions, now: Task | None = None
) -> PromptJob:
    """The job of run `run_id` that gives the replies of `record` again; always the same one.

    `now` is its task as it is today, whose check it then has, with all that the check goes by, and the limits that the
    task sets itself. What was asked stays what it was, and so do the other limits.
    """
    job, limits = record.job, record.limits
    parts = (job.job_id,) if job.task_id is None else (job.task_id, job.sample)
    newer: dict[str, object] = {}
    if now is not None:
        today = now.to_job(run_id, max_attempts=job.max_attempts, limits=limits)
        newer = {name: getattr(today, name) for name in _JUDGED_BY}
        limits = now.limits.over(limits)
    changes = {
        "job_id": derived_id("job", run_id, *parts),
        "run_id": run_id,
        "rescores": job.job_id,
        "limits": conditions.limits_over(limits),
        **newer,
        **({} if conditions.extraction is None else {"extraction": conditions.extraction}),
        **({} if conditions.preamble is None else {"preamble": conditions.preamble}),
    }
    return job.model_copy(update=changes)


class VerdictChange(Wire):
    """A sample that was judged otherwise."""

    task_id: str | None
    sample: int
    job_id: str
    before: Verdict
    after: Verdict

    @property
    def is_flip(self) -> bool:
        """Whether it was solved and is not any more, or the other way round."""
        return Verdict.ACCEPTED in {self.before, self.after}


@dataclass(frozen=True)
class VerdictChanges:
    """What became of each job of a run that was judged again."""

    gained: tuple[VerdictChange, ...]
    lost: tuple[VerdictChange, ...]
    others: tuple[VerdictChange, ...]
    """Failed before and after, in another way."""
    n_same: int

    @classmethod
    def of(cls, before: Mapping[str, Verdict], after: Iterable[tuple[str, Summary]]) -> Self:
        """Given the verdicts of jobs by id, and the summaries of those that judged them again."""
        changes: list[VerdictChange] = []
        n_same = 0
        for earlier, now in after:
            if before[earlier] is now.verdict:
                n_same += 1
                continue
            changes.append(
                VerdictChange(
                    task_id=now.task_id,
                    sample=now.sample,
                    job_id=now.job_id,
                    before=before[earlier],
                    after=now.verdict,
                )
            )
        changes.sort(key=lambda each: (natural_order(each.task_id or ""), each.sample, each.job_id))
        flips = [each for each in changes if each.is_flip]
        return cls(
            gained=tuple(each for each in flips if each.after is Verdict.ACCEPTED),
            lost=tuple(each for each in flips if each.before is Verdict.ACCEPTED),
            others=tuple(each for each in changes if not each.is_flip),
            n_same=n_same,
        )

    @property
    def flips_first(self) -> tuple[VerdictChange, ...]:
        """All changes."""
        return (*self.gained, *self.lost, *self.others)
