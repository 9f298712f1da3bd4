"""What a reply cost: by the price of its day, and never guessed."""

from datetime import UTC, datetime
from itertools import product

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import PriceContext

from jobs.models import ModelReply
from jobs.sums import total_usd
from jobs.usage import Usage
from worker.model.prices import cost_of, priced
from worker.model.scripted import spoken

_NOW = datetime(2026, 11, 26, tzinfo=UTC)
_MODEL = "gemini-3.8-flash"


def _usd(usage: Usage, at: datetime = _NOW, *, is_batch: bool = False) -> float:
    cost = cost_of(usage, [_MODEL], at, is_batch=is_batch)
    assert cost is not None
    return cost.usd


def test_thoughts_are_billed_as_output() -> None:
    """They are most of what a model that thinks writes, and a cost without them is a fraction of the bill."""
    seen = Usage(prompt_token_count=1000, candidates_token_count=300)
    thought = Usage(prompt_token_count=1000, candidates_token_count=100, thoughts_token_count=200)
    assert _usd(thought) == _usd(seen) == pytest.approx(0.00075 + 0.001125)


def test_cached_input_is_cheaper_than_other_input() -> None:
    """The service counts cached tokens as part of the prompt, and bills a tenth for them."""
    usage = Usage(prompt_token_count=1000, cached_content_token_count=200)
    assert _usd(usage) == pytest.approx(0.0006 + 0.000015)


def test_what_tools_have_put_in_is_billed_as_input() -> None:
    """Only the total tells of it."""
    usage = Usage(prompt_token_count=1000, candidates_token_count=0, total_token_count=1400)
    assert _usd(usage) == _usd(Usage(prompt_token_count=1400))


def test_a_price_is_that_of_the_day_of_the_reply() -> None:
    """Introductory prices end; records of both sides of that day must each stay right."""
    usage = Usage(prompt_token_count=1000)
    assert _usd(usage, datetime(2027, 1, 2, tzinfo=UTC)) == pytest.approx(2 * _usd(usage))
    cost = cost_of(usage, [_MODEL], _NOW)
    assert cost is not None
    assert cost.prices_of == _NOW.date()
    assert cost.price_list.startswith("genai-prices ")


@pytest.mark.parametrize("is_batch", [False, True], ids=["live", "batch"])
def test_every_model_of_google_costs_what_the_list_says_of_each_reply(*, is_batch: bool) -> None:
    """We ask the list for its rates and not for each sum: longer prompts have others, and some things cost extra."""
    context: PriceContext | None = {"processing": "batch"} if is_batch else None
    [google] = [provider for provider in get_snapshot().providers if provider.id == "google"]
    sizes = [0, 1, 7, 100_000, 100_001, 128_000, 128_001, 200_000, 200_001, 1_000_003]
    for model, sent, output in product(google.models, sizes, [0, 1, 65_537]):
        for cached in {0, sent // 3, sent}:
            tokens = genai_prices.Usage(
                input_tokens=sent, cache_read_tokens=cached, output_tokens=output
            )
            usage = Usage(
                prompt_token_count=sent,
                cached_content_token_count=cached,
                candidates_token_count=output,
            )
            listed = genai_prices.calc_price(
                tokens,
                model.id,
                provider_id="google",
                genai_request_timestamp=_NOW,
                price_context=context,
            )
            cost = cost_of(usage, [model.id], _NOW, is_batch=is_batch)
            assert cost is not None
            assert cost.usd == float(listed.total_price), (model.id, usage)


def test_a_batch_costs_half() -> None:
    """That is what it is for."""
    usage = Usage(prompt_token_count=1000, candidates_token_count=10)
    assert _usd(usage, is_batch=True) == pytest.approx(_usd(usage) / 2)


@pytest.mark.parametrize(
    ("usage", "models"),
    [
        (Usage(prompt_token_count=5), ["gemini-9-none", None]),
        (Usage(), [_MODEL]),
        (Usage(prompt_token_count=5, cached_content_token_count=9), [_MODEL]),
    ],
    ids=["unknown model", "unknown usage", "more cached than sent"],
)
def test_what_cannot_be_priced_has_no_cost(usage: Usage, models: list[str | None]) -> None:
    """A 0 would be added up, and a run of unknown cost would pass for a cheap one."""
    assert cost_of(usage, models, _NOW) is None


def test_the_version_that_answered_is_priced_before_the_model_that_was_asked() -> None:
    """An alias is served by one model today and by another tomorrow."""
    usage = Usage(prompt_token_count=1000)
    reply = spoken("x").model_copy(update={"usage": usage, "model_version": _MODEL})
    unknown = reply.model_copy(update={"model_version": "gemini-9-none"})
    assert _cost(priced(reply, "gemini-3.1-pro-preview", _NOW)) == _usd(usage)
    assert _cost(priced(unknown, _MODEL, _NOW)) == _usd(usage)


def test_recordings_cost_nothing_and_one_unknown_price_makes_the_sum_unknown() -> None:
    """A record adds up its attempts, which may have been answered by several models."""
    recorded = spoken("x")
    usage = Usage(prompt_token_count=1000)
    live = recorded.model_copy(update={"simulated": False, "usage": usage})
    paid = priced(live, _MODEL, _NOW)
    assert total_usd([recorded, recorded]) == 0
    assert total_usd([recorded, paid]) == _usd(usage)
    assert total_usd([paid, live]) is None


def _cost(reply: ModelReply) -> float | None:
    return reply.cost.usd if reply.cost else None
