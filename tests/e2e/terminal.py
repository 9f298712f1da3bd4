"""A command on a terminal of its own."""

import os
import pty
import subprocess
from contextlib import suppress

from .project import SCRIPTS, Project

_SECONDS = 50.0


def on_terminal(project: Project, *words: str) -> str:
    """Everything that `promptmill` with these words sends to a terminal, as the terminal gets it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SCRIPTS / "promptmill", *words],
        cwd=project.folder,
        env={**project.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        process_group=0,
    )
    os.close(theirs)
    sent = bytearray()
    # The kernel answers with an error once the last process has let go of the other end.
    with suppress(OSError):
        while part := os.read(ours, 65_536):
            sent += part
    os.close(ours)
    process.wait(_SECONDS)
    return sent.decode("utf-8")
