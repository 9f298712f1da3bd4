"""Descriptors that one process hands to another to be closed."""

import os

from worker.sandbox.inside.undertaker import Undertaker


def test_what_an_undertaker_takes_is_open_nowhere_afterwards() -> None:
    """A namespace that stays open is memory of the kernel's that no limit counts."""
    pipes = [os.pipe() for _ in range(50)]
    undertaker = Undertaker()
    first = os.fork()
    if first == 0:
        status = 1
        try:
            undertaker.leave()
            for _, writing in pipes:
                undertaker.take((writing,))
            status = 0
        finally:
            os._exit(status)
    for _, writing in pipes:
        os.close(writing)
    # It returns when there is nobody left who could hand it any.
    undertaker.serve()
    assert os.waitpid(first, 0)[1] == 0
    for reading, _ in pipes:
        os.set_blocking(reading, False)
        assert os.read(reading, 1) == b"", "a pipe ends when nobody has it open for writing"
        os.close(reading)
