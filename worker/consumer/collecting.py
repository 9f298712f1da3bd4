"""The garbage collector of a process that works for hours, and what it need not look through again and again."""

import gc

_NEW_OBJECTS = 10_000


def spare_the_collector() -> None:
    """Let the collector pass over all that there is by now, and come once for hundreds of calls, not for each few.

    What a worker has loaded lives as long as it does, and what a call holds until its answer is there: to look through
    either finds nothing, and takes an eighth of the processor's time of a worker that does nothing but call. Called
    twice, it passes over what came in between as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
