"""Whose turn it is: a program that must be alone is, nobody waits for ever, and no slot is lost."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from hypothesis import given
from hypothesis import strategies as st

from worker.solver.turns import Turns


class Stage:
    """Programs that run for as long as a test wants them to."""

    def __init__(self, n_slots: int) -> None:
        self.turns = Turns(n_slots)
        self.running: list[str] = []
        self.seen: list[tuple[str, ...]] = []
        """Who ran at one time, whenever somebody began."""
        self._ends: dict[str, asyncio.Event] = {}

    def begin(self, name: str) -> "asyncio.Task[None]":
        """Names that begin with a capital want to be alone."""
        self._ends[name] = asyncio.Event()
        turn = self.turns.alone if name[0].isupper() else self.turns.one
        return asyncio.create_task(self._run(name, turn))

    async def _run(self, name: str, turn: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        async with turn():
            self.running.append(name)
            self.seen.append(tuple(self.running))
            try:
                await self._ends[name].wait()
            finally:
                self.running.remove(name)

    def end(self, name: str) -> None:
        self._ends[name].set()


async def settle() -> None:
    """Let every task go on until it has to wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_as_many_run_as_there_are_slots() -> None:
    """More would slow each other down, fewer would leave cores idle."""
    stage = Stage(2)
    tasks = [stage.begin(name) for name in ("a", "b", "c")]
    await settle()
    assert stage.running == ["a", "b"]
    stage.end("a")
    await settle()
    assert stage.running == ["b", "c"]
    stage.end("b")
    stage.end("c")
    await asyncio.gather(*tasks)


async def test_who_is_alone_waits_for_those_before_and_keeps_those_after_waiting() -> None:
    """A second verdict is worth more than the first only if nothing ran beside it; and its turn has to come."""
    stage = Stage(2)
    tasks = [stage.begin(name) for name in ("a", "Alone", "b", "c")]
    await settle()
    assert stage.running == ["a"], "a free slot is not given to who came later"
    stage.end("a")
    await settle()
    assert stage.running == ["Alone"]
    stage.end("Alone")
    await settle()
    assert stage.running == ["b", "c"]
    stage.end("b")
    stage.end("c")
    await asyncio.gather(*tasks)


async def test_a_job_that_is_cancelled_while_it_waits_to_be_alone_holds_nobody_up() -> None:
    """Jobs are cancelled at any moment, and the worker has others."""
    stage = Stage(2)
    tasks = [stage.begin(name) for name in ("a", "Alone", "b")]
    await settle()
    tasks[1].cancel()
    await settle()
    assert stage.running == ["a", "b"]
    stage.end("a")
    stage.end("b")
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_turn_that_comes_at_the_moment_of_a_cancellation_is_given_back() -> None:
    """A slot that nobody has and nobody gives back is lost until the worker is started again."""
    stage = Stage(1)
    first, second, third = (stage.begin(name) for name in ("a", "b", "c"))
    await settle()
    stage.end("a")
    await first
    # The slot is the second one's by now, who has not been told yet.
    second.cancel()
    await settle()
    assert stage.running == ["c"]
    stage.end("c")
    await asyncio.gather(second, third, return_exceptions=True)


async def _play(n_slots: int, steps: list[tuple[str, int]]) -> None:
    stage, tasks = Stage(n_slots), list[asyncio.Task[None]]()
    names: list[str] = []
    for number, (step, which) in enumerate(steps):
        match step:
            case "one" | "alone":
                names.append(f"{'a' if step == 'one' else 'A'}{number}")
                tasks.append(stage.begin(names[-1]))
            case "end" if names:
                stage.end(names[which % len(names)])
            case "cancel" if names:
                tasks[which % len(tasks)].cancel()
            case _:
                await settle()
    for name in names:
        stage.end(name)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    for beside in stage.seen:
        assert len(beside) <= n_slots
        assert len(beside) == 1 or not any(map(str.istitle, beside))
    last = stage.begin("Last")
    await settle()
    assert stage.running == ["Last"], "every slot is free again"
    stage.end("Last")
    await last


_STEP = st.one_of(
    st.tuples(st.sampled_from(["one", "alone"]), st.just(0)),
    st.tuples(st.sampled_from(["end", "cancel"]), st.integers(0, 30)),
    st.tuples(st.just("settle"), st.just(0)),
)


@given(n_slots=st.integers(1, 4), steps=st.lists(_STEP, max_size=30))
def test_whatever_happens_nobody_is_beside_who_is_alone_and_all_have_their_turn(
    n_slots: int, steps: list[tuple[str, int]]
) -> None:
    """A deadlock of a worker is found by nobody until the queue has grown for a night."""
    asyncio.run(_play(n_slots, steps))
