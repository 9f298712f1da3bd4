"""What a request is expected to use, before anybody knows."""

import json
import math
from datetime import UTC, date, datetime, time
from functools import lru_cache

from jobs.clock import utcnow
from jobs.usage import Usage

from . import ModelRequest, ModelTurn, UserTurn
from .options import GeminiOptions
from .prices import cost_of
from .throttle import Toll

_CHARACTERS_A_TOKEN = 4
_LONGEST_ANSWER = 65_536


def toll_of(
    request: ModelRequest, model: str, options: GeminiOptions, *, is_batch: bool = False
) -> Toll:
    """The prompt by its length, and the longest answer that may come."""
    characters = len(request.system_instruction) + sum(map(_length_of, request.turns))
    prompt = tokens_in(characters)
    answer = options.max_output_tokens or _LONGEST_ANSWER
    return Toll(
        model=model,
        run_id=request.run_id,
        prompt_tokens=prompt,
        most_tokens=prompt + answer,
        most_usd=_most_usd(
            model, 1 << prompt.bit_length(), answer, utcnow().date(), is_batch=is_batch
        ),
        most_seconds=options.timeout_seconds,
    )


def tokens_in(characters: int) -> int:
    """How many tokens so much text is, before anybody has counted them."""
    return math.ceil(characters / _CHARACTERS_A_TOKEN)


@lru_cache(maxsize=1000)
def _most_usd(model: str, prompt: int, answer: int, day: date, *, is_batch: bool) -> float | None:
    """Of a prompt that is rounded up, since to look up a price takes longer than all else here."""
    usage = Usage(prompt_token_count=prompt, candidates_token_count=answer)
    at = datetime.combine(day, time(), UTC)
    cost = cost_of(usage, [model], at, is_batch=is_batch)
    return cost.usd if cost else None


def _length_of(turn: UserTurn | ModelTurn) -> int:
    return len(turn.text if isinstance(turn, UserTurn) else json.dumps(turn.content))
