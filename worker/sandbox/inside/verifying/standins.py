"""The tests' side of what stays with the program: its functions, its classes and their objects, by stand-ins that ask.

A stand-in is no more than its own class says: it has only the special methods that the original has. Whoever compares
must not be told what with, or an object could be equal to everything that anybody expects. So an object is handed a
second value, to compare or to reckon with, only if that is the program's as well, or if the tests name its class: then
they ask the class for it.
"""

from .endings import CannotCrossError
from .words import ASKED, COMPARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Ask = Callable[..., object]

# Where their classes say that they come from: not from here, and not from the tests' own module.
_PROGRAM = "program"
# Questions that a test asks of text, sets and numbers, and whose answer it believes. A result that only looks like one
# of those is not asked them.
_PREDICATES = frozenset(
    name
    for kind in (str, bytes, list, set, float)
    for name in dir(kind)
    if name.startswith(("is", "starts", "ends"))
    or name in ("count", "index", "find", "rfind", "rindex")
) | {"equals", "all", "any"}
# What is said of two values may be what is to be found out of one.
_RELATIONS = frozenset(("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"))
# What tells how a function was written, rather than what it does.
_OF_THE_SOURCE = frozenset(
    (
        "__code__",
        "__globals__",
        "__closure__",
        "__defaults__",
        "__kwdefaults__",
        "__annotations__",
        "__signature__",
    )
)


class Standins:
    """All that stand in for something of one program."""

    def __init__(self, ask: "Ask", exported: "dict[int, object]") -> None:
        self.ask = ask
        self.exported = exported
        """What the program was given by handle, by number."""
        self._objects: dict[int, object] = {}
        self._classes: dict[int, type] = {}

    def function(self, number: int, name: str) -> object:
        """Stands in for a function."""
        return self._once(number, lambda: _Function(number, self.ask, name))

    def handle(self, number: int, kind: type) -> object:
        """Stands in for an object of this class, which a stand-in is as well."""
        return self._once(number, lambda: object.__new__(kind).__init_standin__(number))

    def coroutine(self, number: int) -> object:
        """Stands in for a coroutine, as one that can be run by any loop; the program has a loop of its own."""

        async def waited() -> object:
            return self.ask("await", number)

        return self._once(number, waited)

    def known_class(self, number: int) -> type:
        """The stand-in of a class that was described before."""
        return self._classes[number]

    def new_class(
        self, number: int, name: str, bases: "list[type]", special: "Iterable[str]"
    ) -> type:
        """Stands in for a class. One of exceptions is an exception here too, to be raised and caught."""
        if number not in self._classes:
            self._classes[number] = self._made(number, name, bases, frozenset(special))
        return self._classes[number]

    def _made(self, number: int, name: str, bases: "list[type]", special: "frozenset[str]") -> type:
        # What is no `Exception` ends a program when it is raised, so none comes here, and none is to end the tests.
        raised = [base for base in bases if issubclass(base, Exception)]
        if raised:
            named = {"_promptmill_number": number, "__module__": _PROGRAM}
            return type(name, tuple(raised), named)
        methods = {each: _method(each) for each in (*ASKED, *COMPARED) if each in special}
        standing = tuple(base for base in bases if issubclass(base, Standin)) or (Standin,)
        body = {
            "_promptmill_ask": staticmethod(self.ask),
            "_promptmill_number": number,
            "__module__": _PROGRAM,
            **methods,
        }
        return StandinClass(name, standing, body, is_ours=True)

    def _once(self, number: int, make: "Callable[[], object]") -> object:
        if number not in self._objects:
            self._objects[number] = make()
        return self._objects[number]


def number_of(value: object) -> int | None:
    """The number of what the program keeps and this stands in for, None for anything else."""
    if isinstance(value, (Standin, StandinClass)):
        number: int = vars(value)["_promptmill_number"]
        return number
    if isinstance(value, type) and issubclass(value, BaseException):
        return vars(value).get("_promptmill_number")
    return None


def name_classes(found: "dict[str, object]", names: "frozenset[str]") -> None:
    """Note which classes the tests themselves use as classes, by these names."""
    for name, value in found.items():
        if name in names and isinstance(value, StandinClass):
            type.__setattr__(value, "_promptmill_is_named", True)


