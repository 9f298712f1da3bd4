"""The order of steps: walls first, then the program, then the report."""

import os
import sys

from . import identity, mounts, namespaces, processes, program, protocol, rlimits, scratch, syscalls
from .layers import LayerRefusedError, Layers
from .protocol import Message, Refusal, Report, Request
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SIGKILL = 9
# The launcher and PID 1 live in the namespace's user as well, and the kernel counts them.
_OUR_TASKS = 2


def main(control: int) -> int:
    """Serve one request from the descriptor `control`; 0 where a report or a refusal was sent."""
    syscalls.ignore_interrupts()
    try:
        request = Request.decode(protocol.receive_frame(control))
        contents = [protocol.receive_frame(control) for _ in request.files]
    except protocol.ProtocolError:
        return 1  # the worker went away before it had asked for anything
    run = Run(request, contents, control)
    return run.answer(run.behind_walls if request.profile == "strict" else run.among_the_others)


class Run:
    """One request, on its way to its report."""

    def __init__(self, request: Request, contents: list[bytes], control: int) -> None:
        self._request = request
        self._contents = contents
        self._control = control
        self._layers = Layers()

    def answer(self, steps: "Callable[[], Report | None]") -> int:
        """Take the steps and send what came of them; None means that a child of ours answers."""
        try:
            message: Message | None = steps()
        except LayerRefusedError as error:
            message = Refusal(layer=error.layer, detail=error.detail)
        if message is not None:
            protocol.send(self._control, message)
        return 0

    def behind_walls(self) -> None:
        """Profile `strict`: leave every namespace of the host, and let PID 1 of the new ones do the rest."""
        with self._layers.adding("no-new-privileges"):
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        trees = self._stop_being_root()
        with self._layers.adding("user-namespace"):
            namespaces.new_user_namespace()
        with self._layers.adding(
            "pid-namespace",
            "mount-namespace",
            "network-namespace",
            "ipc-namespace",
            "uts-namespace",
            "cgroup-namespace",
        ):
            namespaces.new_namespaces()
        # Last, because each change of credentials clears it. The worker's death kills us, ours kills PID 1, and
        # the kernel kills a namespace with its PID 1.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
        pid = os.fork()
        if pid == 0:
            self._exit_with_answer(trees)
        os.close(self._control)
        os.waitpid(pid, 0)

    def among_the_others(self) -> Report:
        """Profile `rlimits`: the program shares the host with everybody, and we are its subreaper.

        We have no death signal here: whoever kills us saves the program's children. The closed control descriptor
        tells us that the worker died.
        """
        uid = self._unprivileged_uid()
        with self._layers.adding("no-new-privileges"):
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        with self._layers.adding("process-tree-watcher"):
            syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        with self._layers.adding("scratch-directory"):
            scratch.make(self._request.scratch, uid)
        try:
            return self._run_in_scratch_directory(uid)
        finally:
            scratch.remove(self._request.scratch)

    def _run_in_scratch_directory(self, uid: int | None) -> Report:
        program.write_files(self._request, self._contents)
        besides = 0
        if uid is None:
            besides = rlimits.tasks_of_this_user()
        else:
            identity.own_pipes(self._request.descriptors, uid)
            scratch.hand_over(self._request.scratch, uid)
        pid = program.start(self._request, rlimits.bounds(self._request, besides), uid)
        self._layers.names += ["no-capabilities", "rlimits"] + (["unprivileged-uid"] if uid else [])
        supervisor = Supervisor(pid, self._request, processes.DESCENDANTS, self._control)
        return supervisor.run_to_the_end(self._layers.names)

    def _unprivileged_uid(self) -> int | None:
        try:
            return identity.unprivileged_uid()
        except OSError as error:
            raise LayerRefusedError("unprivileged-uid", str(error)) from error

    def _stop_being_root(self) -> list[mounts.Tree]:
        """Become nobody for good, if we are root; what only root may reach is taken along as detached mounts."""
        uid = self._unprivileged_uid()
        if uid is None:
            return []
        try:
            trees = mounts.take_trees(self._request.readable)
        except PermissionError:
            # Root of a container without CAP_SYS_ADMIN: what everybody may reach can still be taken later.
            trees = []
        with self._layers.adding("unprivileged-uid"):
            identity.own_pipes(self._request.descriptors, uid)
            identity.become(uid)
        return trees

    def _exit_with_answer(self, trees: list[mounts.Tree]) -> None:
        status = 1
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL)
            status = self.answer(lambda: self._as_pid_1(trees))
        except BaseException:  # noqa: BLE001  a fault of ours: shown to the worker, and never back into the launcher
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _as_pid_1(self, trees: list[mounts.Tree]) -> Report:
        request = self._request
        with self._layers.adding("private-root"):
            mounts.build_root(trees or mounts.take_trees(request.readable), request.scratch)
        with self._layers.adding("private-proc"):
            mounts.mount_proc()
        with self._layers.adding("sized-scratch"):
            mounts.mount_scratch(request.scratch, request.scratch_mib)
            mounts.enter_root()
        with self._layers.adding("no-nested-namespaces"):
            namespaces.forbid_nested()
        program.write_files(request, self._contents)
        # The program has our user: without this it could read our memory and our descriptors.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        pid = program.start(request, rlimits.bounds(request, _OUR_TASKS), None)
        self._layers.names += ["no-capabilities", "rlimits", "process-tree-watcher"]
        supervisor = Supervisor(pid, request, processes.NAMESPACE, self._control)
        return supervisor.run_to_the_end(self._layers.names)
