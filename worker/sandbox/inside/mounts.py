"""A root of its own for the slot: read-only, holding what interpreters need; and one sized place to write for a run.

Theory of operation. The slot stages a small tmpfs, attaches read-only copies of the host's system folders to it,
writes the few files that programs look for, and makes it the root with pivot_root(2), after which the host's files
have no name any more. Each run then mounts a tmpfs of its own over the one empty folder kept for it, in a mount
namespace of its own: it is bounded in bytes and in files, and gone with its last process and descriptor. Whatever a
run does to it, the next one has another.
"""

import os

from . import syscalls

# An empty place that exists everywhere. Nothing is taken from below it after it is covered.
_STAGE = "/tmp"  # noqa: S108
SCRATCH_PARENT = "/scratch"
SCRATCH = f"{SCRATCH_PARENT}/run"
"""Where a run writes. Landlock does not see the folder under a mount: what is granted on its parent reaches the
mount."""
_SCRATCH_INODES = 4096
_READ_ONLY = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
_DEVICE = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_TMPFS = syscalls.MS_NOSUID | syscalls.MS_NODEV
_TEXTS = {
    "etc/passwd": "sandbox:x:1000:1000::{scratch}/work:/bin/sh\n",
    "etc/group": "sandbox:x:1000:\n",
    "etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "dev/shm": "{scratch}/shm",
    "tmp": "{scratch}/tmp",
}


class Tree:
    """Something of the host that the private root will show: a link, or a detached copy of the mounts at a path."""

    def __init__(self, path: str, attributes: int) -> None:
        self._place = path.lstrip("/")
        self._link = os.readlink(path) if os.path.islink(path) else ""
        self._is_directory = os.path.isdir(path)
        self._tree = -1 if self._link else syscalls.clone_tree(path, attributes)

    def attach(self) -> None:
        """Put it at its place below the current directory."""
        _make_parents(self._place)
        if self._link:
            os.symlink(self._link, self._place)
            return
        if self._is_directory:
            os.makedirs(self._place, exist_ok=True)
        else:
            _write(self._place, "")
        syscalls.attach_tree(self._tree, self._place)
        os.close(self._tree)


def take_trees(readable: tuple[str, ...]) -> list[Tree]:
    """Take hold of what will be shown.

    Root does it before it stops being root: an interpreter may lie below a home that nobody else may enter.
    """
    trees = [Tree(path, _READ_ONLY) for path in readable if os.path.lexists(path)]
    return trees + [Tree(path, _DEVICE) for path in DEVICES]


def build_root(trees: list[Tree]) -> None:
    """Stage the private root, with the trees attached, and stand in it; the old root is still underneath."""
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("root", _STAGE, "tmpfs", _TMPFS, "size=1m,nr_inodes=1024,mode=755")
    os.chdir(_STAGE)
    for tree in trees:
        tree.attach()
    for place, text in _TEXTS.items():
        _write(place, text.format(scratch=SCRATCH))
    for place, target in _LINKS.items():
        _make_parents(place)
        # Where something that is shown lies below /tmp, that is a read-only folder, and TMPDIR says where to write.
        if not os.path.isdir(place):
            os.symlink(target.format(scratch=SCRATCH), place)
    os.makedirs(SCRATCH.lstrip("/"))


def mount_proc() -> None:
    """Show the processes of this PID namespace. It comes before the old root goes: the kernel asks to see one."""
    os.mkdir("proc")
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "proc", "proc", flags)


def scratch_mount(size_mib: int) -> syscalls.Prepared:
    """The step that mounts the one place a run can write to."""
    options = f"size={size_mib}m,nr_inodes={_SCRATCH_INODES},mode=755"
    return syscalls.prepared_mount("scratch", SCRATCH, "tmpfs", _TMPFS, options)


def enter_root() -> None:
    """Let go of the host's files for good."""
    syscalls.pivot_into_current_directory()
    syscalls.mount(
        "none", "/", None, syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | _TMPFS
    )


def _make_parents(place: str) -> None:
    parent = os.path.dirname(place)
    if parent:
        os.makedirs(parent, exist_ok=True)


def _write(place: str, text: str) -> None:
    _make_parents(place)
    with open(place, "wb") as file:
        file.write(text.encode())
