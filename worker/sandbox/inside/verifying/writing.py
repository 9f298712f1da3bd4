"""The tests' side of crossing, outwards: what tests pass to the program, as marshal can carry it.

A plain value goes as it is. Anything that a program could make for itself goes as directions for making it. What the
tests made themselves stays with them and is exported: objects of their own classes, functions, iterators. For the rest
there is no way.
"""

import builtins
import collections
import datetime as dt
import decimal
import fractions
import marshal
import re
import types

from .endings import CannotCrossError
from .words import OWN_MODULES, SPECIAL, is_of_a_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Item = tuple[object, ...]

_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, type(Ellipsis)))
_CONTAINERS: "dict[type, str]" = {list: "l", tuple: "t", set: "s", frozenset: "f", dict: "d"}
_CALLABLE = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_EMPTY: "dict[object, object]" = {}
_VIEWS = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))
# Version 2 knows no references between parts, so the program can tell by its bytes whether it changed a value.
_MARSHAL = 2
_MADE_ANEW: "dict[type, Callable[..., tuple[object, ...]]]" = {
    bytearray: lambda value: (bytes(value),),
    range: lambda value: (value.start, value.stop, value.step),
    slice: lambda value: (value.start, value.stop, value.step),
    collections.deque: lambda value: (list(value), value.maxlen),
    collections.Counter: lambda value: (dict(value),),
    collections.OrderedDict: lambda value: (list(value.items()),),
    collections.defaultdict: lambda value: (value.default_factory, list(value.items())),
    decimal.Decimal: lambda value: (str(value),),
    fractions.Fraction: lambda value: (value.numerator, value.denominator),
    dt.date: lambda value: (value.year, value.month, value.day),
    dt.timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    dt.datetime: lambda value: (*value.timetuple()[:6], value.microsecond),
    dt.time: lambda value: (value.hour, value.minute, value.second, value.microsecond),
}


class Writer:
    """Writes what goes to the program."""

    def __init__(
        self, number_of_standin: "Callable[[object], int | None]", exported: "dict[int, object]"
    ) -> None:
        """`number_of_standin` knows the program's own objects; `exported` is filled with what stays here."""
        self._number_of_standin = number_of_standin
        self._exported = exported
        self._described: set[int] = set()

    def item(self, value: object) -> "Item":
        """This value on its way.

        Raises:
            CannotCrossError: there is none.
        """
        if _is_plain(value):
            return ("=", marshal.dumps(value, _MARSHAL))  # type: ignore[arg-type]
        number = self._number_of_standin(value)
        if number is not None:
            return ("h", number)
        kind = type(value)
        if kind in _CONTAINERS:
            return (_CONTAINERS[kind], self._parts(value))
        if kind in _MADE_ANEW and getattr(value, "tzinfo", None) is None:
            parts = [self.item(part) for part in _MADE_ANEW[kind](value)]
            return ("v", kind.__module__, kind.__name__, parts)
        if kind.__module__ == "numpy":
            return _array(value)
        return self._by_name(value) or self._as_it_came(value) or self._export(value)

    def _parts(self, value: object) -> "list[object]":
        if isinstance(value, dict):
            return [(self.item(key), self.item(part)) for key, part in value.items()]
        return [self.item(part) for part in value]  # type: ignore[attr-defined]

    def _by_name(self, value: object) -> "Item | None":
        """What the program has under the same name."""
        name, module = getattr(value, "__name__", ""), getattr(value, "__module__", "")
        if module == "builtins" and getattr(builtins, name, None) is value:
            return ("m", module, name)
        if is_of_a_library(value, module, name):
            return ("m", module, name)
        return None

    def _as_it_came(self, value: object) -> "Item | None":
        """What the program may have handed over, and the tests hand back."""
        kind = type(value)
        if isinstance(value, types.ModuleType) and value.__name__ in OWN_MODULES:
            return ("M", value.__name__)
        if isinstance(value, re.Pattern):
            return ("v", "re", "compile", [self.item(value.pattern), self.item(value.flags)])
        if kind in _VIEWS or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return ("t", self._parts(tuple(value)))  # type: ignore[arg-type]
        if isinstance(value, Exception):
            parts = [self.item(part) for part in value.args]
            number = self._number_of_standin(kind)
            if number is not None:
                return ("n", number, parts)
            is_known = is_of_a_library(kind, kind.__module__, kind.__name__)
            if is_known or kind.__module__ == "builtins":
                return ("v", kind.__module__, kind.__name__, parts)
        return None

    def _export(self, value: object) -> "Item":
        kind = type(value)
        is_class_of_tests = isinstance(value, type) and is_of_tests(value)
        is_called = isinstance(value, (*_CALLABLE, types.CoroutineType)) or is_class_of_tests
        if not (is_called or hasattr(kind, "__next__") or is_of_tests(kind)):
            raise CannotCrossError(f"the tests pass an object of type {kind.__name__}")
        if kind is types.CoroutineType:
            # One of the program's, which is there and here at once: no program gets its tests beside it by it.
            raise TypeError("a coroutine cannot be passed to a program")
        self._exported[id(value)] = value
        return ("x", id(value), (id(kind), kind.__name__, special_methods(kind)))


def is_of_tests(kind: type) -> bool:
    """Whether it is a class that the tests wrote, and no test suite."""
    return kind.__module__ == "__main__" and not any(
        base.__name__ == "TestCase" for base in kind.__mro__
    )


def special_methods(kind: type) -> "tuple[str, ...]":
    """The special methods of its own that a class has."""
    return tuple(
        sorted(
            {name for each in kind.__mro__ if each is not object for name in vars(each)} & SPECIAL
        )
    )


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind not in _CONTAINERS:
        return False
    if type(value) is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    parts: Iterable[object] = value  # type: ignore[assignment]
    return _ATOMS.issuperset(map(type, parts)) or all(map(_is_plain, parts))


def _array(value: "Any") -> "Item":
    dtype = value.dtype
    if dtype.hasobject or dtype.names:
        raise CannotCrossError(f"the tests pass an array of {dtype}")
    is_scalar = type(value).__name__ != "ndarray"
    return ("p", dtype.str, value.shape, value.tobytes(), is_scalar)
