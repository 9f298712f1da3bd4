"""The program's side of the conversation with its tests: called, asked for attributes, and answering.

Theory of operation. When the program has run, its interpreter reads questions until there are no more, and then goes
on to its end as it would have without them. A question names an object by the number under which it was handed out, or
one of the program's top-level names. Only an `Exception` is an answer: whatever else a call raises ends the program, as
it would have ended it anywhere. Lists, dicts and sets that a call was given are copies; those that it changed go back
with its answer. Nothing here decides anything. A program can rewrite all of it, and gains what it could as well have
returned.
"""

import builtins
import sys
from _thread import RLock

from . import frames, spelling
from .strangers import Strangers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any

    Item = tuple[Any, ...]

QUESTIONS, ANSWERS = 3, 4
"""The program's descriptors."""
_CHANGING = frozenset(
    (
        "list",
        "dict",
        "set",
        "bytearray",
        "deque",
        "Counter",
        "defaultdict",
        "OrderedDict",
        "ndarray",
    )
)
"""Types of arguments that go back if the call changed them."""


def serve(names: "Mapping[str, object]") -> None:
    """Answer until the tests have ended; `names` are the program's own."""
    conversation = _Conversation(names)
    try:
        conversation.answer_until("")
    except frames.ClosedError:
        pass  # the tests have ended, and the program goes on to its end


def rehearse() -> None:
    """Go once through what stands between a question and its answer, so that its memory is this process's own."""
    conversation = _Conversation({"add": lambda left, right: [left, right]})
    conversation.say(("names", ["add"]))
    number = next(iter(conversation.numbers()))
    conversation.say(
        (
            "call",
            number,
            [("=", spelling.dumped([1.5, {"a": (True, None)}])), ("=", spelling.dumped("b"))],
            [],
        )
    )


def frames_of_the_program(trace: "TracebackType | None") -> "TracebackType | None":
    """What is left of a traceback without the frames above the program's, which are ours."""
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("inside."):
        trace = trace.tb_next
    return trace


