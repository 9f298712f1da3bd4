"""Every key of ours in Redis, by name; `docs/reference/redis.md` lists them with their lifetimes."""

from dataclasses import dataclass

from .priorities import Priority

EVENT_SECONDS = 3600
"""How long events can be followed after the last one of their stream."""

CANCEL_SECONDS = 24 * 3600
"""How long the wish to stop a running job is kept for a worker to obey it."""

RUN_SECONDS = 30 * 24 * 3600
"""How long the counters of a run, and a dead letter, are kept after the last change."""

CACHE_SECONDS = 30 * 24 * 3600
"""How long a reply of the model can be had again without being paid for."""


@dataclass(frozen=True)
class Keys:
    """The names under one installation's prefix."""

    prefix: str = "promptmill"

    def waiting(self, queue: str, answerer: str, priority: Priority) -> str:
        """Arq's sorted set of job ids by due time, one for each lane (`jobs.lanes`) of jobs that wait."""
        return f"{self.prefix}:queue:{queue}:{answerer}:{priority}"

    def leased(self, queue: str, answerer: str, priority: Priority) -> str:
        """The jobs that workers have taken from such a lane, by the time their lease ends."""
        return f"{self.prefix}:leased:{queue}:{answerer}:{priority}"

    @property
    def lanes(self) -> str:
        """The set of the names of all lanes in which jobs wait or are leased."""
        return f"{self.prefix}:lanes"

    @property
    def paused(self) -> str:
        """The hash of paused queues, each with the reason."""
        return f"{self.prefix}:paused"

    @property
    def wake(self) -> str:
        """The channel, no key, on which workers hear that there is something to do."""
        return f"{self.prefix}:wake"

    @property
    def host_of_arq(self) -> str:
        """The queue, always empty, of arq's own worker, where its command is the host of one of ours."""
        return f"{self.prefix}:arq"

    def events(self, stream: str) -> str:
        """The stream of a run's events, or of one job's that belongs to no run; expires by itself."""
        return f"{self.prefix}:events:{stream}"

    def checkpoint(self, job_id: str) -> str:
        """The replies and attempts of a job that has no record yet; deleted with the job."""
        return f"{self.prefix}:checkpoint:{job_id}"

    def reply(self, digest: str) -> str:
        """A reply of the model, by the hash of all that it answers; expires by itself."""
        return f"{self.prefix}:reply:{digest}"

    def cancelled(self, job_id: str) -> str:
        """The wish to stop a running job; deleted when it is obeyed."""
        return f"{self.prefix}:cancelled:{job_id}"

    def worker(self, worker_id: str) -> str:
        """A worker's heartbeat; expires soon after the worker falls silent."""
        return f"{self.prefix}:worker:{worker_id}"

    @property
    def runs(self) -> str:
        """The sorted set of run ids by the time of their first job."""
        return f"{self.prefix}:runs"

    def run(self, run_id: str) -> str:
        """The hash of a run: its counters, and whether it is paused or cancelled; expires after the last change."""
        return f"{self.prefix}:run:{run_id}"

    def held(self, run_id: str) -> str:
        """The sorted set of jobs of a paused run, by due time, that workers have put aside."""
        return f"{self.prefix}:held:{run_id}"

    def sent(self, run_id: str) -> str:
        """The hash of what a run has sent to Gemini in batches; deleted when the run is over, expires otherwise."""
        return f"{self.prefix}:sent:{run_id}"

    @property
    def feeding(self) -> str:
        """The set of runs whose jobs lie in the record store, for workers to queue them."""
        return f"{self.prefix}:feeding"

    def feeder(self, run_id: str) -> str:
        """Who queues the jobs of such a run now; expires soon after that worker falls silent."""
        return f"{self.prefix}:feeder:{run_id}"

    @property
    def schedules(self) -> str:
        """The sorted set of the names of all schedules, by the time when one is to be looked at next."""
        return f"{self.prefix}:schedules"

    def schedule(self, name: str) -> str:
        """The hash of a schedule: what it runs and when, how far its instants are decided on, and its runs."""
        return f"{self.prefix}:schedule:{name}"

    def instants(self, name: str) -> str:
        """The sorted set of what became of a schedule's instants, by instant; the older ones make room."""
        return f"{self.prefix}:instants:{name}"

    @property
    def superseded(self) -> str:
        """The set of runs that a newer one of their schedule replaces; each is removed when it is cancelled."""
        return f"{self.prefix}:superseded"

    def limit(self, account: str, model: str) -> str:
        """The hash of what a model may be asked now with one key: how far its limits are used, and a pause."""
        return f"{self.prefix}:limit:{account}:{model}"

    def under_way(self, account: str, model: str) -> str:
        """The sorted set of requests to that model that are under way, by the time they end at the latest."""
        return f"{self.prefix}:under-way:{account}:{model}"

    def asked(self, account: str, model: str, day: str) -> str:
        """How many requests were sent to that model on one day of the service's."""
        return f"{self.prefix}:asked:{account}:{model}:{day}"

    @property
    def places(self) -> str:
        """The hash of accounts and models that are asked, each with the last day of the service's on which it was."""
        return f"{self.prefix}:places"

    def settled(self, teller: str) -> str:
        """The number of the last message in which a worker told what requests came to; expires by itself."""
        return f"{self.prefix}:settled:{teller}"

    def spoken_for(self, run_id: str) -> str:
        """The sorted set of what requests of a run may use of its budget that are under way; expires with them."""
        return f"{self.prefix}:spoken-for:{run_id}"

    @property
    def dead(self) -> str:
        """The sorted set of jobs that ended because of us, by the time of their end."""
        return f"{self.prefix}:dead"

    def dead_letter(self, job_id: str) -> str:
        """The hash of such a job: why, and the job as it was queued; expires, or is deleted when it is retried."""
        return f"{self.prefix}:dead:{job_id}"

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

    def batches(self, place: str) -> str:
        """Jobs that workers are to queue, where records are kept in Redis; deleted when queued."""
        return f"{self.prefix}:batches:{place}"
