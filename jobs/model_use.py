"""What models are asked at the moment, by all workers together, and which of them are left alone."""

from arq.connections import ArqRedis

from .keys import Keys
from .scripts import run_script
from .wire import Wire

_USE = """
local ms, found = now(), {}
for i, place in ipairs(ARGV) do
    local till = tonumber(redis.call('HGET', LIMIT .. place, 'pausedUntil') or 0)
    local n_under_way = redis.call('ZCOUNT', SLOTS .. place, exact(ms), '+inf')
    found[i] = {n_under_way, math.max(0, math.ceil(till - ms))}
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
    beginning = keys.asked("", "", "").removesuffix("::")
    names = [name.decode() async for name in redis.scan_iter(match=f"{beginning}*", count=1000)]
    days: dict[str, str] = {}
    for name in sorted(names):
        place, _, day = name.removeprefix(beginning).rpartition(":")
        days[place] = day
    if not days:
        return []
    counts = await redis.mget([f"{beginning}{place}:{day}" for place, day in days.items()])
    uses = await run_script(redis, keys, _USE, list(days))
    found = [
        _use_of(place, day, int(n or 0), *use)
        for (place, day), n, use in zip(days.items(), counts, uses, strict=True)
    ]
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
