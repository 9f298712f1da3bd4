"""The tests' side of crossing, inwards: what the program says, read by exact type from JSON that nobody trusts."""

import builtins
import collections
import datetime as dt
import decimal
import fractions
import importlib
import json
import re

from .words import OWN_MODULES, PURE_MODULES, is_of_a_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .standins import Standins

_LIBRARY: "dict[str, Callable[..., object]]" = {
    "decimal.Decimal": decimal.Decimal,
    "fractions.Fraction": fractions.Fraction,
    "datetime.datetime": dt.datetime,
    "datetime.date": dt.date,
    "datetime.time": dt.time,
    "datetime.timedelta": dt.timedelta,
    "re.Pattern": re.compile,
}
_MOST_WORDS = 200
_PLACES = ("object", "start", "end")
_PLACED = (UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError)
_OF_PROGRAM = "_promptmill_is_of_program"
# What an array may consist of: numbers and text, never objects.
_NUMPY_KINDS = "biufcSUmM"


class MalformedError(Exception):
    """The program said something that is no answer."""


class Reader:
    """Reads the program's answers."""

    def __init__(self, standins: "Standins") -> None:
        self._standins = standins
        self._exported = standins.exported
        self._kinds: dict[str, Callable[..., object]] = {
            "i": lambda digits: int(digits, 16),
            "n": float,
            "c": lambda real, imaginary: complex(float(real), float(imaginary)),
            "b": bytes.fromhex,
            "B": bytearray.fromhex,
            "l": self._list,
            "t": lambda items: tuple(self._list(items)),
            "s": lambda items: set(self._list(items)),
            "f": lambda items: frozenset(self._list(items)),
            "q": lambda items: collections.deque(self._list(items)),
            "d": lambda pairs: dict(self._pairs(pairs)),
            "C": lambda pairs: collections.Counter(dict(self._pairs(pairs))),
            "D": lambda pairs: collections.defaultdict(None, self._pairs(pairs)),
            "O": lambda pairs: collections.OrderedDict(self._pairs(pairs)),
            "dk": lambda items: dict.fromkeys(self._list(items)).keys(),
            "dv": lambda items: dict(enumerate(self._list(items))).values(),
            "di": lambda pairs: dict(self._pairs(pairs)).items(),
            "r": range,
            ".": lambda: ...,
            "N": self._named_tuple,
            "v": lambda name, parts: _LIBRARY[name](*self._list(parts)),
            "p": _array,
            "K": _builtin_class,
            "M": self._module,
            "m": _of_a_library,
            "x": lambda number: self._exported[number],
            "g": lambda number, name: standins.function(_number(number), str(name)),
            "k": self.class_described,
            "h": self._handle,
            "E": self._error,
        }

    def message(self, raw: bytes) -> "tuple[str, list[object]]":
        """One message: its kind, and its parts as they came.

        Raises:
            MalformedError: it is none.
        """
        try:
            kind, *parts = json.loads(raw.decode())
        except (ValueError, TypeError, RecursionError) as error:
            raise MalformedError(str(error)[:_MOST_WORDS]) from error
        return str(kind), parts

    def value(self, tree: object) -> object:
        """The value that a tree of JSON stands for.

        Raises:
            MalformedError: it stands for none.
        """
        try:
            return self._value(tree)
        except MemoryError:
            raise
        except Exception as error:
            # Whatever a library says to what it is given here: the program gave it.
            raise MalformedError(f"{type(error).__name__}: {error}"[:_MOST_WORDS]) from error

    def class_described(
        self,
        number: int,
        name: str = "",
        bases: "list[list[object]] | None" = None,
        special: "list[str] | None" = None,
    ) -> type:
        """The stand-in of a class of the program's."""
        if bases is None or special is None:
            return self._standins.known_class(_number(number))
        above = [self._value(base) for base in bases]
        return self._standins.new_class(
            _number(number), name, [each for each in above if isinstance(each, type)], special
        )

    def error(self, *parts: object) -> BaseException:
        """An error that the program raised; one of the tests' own is itself again.

        Raises:
            MalformedError: it is none.
        """
        if isinstance(parts[0], list) and parts[0][:1] == ["x"]:
            own = self.value(parts[0])
            if isinstance(own, BaseException):
                return own
        error = self.value(["E", *parts])
        assert isinstance(error, BaseException)  # noqa: S101  nothing else is made of these
        return error

    def _error(self, kind: object, arguments: object, attributes: object, words: object) -> object:
        above, parts, named = (self._value(part) for part in (kind, arguments, attributes))
        if not (isinstance(above, type) and issubclass(above, Exception)):
            raise MalformedError("an error of no class")
        error = _made(above, parts, str(words))
        for name, value in named.items():  # type: ignore[attr-defined]
            if not name.startswith("_"):
                _require_sound(error, name)
                setattr(error, name, value)
        vars(error)[_OF_PROGRAM] = True
        return error

    def _value(self, tree: object) -> object:
        if type(tree) is not list:
            if type(tree) is dict:
                raise MalformedError("an object")
            return tree
        return self._kinds[tree[0]](*tree[1:])

    def _list(self, items: "list[object]") -> "list[object]":
        return [self._value(item) for item in items]

    def _pairs(self, pairs: "list[list[object]]") -> "list[tuple[object, object]]":
        return [(self._value(key), self._value(item)) for key, item in pairs]

    def _named_tuple(self, name: str, fields: "list[str]", items: "list[object]") -> object:
        kind = collections.namedtuple(name, fields)  # type: ignore[misc]  # noqa: PYI024  its fields are known only now
        return kind(*self._list(items))

    def _handle(self, number: int, described: "list[object]") -> object:
        kind = self.class_described(*described[1:])  # type: ignore[arg-type]
        if kind.__name__ == "coroutine":
            return self._standins.coroutine(_number(number))
        return self._standins.handle(_number(number), kind)

    def _module(self, name: str) -> object:
        if name in OWN_MODULES:
            return importlib.import_module(name)
        raise MalformedError(f"module {name}")


