"""What both sides of a conversation know by name."""

import sys

# An object is given these only where its own class has them, so that `callable`, `len` and their like fail where they
# should. All of them say something of the object alone: none is told a value that somebody may expect.
ASKED = (
    "__call__", "__len__", "__bool__", "__iter__", "__next__", "__getitem__", "__reversed__", "__int__", "__float__",
    "__complex__", "__index__", "__round__", "__trunc__", "__floor__", "__ceil__", "__abs__", "__neg__", "__pos__",
    "__invert__", "__str__", "__repr__", "__format__", "__bytes__", "__enter__", "__exit__", "__await__",
    "__setitem__", "__delitem__", "__anext__", "__aiter__", "__aenter__", "__aexit__",
)  # fmt: skip
"""Special methods that any object may be asked by."""
COMPARED = (
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__contains__",
    "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__isub__", "__mul__", "__rmul__", "__imul__",
    "__truediv__", "__rtruediv__", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__divmod__", "__pow__",
    "__rpow__", "__matmul__", "__rmatmul__", "__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__",
    "__lshift__", "__rshift__",
)  # fmt: skip
"""Special methods that are given a second value: of those that the tests named, and between two of the program's
own."""
SPECIAL = frozenset((*ASKED, *COMPARED))
"""What one side may call by a name with underscores."""

PURE_MODULES = frozenset(
    (
        "math", "cmath", "collections", "itertools", "functools", "operator", "re", "string", "random", "copy", "heapq",
        "bisect", "datetime", "decimal", "fractions", "statistics", "typing", "json", "time", "hashlib", "numbers",
    )
)  # fmt: skip
"""Modules that only compute: where the program has something of one, the tests take their own."""
OWN_MODULES = PURE_MODULES | {"sys", "os", "numpy", "pandas"}
"""Modules that the tests have too: where the program imported one and they did not, they take their own."""


def is_of_a_library(value: object, module: object, name: object) -> bool:
    """Whether a function or class calls itself by this name in one of the modules that only compute."""
    if not isinstance(module, str) or not isinstance(name, str) or name.startswith("_"):
        return False
    if getattr(value, "__module__", None) != module or getattr(value, "__name__", None) != name:
        return False
    return module in PURE_MODULES and getattr(sys.modules.get(module), name, None) is value
