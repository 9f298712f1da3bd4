"""What replies cost, by the list prices of the day on which they were given."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version

import genai_prices
from genai_prices.types import PriceContext, TieredPrices

from jobs.costs import Cost
from jobs.models import ModelReply
from jobs.usage import Usage

_PROVIDER = "google"


@dataclass(frozen=True)
class _Tokens:
    """What of a reply has a price: cached ones are part of the input, and thoughts of the output."""

    input: int
    cached: int
    output: int


@dataclass(frozen=True)
class _Rates:
    """What the list takes for longer prompts than one of `above` tokens, up to those that have other rates."""

    above: int
    shortest: Decimal
    """The price of the shortest of these prompts, whatever else is part of it."""
    input: Decimal
    """For each token more, as for all others below."""
    cached: Decimal
    """On top of that, and so negative where cached input is cheaper."""
    output: Decimal

    def usd(self, tokens: _Tokens) -> Decimal:
        """What these tokens cost, to the last digit."""
        more = tokens.input - self.above - 1
        return (
            self.shortest
            + self.input * more
            + self.cached * tokens.cached
            + self.output * tokens.output
        )


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
    day = at.date()
    for model in models:
        tariff = _tariff((model or "").removeprefix("models/"), day, is_batch=is_batch)
        if tariff:
            rates = next((rates for rates in tariff if tokens.input > rates.above), tariff[-1])
            return Cost(usd=float(rates.usd(tokens)), prices_of=day, price_list=_price_list())
    return None


def load_prices(model: str, at: datetime) -> None:
    """Read the list, for which the first reply would wait otherwise, and with it everybody who waits for one."""
    _tariff(model.removeprefix("models/"), at.date(), is_batch=False)


def _tokens_of(usage: Usage) -> _Tokens | None:
    if usage.prompt_token_count is None:
        return None
    output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    # The total counts what tools have put in as well, which is billed as input.
    total = max(usage.total_token_count or 0, usage.prompt_token_count + output)
    tokens = _Tokens(total - output, usage.cached_content_token_count or 0, output)
    # Counts that cannot be: more tokens out of the cache than were sent, for one.
    return tokens if 0 <= tokens.cached <= tokens.input and output >= 0 else None


@lru_cache(maxsize=1000)
def _tariff(model: str, day: date, *, is_batch: bool) -> tuple[_Rates, ...]:
    """What the list says of a model on a day, the rates of the longest prompts first; nothing where it has no price.

    To ask the list itself takes a tenth of all that a call of the model costs us. What it says is a sum of one price
    for each kind of tokens, which a few questions find out.
    """
    context: PriceContext | None = {"processing": "batch"} if is_batch else None

    def ask(tokens: _Tokens) -> genai_prices.types.PriceCalculation:
        return genai_prices.calc_price(
            genai_prices.Usage(
                input_tokens=tokens.input,
                cache_read_tokens=tokens.cached,
                output_tokens=tokens.output,
            ),
            model,
            provider_id=_PROVIDER,
            genai_request_timestamp=datetime.combine(day, time(), UTC),
            price_context=context,
        )

    def rates(above: int) -> _Rates:
        n = above + 1
        of = [_Tokens(n, 0, 0), _Tokens(n + 1, 0, 0), _Tokens(n, 1, 0), _Tokens(n, 0, 1)]
        shortest, longer, cached, answered = (ask(tokens).total_price for tokens in of)
        return _Rates(above, shortest, longer - shortest, cached - shortest, answered - shortest)

    try:
        prices = vars(ask(_Tokens(1, 0, 0)).model_price).values()
    except (LookupError, ValueError):
        return ()
    tiers = [tier for price in prices if isinstance(price, TieredPrices) for tier in price.tiers]
    return tuple(map(rates, sorted({0, *(tier.start for tier in tiers)}, reverse=True)))


@cache
def _price_list() -> str:
    return f"genai-prices {version('genai-prices')}"
