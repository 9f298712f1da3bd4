"""The layers by name, and the record of which were put in force."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

OF_CONTAINED = ("landlock", "seccomp")
"""What the profile `contained` has beyond the profile `rlimits`. Landlock is named with its version:
`landlock-abi-7`."""
OF_STRICT = (
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
"""What the profile `strict` has beyond the profile `contained`."""

PRELOAD = "preload"
"""No layer, but refused in the same way: a module that was to be imported before there is a program."""
SPARE = "spare"
"""No layer either: what a process needs to be a program's, whatever stands around it."""


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

    def adding(self, *names: str) -> "_Step":
        """A block that puts these in force; the system's refusal in it becomes a LayerRefusedError."""
        return _Step(self, names[0], names)

    def preparing(self, name: str) -> "_Step":
        """A block that does what a layer needs, before it is in force."""
        return _Step(self, name, ())


class _Step:
    def __init__(self, layers: Layers, blamed: str, names: tuple[str, ...]) -> None:
        self._layers = layers
        self._blamed = blamed
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
            raise LayerRefusedError(self._blamed, str(error)) from error
        if error is None:
            held = self._layers.names
            held += [name for name in self._names if name not in held]
