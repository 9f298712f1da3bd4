"""What replies cost, by the list prices of the day on which they were given."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib.metadata import version

import genai_prices
from genai_prices.types import PriceContext

from jobs.costs import Cost
from jobs.models import ModelReply
from jobs.usage import Usage

_PROVIDER = "google"


def priced(
    reply: ModelReply, asked_model: str, at: datetime, *, is_batch: bool = False
) -> ModelReply:
    """The reply with its cost, by the price of the version that answered, or else of the model that was asked."""
    cost = cost_of(reply.usage, (reply.model_version, asked_model), at, is_batch=is_batch)
    return reply.model_copy(update={"cost": cost})


def cost_of(
    usage: Usage, models: Iterable[str | None], at: datetime, *, is_batch: bool = False
) -> Cost | None:
    """What these tokens cost with the first of the models that has a price; None where none has, never 0.

    Thoughts are billed as output, and cached input is cheaper. A batch has prices of its own.
    """
    tokens = _tokens_of(usage)
    if tokens is None:
        return None
    context: PriceContext | None = {"processing": "batch"} if is_batch else None
    for model in models:
        try:
            price = genai_prices.calc_price(
                tokens,
                (model or "").removeprefix("models/"),
                provider_id=_PROVIDER,
                genai_request_timestamp=at,
                price_context=context,
            )
        except (LookupError, ValueError):
            # No price, or counts that cannot be: more tokens out of the cache than were sent, for one.
            continue
        return Cost(usd=float(price.total_price), prices_of=at.date(), price_list=_price_list())
    return None


def _tokens_of(usage: Usage) -> genai_prices.Usage | None:
    if usage.prompt_token_count is None:
        return None
    output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    # The total counts what tools have put in as well, which is billed as input.
    total = max(usage.total_token_count or 0, usage.prompt_token_count + output)
    return genai_prices.Usage(
        input_tokens=total - output,
        cache_read_tokens=usage.cached_content_token_count or 0,
        output_tokens=output,
    )


@cache
def _price_list() -> str:
    return f"genai-prices {version('genai-prices')}"
