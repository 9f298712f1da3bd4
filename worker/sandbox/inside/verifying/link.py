"""The tests' side of the conversation: asks the program, waits, and answers what it asks back about the tests' objects.

What the program may ask is narrow, since it may ask anything: attributes without underscores of objects of the tests'
own classes, what functions and classes are called, and calls of what it was handed. A test's globals, its frames and
its modules have no way to it from there.
"""

import collections
import marshal
import os
import select
import sys
import threading
import time
import types

from . import ends, frames
from .endings import (
    CannotCrossError,
    OutOfTimeError,
    OverLimitError,
    ProgramEndedError,
    StoppedError,
)
from .reading import MalformedError, Reader, is_of_program
from .standins import Standins, number_of
from .words import SPECIAL
from .writing import Writer, is_of_tests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .writing import Item

ANSWERS, QUESTIONS = 3, 4
"""The tests' descriptors."""
_MILLISECONDS = 1000
# A tenth of a millisecond.
_LOOKS = 100
_NO_ANSWER = "the program gave an answer that is none"
_NO_ERROR = "the program gave an error that is none"
# What a decorator copies.
_NAMES = ("__name__", "__qualname__")
_KINDS_BACK = ("getattr", "setattr", "special")


class Link:
    """The program, as the tests reach it."""

    def __init__(self, wall_seconds: float) -> None:
        """`wall_seconds` is how long the program may be waited for, all in all."""
        self.stopped: StoppedError | None = None
        """Why there are no more answers. It is kept, since a test may have caught it."""
        self._left_seconds = wall_seconds
        self._ends: list[StopIteration] = []
        self._n_asked = 0
        self._exported: dict[int, object] = {}
        self._standins = Standins(self.ask, self._exported)
        self._reader = Reader(self._standins)
        self._writer = Writer(number_of, self._exported)
        self._poll = select.poll()
        self._poll.register(ANSWERS, select.POLLIN)
        # Tests may have threads; answers come in the order of the questions.
        self._turn = threading.RLock()

    def start(self) -> None:
        """Be ready to ask."""
        # A program that does not read is waited for no longer than one that does not answer.
        os.set_blocking(QUESTIONS, False)

    def names(
        self, wanted: "list[str]", meanwhile: "Callable[[], None]" = lambda: None
    ) -> "dict[str, object]":
        """Those of these names that the program has at its top level; `meanwhile` is done while it looks."""
        found = self._exchange("names", wanted, meanwhile=meanwhile)
        if not isinstance(found, dict):
            raise self._stop(ProgramEndedError(_NO_ANSWER))
        return {name: found[name] for name in wanted if name in found}

    def ask(self, kind: str, number: int, *rest: object) -> object:
        """Ask something of an object that the program keeps; a call by its arguments, by position and by name."""
        try:
            return self._ask(kind, number, *rest)
        except StopIteration as error:
            # Of `__next__` it is an answer, and so where a `__next__` of the tests' hands it on.
            if rest[:1] != ("__next__",) and not ends.is_within_a_next(sys._getframe(1)):  # noqa: SLF001
                self._ends.append(error)
            raise

    def _ask(self, kind: str, number: int, *rest: object) -> object:
        if kind == "call":
            return self._call((kind, number), *rest)  # type: ignore[arg-type]
        if kind == "special":
            return self._call((kind, number, rest[0]), *rest[1:])  # type: ignore[arg-type]
        if kind == "setattr":
            return self._exchange(kind, number, rest[0], self._written(rest[1]))
        return self._exchange(kind, number, *rest)

    @property
    def has_asked(self) -> bool:
        """Whether anything was asked of the program beside the names that every conversation begins with."""
        return self._n_asked > 1

    def show_last_error(self) -> None:
        """Have the program print the error it raised last, as it would have if nobody had called it."""
        self._exchange("show")

    def rehearse(self) -> None:
        """Go once through what stands between a call and its result."""
        self._writer.item([1, 2.5, {"a": (True, None)}])
        kind, parts = self._reader.message(
            b'["r",["d",[["add",["g",1,"add"]],["b",["l",[1,2.5,["t",[]]]]]]],[]]'
        )
        self._value(parts[0])
        marshal.dumps((kind, 1, [], []))

    def has_raised(self, error: "BaseException | None") -> bool:
        """Whether an error is one of the program's own."""
        return error is not None and is_of_program(error)

    def swallowed(self) -> "list[StopIteration]":
        """What the program raised, and neither the tests caught nor ended of."""
        return [error for error in self._ends if ends.is_swallowed(error, _RAISES)]

    def _call(
        self,
        what: "tuple[object, ...]",
        arguments: "tuple[object, ...]",
        named: "dict[str, object]",
    ) -> object:
        items = [self._written(value) for value in arguments]
        words = [(name, self._written(value)) for name, value in named.items()]
        return self._exchange(*what, items, words, given=(*arguments, *named.values()))

    def _written(self, value: object) -> "Item":
        try:
            return self._writer.item(value)
        except CannotCrossError as error:
            self.stopped = self.stopped or error
            raise

    def _exchange(
        self,
        *question: object,
        given: "tuple[object, ...]" = (),
        meanwhile: "Callable[[], None]" = lambda: None,
    ) -> object:
        try:
            with self._turn:
                self._n_asked += 1
                self._send(question)
                meanwhile()
                return self._answered(given)
        except MemoryError:
            raise self._stop(
                OverLimitError("the program said more than its tests can hold")
            ) from None

    def _answered(self, given: "tuple[object, ...]") -> object:
        while True:
            kind, parts = self._receive()
            if kind == "r" and len(parts) == 2:
                result = self._value(parts[0])
                self._restore_all(given, parts[1])
                return result
            if kind == "e":
                raise self._error(parts)
            if kind != "q":
                raise self._stop(ProgramEndedError(_NO_ANSWER))
            self._send(("back", *self._answer(parts)))

    def _restore_all(self, given: "tuple[object, ...]", changed: object) -> None:
        try:
            for place, tree in changed:  # type: ignore[attr-defined]
                _restore(given[place], self._value(tree))
        except Exception:  # noqa: BLE001  whatever comes of what it made up
            raise self._stop(
                ProgramEndedError("the program changed what it was not given")
            ) from None

    def _send(self, message: "tuple[object, ...]") -> None:
        if self.stopped is not None:
            raise self.stopped
        try:
            frames.send(QUESTIONS, marshal.dumps(message), self._wait_for_room)  # type: ignore[arg-type]
        except frames.ClosedError:
            raise self._stop(ProgramEndedError("the program ended before its tests did")) from None

    def _receive(self) -> "tuple[str, list[object]]":
        try:
            return self._reader.message(frames.receive(ANSWERS, self._wait, frames.LONGEST))
        except frames.TooLongError as error:
            raise self._stop(ProgramEndedError(f"the program gave an answer of {error}")) from None
        except frames.ClosedError:
            raise self._stop(ProgramEndedError("the program ended before its tests did")) from None
        except MalformedError as error:
            raise self._stop(ProgramEndedError(f"{_NO_ANSWER}: {error}")) from None

    def _wait(self) -> None:
        """Until there is something to read; it may be half a message, and the other half may never come."""
        # Most answers are there before this process could have slept and been woken again.
        for _ in range(_LOOKS):
            if self._poll.poll(0):
                return
        self._wait_at_length(self._poll)

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(QUESTIONS, select.POLLOUT)
        self._wait_at_length(room)

    def _wait_at_length(self, poll: select.poll) -> None:
        began = time.monotonic()
        if not poll.poll(max(0.0, self._left_seconds) * _MILLISECONDS):
            raise self._stop(OutOfTimeError("the program took too long"))
        self._left_seconds -= time.monotonic() - began

    def _value(self, tree: object) -> object:
        try:
            return self._reader.value(tree)
        except MalformedError as error:
            raise self._stop(ProgramEndedError(f"{_NO_ANSWER}: {error}")) from None

    def _stop(self, error: StoppedError) -> StoppedError:
        self.stopped = self.stopped or error
        return error

    def _error(self, parts: "list[object]") -> BaseException:
        if len(parts) != 4:
            return self._stop(ProgramEndedError(_NO_ERROR))
        try:
            return self._reader.error(*parts)
        except MalformedError:
            return self._stop(ProgramEndedError(_NO_ERROR))

    def _answer(self, parts: "list[object]") -> "tuple[object, ...]":
        """Answer what the program asks about an object of the tests'."""
        try:
            return ("value", self._writer.item(self._done(*self._asked(parts))))
        except (Exception, CannotCrossError) as error:  # noqa: BLE001  what the tests' own code raises is for the program to catch
            self._exported[id(error)] = error
            base = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
            return (
                "raise",
                id(error),
                type(error).__name__,
                base.__name__,
                self._writer.item((words_of(error),)),
            )

    def _asked(
        self, parts: "list[object]"
    ) -> "tuple[str, object, str, tuple[object, ...], dict[str, object]]":
        if len(parts) != 5:
            raise self._stop(ProgramEndedError("the program asked something that is no question"))
        kind, number, name = parts[:3]
        arguments, named = self._value(parts[3]), self._value(parts[4])
        if (
            kind not in _KINDS_BACK
            or type(number) is not int
            or number not in self._exported
            or not isinstance(arguments, tuple)
            or not isinstance(named, dict)
        ):
            raise self._stop(ProgramEndedError("the program asked something that is no question"))
        return str(kind), self._exported[number], str(name), arguments, named

    def _done(
        self,
        kind: str,
        target: object,
        name: str,
        arguments: "tuple[object, ...]",
        named: "dict[str, object]",
    ) -> object:
        if kind == "special":
            if name not in SPECIAL or (name != "__call__" and isinstance(target, type)):
                raise AttributeError(name)
            if isinstance(target, type):
                return target(*arguments, **named)
            return getattr(type(target), name)(target, *arguments, **named)
        is_name = name in _NAMES and isinstance(target, (types.FunctionType, type))
        if not is_name and (name.startswith("_") or not is_of_tests(type(target))):
            raise AttributeError(f"{type(target).__name__!r} object has no attribute {name!r}")
        if kind == "setattr":
            setattr(target, name, *arguments)
            return None
        return getattr(target, name)