def _made(kind: "type[BaseException]", arguments: object, words: str) -> BaseException:
    try:
        error = kind(*arguments)  # type: ignore[misc]
        _require_sound(error)
        if str(error) == words:
            return error
    except Exception:  # noqa: BLE001, S110  some take other arguments than they keep
        pass
    error = kind.__new__(kind)
    error.args = (words,)
    return error


def _require_sound(error: BaseException, changed: str = "") -> None:
    """Refuse what may not even be shown: Python looks at the place that such an error names, wherever that lies.

    https://github.com/python/cpython/issues/123378

    Raises:
        MalformedError: it would end this process, or tell of its memory.
    """
    if isinstance(error, _PLACED) and (error.start < 0 or changed in _PLACES):
        raise MalformedError("an error at a place that is nowhere")


def is_of_program(error: BaseException) -> bool:
    """Whether an error came from the program, wherever it is raised."""
    return _OF_PROGRAM in vars(error)


def _number(number: object) -> int:
    """What the program has something under; a stand-in without one could not be handed back."""
    if type(number) is not int:
        raise MalformedError("a number that is none")
    return number


def _builtin_class(name: str) -> object:
    found = getattr(builtins, name)
    if not isinstance(found, type) or name.startswith("_"):
        raise MalformedError(f"class {name}")
    return found


def _of_a_library(module: str, name: str) -> object:
    """What both sides call by the same name, and nothing else that a module happens to hold."""
    if module not in PURE_MODULES:
        raise MalformedError(f"module {module}")
    found = getattr(importlib.import_module(module), name)
    if not is_of_a_library(found, module, name):
        raise MalformedError(f"{module}.{name}")
    return found


def _array(dtype: str, shape: "list[int]", content: str, is_scalar: bool) -> object:
    numpy = importlib.import_module("numpy")
    kind = numpy.dtype(dtype)
    if kind.kind not in _NUMPY_KINDS:
        raise MalformedError(f"an array of {dtype}")
    array = numpy.frombuffer(bytes.fromhex(content), kind).reshape(shape).copy()
    return array[()] if is_scalar else array
