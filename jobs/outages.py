"""What to do while Redis does not answer: wait, a little longer each time, and go on."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 2.0
# What a server says of itself before it serves; redis-py has no class of its own for these.
_NOT_NOW = ("BUSY ", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED")
_Answer = TypeVar("_Answer")


def is_outage(error: Exception) -> bool:
    """Whether this says nothing about what was asked of Redis: asked again later, it may be done."""
    if isinstance(
        error,
        RedisConnectionError | RedisTimeoutError | OutOfMemoryError | ReadOnlyError | OSError,
    ):
        return True
    return isinstance(error, RedisError) and str(error).startswith(_NOT_NOW)


async def through_outages(
    step: Callable[[], Awaitable[_Answer]],
    seconds: float | None = None,
    *,
    unless: type[Exception] | tuple[()] = (),
) -> _Answer:
    """What `step` gives, which is safe to repeat and is repeated for so many seconds, or for as long as it takes.

    An error of the kind `unless` is not waited out. Waits grow to two seconds, with jitter, so that the workers of a
    server that comes back do not all come at once.

    Raises:
        RedisError, OSError: it is no outage, or lasted longer.
    """

    def is_waited_out(error: Exception) -> bool:
        return is_outage(error) and not isinstance(error, unless)

    try:
        # Nearly always the only time, and most of what a repetition costs is to be ready for it.
        return await step()
    except (RedisError, OSError) as error:
        if not is_waited_out(error):
            raise
    # Nor does a command that meets no outage pay for its import.
    import stamina

    async for attempt in stamina.retry_context(
        on=is_waited_out,
        attempts=None,
        timeout=seconds,
        wait_initial=_FIRST_WAIT_SECONDS,
        wait_max=_LONGEST_WAIT_SECONDS,
        wait_jitter=_FIRST_WAIT_SECONDS,
    ):
        with attempt:
            return await step()
    raise AssertionError("the last attempt returns or raises")