class _Conversation:
    def __init__(self, names: "Mapping[str, object]") -> None:
        self._names = names
        # Threads of a program may ask at one time; answers come in the order of the questions.
        self._turn = RLock()
        self._strangers = Strangers(self._ask_back)
        self._speller = spelling.Speller(self._strangers.number_of)
        self._last_error: BaseException | None = None
        self._build: dict[str, Callable[..., object]] = {
            "=": spelling.load,
            "l": lambda items: [self._built(item) for item in items],
            "t": lambda items: tuple([self._built(item) for item in items]),
            "s": lambda items: {self._built(item) for item in items},
            "f": lambda items: frozenset([self._built(item) for item in items]),
            "d": lambda pairs: {self._built(key): self._built(value) for key, value in pairs},
            "h": lambda number: self._speller.held[number],
            "x": self._strangers.meet,
            "m": _imported,
            "M": lambda name: __import__("importlib").import_module(name),
            "n": lambda number, items: self._speller.held[number](
                *[self._built(item) for item in items]
            ),
            "v": lambda module, name, parts: _imported(module, name)(
                *[self._built(part) for part in parts]
            ),
            "p": _array,
        }

    def answer_until(self, wanted: str) -> "Item":
        """Answer questions until there is a message of this kind, which is returned.

        Raises:
            ClosedError: there are no more.
        """
        while True:
            question: Item = spelling.load(frames.receive(QUESTIONS))
            if question[0] == wanted:
                return question[1:]
            frames.send(ANSWERS, self.say(question).encode())

    def numbers(self) -> "Iterable[int]":
        """Of what was handed out."""
        return self._speller.held

    def say(self, question: "Item") -> str:
        """The answer to one question."""
        kind, *rest = question
        try:
            return getattr(self, f"_do_{kind}")(*rest)  # type: ignore[no-any-return]
        except (frames.ClosedError, MemoryError):
            # The program is out of memory, whoever called it, and so would the answer be.
            raise
        except Exception as error:  # noqa: BLE001  whatever the program raises, for whoever called it to catch
            self._last_error = error
            return self._error(error)

    def _do_names(self, wanted: "list[str]") -> str:
        found = [name for name in wanted if name in self._names]
        parts = [
            f"[{spelling.quoted(name)},{self._speller.spelled(self._names[name])}]"
            for name in found
        ]
        return f'["r",["d",[{",".join(parts)}]],[]]'

    def _do_call(self, number: int, items: "list[Item]", named: "list[tuple[str, Item]]") -> str:
        return self._called(self._speller.held[number], items, named)

    def _do_special(
        self, number: int, name: str, items: "list[Item]", named: "list[tuple[str, Item]]"
    ) -> str:
        target = self._speller.held[number]
        method = getattr(type(target), name)
        return self._called(lambda *values, **words: method(target, *values, **words), items, named)

    def _do_getattr(self, number: int, name: str) -> str:
        return f'["r",{self._speller.spelled(getattr(self._speller.held[number], name))},[]]'

    def _do_setattr(self, number: int, name: str, item: "Item") -> str:
        setattr(self._speller.held[number], name, self._built(item))
        return '["r",null,[]]'

    def _do_await(self, number: int) -> str:
        asyncio = __import__("asyncio")
        value = self._speller.held[number]

        async def waited() -> object:
            return await value

        return f'["r",{self._speller.spelled(asyncio.run(waited()))},[]]'

    def _do_show(self) -> str:
        """Show the last error where an interpreter would, without our frames."""
        error = self._last_error
        if error is not None:
            trace = frames_of_the_program(error.__traceback__)
            sys.excepthook(type(error), error.with_traceback(trace), trace)
        return '["r",null,[]]'

    def _called(
        self, target: "Callable[..., object]", items: "list[Item]", named: "list[tuple[str, Item]]"
    ) -> str:
        values = [self._built(item) for item in items]
        words = {name: self._built(item) for name, item in named}
        result = target(*values, **words)
        both = [*zip(values, items, strict=True), *((words[name], item) for name, item in named)]
        changed = [
            f"[{place},{self._speller.spelled(value)}]"
            for place, (value, item) in enumerate(both)
            if type(value).__name__ in _CHANGING and _has_changed(value, item)
        ]
        return f'["r",{self._speller.spelled(result)},[{",".join(changed)}]]'

    def _built(self, item: "Item") -> "Any":
        kind, *parts = item
        return self._build[kind](*parts)

    def _error(self, error: Exception) -> str:
        number = self._strangers.number_of(error)
        if number is not None:
            return f'["e",["x",{number}],null,null,""]'
        try:
            described = self._speller.error_spelled(error)
        except Exception:  # noqa: BLE001  an error that cannot describe itself is an error all the same
            described = f'{self._speller.class_spelled(type(error))},["t",[]],["d",[]],""'
        return f'["e",{described}]'

    def _ask_back(self, question: str, number: int, name: str, *values: object) -> object:
        """Ask the tests about an object of theirs, and answer what they ask meanwhile."""
        arguments, named = (values, {}) if question != "special" else values
        with self._turn:
            frames.send(
                ANSWERS,
                f'["q","{question}",{number},{spelling.quoted(name)},{self._speller.spelled(tuple(arguments))},'  # type: ignore[arg-type]
                f"{self._speller.spelled(named)}]".encode(),
            )
            outcome, *rest = self.answer_until("back")
        if outcome == "value":
            return self._built(rest[0])
        number, name, base, arguments = rest
        raise self._strangers.raised(number, name, base, self._built(arguments))


def _has_changed(value: object, item: "Item") -> bool:
    if item[0] != "=":
        return True
    try:
        return bool(spelling.dumped(value) != item[1])
    except ValueError:
        return True


def _imported(module: str, name: str) -> "Any":
    if module == "builtins":
        return getattr(builtins, name)
    return getattr(__import__(module, fromlist=[name]), name)


def _array(dtype: str, shape: "tuple[int, ...]", content: bytes, is_scalar: bool) -> object:
    numpy = __import__("numpy")
    array = numpy.frombuffer(content, dtype).reshape(shape).copy()
    return array[()] if is_scalar else array
