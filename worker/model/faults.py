"""What a request without a reply means: whether to try again, and the error a person is told otherwise."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import assert_never

from pydantic import JsonValue

from jobs.calls import CallClass
from jobs.clock import utcnow
from jobs.models import ModelReply
from worker.errors import (
    ModelBusyError,
    ModelError,
    ModelKeyError,
    ModelNotFoundError,
    ModelQuotaError,
    ModelRejectedError,
    ModelUnavailableError,
)

from .options import GeminiOptions
from .policies import POLICIES, Then
from .replies import objects_in

_MOST_CHARACTERS = 500
_RETRY_IN = re.compile(r"retry in ([0-9.]+)s", re.IGNORECASE)
_NO_QUOTA = re.compile(r"\blimit: 0(?![.\d])")
_OTHER_MODEL = (
    "name a current model:  --model gemini-3.8-flash",
    "or set it for good:  PROMPTMILL_MODEL__NAME=gemini-3.8-flash",
)


@dataclass(frozen=True)
class Fault:
    """One request that brought nothing to be used."""

    status: int | None
    """None where there was no answer at all, or one that cannot be read."""
    words: str
    """What the service or the network said."""
    reasons: tuple[str, ...] = ()
    """Machine-readable ones, such as `API_KEY_INVALID`, and the ids of quotas that were exceeded."""
    wait_seconds: float | None = None
    """How long the service wants us to wait; None where it says nothing."""
    known_as: CallClass | None = None
    """What it is by the word of whoever saw it; None where status and reasons tell."""
    content: dict[str, JsonValue] | None = None
    """What the model had answered, of a reply that cannot be used."""


_BY_STATUS = {
    None: CallClass.TRANSIENT,
    401: CallClass.AUTH,
    403: CallClass.AUTH,
    408: CallClass.TRANSIENT,
    499: CallClass.TRANSIENT,
    501: CallClass.PERMANENT,
}


def class_of(fault: Fault) -> CallClass:
    """What a fault means: this, and the table above."""
    if fault.known_as is not None:
        return fault.known_as
    # A bad key is a 400 with a reason, not a 401.
    if any(reason.startswith("API_KEY_") for reason in fault.reasons):
        return CallClass.AUTH
    if fault.status == 429:
        return _class_of_429(fault)
    of_the_rest = CallClass.TRANSIENT if (fault.status or 0) >= 500 else CallClass.PERMANENT
    return _BY_STATUS.get(fault.status, of_the_rest)


def _class_of_429(fault: Fault) -> CallClass:
    if _NO_QUOTA.search(fault.words):
        # Of this model with this key, and so of every job that asks it.
        return CallClass.AUTH
    # The service asks for a wait of seconds here too, which does not help before the day is over.
    if any("PerDay" in reason for reason in fault.reasons):
        return CallClass.QUOTA_DAY
    return CallClass.RATE_LIMIT


def fault_in(reply: ModelReply) -> Fault | None:
    """The fault that a reply is in truth; None where it can go to its attempt."""
    seen = reply.call_class
    if POLICIES[seen].then is Then.USE:
        return None
    words = f"finish reason {reply.finish_reason}, response {reply.response_id}"
    return Fault(200, words, known_as=seen, content=reply.content)


def error_of(fault: Fault, model: str, options: GeminiOptions, *, tries: int) -> ModelError:
    """What a person is told when `fault` is the last word on a call of `model`. It never holds the key."""
    seen = class_of(fault)
    facts = {
        "Gemini": _one_line(options.redact(fault.words)),
        "class": seen.value,
        "tried": "once" if tries == 1 else f"{tries} times",
    }
    match POLICIES[seen].then:
        case Then.LATER if seen is CallClass.RATE_LIMIT:
            return ModelBusyError(model, fault.wait_seconds or 1.0, facts=facts)
        case Then.LATER:
            error = ModelUnavailableError(
                f"no reply from {model!r} for now", facts=facts | {"asked": options.shown_address}
            )
            error.retry_after_seconds = fault.wait_seconds
            return error
        case Then.PAUSE if seen is CallClass.QUOTA_DAY:
            return ModelQuotaError(
                f"today's quota for {model!r} is used up",
                facts=facts,
                fixes=(
                    "start again when the quota is renewed, at midnight Pacific time",
                    "or raise the quota of the key's project",
                ),
            )
        case Then.PAUSE if fault.status == 429:
            return ModelKeyError(
                f"this API key has no quota for the model {model!r}",
                facts=facts,
                fixes=_OTHER_MODEL,
            )
        case Then.PAUSE:
            return options.refused(facts)
        case Then.FAIL | Then.USE:
            return _rejected(fault, model, options, facts)
        case never:
            assert_never(never)


def _rejected(
    fault: Fault, model: str, options: GeminiOptions, facts: dict[str, str]
) -> ModelRejectedError:
    if class_of(fault) is CallClass.BUG:
        error = ModelRejectedError(
            f"a reply of {model!r} cannot be used, which is a fault of ours: {facts['Gemini']}",
            facts=facts,
            fixes=("report it with these words, and unusableReply in the record of the job",),
        )
        error.unusable_reply = fault.content
        return error
    if fault.status == 404:
        return _no_such_model(model, options, facts)
    return ModelRejectedError("Gemini refused the request for good", facts=facts)


def fault_of(status: int, body: JsonValue, headers: Mapping[str, str]) -> Fault:
    """The fault in an HTTP answer, whatever its body: Google's envelope, a proxy's page, nothing."""
    told = body.get("error", body) if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    details = list(objects_in(told.get("details")))
    message, name = str(told.get("message") or ""), str(told.get("status") or "")
    reasons = tuple(_reasons(details))
    because = f", reason {', '.join(reasons)}" if reasons else ""
    return Fault(
        status=status,
        words=f"{status} {name}".strip() + because + (f": {message}" if message else ""),
        reasons=reasons,
        wait_seconds=_wish(details, headers, message),
    )


def _no_such_model(model: str, options: GeminiOptions, facts: dict[str, str]) -> ModelNotFoundError:
    fixes: tuple[str, ...] = _OTHER_MODEL
    if model.endswith("-latest") and options.version != "v1beta":
        facts = {**facts, "why": "the -latest aliases exist only on API version v1beta"}
        fixes = (*fixes, "or ask that version:  PROMPTMILL_MODEL__API_VERSION=v1beta")
    return ModelNotFoundError(
        f"no model {model!r} on API version {options.version}; it may be retired",
        facts=facts,
        fixes=fixes,
    )


def _reasons(details: list[dict[str, JsonValue]]) -> Iterator[str]:
    for detail in details:
        if isinstance(reason := detail.get("reason"), str):
            yield reason
        for violation in objects_in(detail.get("violations")):
            if isinstance(quota := violation.get("quotaId"), str):
                yield quota


def _wish(
    details: list[dict[str, JsonValue]], headers: Mapping[str, str], message: str
) -> float | None:
    """The wait that is asked for: by RetryInfo, else by the header, else in the words."""
    for detail in details:
        if isinstance(delay := detail.get("retryDelay"), str):
            return _seconds(delay.removesuffix("s"))
    if "retry-after" in headers:
        return _retry_after(headers["retry-after"])
    found = _RETRY_IN.search(message)
    return _seconds(found[1].rstrip(".")) if found else None


def _retry_after(value: str) -> float | None:
    """Seconds, or until a date: the header may hold either."""
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(value) - utcnow()).total_seconds())
    except (ValueError, TypeError):
        return None


def _seconds(digits: str) -> float | None:
    return float(digits) if re.fullmatch(r"\d{1,9}(\.\d*)?", digits) else None


def _one_line(words: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in words)
    shown = " ".join(shown.split())
    return shown if len(shown) <= _MOST_CHARACTERS else shown[:_MOST_CHARACTERS] + "…"
