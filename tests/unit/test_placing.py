"""Times as they are typed after a flag."""

from zoneinfo import ZoneInfo

import pytest

from jobs.errors import UsageError
from worker.cli.placing import moment_of


@pytest.mark.parametrize("text", ["9999-06-01T00:00Z", "0001-01-01", "0001-01-01T00:00Z"])
def test_a_time_that_is_centuries_away_is_refused_with_the_bounds(text: str) -> None:
    """No calendar reaches beyond it, and a slip of a digit is no defect of ours."""
    with pytest.raises(UsageError) as raised:
        moment_of("--from", text)
    assert raised.value.message == f"--from {text!r} is too far away"
    assert list(raised.value.fixes) == ["write a year from 1970 to 2999"]


@pytest.mark.parametrize(
    ("zone", "fixes"),
    [
        ("Europe/Berlin", [
            "if it is meant as the time in Europe/Berlin:  --from 2027-07-01T00:00+02:00",
            "if it is meant as UTC:  --from 2027-07-01T00:00Z",
        ]),
        ("UTC", ["if it is meant as UTC:  --from 2027-07-01T00:00Z"]),
    ],
)  # fmt: skip
def test_a_time_without_a_zone_is_taken_in_the_zone_that_was_named(
    zone: str, fixes: list[str]
) -> None:
    """Whoever has typed --tz means that clock, and not the one of the machine."""
    with pytest.raises(UsageError) as raised:
        moment_of("--from", "2027-07-01T00:00", zone=ZoneInfo(zone))
    assert list(raised.value.fixes) == fixes
