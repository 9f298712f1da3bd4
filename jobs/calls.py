"""The ways in which a call of the model can end; what is done about each stands in `worker/model/policies.py`."""

from enum import StrEnum


class CallClass(StrEnum):
    """What one answer of the service, or its absence, means."""

    OK = "ok"
    """A reply that ended well and holds something."""
    UNKNOWN_FINISH = "unknown_finish"
    """A reply that ended for a reason newer than us; what it holds is used."""
    TRUNCATED = "truncated"
    """A reply that was cut, or that never said that it is whole; what it holds is never run."""
    EMPTY = "empty"
    """A reply without a word."""
    RESAMPLE = "resample"
    """A reply that went wrong by chance, such as a malformed call of a function that nobody offered."""
    BLOCKED_OUTPUT = "blocked_output"
    """A reply that a filter withheld."""
    BLOCKED_PROMPT = "blocked_prompt"
    """A prompt that a filter refused; it would be refused again."""
    BUG = "bug"
    """A reply that ended because of what we sent, or did not ask for."""
    RATE_LIMIT = "rate_limit"
    """Too many requests or tokens for this minute."""
    QUOTA_DAY = "quota_day"
    """Too many for this day."""
    AUTH = "auth"
    """The key or the account is refused, or may not ask this model at all, whatever is asked."""
    PERMANENT = "permanent"
    """This request will never be answered."""
    TRANSIENT = "transient"
    """The service or the network failed, and may not fail again."""
    TIMEOUT = "timeout"
    """No answer in time; what was asked may be billed all the same."""
    LOCAL_OVERLOAD = "local_overload"
    """Nothing was sent: more calls are under way here than there are connections."""


_ENDED_WELL = frozenset({"STOP"})
_UNSAID = frozenset({None, "FINISH_REASON_UNSPECIFIED"})
BY_FINISH = {
    "MAX_TOKENS": CallClass.TRUNCATED,
    # It would go on if it were asked to.
    "CONTINUATION": CallClass.TRUNCATED,
    "SAFETY": CallClass.BLOCKED_OUTPUT,
    "RECITATION": CallClass.BLOCKED_OUTPUT,
    "LANGUAGE": CallClass.BLOCKED_OUTPUT,
    "BLOCKLIST": CallClass.BLOCKED_OUTPUT,
    "PROHIBITED_CONTENT": CallClass.BLOCKED_OUTPUT,
    "SPII": CallClass.BLOCKED_OUTPUT,
    "MODEL_ARMOR": CallClass.BLOCKED_OUTPUT,
    "ESCALATION": CallClass.BLOCKED_OUTPUT,
    "IMAGE_SAFETY": CallClass.BLOCKED_OUTPUT,
    "IMAGE_PROHIBITED_CONTENT": CallClass.BLOCKED_OUTPUT,
    "IMAGE_RECITATION": CallClass.BLOCKED_OUTPUT,
    "IMAGE_OTHER": CallClass.BLOCKED_OUTPUT,
    "OTHER": CallClass.RESAMPLE,
    "MALFORMED_FUNCTION_CALL": CallClass.RESAMPLE,
    "UNEXPECTED_TOOL_CALL": CallClass.RESAMPLE,
    "TOO_MANY_TOOL_CALLS": CallClass.RESAMPLE,
    "MALFORMED_RESPONSE": CallClass.RESAMPLE,
    "MISSING_THOUGHT_SIGNATURE": CallClass.BUG,
    "NO_IMAGE": CallClass.BUG,
    "PUP_LIMITED_DISABLED": CallClass.AUTH,
}
"""By Gemini's word for how a reply ended; those that say that it ended well, or nothing, are told by what it holds."""


def class_of_reply(
    finish_reason: str | None, block_reason: str | None, *, is_empty: bool
) -> CallClass:
    """What a reply means that ended for these reasons; empty is one without visible text and without code."""
    if block_reason is not None:
        return CallClass.BLOCKED_PROMPT
    if finish_reason in _ENDED_WELL or finish_reason in _UNSAID:
        if is_empty:
            return CallClass.EMPTY
        # A reply that broke off looks like a whole one, but for this.
        return CallClass.OK if finish_reason in _ENDED_WELL else CallClass.TRUNCATED
    return BY_FINISH.get(finish_reason or "", CallClass.UNKNOWN_FINISH)
