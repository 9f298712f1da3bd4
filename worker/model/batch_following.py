"""A batch of Gemini's from wherever it is to its results, through whatever is in the way."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from jobs.budgets import Spent
from jobs.clock import utcnow
from jobs.models import ModelReply
from worker.errors import (
    BatchesFailedError,
    ModelRejectedError,
    ModelUnavailableError,
)

from .batches import BatchStatus, GeminiBatches, MadeBatch
from .faults import Fault
from .options import GeminiOptions
from .prices import priced
from .sent import SentBatch, SentBatches

_log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer")
_GROWTH = 1.5
_MAKING_SECONDS = 60.0
"""For how long whoever leaves a cancelled run waits for a batch that is being made."""
_GONE, _MADE = "GONE", "MADE"


@dataclass(frozen=True)
class BatchNews:
    """How a batch stands, for whoever looks on."""

    number: int
    n_requests: int
    state: str
    """Google's word; `MADE` where it has just been made, `GONE` where there is none any more."""
    name: str = ""
    n_open: int | None = None
    n_answered: int | None = None
    """Replies that it brought, once it is over."""
    reason: str = ""


@dataclass(frozen=True)
class Pace:
    """How long to wait for what."""

    settle_seconds: float = 1.0
    """Nobody has gone on for so long: what is asked by then goes with one batch."""
    first_look_seconds: float = 1.0
    longest_look_seconds: float = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a batch came to."""

    name: str
    status: BatchStatus
    found: dict[str, ModelReply | Fault] = field(default_factory=dict)


class BatchFollower:
    """Sees batches of one run through: makes them once, looks at them, and fetches what they brought."""

    def __init__(
        self,
        wire: GeminiBatches,
        options: GeminiOptions,
        sent: SentBatches,
        on_news: Callable[[BatchNews], None],
        pace: Pace,
    ) -> None:
        """Ask by `wire`, keep in `sent` what became of the batches, and tell `on_news` of it."""
        self._on_news = on_news
        self._wire = wire
        self._options = options
        self._sent = sent
        self._pace = pace
        self._making: set[asyncio.Task[SentBatch]] = set()

    async def until_none_is_made(self) -> None:
        """Where the run was cancelled, wait until what is on its way to Gemini is there, and cancelled, too."""
        if self._making and await self._sent.is_cancelled():
            _, left = await asyncio.wait(self._making, timeout=_MAKING_SECONDS)
            if left:
                _log.warning("a batch may be left with Gemini", run_id=self._sent.run_id)

    async def see_through(self, batch: SentBatch, lines: bytes | None) -> Outcome:
        """The batch from wherever it is to its end. Without `lines`, one that nobody made comes to nothing."""
        if batch.name is None:
            making = asyncio.create_task(self._made(batch, lines))
            self._making.add(making)
            making.add_done_callback(self._making.discard)
            batch = await making
        name = batch.name
        status, found = await self._end_of(batch, name) if name else (_gone("it was not made"), {})
        if batch.file:
            await self._wire.delete(batch.file)
        if not found:
            await self._sent.forget(batch)
        else:
            found = {key: _as_of_batch(result, batch, name) for key, result in found.items()}
            await self._sent.count(batch, *_spent_on(found.values()))
        n_answered = sum(isinstance(found.get(key), ModelReply) for key in batch.keys)
        self._tell(batch, name, status, n_answered)
        return Outcome(name or "", status, found)

    async def _made(self, batch: SentBatch, lines: bytes | None) -> SentBatch:
        """The batch with its name, which is there once, however often this is begun; without where it never was."""
        is_new, made = lines is not None, None
        for wait_seconds in self._waits():
            try:
                # Nobody waits for a batch of a cancelled run; one that was made all the same is to be found.
                wanted = None if await self._sent.is_cancelled() else lines
                made = await self._found_or_made(batch, wanted, is_new=is_new)
                break
            except ModelUnavailableError as error:
                _log.warning("batch not made yet", reason=error.in_one_line)
            except ModelRejectedError as error:
                raise BatchesFailedError(
                    "Gemini refuses to make a batch",
                    facts=error.facts,
                    fixes=(
                        "mend what Gemini says of it: batches need an account that is billed",
                        *error.fixes,
                        "or ask live, in a run of another name:  leave out --batch",
                    ),
                ) from error
            # It may be made and the answer lost: from here on, it is looked for first.
            is_new = False
            await asyncio.sleep(wait_seconds)
        if made is None:
            return batch
        batch = batch.model_copy(update={"name": made.name, "file": made.file})
        await self._sent.note(batch)
        self._tell(batch, made.name, BatchStatus(_MADE, None, None, ""))
        if await self._sent.is_cancelled():
            # Whoever cancelled the run could not know the name of this batch.
            await self._cancel(made)
        return batch

    async def _cancel(self, made: MadeBatch) -> None:
        try:
            await self._patiently(lambda: self._wire.cancel(made.name))
        except ModelRejectedError as error:
            _log.warning("batch not cancelled", name=made.name, reason=error.in_one_line)
        if made.file:
            await self._wire.delete(made.file)

    async def _found_or_made(
        self, batch: SentBatch, lines: bytes | None, *, is_new: bool
    ) -> MadeBatch | None:
        found = None if is_new else await self._wire.find(batch.own_id)
        if found is not None or lines is None:
            return None if found is None else MadeBatch(found)
        return await self._wire.create(batch.own_id, batch.model, lines)

    async def _end_of(
        self, batch: SentBatch, name: str
    ) -> tuple[BatchStatus, dict[str, ModelReply | Fault]]:
        """How it ended, and what it brought.

        Raises:
            BatchesFailedError: that is refused to be told. The batch may be as good as ever, and stays written down.
        """
        try:
            status = await self._until_over(batch, name)
            if status.results is None:
                return status, {}
            results = status.results
            found = await self._patiently(lambda: self._wire.results(results))
            if found is not None:
                return status, found
            # Of a file that is gone it is said that we may not read it, and so it is where the key is good no longer:
            # then this look raises.
            await self._patiently(lambda: self._wire.look(name))
        except ModelRejectedError as error:
            raise BatchesFailedError(
                f"Gemini refuses to say how the batch {name!r} stands",
                facts=error.facts,
                fixes=("look at model.base_url, and at what stands between here and Gemini",),
            ) from error
        return _gone("its results are gone"), {}

    async def _until_over(self, batch: SentBatch, name: str) -> BatchStatus:
        told: BatchStatus | None = None
        for wait_seconds in self._waits():
            status = await self._patiently(lambda: self._wire.look(name))
            if status is None:
                return _gone("Gemini has no such batch any more")
            if status.is_over:
                return status
            if status != told:
                self._tell(batch, name, status)
                told = status
            await asyncio.sleep(wait_seconds)
        raise AssertionError("the waits never end")

    async def _patiently(self, step: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """What a step gives that may be repeated, for as long as Gemini does not answer."""
        for wait_seconds in self._waits():
            try:
                return await step()
            except ModelUnavailableError as error:
                _log.warning("no answer about a batch", reason=error.in_one_line)
            await asyncio.sleep(wait_seconds)
        raise AssertionError("the waits never end")

    def _waits(self) -> Iterator[float]:
        seconds = self._pace.first_look_seconds
        while True:
            yield seconds
            seconds = min(seconds * _GROWTH, self._pace.longest_look_seconds)

    def _tell(
        self,
        batch: SentBatch,
        name: str | None,
        status: BatchStatus,
        n_answered: int | None = None,
    ) -> None:
        news = BatchNews(
            number=batch.number,
            n_requests=len(batch.keys),
            state=status.state,
            name=name or "",
            n_open=status.n_open,
            n_answered=n_answered,
            reason=self._options.redact(status.reason),
        )
        _log.info("batch", run_id=self._sent.run_id, name=news.name, state=news.state)
        self._on_news(news)


def _as_of_batch(
    result: ModelReply | Fault, batch: SentBatch, name: str | None
) -> ModelReply | Fault:
    """A result with what is known of it by its batch."""
    if isinstance(result, Fault):
        return result
    now = utcnow()
    came = {"batch": name, "latency_seconds": (now - batch.sent_at).total_seconds()}
    return priced(result.model_copy(update=came), batch.model, now, is_batch=True)


def _spent_on(results: Collection[ModelReply | Fault]) -> tuple[Spent, Spent]:
    """What these have used together, and the most that one of them has."""
    replies = [result for result in results if isinstance(result, ModelReply)]
    usages = [reply.usage for reply in replies]
    tokens = [usage.total_token_count or usage.prompt_token_count or 0 for usage in usages]
    usd = [reply.cost.usd for reply in replies if reply.cost]
    spent = Spent(
        requests=len(results),
        tokens=sum(tokens),
        usd=sum(usd),
        unpriced=sum(reply.cost is None for reply in replies),
    )
    return spent, Spent(tokens=max(tokens, default=0), usd=max(usd, default=0.0))


def _gone(why: str) -> BatchStatus:
    return BatchStatus(_GONE, None, None, why)
