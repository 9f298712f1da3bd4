"""What a run would ask, cost and be able to tell, from its jobs alone: nothing is queued, and nobody is asked."""

import math
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from config.settings import Settings
from jobs.clock import utcnow
from jobs.models import PromptJob
from jobs.presence import is_replayed
from jobs.records.opening import open_store
from jobs.reports.conduct import unchecked_in_words
from jobs.stats import wilson_interval
from jobs.usage import Usage
from jobs.wire import Wire
from worker.model.prices import cost_of
from worker.model.tolls import tokens_in
from worker.solver.prompts import first_prompt, system_instruction

from .batch import Batch

_FEWEST_ANSWER_TOKENS = 200
"""What a short program takes."""
_MOST_ANSWER_TOKENS = 4000
"""What a long one takes, or one before which a model thought; `model.max_output_tokens` may say less."""
_FEEDBACK_TOKENS = 300


class Range(Wire):
    """Between what and what it will be."""

    low: float
    high: float


class Counts(Wire):
    """Between how many and how many."""

    low: int
    high: int


class Estimate(Wire):
    """A run before it is begun."""

    run_id: str
    model: str
    simulated: bool
    """Recordings answer: nothing is paid."""
    n_jobs: int
    n_tasks: int
    n_rows: int
    """Rows of the dataset, of which the tasks are those that were asked for."""
    part: str
    """The flags that asked for them; empty where it is all of it."""
    n_unchecked: int
    """Jobs for which nothing says what is right."""
    n_recorded: int
    """Jobs of a run of this name that have their record already, and are not run again; of them nothing is left out."""
    calls: Counts
    """One for each job, or all attempts of each."""
    prompt_tokens: Counts
    answer_tokens: Counts
    one_answer: Counts
    """How many tokens an answer is taken to have, thoughts included."""
    cost_usd: Range | None
    """By the prices of today; None where the price of the model is unknown, never 0."""
    half_width: Range
    """Of the 95 % interval of the share that is solved, at one half, where it is widest: samples of a task that tell as
    much as other tasks would, and samples that tell nothing more than the first."""


@dataclass
class _Calls:
    """How many calls there are, and what they take together."""

    n: int = 0
    prompt: int = 0
    answer: int = 0

    def add(self, n: int, prompt: int, answer: int) -> None:
        """So many attempts of a job, each of which is told all that came before."""
        self.n += n
        self.prompt += n * prompt + n * (n - 1) // 2 * (answer + _FEEDBACK_TOKENS)
        self.answer += n * answer

    def cost_usd(self, model: str, *, is_batch: bool) -> float | None:
        """As many times what the average call costs: prices go by the length of a single prompt."""
        if not self.n:
            return 0.0
        usage = Usage(
            prompt_token_count=self.prompt // self.n, candidates_token_count=self.answer // self.n
        )
        cost = cost_of(usage, [model], utcnow(), is_batch=is_batch)
        return None if cost is None else cost.usd * self.n


async def estimate(settings: Settings, batch: Batch) -> Estimate:
    """What is known of a run before it is begun.

    Raises:
        StoreError: it cannot be told what is recorded of it.
    """
    model = batch.model or settings.meant_model
    longest = min(_MOST_ANSWER_TOKENS, settings.model.max_output_tokens or _MOST_ANSWER_TOKENS)
    shortest = min(_FEWEST_ANSWER_TOKENS, longest)
    fewest, most, tasks = _Calls(), _Calls(), set[str]()
    for job in batch.jobs():
        tasks.add(job.task_id or job.job_id)
        prompt = _prompt_tokens(job)
        fewest.add(1, prompt, shortest)
        most.add(job.max_attempts, prompt, longest)
    costs = [each.cost_usd(model, is_batch=batch.in_batches) for each in (fewest, most)]
    is_free = is_replayed(model)
    return Estimate(
        run_id=batch.run_id or "",
        model=model,
        simulated=is_free,
        n_jobs=batch.n_jobs,
        n_tasks=len(tasks),
        n_rows=batch.chosen.n_rows if batch.chosen else len(tasks),
        part=batch.part.in_words if batch.part else "",
        n_unchecked=batch.n_unchecked,
        n_recorded=await _n_recorded(settings, batch.run_id or ""),
        calls=Counts(low=fewest.n, high=most.n),
        prompt_tokens=Counts(low=fewest.prompt, high=most.prompt),
        answer_tokens=Counts(low=fewest.answer, high=most.answer),
        one_answer=Counts(low=shortest, high=longest),
        cost_usd=Range(low=0, high=0) if is_free else _range_of(costs),
        half_width=Range(low=_half_width(batch.n_jobs), high=_half_width(len(tasks))),
    )


def estimate_lines(found: Estimate) -> Iterator[str]:
    """The estimate for a person, with what it goes by."""
    yield f"dry run     {found.run_id}: nothing is queued, and nobody was asked"
    yield f"model       {found.model}{', which is RECORDINGS' if found.simulated else ''}"
    yield f"jobs        {found.n_jobs:,} of {found.n_tasks:,} tasks"
    if found.part:
        yield f"part        {found.n_tasks:,} of {found.n_rows:,} rows: {found.part}"
    if found.n_unchecked:
        yield f"check       {unchecked_in_words(found.n_unchecked)}"
    if found.n_recorded:
        yield f"recorded    {found.n_recorded:,} of a run of this name already, which are not run again"
    yield f"calls       {_whole(found.calls)}: one for each job, or all its attempts"
    yield f"tokens      {_whole(found.prompt_tokens)} in prompts, {_whole(found.answer_tokens)} in answers"
    yield f"cost        {_cost(found)}"
    if not found.simulated:
        yield (
            f"            for answers of {_whole(found.one_answer)} tokens, thoughts included;"
            " replies in the cache are not looked up"
        )
    low, high = (100 * half for half in (found.half_width.low, found.half_width.high))
    width = f"{high:.1f}" if math.isclose(low, high) else f"{low:.1f} to {high:.1f}"
    yield f"interval    ± {width} points around the share that is solved, at 95 %, where it is widest"


def _prompt_tokens(job: PromptJob) -> int:
    instruction = system_instruction(job.language, code_execution=job.code_execution)
    return tokens_in(len(instruction) + len(first_prompt(job)))


async def _n_recorded(settings: Settings, run_id: str) -> int:
    store = open_store(settings.records_place, prefix=settings.redis.prefix)
    async with aclosing(store):
        return (await store.counts(run_id)).total()


def _half_width(n: int) -> float:
    low, high = wilson_interval(n / 2, n)
    return (high - low) / 2


def _range_of(values: Iterable[float | None]) -> Range | None:
    known = [value for value in values if value is not None]
    return Range(low=known[0], high=known[1]) if len(known) == 2 else None


def _whole(counts: Counts) -> str:
    low, high = f"{counts.low:,}", f"{counts.high:,}"
    return low if low == high else f"{low} to {high}"


def _cost(found: Estimate) -> str:
    if found.simulated:
        return "nothing: recordings"
    if found.cost_usd is None:
        return "unknown: no list has a price of that model"
    return f"${found.cost_usd.low:.4f} to ${found.cost_usd.high:.4f}, by list prices"
