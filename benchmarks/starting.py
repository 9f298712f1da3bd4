"""What commands cost before they do anything: processor time from their start to their end, in an empty folder.

    python -m benchmarks.starting --rounds 5 --beside /elsewhere/.venv/bin/promptmill

Each round runs every command once, then a bare interpreter; the ratio to that hardly depends on the machine. With
`--beside` the same commands of another installation are run in the same rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path

_OURS = Path(sysconfig.get_path("scripts")) / "promptmill"
_BARE = (sys.executable, "-I", "-S", "-c", "pass")
_COMMANDS = (
    ("--version",),
    ("eval", "--help"),
    ("config", "show"),
    ("job", "list"),
    ("run", "list"),
    ("queue", "status"),
    ("schedule", "list"),
)


def main() -> None:
    """Measure, and print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="the `promptmill` of another installation")
    options = parser.parse_args()
    installed = [_OURS, *([options.beside] if options.beside else [])]
    seconds: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for words in (_BARE, *((str(one), *each) for each in _COMMANDS for one in installed)):
            seconds[words].append(_processor_seconds(words))
    bare = statistics.median(seconds[_BARE])
    for each in _COMMANDS:
        of_each = [statistics.median(seconds[(str(one), *each)]) for one in installed]
        print(
            f"{' '.join(each):<16}",
            *(f"{one * 1000:6.0f} ms {one / bare:5.1f}x" for one in of_each),
        )


def _processor_seconds(words: tuple[str, ...]) -> float:
    # The first run of all writes the bytecode of what it imports, whatever the environment says of it.
    environment = {"PATH": os.defpath, "HOME": "/"}
    with tempfile.TemporaryDirectory(
        prefix="promptmill-starting-", ignore_cleanup_errors=True
    ) as folder:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"it ended with {process.returncode}: {' '.join(words)}")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
