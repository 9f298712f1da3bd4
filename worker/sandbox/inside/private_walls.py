"""Profile `strict`: the slot is a machine of its own, and each run a fresh one inside it."""

import os

from . import identity, landlock, mounts, namespaces, processes, syscalls
from .undertaker import Undertaker
from .walls import Walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .walls import Step

_SIGKILL = 9
# Files are memory. With more of them than this the next run begins when they are gone.
_NEGLIGIBLE_BYTES = 256 * 1024


class PrivateWalls(Walls):
    """Namespaces, a private root, and whatever Landlock this kernel has."""

    tree = processes.NAMESPACE
    scratch = mounts.SCRATCH
    is_scratch_private = True
    held = (
        ("sized-scratch", mounts.SCRATCH),
        *[("user-namespace", place) for place in namespaces.HELD],
    )

    _trees: list[mounts.Tree]
    _rules: landlock.Ruleset | None = None
    _undertaker: Undertaker

    def leave_the_host(self) -> None:
        """Become nobody for good and leave every namespace: the next child of this process is PID 1 of the slot.

        Raises:
            LayerRefusedError: the kernel, or whoever set up this container, refuses.
        """
        with self.layers.adding("no-new-privileges"):
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        self._trees = self._stop_being_root()
        with self.layers.adding("user-namespace"):
            namespaces.leave_the_user_namespace()
        with self.layers.adding(
            "pid-namespace",
            "mount-namespace",
            "network-namespace",
            "ipc-namespace",
            "uts-namespace",
            "cgroup-namespace",
        ):
            namespaces.leave_the_others()
        # Last, because each change of credentials clears it. The worker's death kills us, ours kills PID 1, and
        # the kernel kills a namespace with its PID 1.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
        self._undertaker = Undertaker()

    def wait_for(self, first: int) -> None:
        """As the parent of PID 1: of use to it until it ends."""
        self._undertaker.serve()
        os.waitpid(first, 0)

    def build(self) -> None:
        """As PID 1: build the root and go into it, and prepare what each run will need."""
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
        self._undertaker.leave()
        readable = (*self.setup.readable, *self.setup.python_path)
        with self.layers.adding("private-root"):
            mounts.build_root(self._trees or mounts.take_trees(readable))
        with self.layers.adding("private-proc"):
            mounts.mount_proc()
        with self.layers.preparing("private-root"):
            mounts.enter_root()
        try:
            self._rules = landlock.Ruleset()
        except OSError:
            # A second wall behind the mounts: a kernel without it is still strict, and the layers do not name it.
            pass
        else:
            self._grant(self._rules)
        self.build_filter(private=True)
        self.steps = self._steps()
        # Programs have our user: without this they could read our memory and our descriptors.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        self.layers.names.append("process-tree-watcher")

    def _steps(self) -> "tuple[Step, ...]":
        """A machine of its own for the run, then what cannot be undone."""
        # An object that still owned a descriptor would close the one of the program's that gets its number.
        leave_the_undertaker: Step = ("user-namespace", self._undertaker.close, ())
        restriction: tuple[Step, ...] = ()
        if self._rules is not None:
            restriction = ((f"landlock-abi-{self._rules.abi}", self._rules.restriction(), ()),)
        return (
            leave_the_undertaker,
            *[("user-namespace", step, ()) for step in namespaces.to_those_of_a_run()],
            # After the change of credentials, which clears it.
            ("user-namespace", syscalls.prepared_prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL), ()),
            ("sized-scratch", mounts.scratch_mount(self.setup.scratch_mib), ()),
            ("no-nested-namespaces", namespaces.forbid_nested(), ()),
            *self.steps_to_start_over("sized-scratch"),
            ("no-capabilities", syscalls.GiveUpCapabilities(), ()),
            *restriction,
            *self.steps_to_be_filtered(),
        )

    def let_go(self, held: tuple[int, ...]) -> None:
        """Close them: a run's files at once, if there are many, and its namespaces whenever that is done."""
        files = os.fstatvfs(held[0]) if held else None
        if files and (files.f_blocks - files.f_bfree) * files.f_frsize <= _NEGLIGIBLE_BYTES:
            self._undertaker.take(held)
        else:
            super().let_go(held)

    def _grant(self, rules: landlock.Ruleset) -> None:
        self.grant_system_files(rules)
        # What lies in the root besides is generated and read-only.
        rules.grant(landlock.READ, "/etc")
        rules.grant(landlock.READ, "/proc")
        rules.grant(landlock.READ_DIRECTORIES, "/")
        rules.grant(landlock.OWN, mounts.SCRATCH_PARENT)

    def _stop_being_root(self) -> list[mounts.Tree]:
        """Become nobody, if we are root; what only root may reach is taken along as detached mounts."""
        with self.layers.preparing("unprivileged-uid"):
            self.uid = identity.unprivileged_uid()
        if self.uid is None:
            return []
        try:
            trees = mounts.take_trees((*self.setup.readable, *self.setup.python_path))
        except PermissionError:
            # Root of a container without CAP_SYS_ADMIN: what everybody may reach can still be taken later.
            trees = []
        with self.layers.adding("unprivileged-uid"):
            identity.become(self.uid)
        return trees
