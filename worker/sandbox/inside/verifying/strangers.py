"""The program's side of objects that its tests made and passed in: each stays with the tests, and is asked there."""

import builtins

from .words import SPECIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., object]


class Stranger:
    """An object of the tests'. There is one for each, so that `is` says what it would have said."""

    _promptmill_number: int
    _promptmill_ask: "Ask"

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "_promptmill_number", number)

    def __getattr__(self, name: str) -> object:
        return self._promptmill_ask("getattr", self._promptmill_number, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._promptmill_ask("setattr", self._promptmill_number, name, value)


class Strangers:
    """All that this program has met."""

    def __init__(self, ask: "Ask") -> None:
        self._ask = ask
        self._met: dict[int, object] = {}
        self._classes: dict[int, type] = {}

    def meet(self, number: int, kind: "tuple[int, str, tuple[str, ...]] | None") -> object:
        """The stand-in of an object by its number; `kind` describes its class and is None for one already met."""
        if number in self._met:
            return self._met[number]
        assert kind is not None, "it is described the first time"  # noqa: S101
        stranger = self._class(*kind)(number)
        self._met[number] = stranger
        return stranger

    def raised(
        self, number: int, name: str, base: str, arguments: "tuple[object, ...]"
    ) -> BaseException:
        """An exception that code of the tests raised while the program called it."""
        above = getattr(builtins, base, Exception)
        kind = above if above.__name__ == name else type(name, (above,), {})
        error: BaseException = kind(*arguments)
        vars(error)["_promptmill_number"] = number
        return error

    def number_of(self, value: object) -> int | None:
        """The number of an object of the tests', None for any other."""
        if isinstance(value, (Stranger, BaseException)):
            number: int | None = vars(value).get("_promptmill_number")
            return number
        return None

    def _class(self, number: int, name: str, special: "tuple[str, ...]") -> type:
        if number not in self._classes:
            methods = {each: _asking(each) for each in special if each in SPECIAL}
            self._classes[number] = type(
                name, (Stranger,), {**methods, "_promptmill_ask": staticmethod(self._ask)}
            )
        return self._classes[number]


def _asking(name: str) -> "Callable[..., object]":
    def method(self: Stranger, *arguments: object, **named: object) -> object:
        return self._promptmill_ask("special", self._promptmill_number, name, arguments, named)

    return method
