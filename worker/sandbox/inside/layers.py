"""The layers by name, and the record of which were put in force."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

STRICT = (
    "user-namespace",
    "pid-namespace",
    "mount-namespace",
    "network-namespace",
    "ipc-namespace",
    "uts-namespace",
    "cgroup-namespace",
    "private-root",
    "private-proc",
    "sized-scratch",
    "no-nested-namespaces",
)
"""What the profile `strict` has beyond the profile `rlimits`."""


class LayerRefusedError(Exception):
    """The kernel, or this account, refused a layer."""

    def __init__(self, layer: str, detail: str) -> None:
        super().__init__(f"{layer}: {detail}")
        self.layer = layer
        self.detail = detail


class Layers:
    """The names of what is in force so far."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def adding(self, *names: str) -> "_Adding":
        """A block that puts these in force; the system's refusal in it becomes a LayerRefusedError."""
        return _Adding(self.names, names)


class _Adding:
    def __init__(self, in_force: list[str], names: tuple[str, ...]) -> None:
        self._in_force = in_force
        self._names = names

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: "TracebackType | None",
    ) -> None:
        if isinstance(error, OSError):
            raise LayerRefusedError(self._names[0], str(error)) from error
        if error is None:
            self._in_force += [name for name in self._names if name not in self._in_force]