class StandinClass(type):
    """A class of the program's: called, it has the program make an object."""

    _promptmill_number: int
    _promptmill_ask: "Ask"
    _promptmill_is_named = False

    def __new__(
        mcs,
        name: str,
        bases: "tuple[type, ...]",
        body: "dict[str, object]",
        *,
        is_ours: bool = False,
    ) -> "StandinClass":
        """Made for a class of the program's.

        Raises:
            CannotCrossError: tests derive it: its methods would be here, and those it calls there.
        """
        if not is_ours:
            raise CannotCrossError(f"the tests derive {name} from a class of the program's")
        return super().__new__(mcs, name, bases, body)

    def __init__(
        cls,
        name: str,
        bases: "tuple[type, ...]",
        body: "dict[str, object]",
        *,
        is_ours: bool = False,
    ) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *arguments: object, **named: object) -> object:
        """Made by the program, kept by it."""
        return cls._promptmill_ask("call", cls._promptmill_number, arguments, named)

    def __getattr__(cls, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls._promptmill_ask("getattr", cls._promptmill_number, name)

    def __setattr__(cls, name: str, value: object) -> None:
        cls._promptmill_ask("setattr", cls._promptmill_number, name, value)

    def __iter__(cls) -> "Iterator[object]":
        return cls._promptmill_ask("special", cls._promptmill_number, "__iter__", (), {})  # type: ignore[return-value]

    def __len__(cls) -> int:
        return cls._promptmill_ask("special", cls._promptmill_number, "__len__", (), {})  # type: ignore[return-value]

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: object) -> object:
        return cls._promptmill_ask("special", cls._promptmill_number, "__getitem__", (key,), {})


class Standin:
    """An object of the program's."""

    _promptmill_number: int
    _promptmill_ask: "Ask"
    _promptmill_is_named = False

    def __init_standin__(self, number: int) -> "Standin":
        object.__setattr__(self, "_promptmill_number", number)
        return self

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or (name in _PREDICATES and not self._promptmill_is_named):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._promptmill_ask("getattr", self._promptmill_number, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._promptmill_ask("setattr", self._promptmill_number, name, value)

    def __repr__(self) -> str:
        """What the program's own would be called that has no other word for itself, without where it lies."""
        return f"<{type(self).__module__}.{type(self).__name__} object>"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


class _Function(Standin):
    """A function of the program's."""

    def __init__(self, number: int, ask: "Ask", name: str) -> None:
        for key, value in (("number", number), ("ask", ask)):
            object.__setattr__(self, f"_promptmill_{key}", value)
        for key in ("__name__", "__qualname__"):
            object.__setattr__(self, key, name)

    def __repr__(self) -> str:
        """As a function is called, without where it lies."""
        return f"<function {vars(self)['__name__']}>"

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._promptmill_ask("call", self._promptmill_number, arguments, named)

    def __getattr__(self, name: str) -> object:
        if name in _OF_THE_SOURCE:
            raise CannotCrossError(f"the tests look at {name} of a function")
        return super().__getattr__(name)


# What an error of the tests calls it: "'function' object is not subscriptable".
_Function.__name__ = _Function.__qualname__ = "function"


def _method(name: str) -> "Callable[..., object]":
    if name == "__await__":
        return _await

    def asking(self: Standin, *arguments: object, **named: object) -> object:
        return self._promptmill_ask("special", self._promptmill_number, name, arguments, named)

    def comparing(self: Standin, *arguments: object) -> object:
        is_among_its_own = all(number_of(each) is not None for each in arguments)
        if not is_among_its_own and (name in _RELATIONS or not self._promptmill_is_named):
            return NotImplemented
        return self._promptmill_ask("special", self._promptmill_number, name, arguments, {})

    def identical(self: Standin) -> int:
        return asking(self)  # type: ignore[return-value]

    def containing(self: Standin, value: object) -> object:
        if self._promptmill_is_named:
            return asking(self, value)
        return any(each is value or each == value for each in self)  # type: ignore[attr-defined]

    special: dict[str, Callable[..., object]] = {"__hash__": identical, "__contains__": containing}
    return special.get(name, asking if name in ASKED else comparing)


def _await(self: Standin) -> "Generator[None, None, object]":
    yield from ()  # a generator is what has to be returned
    return self._promptmill_ask("await", self._promptmill_number)
