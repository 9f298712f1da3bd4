"""The one seam for time and identity."""

import hashlib
import secrets
import time
from datetime import UTC, datetime

# Crockford's alphabet: no letter is mistaken for a digit when an id is read aloud or typed.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def utcnow() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def milliseconds_of(at: datetime) -> int:
    """A time as Redis and arq keep it: milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def time_at(milliseconds: float) -> datetime:
    """The time that is kept so, to the millisecond."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def monotonic() -> float:
    """Seconds on a clock that never goes back: for measuring, never for recording."""
    return time.monotonic()


def new_id(kind: str) -> str:
    """An id nobody has used, such as `job_0m3x…`: sortable by time, then 50 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{kind}_{_spell(milliseconds, 9)}{_spell(secrets.randbits(50), 10)}"


def derived_id(kind: str, *parts: str | int) -> str:
    """The id that these parts always give: what makes a repeated submission change nothing."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return f"{kind}_{_spell(int.from_bytes(digest[:13]) >> 4, 20)}"


def _spell(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits = _ALPHABET[digit] + digits
    return digits
