"""The program's side of crossing: its values as JSON, and those of the tests out of marshal.

It needs no module that a fresh interpreter has not, because it stands in every interpreter that a program is forked
from.
"""

import _json
import builtins
import marshal
import sys

from .words import OWN_MODULES, SPECIAL, is_of_a_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

quoted = _json.encode_basestring_ascii
"""Text as JSON."""
# JSON's own spelling up to here; longer ones as hexadecimal, which is read in linear time and without a limit.
_SHORT_INT = 1 << 60
_PLAIN_BASES: "tuple[type[Any], ...]" = (
    int, float, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset,
)  # fmt: skip
_MOST_WORDS = 2_000
# Version 2 knows no references between parts, so that equal values have equal bytes.
_MARSHAL = 2


def load(raw: bytes) -> "Any":
    """What the tests' side wrote."""
    return marshal.loads(raw)  # noqa: S302  from the tests' side, read behind the program's own walls


def dumped(value: object) -> bytes:
    """A plain value as the tests' side would have written it, for a comparison.

    Raises:
        ValueError: it is not plain any more.
    """
    return marshal.dumps(value, _MARSHAL)  # type: ignore[arg-type]


class Speller:
    """Spells values of the program, and keeps those that stay here."""

    def __init__(self, number_of_stranger: "Callable[[object], int | None]") -> None:
        """`number_of_stranger` knows the tests' own objects again."""
        self.held: dict[int, Any] = {}
        """What handles stand for, by number."""
        self._number_of_stranger = number_of_stranger
        self._told: set[int] = set()

    def spelled(self, value: object) -> str:
        """This value as JSON: itself, or a list that begins with its kind.

        Raises:
            RecursionError: it is nested too deeply, or in itself.
        """
        kind = type(value)
        if value is None:
            return "null"
        spell = _PLAIN.get(kind)
        if spell is not None:
            return spell(self, value)
        number = self._number_of_stranger(value)
        if number is not None:
            return f'["x",{number}]'
        return (
            self._library_value(kind, value) or self._subclassed(kind, value) or self.handle(value)
        )

    def all_spelled(self, values: "Iterable[object]") -> str:
        """Several, separated by commas."""
        return ",".join([self.spelled(value) for value in values])

    def handle(self, value: object) -> str:
        """Something that stays here."""
        if isinstance(value, type):
            return self.class_spelled(value)
        module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
        if type(value) is type(sys) and name in OWN_MODULES:
            return f'["M",{quoted(str(name))}]'
        if is_of_a_library(value, module, name):
            return f'["m",{quoted(str(module))},{quoted(str(name))}]'
        if isinstance(value, Exception):
            return f'["E",{self.error_spelled(value)}]'
        number = self._hold(value)
        if callable(value) and type(value).__module__ in ("builtins", "functools"):
            return f'["g",{number},{quoted(str(name))}]'
        return f'["h",{number},{self._class_of_a_handle(type(value))}]'

    def error_spelled(self, error: Exception) -> str:
        """An error in parts: its class, what it was made of, its attributes, and its words."""
        try:
            words = str(error)[:_MOST_WORDS]
        except Exception:  # noqa: BLE001  an error that cannot be shown is an error all the same
            words = ""
        named = {name: value for name, value in vars(error).items() if not name.startswith("_")}
        parts = [self.spelled(error.args), self.spelled(named), quoted(words)]
        return ",".join([self.class_spelled(type(error)), *parts])

    def class_spelled(self, kind: type) -> str:
        """A class that is a value: one that both sides have by its name, another as `_class_of_a_handle`."""
        if kind.__module__ == "builtins" and getattr(builtins, kind.__name__, None) is kind:
            return f'["K",{quoted(kind.__name__)}]'
        if is_of_a_library(kind, kind.__module__, kind.__name__):
            return f'["m",{quoted(kind.__module__)},{quoted(kind.__name__)}]'
        return self._class_of_a_handle(kind)

    def _class_of_a_handle(self, kind: type) -> str:
        """What the other side needs to know of a class to stand in for its objects: all of it, the first time."""
        number = self._hold(kind)
        if number in self._told:
            return f'["k",{number}]'
        self._told.add(number)
        bases = ",".join(
            [self.class_spelled(base) for base in kind.__bases__ if base is not object]
        )
        names = {name for each in kind.__mro__ if each is not object for name in vars(each)}
        special = ",".join([quoted(name) for name in sorted(names & SPECIAL)])
        return f'["k",{number},{quoted(kind.__name__)},[{bases}],[{special}]]'

    def _hold(self, value: object) -> int:
        # It is kept, so nobody else gets its number.
        number = id(value)
        self.held[number] = value
        return number

    def _library_value(self, kind: type, value: object) -> str:
        spell = _OF_LIBRARIES.get((kind.__module__, kind.__name__))
        if (
            spell is not None
            and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind
        ):
            return spell(self, value)
        if kind.__module__ == "numpy":
            return _of_numpy(kind, value)
        return ""

    def _subclassed(self, kind: type, value: object) -> str:
        """An object of a class derived from a plain one, as what it is below: its own ways of comparing stay here."""
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            fields = ",".join([quoted(str(name)) for name in kind._fields])
            items = self.all_spelled(tuple.__iter__(value))  # type: ignore[arg-type]
            return f'["N",{quoted(kind.__name__)},[{fields}],[{items}]]'
        if "Enum" in [base.__name__ for base in kind.__mro__]:
            return ""
        for base in _PLAIN_BASES:
            if issubclass(kind, base):
                return _PLAIN[base](
                    self, base.__new__(base, value) if base in _COPIED else _copy(base, value)
                )
        return ""


