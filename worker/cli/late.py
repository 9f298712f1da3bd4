"""What libraries of ours import and no command uses: it is loaded by whoever uses it after all."""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _LateFinder:
    """Lets `jwt` be loaded by whoever uses it, and not already by whoever imports it.

    Redis imports it for logins by token, of which we have none, and with it all of `cryptography`: a tenth of the time
    in which a command starts.
    """

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname) if fullname == "jwt" else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_late() -> None:
    """Have what no command uses loaded late in this process, which has to be our own.

    Two threads that use such a module at the same time for the first time find it empty: Python's loader has no lock.
    No script of others may meet that, so that it is not done where the library is imported.
    """
    sys.meta_path.insert(0, _LateFinder())
