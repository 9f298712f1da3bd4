"""What interpreters say of every program alike: names of errors that are built in, and messages that hold no value.

A program chooses which of these it says, so there are few, no number is among them, and none is of another language.
Each group of a message has to be built in or a word of the line of the program that is shown.
"""

import builtins
import re

from jobs.languages import Language


def _named(prefix: str, names: str) -> list[str]:
    return [f"{prefix}{name}" for name in names.split()]


_NODE = "Error EvalError RangeError ReferenceError SyntaxError TypeError URIError AggregateError"
_RUBY = (
    "StandardError RuntimeError ArgumentError EncodingError FiberError FloatDomainError FrozenError IndexError "
    "KeyError LocalJumpError NameError NoMatchingPatternError NoMethodError RangeError RegexpError StopIteration "
    "SystemStackError TypeError ZeroDivisionError Math::DomainError IOError EOFError NotImplementedError"
)
_PHP = (
    "Error Exception ArgumentCountError ArithmeticError DivisionByZeroError TypeError UnhandledMatchError ValueError "
    "ErrorException JsonException InvalidArgumentException LengthException LogicException OutOfBoundsException "
    "OutOfRangeException OverflowException RangeException RuntimeException UnderflowException UnexpectedValueException"
)
_JAVA_LANG = (
    "ArithmeticException ArrayIndexOutOfBoundsException ArrayStoreException ClassCastException Error Exception "
    "IllegalArgumentException IllegalStateException IndexOutOfBoundsException NegativeArraySizeException "
    "NullPointerException NumberFormatException RuntimeException StackOverflowError StringIndexOutOfBoundsException "
    "UnsupportedOperationException"
)
_JAVA_UTIL = "ConcurrentModificationException EmptyStackException InputMismatchException NoSuchElementException"
_CPP = (
    "bad_cast bad_function_call bad_optional_access bad_variant_access domain_error invalid_argument length_error "
    "logic_error out_of_range overflow_error range_error runtime_error underflow_error"
)
_PYTHON_WORDS = frozenset(("NoneType", "function", "method", "module"))
_NODE_WORDS = frozenset(("Object", "undefined", "null"))

WORDS: dict[Language, frozenset[str]] = {
    Language.PYTHON: frozenset((*dir(builtins), *_PYTHON_WORDS)),
    Language.JAVASCRIPT: frozenset((*_NODE.split(), *_NODE_WORDS)),
    Language.TYPESCRIPT: frozenset((*_NODE.split(), *_NODE_WORDS)),
    Language.RUBY: frozenset(_RUBY.split()),
    Language.PHP: frozenset(_PHP.split()),
    Language.JAVA: frozenset(
        (*_named("java.lang.", _JAVA_LANG), *_named("java.util.", _JAVA_UTIL))
    ),
    Language.CPP: frozenset(_named("std::", _CPP)),
    Language.GO: frozenset(("panic", "fatal error")),
    Language.RUST: frozenset(("panicked",)),
}
"""What a language has built in, its errors among it; nothing where they have no names."""

_IN_NODE = re.compile(
    r"Maximum call stack size exceeded|(\w+) is not (?:defined|a function)"
    r"|Cannot read properties of (?:undefined|null)(?: \(reading '(\w+)'\))?|Assignment to constant variable\."
)
MESSAGES: dict[Language, re.Pattern[str]] = {
    Language.PYTHON: re.compile(
        r"(?:list|string|tuple|deque) (?:assignment )?index out of range"
        r"|(?:float )?division by zero|integer (?:division or )?modulo by zero"
        r"|maximum recursion depth exceeded(?: in comparison| while calling a Python object)?"
        r"|EOF when reading a line|math domain error"
        r"|pop from (?:an )?empty (?:list|deque|set)"
        r"|(?:max|min)\(\) (?:arg|iterable argument) is (?:an )?empty(?: sequence)?"
        r"|invalid syntax|unexpected indent|expected ':'|'[(\[{]' was never closed|unmatched '[)\]}]'"
        r"|name '(\w+)' is not defined"
        r"|'(\w+)' object is not (?:iterable|subscriptable|callable)"
        r"|'(\w+)' object has no attribute '(\w+)'"
    ),
    Language.JAVASCRIPT: _IN_NODE,
    Language.TYPESCRIPT: _IN_NODE,
    Language.RUBY: re.compile(
        r"divided by 0|stack level too deep|undefined method [`'](\w+)[?!]?' for nil(?::NilClass)?"
        r"|undefined local variable or method [`'](\w+)' for main(?::Object)?"
        r"|no implicit conversion (?:of nil into|from nil to) (?:String|Integer|Array|Hash|integer)"
        r"|nil can't be coerced into (?:Integer|Float)"
    ),
    Language.PHP: re.compile(
        r"Division by zero|Modulo by zero|Call to undefined function (\w+)\(\)"
        r"|Call to a member function (\w+)\(\) on null"
    ),
    Language.PERL: re.compile(
        r"Illegal (?:division by zero|modulus zero)|Undefined subroutine &main::(\w+) called"
        r"|Can't use an undefined value as (?:an ARRAY|a HASH|a subroutine) reference"
        r"|Not (?:an ARRAY|a HASH|a CODE) reference"
    ),
    Language.LUA: re.compile(
        r"stack overflow|attempt to compare (?:number with nil|nil with number|two nil values)"
        r"|attempt to perform '(?:n//0|n%%0)'"
        r"|attempt to (?:call|index|perform arithmetic on|concatenate|get length of) a nil value"
        r"(?: \((?:local|global|field|upvalue|method) '(\w+)'\))?"
    ),
    Language.R: re.compile(
        r"subscript out of bounds|non-numeric argument to (?:binary operator|mathematical function)"
        r"|argument is of length zero|missing value where TRUE/FALSE needed"
    ),
    Language.JAVA: re.compile(r"/ by zero"),
    Language.GO: re.compile(
        r"runtime error: (?:integer divide by zero|invalid memory address or nil pointer dereference)"
        r"|assignment to entry in nil map|all goroutines are asleep - deadlock!|stack overflow"
    ),
    Language.RUST: re.compile(
        r"attempt to (?:divide by zero|calculate the remainder with a divisor of zero)"
        r"|attempt to (?:add|subtract|multiply|negate) with overflow"
        r"|called `Option::unwrap\(\)` on a `None` value"
    ),
}
"""Whole messages, by the language that says them."""
