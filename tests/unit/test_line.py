"""The line of those who want to ask a model, beside an asker that fails."""

from collections.abc import Sequence

import pytest

from worker.model.line import Answer, Line, Request
from worker.model.throttle import Toll


async def test_a_request_of_which_nobody_knows_whether_it_was_admitted_is_given_back() -> None:
    """A step in Redis that fails halfway may have taken the place already, which would be missing for minutes."""
    given_back: list[Request] = []

    async def fail(requests: Sequence[Request]) -> Sequence[Answer]:
        raise RuntimeError(f"failed with {len(requests)}")

    line = Line("m", fail, given_back.append)
    request = Request("a", Toll("m", None, 1, 1, None, 1.0))
    with pytest.raises(RuntimeError):
        await line.stand(request)
    assert given_back == [request]
