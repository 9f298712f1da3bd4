"""What a run came to: counted from its records alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from jobs.models import Record, Usage
from jobs.verdicts import Verdict


@dataclass(frozen=True)
class Report:
    """A run in numbers. Jobs that failed because of us are counted in `n_unscored` and in no rate."""

    n_jobs: int
    n_scored: int
    n_accepted: int
    verdicts: dict[Verdict, int]
    """Final verdicts of all jobs, the unscored included."""
    solved_by_attempt: tuple[int, ...]
    """How many scored jobs were accepted within 1, 2, … attempts. Attempts see the error, so this is not pass@k."""
    usage: Usage
    simulated: bool
    """At least one answer was a recording."""
    requested_models: tuple[str, ...]
    served_models: tuple[str, ...]
    never_solved: tuple[Record, ...]
    unscored: tuple[Record, ...]

    @property
    def n_unscored(self) -> int:
        """Jobs that failed because of us."""
        return self.n_jobs - self.n_scored


def build_report(records: Iterable[Record]) -> Report:
    """Count a run's records; their order does not matter."""
    kept = sorted(
        records, key=lambda record: (record.job.task_id or "", record.job.sample, record.job_id)
    )
    scored = [record for record in kept if record.verdict.is_scored]
    accepted = [record for record in scored if record.verdict is Verdict.ACCEPTED]
    most_attempts = max((record.job.max_attempts for record in scored), default=0)
    return Report(
        n_jobs=len(kept),
        n_scored=len(scored),
        n_accepted=len(accepted),
        verdicts=dict(Counter(record.verdict for record in kept)),
        solved_by_attempt=tuple(
            sum((record.solved_at or 0) <= within for record in accepted)
            for within in range(1, most_attempts + 1)
        ),
        usage=sum((record.usage for record in kept), Usage()),
        simulated=any(record.simulated for record in kept),
        requested_models=tuple(sorted({record.requested_model for record in kept})),
        served_models=tuple(
            sorted({record.served_model for record in kept if record.served_model})
        ),
        never_solved=tuple(record for record in scored if record.verdict is not Verdict.ACCEPTED),
        unscored=tuple(record for record in kept if not record.verdict.is_scored),
    )
