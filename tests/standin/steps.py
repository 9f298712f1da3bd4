"""Answers in the exact shapes that the Gemini API sends them in."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from .script import Step

_TYPE = "type.googleapis.com/google.rpc."
_QUOTA = "generativelanguage.googleapis.com/generate_content_free_tier_requests"


def text(words: str, *, finish_reason: str | None = "STOP", thoughts: int = 0) -> Step:
    """A reply of one visible part; without a finish reason, one that broke off."""
    return parts({"text": words}, finish_reason=finish_reason, thoughts=thoughts)


def parts(*content: JsonValue, finish_reason: str | None = "STOP", thoughts: int = 0) -> Step:
    """A reply of these parts, such as `{"text": "…", "thoughtSignature": "…"}`, sent as they are."""
    turn: JsonValue = {"role": "model", "parts": list(content)}
    return _candidate(
        {"content": turn},
        finish_reason=finish_reason,
        usage={"candidatesTokenCount": 11, "thoughtsTokenCount": thoughts},
    )


def all_thoughts() -> Step:
    """The token limit was spent on thoughts alone: content without parts."""
    return _candidate(
        {"content": {"role": "model"}},
        finish_reason="MAX_TOKENS",
        usage={"thoughtsTokenCount": 8192},
    )


def safety_block() -> Step:
    """The reply was withheld: a candidate without content."""
    rating: JsonValue = {
        "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
        "probability": "HIGH",
        "blocked": True,
    }
    return _candidate({"safetyRatings": [rating]}, finish_reason="SAFETY", usage={})


def prompt_block(reason: str = "PROHIBITED_CONTENT") -> Step:
    """The prompt was refused: no candidates at all."""
    return Step(body={"promptFeedback": {"blockReason": reason}, "usageMetadata": _usage({})})


def no_candidates() -> Step:
    """An answer with nothing in it, as happens."""
    return Step(body={"candidates": [], "usageMetadata": _usage({})})


def empty_body() -> Step:
    """200 and not one byte."""
    return Step(text="")


def not_json() -> Step:
    """200 and a page of somebody's proxy."""
    return Step(text="<html>Welcome</html>", headers={"content-type": "text/html"})


def slow(step: Step, delay_seconds: float) -> Step:
    """`step`, later."""
    return step.model_copy(update={"delay_seconds": delay_seconds})


def dropped(step: Step, after_bytes: int = 20) -> Step:
    """`step`, but the connection breaks in the middle of the body."""
    return step.model_copy(update={"cut_after_bytes": after_bytes})


def rate_limited(retry_delay_seconds: float | None = 0.05) -> Step:
    """429 for this minute; with the service's wish in RetryInfo unless it is None."""
    return _over_quota(
        "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10", retry_delay_seconds
    )


def daily_quota() -> Step:
    """429 for today. The service still wishes for a retry in seconds, which cannot help."""
    return _over_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20", 0.05)


def no_quota() -> Step:
    """429 for ever: this project's quota for the model is zero."""
    return _over_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "0", 0.05)


def server_error() -> Step:
    """500 as Google words it."""
    return error(500, "INTERNAL", "An internal error has occurred. Please retry.")


def overloaded() -> Step:
    """503 as Google words it."""
    return error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def bad_key() -> Step:
    """The answer to a key that does not exist: 400, not 401."""
    message = "API key not valid. Please pass a valid API key."
    info: JsonValue = {
        "@type": _TYPE + "ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    words: JsonValue = {"@type": _TYPE + "LocalizedMessage", "locale": "en-US", "message": message}
    return error(400, "INVALID_ARGUMENT", message, details=[info, words])


def no_key() -> Step:
    """The answer to a request without a key."""
    return error(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def not_found(model: str, version: str) -> Step:
    """The answer to a model that is retired, mistyped or not of this API version."""
    return error(
        404,
        "NOT_FOUND",
        f"models/{model} is not found for API version {version}, or is not supported for "
        "generateContent. Call ListModels to see the list of available models and their "
        "supported methods.",
    )


def error(
    code: int,
    status: str,
    message: str,
    *,
    details: Sequence[JsonValue] = (),
    headers: Mapping[str, str] | None = None,
) -> Step:
    """Any error in Google's envelope."""
    told: dict[str, JsonValue] = {"code": code, "message": message, "status": status}
    if details:
        told["details"] = list(details)
    return Step(status=code, body={"error": told}, headers=dict(headers or {}))


def _candidate(
    candidate: dict[str, JsonValue], *, finish_reason: str | None, usage: dict[str, int]
) -> Step:
    finish: dict[str, JsonValue] = {"finishReason": finish_reason} if finish_reason else {}
    return Step(
        body={"candidates": [{"index": 0} | candidate | finish], "usageMetadata": _usage(usage)}
    )


def _usage(given: Mapping[str, int]) -> dict[str, JsonValue]:
    """Google leaves out what is zero."""
    counts: dict[str, JsonValue] = {name: count for name, count in given.items() if count}
    return {"promptTokenCount": 12, **counts, "totalTokenCount": 12 + sum(given.values())}


def _over_quota(quota_id: str, limit: str, retry_delay_seconds: float | None) -> Step:
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {_QUOTA}, limit: {limit}, model: gemini-3.8-flash"
    )
    violation: JsonValue = {
        "quotaMetric": _QUOTA,
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": "gemini-3.8-flash"},
        "quotaValue": limit,
    }
    help_link: JsonValue = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    details: list[JsonValue] = [
        {"@type": _TYPE + "Help", "links": [help_link]},
        {"@type": _TYPE + "QuotaFailure", "violations": [violation]},
    ]
    if retry_delay_seconds is not None:
        message += f"\nPlease retry in {retry_delay_seconds}s."
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{retry_delay_seconds}s"})
    return error(429, "RESOURCE_EXHAUSTED", message, details=details)
