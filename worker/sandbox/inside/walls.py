"""What surrounds a run, and in which order it is raised: the part that all profiles have.

Theory of operation. The slot builds once what can be built once (root, Landlock rules, filter of system calls), and a
list of the steps by which each spare raises its own walls before there is a job: calls with their arguments, so that
the spare has nothing to work out, and the list is all there is to read. The order is forced by what each step takes
away: namespaces and mounts need capabilities, so they come before these go; `no_new_privs` has to stand before the two
filters; Landlock comes before the filter of system calls, which need not let its calls pass then; and a program's own
resource limits come last of all, with the job, because they would count what came before.
"""

import os

from . import landlock, mounts, processes, seccomp, syscalls
from .layers import SPARE, LayerRefusedError, Layers
from .protocol import Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Step = tuple[str, Callable[..., object], tuple[object, ...]]
    """A layer, and a call with its arguments that puts it in force, or without which it would not be."""


class Walls:
    """The walls of one slot and of the runs in it. `shared_walls` and `private_walls` keep this promise."""

    tree: processes.Tree
    """How the processes of a run are found and killed."""
    scratch: str
    """The directory of the run, as the program sees it."""
    is_scratch_private: bool
    """Whether that is a file system of the run's own, which can be measured."""
    held: tuple[tuple[str, str], ...]
    """What a spare opens for the supervisor to hold, each with its layer; its scratch directory is the first."""

    def __init__(self, setup: Setup, layers: Layers) -> None:
        self.setup = setup
        self.layers = layers
        self.uid: int | None = None
        """Whose the run's processes and pipes are, if not the worker's own user's."""
        self.tasks_besides = 0
        """How many processes and threads the kernel counts with the run's that are not the run's."""
        self.steps: tuple[Step, ...] = ()
        """What a spare does to stand behind its walls, in this order: made before it is forked."""
        self.are_proven = False
        """Whether a spare of this slot has stood behind them."""
        self._filter: seccomp.Filter | None = None
        self._scratch_in_environment = ""

    def build(self) -> None:
        """Raise what stands for the life of the slot.

        Raises:
            LayerRefusedError: something that the profile needs cannot be had.
        """
        raise NotImplementedError

    def before_a_run(self) -> None:
        """What the supervisor does before it forks a spare."""

    def set_environment(self) -> None:
        """Give this process the environment of programs: it is handed down, and nothing else is.

        The supervisor does it for its children. What is written to before a fork is shared; what is written to after it
        has to be copied. So it is written once, where the directory is the same for all runs.
        """
        if self._scratch_in_environment == self.scratch:
            return
        self._scratch_in_environment = self.scratch
        os.umask(0o022)
        os.environ.clear()
        os.environ.update(
            PATH=self.setup.search_path,
            LANG="C.UTF-8",
            HOME=f"{self.scratch}/work",
            TMPDIR=f"{self.scratch}/tmp",  # noqa: S108  below a directory of the run's own
        )

    def raise_around_this_process(self) -> tuple[int, ...]:
        """What a spare does: everything but resource limits. Returns descriptors of what is to be held.

        Raises:
            LayerRefusedError: something that the profile needs cannot be had.
        """
        layer, held = SPARE, []
        try:
            for layer, take, arguments in self.steps:  # noqa: B007  which it was that was refused
                take(*arguments)
            for layer, place in self.held:  # noqa: B007
                held.append(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
            return tuple(held)
        except OSError as error:
            raise LayerRefusedError(layer, str(error)) from error

    def after_a_run(self) -> None:
        """What the supervisor does when everybody of a run is dead.

        Raises:
            TimeoutError: too much is left to be removed now. The slot can be used no more, and the worker removes it.
        """

    def let_go(self, held: tuple[int, ...]) -> None:
        """Close what `raise_around_this_process` gave the supervisor to hold; it is not needed any more."""
        for descriptor in held:
            os.close(descriptor)

    def tear_down(self) -> None:
        """What the supervisor does last of all."""

    def build_filter(self, *, private: bool) -> None:
        """Make the filter of system calls."""
        with self.layers.preparing("seccomp"):
            self._filter = seccomp.Filter(private=private)

    def steps_to_start_over(self, layer: str) -> "tuple[Step, ...]":
        """What a new process has, a session and a place, in the scratch directory that `layer` has made."""
        return (
            (SPARE, os.setsid, ()),
            *[(layer, os.mkdir, (f"{self.scratch}/{name}",)) for name in ("work", "tmp", "shm")],
            (layer, os.chdir, (f"{self.scratch}/work",)),
            # The kernel's own choice under memory pressure should be the program, never the worker.
            (SPARE, syscalls.WriteToProc("/proc/self/oom_score_adj", "1000"), ()),
        )

    def steps_to_be_filtered(self) -> "tuple[Step, ...]":
        """The last ones: nothing that the filter refuses may be needed from there on."""
        assert self._filter is not None, "the filter is built before it is installed"  # noqa: S101
        return (("seccomp", self._filter.install, ()),)

    def grant_system_files(self, rules: landlock.Ruleset) -> None:
        """What every run may read and run, whichever way it sees it."""
        for path in (*self.setup.readable, *self.setup.python_path):
            rules.grant(landlock.RUN, path)
        for path in mounts.DEVICES:
            rules.grant(landlock.DEVICE, path)
