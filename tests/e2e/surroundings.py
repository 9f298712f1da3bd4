"""Machines that lack something: made of this one by namespaces, for one command."""

import os
import subprocess

from tests.requiring import require

from .project import PYTHON

# A file that nobody can run, in the place of each of its names; whatever is not there needs no hiding.
_HIDE_NODE = """
set -e
for folder in /usr/local/bin /usr/bin /bin; do
  for name in node nodejs; do
    if [ -e "$folder/$name" ]; then mount --bind /dev/null "$folder/$name"; fi
  done
done
exec "$@"
"""
_REFUSE_NAMESPACES = """
set -e
for kind in user mnt pid net ipc uts; do echo 0 > "/proc/sys/user/max_${kind}_namespaces"; done
exec "$@"
"""
# The pipe's end for reading is closed before the program is there: whatever it writes finds nobody.
_CLOSE_READER = """
import os, sys
reading, writing = os.pipe()
os.close(reading)
for stream in sys.argv[1].split(","):
    os.dup2(writing, int(stream))
os.execvp(sys.argv[2], sys.argv[2:])
"""
IS_ROOT = os.geteuid() == 0


def without_node(*words: str) -> tuple[str, ...]:
    """`words` as they are typed on a machine that has no node."""
    mounting = ("unshare", "--mount") if IS_ROOT else ("unshare", "--map-root-user", "--mount")
    return _possible("mount namespaces", (*mounting, "sh", "-c", _HIDE_NODE, "sh"), words)


def without_namespaces(*words: str) -> tuple[str, ...]:
    """`words` as they are typed on a machine whose kernel grants no namespace."""
    refusing = ("unshare", "--map-root-user", "sh", "-c", _REFUSE_NAMESPACES, "sh")
    return _possible("user namespaces", refusing, words)


def without_reader(*words: str, streams: str = "1") -> tuple[str, ...]:
    """`words` as they are typed before a pipe to a program that has ended, as in `… | true`."""
    return (PYTHON, "-c", _CLOSE_READER, streams, *words)


def _possible(feature: str, prefix: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=20, check=False)
        require(feature, available=tried.returncode == 0)
    except FileNotFoundError:
        require("the program unshare", available=False)
    return (*prefix, *words)
