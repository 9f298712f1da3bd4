"""Machines made of namespaces: a network, a host name and a /tmp of its own each, and wires between them.

A host is a process that waits for the end of its standard input; the kernel takes the rest apart when nobody is left in
it, however the test ended.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.requiring import require

PROJECT = "/tmp/project"
SHARED = "/mnt"
# For tests of networks: no machine has such an address.
_NETWORK = "198.51.100"
_SWITCH = "switch"
_HOLD = f"""
hostname "$1"
mount --bind "$2" {SHARED}
mount -t tmpfs tmpfs /tmp
mkdir {PROJECT}
ip link set lo up
echo ready
exec cat
"""


@dataclass(frozen=True)
class Host:
    """One of them."""

    name: str
    address: str
    pid: int

    @property
    def on_its_network(self) -> tuple[str, ...]:
        """What stands before a command that is to use its network, and the files of the machine itself."""
        return ("nsenter", "--target", str(self.pid), "--net")

    @property
    def inside(self) -> tuple[str, ...]:
        """What stands before a command that is to run there, in the project's folder."""
        into = ("nsenter", "--target", str(self.pid), "--net", "--mount", "--uts")
        return (*into, "sh", "-c", f'cd {PROJECT} && exec "$@"', "sh")


def require_hosts() -> None:
    """Skip the test where none can be made, or where their own /tmp would hide what they are to run."""
    tools = all(map(shutil.which, ("ip", "nsenter", "unshare", "mount")))
    granted = os.geteuid() == 0 and tools and subprocess.call(("unshare", "-nmu", "true")) == 0
    require("root, who may make namespaces, with ip and nsenter", available=granted)
    in_sight = not Path(__file__).is_relative_to("/tmp")
    require("a repository outside /tmp", available=in_sight)


@contextmanager
def some_hosts(*names: str, shared: Path) -> Iterator[tuple[Host, ...]]:
    """One host of each name, on one network; all of them see the folder `shared` at `SHARED`."""
    with ExitStack() as stack:
        hosts = []
        for number, name in enumerate(names, 1):
            pid = stack.enter_context(_holding(name, shared))
            hosts.append(Host(name, f"{_NETWORK}.{number}", pid))
        _connect(hosts)
        yield tuple(hosts)


@contextmanager
def _holding(name: str, shared: Path) -> Iterator[int]:
    words = ("unshare", "--net", "--mount", "--uts", "--propagation", "private")
    holder = subprocess.Popen(
        (*words, "sh", "-e", "-c", _HOLD, "sh", name, str(shared)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n", f"no host {name}"
        yield holder.pid
    finally:
        holder.communicate()


def _connect(hosts: list[Host]) -> None:
    """Wire all to a switch in the first of them."""
    first, *others = hosts
    _run(first, "ip", "link", "add", _SWITCH, "type", "bridge")
    for number, host in enumerate(others):
        port = f"port{number}"
        wire = ("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0")
        _run(first, *wire, "netns", str(host.pid))
        _run(first, "ip", "link", "set", port, "master", _SWITCH, "up")
        _set_up(host, "eth0")
    _set_up(first, _SWITCH)


def _set_up(host: Host, device: str) -> None:
    _run(host, "ip", "address", "add", f"{host.address}/24", "dev", device)
    _run(host, "ip", "link", "set", device, "up")


def _run(host: Host, *words: str) -> None:
    subprocess.run((*host.on_its_network, *words), check=True)
