"""A model that answers by Gemini's Batch API: it gathers what is asked until nobody goes on without an answer."""

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from jobs.calls import CallClass
from jobs.clock import new_id, utcnow
from jobs.models import ModelReply
from jobs.usage import Usage
from worker.errors import BatchesFailedError

from . import ModelClient, ModelRequest
from .batch_following import BatchFollower, BatchNews, Outcome, Pace
from .batches import GeminiBatches, line_of
from .faults import Fault, class_of, error_of, fault_in
from .gemini import body_of
from .options import GeminiOptions
from .policies import POLICIES, Then
from .prices import priced
from .sent import SentBatch, SentBatches
from .throttle import Toll
from .tolls import toll_of

_log = structlog.get_logger(__name__)
_MOST_REQUESTS = 10_000
_MOST_BYTES = 200 * 2**20
_MOST_TRIES = 2
"""Batches that may leave a request unanswered before it is asked live."""
_LIVE_CALLS = 16
"""Those that are under way at one time: few are left, and nobody is in a hurry."""
_MOST_ENDS = 3
"""Batches that may come to nothing as a whole, for the same request, before a person has to look."""


class Crowd(Protocol):
    """Those who ask: the deliveries of one worker."""

    def away(self) -> AbstractAsyncContextManager[None]:
        """For as long as the block lasts, the delivery that calls waits for an answer, perhaps for a day."""

    async def until_all_are_away(self, settle_seconds: float) -> None:
        """Return when every delivery has been away for so long."""


@dataclass(frozen=True)
class _Asked:
    """A request as a batch takes it."""

    key: str
    model: str
    line: bytes
    toll: Toll


@dataclass(frozen=True)
class _Wish:
    """A request that waits for a batch to go with."""

    asked: _Asked
    heard: frozenset[str]
    """Batches that have said what they say of it."""
    batch: "asyncio.Future[_Following]"


@dataclass(frozen=True)
class _Following:
    """A batch that is under way, and whoever sees to it."""

    own_id: str
    outcome: "asyncio.Task[Outcome]"


