"""The table of faults, and what is read in an answer that nobody promised a form for."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from pydantic import JsonValue

from jobs.calls import CallClass
from jobs.clock import utcnow
from worker.model.faults import Fault, class_of, error_of, fault_of
from worker.model.options import GeminiOptions


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, CallClass.TRANSIENT),
        (302, CallClass.PERMANENT),
        (400, CallClass.PERMANENT),
        (401, CallClass.AUTH),
        (402, CallClass.PERMANENT),
        (403, CallClass.AUTH),
        (404, CallClass.PERMANENT),
        (408, CallClass.TRANSIENT),
        (413, CallClass.PERMANENT),
        (429, CallClass.RATE_LIMIT),
        (499, CallClass.TRANSIENT),
        (500, CallClass.TRANSIENT),
        (501, CallClass.PERMANENT),
        (503, CallClass.TRANSIENT),
        (529, CallClass.TRANSIENT),
    ],
)
def test_each_status_has_one_class(status: int | None, expected: CallClass) -> None:
    """The line between trying again and giving up is money on one side and lost jobs on the other."""
    assert class_of(Fault(status, "")) is expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("429: exceeded, limit: 0, model: m", CallClass.AUTH),
        ("429: exceeded, limit: 0", CallClass.AUTH),
        ("429: exceeded, limit: 0.5, model: m", CallClass.RATE_LIMIT),
        ("429: exceeded, limit: 05, model: m", CallClass.RATE_LIMIT),
        ("429: exceeded, limit: 10, model: m", CallClass.RATE_LIMIT),
    ],
)
def test_only_a_quota_of_nothing_is_a_refusal(words: str, expected: CallClass) -> None:
    """It stops the whole run, which a quota of ten a minute must not, and each of its jobs would meet it."""
    assert class_of(Fault(429, words)) is expected


def test_a_quota_of_the_day_is_not_one_of_the_minute() -> None:
    """Seconds of waiting, which the service asks for in both cases, help against one of them only."""
    day = Fault(429, "", reasons=("GenerateRequestsPerDayPerProjectPerModel-FreeTier",))
    minute = Fault(429, "", reasons=("GenerateRequestsPerMinutePerProjectPerModel",))
    assert class_of(day) is CallClass.QUOTA_DAY
    assert class_of(minute) is CallClass.RATE_LIMIT


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        7,
        [],
        {},
        {"error": "text"},
        {"error": {"message": 5, "details": "none", "status": None}},
        {"error": {"details": [1, {"violations": [None, {"quotaId": 3}], "reason": {}}]}},
        {"message": "<html>", "status": "Bad Gateway"},
    ],
    ids=str,
)
def test_any_body_makes_a_fault(body: JsonValue) -> None:
    """Between us and the service stand proxies, and an error of ours about an error of theirs hides it."""
    fault = fault_of(502, body, {})
    assert fault.words.startswith("502")
    assert fault.reasons == ()
    assert fault.wait_seconds is None


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("1.5", 1.5, 1.5), ("soon", None, None), ("-3", None, None), ("", None, None)],
)
def test_retry_after_in_seconds(value: str, least: float | None, most: float | None) -> None:
    """What cannot be read is no wish; our own backoff stands in."""
    wish = fault_of(503, None, {"retry-after": value}).wait_seconds
    assert wish == least == most


def test_retry_after_may_be_a_date() -> None:
    """Gateways send dates; one that has passed means now."""
    later, before = utcnow() + timedelta(seconds=60), utcnow() - timedelta(seconds=60)
    wish = fault_of(503, None, {"retry-after": format_datetime(later, usegmt=True)}).wait_seconds
    assert wish is not None
    assert 50 < wish <= 60
    late = fault_of(503, None, {"retry-after": format_datetime(before, usegmt=True)})
    assert late.wait_seconds == 0


def test_a_person_is_told_one_short_line() -> None:
    """A proxy's page of HTML, or a terminal escape in it, must not reach the terminal as it is."""
    page: JsonValue = {"message": "<html>\n\x1b[2J" + "x" * 10_000}
    error = error_of(fault_of(502, page, {}), "m", GeminiOptions(name="m"), tries=3)
    told = error.facts["Gemini"]
    assert told.startswith("502: <html> [2Jxxx")
    assert told.isprintable()
    assert len(told) < 600


def test_the_password_of_a_gateway_is_not_told() -> None:
    """An address may carry one, and the error names the address."""
    options = GeminiOptions(name="m", base_url="https://me:secret@gateway.test/gemini")
    error = error_of(Fault(None, "no answer"), "m", options, tries=1)
    assert error.facts["asked"] == "https://gateway.test/gemini"
