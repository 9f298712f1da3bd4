"""What the garbage collector of a worker looks through, and what it still finds."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from worker.consumer.collecting import spare_the_collector


class Circle:
    """Something that holds itself, as errors and the frames that they passed do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_loaded_is_looked_through_no_more() -> None:
    """All calls in flight wait while it is, and nothing is ever found."""
    loaded = [Circle()]
    spare_the_collector()
    assert not any(each is loaded for each in gc.get_objects())


def test_what_was_over_before_is_given_back_first() -> None:
    """It would be kept for as long as the worker lives."""
    over = weakref.ref(Circle())
    spare_the_collector()
    assert over() is None


def test_what_holds_itself_is_given_back_unasked() -> None:
    """A worker lives for weeks, and each failed call leaves such circles behind."""
    spare_the_collector()
    n_left = 100_000
    left = [weakref.ref(Circle()) for _ in range(n_left)]
    assert sum(each() is not None for each in left) < n_left / 2