# Immutable ones are made whole by `__new__`; the others are filled by their own methods, never by an overridden one.
_COPIED = (int, float, complex, str, bytes, tuple, frozenset)


def _copy(base: "type[Any]", value: "Any") -> object:
    if base is dict:
        table: dict[object, object] = value
        return {key: dict.__getitem__(table, key) for key in dict.__iter__(table)}
    return base(base.__iter__(value))


def _int(speller: Speller, value: int) -> str:
    return repr(value) if -_SHORT_INT < value < _SHORT_INT else f'["i","{value:x}"]'


def _float(speller: Speller, value: float) -> str:
    return repr(value) if value - value == 0 else f'["n","{value!r}"]'


def _dict(speller: Speller, value: dict[object, object]) -> str:
    return '["d",' + _pairs(speller, value) + "]"


def _pairs(speller: Speller, value: dict[object, object]) -> str:
    items = [f"[{speller.spelled(key)},{speller.spelled(item)}]" for key, item in value.items()]
    return "[" + ",".join(items) + "]"


def _sequence(tag: str) -> "Callable[[Speller, Iterable[object]], str]":
    return lambda speller, value: f'["{tag}",[{speller.all_spelled(value)}]]'


_PLAIN: "dict[type, Callable[[Speller, Any], str]]" = {
    bool: lambda speller, value: "true" if value else "false",
    int: _int,
    float: _float,
    str: lambda speller, value: quoted(value),
    list: _sequence("l"),
    tuple: _sequence("t"),
    set: _sequence("s"),
    frozenset: _sequence("f"),
    dict: _dict,
    bytes: lambda speller, value: f'["b","{value.hex()}"]',
    bytearray: lambda speller, value: f'["B","{value.hex()}"]',
    complex: lambda speller, value: f'["c","{value.real!r}","{value.imag!r}"]',
    range: lambda speller, value: (
        f'["r",{_int(speller, value.start)},{_int(speller, value.stop)},{_int(speller, value.step)}]'
    ),
    type({}.keys()): _sequence("dk"),
    type({}.values()): _sequence("dv"),
    type({}.items()): lambda speller, value: f'["di",{_pairs(speller, dict(value))}]',
    type(Ellipsis): lambda speller, value: '["."]',
}


def _made_of(*names: str) -> "Callable[[Speller, object], str]":
    """A value of the standard library that is made anew from these attributes."""

    def spell(speller: Speller, value: object) -> str:
        if getattr(value, "tzinfo", None) is not None:
            return ""
        parts = [getattr(value, name) for name in names]
        kind = type(value)
        return (
            f'["v",{quoted(f"{kind.__module__}.{kind.__name__}")},[{speller.all_spelled(parts)}]]'
        )

    return spell


def _written(speller: Speller, value: object) -> str:
    return f'["v","decimal.Decimal",[{quoted(str(value))}]]'


def _mapping(tag: str) -> "Callable[[Speller, dict[object, object]], str]":
    return lambda speller, value: f'["{tag}",{_pairs(speller, value)}]'


_OF_LIBRARIES: "dict[tuple[str, str], Callable[[Speller, Any], str]]" = {
    ("collections", "deque"): _sequence("q"),
    ("collections", "Counter"): _mapping("C"),
    ("collections", "defaultdict"): _mapping("D"),
    ("collections", "OrderedDict"): _mapping("O"),
    ("decimal", "Decimal"): _written,
    ("fractions", "Fraction"): _made_of("numerator", "denominator"),
    ("datetime", "datetime"): _made_of(
        "year", "month", "day", "hour", "minute", "second", "microsecond"
    ),
    ("datetime", "date"): _made_of("year", "month", "day"),
    ("datetime", "time"): _made_of("hour", "minute", "second", "microsecond"),
    ("datetime", "timedelta"): _made_of("days", "seconds", "microseconds"),
    ("re", "Pattern"): _made_of("pattern", "flags"),
}


def _of_numpy(kind: type, value: "Any") -> str:
    if kind.__name__ != "ndarray":
        # A scalar has an array's methods.
        value = getattr(value, "reshape", lambda *shape: value)(())
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype.hasobject or dtype.names:
        return ""
    shape = ",".join(map(str, value.shape))
    is_scalar = "false" if kind.__name__ == "ndarray" else "true"
    return f'["p",{quoted(dtype.str)},[{shape}],"{value.tobytes().hex()}",{is_scalar}]'
