"""Every key of ours in Redis, by name; `docs/reference/redis.md` lists them with their lifetimes."""

from dataclasses import dataclass

QUEUED_SECONDS = 30 * 24 * 3600
"""How long a queued job and its checkpoint may wait; arq's own default drops jobs after a day."""

EVENT_SECONDS = 3600
"""How long events can be followed after the last one of their stream."""

CANCEL_SECONDS = 24 * 3600
"""How long the wish to stop a running job is kept for a worker to obey it."""


@dataclass(frozen=True)
class Keys:
    """The names under one installation's prefix."""

    prefix: str = "promptmill"

    @property
    def queue(self) -> str:
        """Arq's sorted set of job ids by due time; lives while jobs are queued or running."""
        return f"{self.prefix}:queue"

    def events(self, stream: str) -> str:
        """The stream of a run's events, or of one job's that belongs to no run; expires by itself."""
        return f"{self.prefix}:events:{stream}"

    def checkpoint(self, job_id: str) -> str:
        """The replies and attempts of a job that has no record yet; deleted with the job."""
        return f"{self.prefix}:checkpoint:{job_id}"

    def cancelled(self, job_id: str) -> str:
        """The wish to stop a running job; deleted when it is obeyed."""
        return f"{self.prefix}:cancelled:{job_id}"

    def worker(self, worker_id: str) -> str:
        """A worker's heartbeat; expires soon after the worker falls silent."""
        return f"{self.prefix}:worker:{worker_id}"

    def record(self, job_id: str) -> str:
        """A record and its summary, where records are kept in Redis; they stay until somebody removes them."""
        return f"{self.prefix}:record:{job_id}"

    @property
    def recorded(self) -> str:
        """The ids of all jobs that have such a record, by the time they finished; stays."""
        return f"{self.prefix}:recorded"

    def recorded_in(self, run_id: str) -> str:
        """The same of the jobs of one run; stays."""
        return f"{self.prefix}:recorded:{run_id}"

    def verdicts(self, run_id: str) -> str:
        """How many jobs of a run ended with each verdict; stays."""
        return f"{self.prefix}:verdicts:{run_id}"
