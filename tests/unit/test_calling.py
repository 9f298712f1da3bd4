"""How long a call waits, how often it asks, and when it is over."""

from typing import get_args

import pytest
from google.genai.types import FinishReason

from jobs.calls import BY_FINISH, CallClass, class_of_reply
from jobs.clock import monotonic
from worker.model.calling import CallProgress, Patience
from worker.model.policies import POLICIES, Then

LONG = Patience(timeout_seconds=120, max_wait_seconds=600)


def progress(tries: int = 1, patience: Patience = LONG) -> CallProgress:
    made = CallProgress(patience)
    made.tries = tries
    return made


def test_every_class_has_a_policy() -> None:
    """A class that nobody decided about would be found out in the night."""
    assert set(POLICIES) == set(CallClass)


def test_every_finish_reason_of_the_sdk_is_known_by_name() -> None:
    """A release of it may bring another one, which somebody has to decide about."""
    ours = {*BY_FINISH, "STOP", "FINISH_REASON_UNSPECIFIED"}
    assert {reason.value for reason in FinishReason} - ours == set()
    assert get_args(FinishReason) == ()


@pytest.mark.parametrize("finish", ["STOP", "FINISH_REASON_UNSPECIFIED", None])
def test_a_reply_without_a_word_is_empty_however_it_ended(finish: str | None) -> None:
    """An answer of nothing looks like a success."""
    assert class_of_reply(finish, None, is_empty=True) is CallClass.EMPTY


def test_a_wait_is_the_services_wish_and_a_random_part() -> None:
    """Workers that were sent away together must not come back together, nor before they are wanted."""
    waits = [progress().wait_seconds(CallClass.RATE_LIMIT, 5.0) or 0.0 for _ in range(200)]
    assert all(5 <= seconds <= 6 for seconds in waits)
    assert max(waits) - min(waits) > 0.5


def test_waits_grow_and_are_bounded() -> None:
    """A service that is down is asked less and less, but is not forgotten."""
    longest = [
        max(progress(tries).wait_seconds(CallClass.TRANSIENT, None) or 0.0 for _ in range(300))
        for tries in (1, 4, 30)
    ]
    assert longest[0] <= 1 < longest[1] <= 8 < longest[2] <= 60


def test_no_request_is_made_after_the_time_for_waiting() -> None:
    """Every call has an end, whatever the service wishes."""
    assert progress().wait_seconds(CallClass.RATE_LIMIT, 601) is None
    late = progress()
    late.began = monotonic() - 601
    assert late.wait_seconds(CallClass.TRANSIENT, None) is None


def test_the_last_request_ends_with_the_deadline_of_the_call() -> None:
    """All tries and waits together take no longer than the time for waiting and one request."""
    assert LONG.until(began=100, now=100) == 120
    assert LONG.until(began=100, now=700) == 120
    assert LONG.until(began=100, now=800) == 20


@pytest.mark.parametrize(
    ("seen", "n_repeats"),
    [(seen, policy.n_repeats) for seen, policy in POLICIES.items()],
    ids=str,
)
def test_each_class_has_a_budget_of_its_own(seen: CallClass, n_repeats: int | None) -> None:
    """Requests that time out may be billed each, and must not live on what a busy service is granted."""
    made = progress(patience=Patience(1, 1_000_000))
    made.repeats.update(dict.fromkeys(CallClass, 1000))
    made.repeats[seen] = n_repeats or 0
    assert (made.wait_seconds(seen, None) is None) is (n_repeats is not None)
    if n_repeats:
        made.repeats[seen] -= 1
        assert made.wait_seconds(seen, None) is not None


def test_timeouts_are_repeated_less_than_other_trouble() -> None:
    """Each may be billed, and none brings anything."""
    timeout, transient = POLICIES[CallClass.TIMEOUT], POLICIES[CallClass.TRANSIENT]
    assert (timeout.n_repeats or 0) < (transient.n_repeats or 0)
    assert timeout.then is transient.then is Then.LATER
