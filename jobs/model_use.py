"""What models are asked at the moment, by all workers together, and which of them are left alone."""

from arq.connections import ArqRedis

from .keys import Keys
from .scripts import run_script
from .wire import Wire

# Gives for each place that was asked of late what it is, the day, and three numbers. Others are forgotten.
_USE = """
local ms, found, places = now(), {}, redis.call('HGETALL', PLACES)
for i = 1, #places, 2 do
    local place, day = places[i], places[i + 1]
    local n = redis.call('GET', ASKED .. place .. ':' .. day)
    if n then
        local till = tonumber(redis.call('HGET', LIMIT .. place, 'pausedUntil') or 0)
        local n_under_way = redis.call('ZCOUNT', SLOTS .. place, ms, '+inf')
        found[#found + 1] = {place, day, tonumber(n), n_under_way, math.max(0, math.ceil(till - ms))}
    else
        redis.call('HDEL', PLACES, place)
    end
end
return found
"""


class ModelUse(Wire):
    """What one model is asked with one key."""

    account: str
    """Tells keys apart, and nothing of them."""
    model: str
    day: str
    """The last one on which it was asked: the service's days end at midnight Pacific time."""
    requests: int
    """That were sent on that day."""
    under_way: int
    paused_seconds: float
    """For how long no worker asks it, after a 429."""


async def models_in_use(redis: ArqRedis, keys: Keys) -> list[ModelUse]:
    """The models that were asked within the last two days, by name.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    uses = await run_script(redis, keys, _USE, [])
    found = [_use_of(place.decode(), day.decode(), *numbers) for place, day, *numbers in uses]
    return sorted(found, key=lambda use: (use.model, use.account))


def _use_of(place: str, day: str, n_requests: int, n_under_way: int, paused_ms: int) -> ModelUse:
    account, _, model = place.partition(":")
    return ModelUse(
        account=account,
        model=model,
        day=day,
        requests=n_requests,
        under_way=n_under_way,
        paused_seconds=paused_ms / 1000,
    )
