"""What a worker counts, as Prometheus reads it; no label holds an id, or there would be a series for each job."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import JsonValue
from typing_extensions import override

from jobs.models import Attempt
from jobs.queue_status import Backlog
from jobs.schedules.models import Fate

from .claims import Claim
from .endings import Cancelled, Ending, PutAside, PutBack, Recorded, Unreadable
from .worker import Handler


class Metrics:
    """Counts what a worker does."""

    def __init__(self, fates: Mapping[Fate, int]) -> None:
        """Count from nothing; `fates` is what became of instants that this worker decided on."""
        self._fates = fates
        self._jobs: Counter[str] = Counter()
        self._deliveries: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._model_seconds = 0.0
        self._under_way = 0

    def counting(self, handler: Handler) -> Handler:
        """The same handler, whose deliveries are counted."""

        async def counted(
            claim: Claim, payload: dict[str, JsonValue], queued_at: datetime
        ) -> Ending:
            self._under_way += 1
            try:
                ending = await handler(claim, payload, queued_at)
            finally:
                self._under_way -= 1
            self._deliveries[_word(ending)] += 1
            if isinstance(ending, Recorded) and not ending.already_counted:
                self._jobs[ending.event.verdict] += 1
                for attempt in ending.attempts:
                    self._count(attempt)
            return ending

        return counted

    def _count(self, attempt: Attempt) -> None:
        self._attempts[attempt.verdict] += 1
        reply = attempt.reply
        if reply.simulated or reply.cached:
            return
        self._model_seconds += reply.latency_seconds
        self._tokens["prompt"] += reply.usage.prompt_token_count or 0
        self._tokens["candidates"] += reply.usage.candidates_token_count or 0
        self._tokens["thoughts"] += reply.usage.thoughts_token_count or 0

    def text(self, backlog: Backlog | None) -> bytes:
        """All of it, and how the queues are if that is known, as Prometheus reads it."""
        registry = CollectorRegistry()
        registry.register(_Families(lambda: self._families(backlog)))
        return generate_latest(registry)

    def _families(self, backlog: Backlog | None) -> Iterator[Metric]:
        yield _counter("promptmill_jobs", "jobs that ended here", "verdict", self._jobs)
        yield _counter(
            "promptmill_attempts", "attempts of jobs that ended here", "verdict", self._attempts
        )
        yield _counter(
            "promptmill_model_tokens", "tokens of the replies to them", "kind", self._tokens
        )
        yield CounterMetricFamily(
            "promptmill_model_seconds",
            "for how long these replies were waited for",
            value=self._model_seconds,
        )
        yield _counter(
            "promptmill_deliveries", "jobs that were seen to here", "ending", self._deliveries
        )
        yield _counter(
            "promptmill_schedule_instants",
            "instants of schedules that were decided on here",
            "fate",
            {fate.value: n for fate, n in self._fates.items()},
        )
        yield GaugeMetricFamily(
            "promptmill_jobs_in_flight", "jobs that this worker is at", value=self._under_way
        )
        if backlog is not None:
            yield from _families_of(backlog)


def _families_of(backlog: Backlog) -> Iterator[Metric]:
    due = GaugeMetricFamily("promptmill_queue_due", "jobs that wait", labels=["queue"])
    oldest = GaugeMetricFamily(
        "promptmill_queue_oldest_seconds", "for how long the first one has", labels=["queue"]
    )
    for queue in sorted({lane.queue for lane in backlog.lanes}):
        lanes = [lane for lane in backlog.lanes if lane.queue == queue]
        due.add_metric([queue], sum(lane.due for lane in lanes))
        oldest.add_metric([queue], max(lane.oldest_due_seconds or 0.0 for lane in lanes))
    yield due
    yield oldest
    yield GaugeMetricFamily(
        "promptmill_dead_letters", "jobs that failed because of us", value=backlog.dead
    )
    yield GaugeMetricFamily("promptmill_workers", "workers that live", value=len(backlog.workers))


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._made = families

    @override
    def collect(self) -> Iterable[Metric]:
        return self._made()


def _counter(name: str, help_: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=[label])
    for value, n in sorted(counts.items()):
        family.add_metric([value], n)
    return family


def _word(ending: Ending) -> str:
    match ending:
        case Recorded():
            return "recorded"
        case Cancelled():
            return "cancelled"
        case Unreadable():
            return "unreadable"
        case PutBack():
            return "put_back"
        case PutAside():
            return "put_aside"
