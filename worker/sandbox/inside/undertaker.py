"""Lets go of what takes the kernel long to take apart, in the one process of a slot that has nothing else to do.

Theory of operation. Whoever closes the last descriptor of a mount namespace waits until no processor can still be
looking at it: two or three milliseconds, in which nothing is computed. The next spare is not kept waiting for that. The
process that waits for the slot's PID 1 is handed the descriptors and closes them. It ends with PID 1, and nothing
outlives it.
"""

import _socket
import os

from . import protocol


class Undertaker:
    """Both ends of the way to it, made before PID 1 is forked: that one gives, and its parent takes."""

    def __init__(self) -> None:
        self._giving, self._taking = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)

    def serve(self) -> None:
        """Close what comes, until nobody is left who could send anything."""
        self._giving.close()
        try:
            while True:
                for descriptor in protocol.receive(self._taking)[1]:
                    os.close(descriptor)
        except protocol.ProtocolError:
            self.close()

    def leave(self) -> None:
        """As PID 1: keep nothing but the end that sends, or the other would never come to an end."""
        self._taking.close()

    def close(self) -> None:
        """Keep neither end. Calling it twice changes nothing."""
        self._giving.close()
        self._taking.close()

    def take(self, descriptors: tuple[int, ...]) -> None:
        """Have these closed. Should it not take them, closing them here takes longer, and comes to the same."""
        try:
            protocol.send_descriptors(self._giving, descriptors)
        except OSError:
            pass
        for descriptor in descriptors:
            os.close(descriptor)