_RAISES = Link.ask.__code__


def words_of(error: BaseException) -> str:
    """What an error says, empty where it cannot."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an error that cannot be spelled is an error all the same
        return ""


def _restore(given: object, changed: object) -> None:
    """Make an argument what the program made of its copy: the same object, and the same ones in it where they were."""
    if isinstance(given, list) and isinstance(changed, list):
        is_as_long = len(given) == len(changed)
        pairs = zip(list(given), changed, strict=True) if is_as_long else ()
        given[:] = [_restored(ours, theirs) for ours, theirs in pairs] if is_as_long else changed
    elif isinstance(given, dict) and isinstance(changed, dict):
        kept = [
            (key, _restored(given[key], value) if key in given else value)
            for key, value in changed.items()
        ]
        given.clear()
        for key, value in kept:  # `Counter.update` would add
            given[key] = value
    elif isinstance(given, set) and isinstance(changed, set):
        given.clear()
        given.update(changed)
    elif isinstance(given, collections.deque) and isinstance(changed, collections.deque):
        given.clear()
        given.extend(changed)
    elif isinstance(given, bytearray) and isinstance(changed, bytearray):
        given[:] = changed
    elif type(given).__name__ == "ndarray" and type(given) is type(changed):
        given[...] = changed  # type: ignore[index]


def _restored(ours: object, theirs: object) -> object:
    if type(ours) is type(theirs) and isinstance(ours, (list, dict, set, bytearray)):
        _restore(ours, theirs)
        return ours
    return theirs