class BatchedModel:
    """Answers in rounds: what is asked goes together, and everybody waits until Gemini has answered it, up to a day.

    A batch is written down before it is made. Who asks for the same thing later, in another process after this one
    was killed, waits for that batch and makes no other.
    """

    simulated = False

    def __init__(
        self,
        live: ModelClient,
        options: GeminiOptions,
        sent: SentBatches,
        crowd: Crowd,
        on_news: Callable[[BatchNews], None],
        pace: Pace,
    ) -> None:
        """Ask for the run that `sent` is of, on behalf of `crowd`; `live` answers what no batch does.

        Raises:
            ModelKeyError: there is no key, or it cannot be one.
        """
        self.name = live.name
        self._live = live
        self._options = options
        self._wire = GeminiBatches(options)
        self._follower = BatchFollower(self._wire, options, sent, on_news, pace)
        self._sent = sent
        self._crowd = crowd
        self._pace = pace
        self._live_calls = asyncio.Semaphore(_LIVE_CALLS)
        self._wishes: list[_Wish] = []
        self._wished = asyncio.Event()
        self._gathering: asyncio.Task[None] | None = None
        self._followed: dict[str, _Following] = {}
        self._put_off: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Find out whether the model could answer, at no cost."""
        await self._live.check()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """One reply, from a batch, or live where two batches had none.

        Raises:
            ModelClosedError: the key was refused, or no batch comes to anything.
            ModelRejectedError: this request will never be answered.
            ModelUnavailableError: no batch had a reply, and there is no live one now.
            RunHeldError: the run is paused or cancelled, and no batch is made for it.
        """
        model = request.model or self.name
        body = body_of(request, self._options)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
        key = f"{request.task_id or ''}/{request.sample}/{request.attempt}/{digest}"
        toll = toll_of(request, model, self._options, is_batch=True)
        asked = _Asked(key, model, line_of(key, body), toll)
        async with self._crowd.away():
            reply = await self._from_batches(asked)
        if reply is not None:
            return reply
        _log.warning("no batch had a reply; asking live", key=key)
        async with self._live_calls:
            return await self._live.generate(request)

    async def aclose(self) -> None:
        """Leave batches to themselves, and give back connections; calling it twice changes nothing.

        Of a run that was cancelled none is left: one that is being made is waited for, and cancelled.
        """
        await self._follower.until_none_is_made()
        tasks: set[asyncio.Task[Any]] = {each.outcome for each in self._followed.values()}
        tasks |= self._put_off | ({self._gathering} if self._gathering else set())
        while tasks:
            # One may take a cancellation for the end of a wait of its own.
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=1)
        await self._wire.aclose()
        await self._live.aclose()

    async def _from_batches(self, asked: _Asked) -> ModelReply | None:
        """The first reply that is of use, or the last that may be asked for; None where two batches had none."""
        # What was paid for is heard again from the first batch on: by another process, or by another delivery in this.
        heard: set[str] = set()
        n_left, repeats, thrown_away = _MOST_TRIES, Counter[CallClass](), Usage()
        while n_left:
            result = await self._from_batch(asked, heard)
            if isinstance(result, ModelReply) and _is_of_use(result, repeats):
                n_resamples = repeats.total()
                paid = {"usage": thrown_away + result.usage, "thrown_away": thrown_away}
                tries = {"resamples": n_resamples, "transport_tries": n_resamples + 1}
                reply = result.model_copy(update={**paid, **tries})
                now = utcnow()
                return priced(reply, asked.model, now, is_batch=True) if n_resamples else reply
            fault = fault_in(result) if isinstance(result, ModelReply) else result
            if fault is not None and POLICIES[class_of(fault)].then is not Then.LATER:
                raise error_of(fault, asked.model, self._options, tries=1)
            if isinstance(result, ModelReply):
                repeats[result.call_class] += 1
                thrown_away += result.usage
            else:
                n_left -= 1
        return None

    async def _from_batch(self, asked: _Asked, heard: set[str]) -> ModelReply | Fault | None:
        """What the next batch, after those `heard`, that ends as it should says of this key; None is nothing."""
        reason = ""
        for _ in range(_MOST_ENDS):
            following = await self._wish(asked, frozenset(heard))
            outcome = await asyncio.shield(following.outcome)
            heard.add(following.own_id)
            if asked.key in outcome.found or outcome.status.state == "SUCCEEDED":
                return outcome.found.get(asked.key)
            reason = f"{outcome.status.state} {outcome.status.reason}".strip()
        raise BatchesFailedError(
            f"{_MOST_ENDS} batches in a row came to nothing",
            facts={"the last one": self._options.redact(reason)},
            fixes=(
                "mend what Gemini says of the last one, where it says what it was",
                "or ask live, in a run of another name:  leave out --batch",
            ),
        )

    async def _wish(self, asked: _Asked, heard: frozenset[str]) -> _Following:
        wish = _Wish(asked, heard, asyncio.get_running_loop().create_future())
        self._wishes.append(wish)
        self._wished.set()
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gather())
        return await wish.batch

    async def _gather(self) -> None:
        while True:
            await self._wished.wait()
            await self._crowd.until_all_are_away(self._pace.settle_seconds)
            # Those that are done were cancelled: their job was, or has gone to another worker.
            wishes = [wish for wish in self._wishes if not wish.batch.done()]
            self._wishes.clear()
            self._wished.clear()
            try:
                await self._send(wishes)
            except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of them)
                _refuse(wishes, error)

    async def _send(self, wishes: Sequence[_Wish]) -> None:
        """Give each wish a batch: one that was sent before, by whoever it was, or one that is sent now."""
        known = await self._sent.all()
        # A job that was taken from us and came back may ask while its earlier delivery still does.
        waiting: defaultdict[str, list[_Wish]] = defaultdict(list)
        for wish in wishes:
            waiting[wish.asked.key].append(wish)
        self._give_known(known, waiting)
        left = [wishes[0] for wishes in waiting.values() if wishes]
        for chunk in _chunks(left):
            await self._send_chunk(chunk, waiting)

    async def _send_chunk(
        self, chunk: Sequence[_Wish], waiting: Mapping[str, Sequence[_Wish]]
    ) -> None:
        """Send as much of it as the run can pay for; what is left asks again when that is known."""
        wanted = SentBatch(
            own_id=f"{self._sent.run_id} {new_id('batch')}",
            model=chunk[0].asked.model,
            keys=tuple(wish.asked.key for wish in chunk),
            sent_at=utcnow(),
        )
        batch = await self._sent.reserve(wanted, [wish.asked.toll for wish in chunk])
        n_paid = len(batch.keys) if batch else 0
        if batch:
            following = self._follow(batch, b"".join(wish.asked.line for wish in chunk[:n_paid]))
            for key in batch.keys:
                for wish in waiting[key]:
                    _tell(wish, following)
        put_off = [wish for left in chunk[n_paid:] for wish in waiting[left.asked.key]]
        if put_off:
            asking = asyncio.create_task(self._ask_again(put_off))
            self._put_off.add(asking)
            asking.add_done_callback(self._put_off.discard)

    async def _ask_again(self, wishes: Sequence[_Wish]) -> None:
        """Let these ask again when a batch is over that may have used what is left to the run."""
        try:
            await self._until_one_is_over()
        except Exception as error:  # noqa: BLE001  (as above)
            _refuse(wishes, error)
            return
        self._wishes += wishes
        self._wished.set()

    async def _until_one_is_over(self) -> None:
        for batch in await self._sent.all():
            # One of an earlier process may bring nothing that anybody asks for, and is to be counted all the same.
            self._follow(batch, None)
        tasks = [each.outcome for each in self._followed.values()]
        under_way = [task for task in tasks if not task.done()]
        longest = self._pace.longest_look_seconds
        if under_way:
            await asyncio.wait(under_way, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(longest)

    def _give_known(
        self, known: Iterable[SentBatch], waiting: defaultdict[str, list[_Wish]]
    ) -> None:
        """Give what was sent before to those who have not heard of it, who then wait for no other."""
        for batch in known:
            for key in waiting.keys() & set(batch.keys):
                told = [wish for wish in waiting[key] if batch.own_id not in wish.heard]
                for wish in told:
                    _tell(wish, self._follow(batch, None))
                waiting[key] = [wish for wish in waiting[key] if wish not in told]

    def _follow(self, batch: SentBatch, lines: bytes | None) -> _Following:
        following = self._followed.get(batch.own_id)
        if following is None:
            task = asyncio.create_task(self._follower.see_through(batch, lines))
            following = self._followed[batch.own_id] = _Following(batch.own_id, task)
            task.add_done_callback(lambda task: self._forget_failed(batch.own_id, task))
        return following

    def _forget_failed(self, own_id: str, task: "asyncio.Task[Outcome]") -> None:
        # Whoever asks again, when whatever was in the way has passed, takes it up again.
        if task.cancelled() or task.exception() is not None:
            del self._followed[own_id]


def _is_of_use(reply: ModelReply, repeats: Mapping[CallClass, int]) -> bool:
    """Whether an attempt is to go by this reply, by the rules of live calls."""
    policy = POLICIES[reply.call_class]
    is_last = repeats[reply.call_class] >= (policy.n_repeats or 0)
    return policy.then is Then.USE and is_last


def _refuse(wishes: Iterable[_Wish], error: Exception) -> None:
    for wish in wishes:
        if not wish.batch.done():
            wish.batch.set_exception(error)


def _tell(wish: _Wish, following: _Following) -> None:
    if not wish.batch.done():
        wish.batch.set_result(following)


def _chunks(wishes: Iterable[_Wish]) -> Iterator[list[_Wish]]:
    """The wishes of each model, so many and so long that Gemini takes them in one batch."""
    by_model: defaultdict[str, list[_Wish]] = defaultdict(list)
    for wish in wishes:
        by_model[wish.asked.model].append(wish)
    for asked in by_model.values():
        chunk: list[_Wish] = []
        n_bytes = 0
        for wish in asked:
            length = len(wish.asked.line)
            if chunk and (len(chunk) >= _MOST_REQUESTS or n_bytes + length > _MOST_BYTES):
                yield chunk
                chunk, n_bytes = [], 0
            chunk.append(wish)
            n_bytes += length
        yield chunk
