"""Says whether a text could be a program, without running it and within a fixed amount of work."""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from jobs.languages import Language
from worker.sandbox.languages import ROWS, Looks

LOOKED_AT_CHARACTERS = 16_384
"""How much of one reply is parsed, all tries together. Whatever lies beyond is taken as its label says.

CPython's parser needs up to 2 microseconds for a character of hostile source; this keeps it near 50 ms.
"""

_STATEMENTS_LOOKED_AT = 1_000
# A run of prefix operators recurses in the parser: 6,000 deep is an error on a stack of 8 MiB but the end
# of the process on one of 512 KiB, which is what a thread gets on macOS. Nobody writes a hundred of them.
_DEEP_PREFIX = re.compile(r"(?:(?:[-+~]|\bnot\b|\blambda\b[^:\n]{0,40}:)\s*){100}")


class Syntax(Protocol):
    """What one language allows to be said of a text before it runs. One instance reads one reply."""

    def could_run(self, code: str) -> bool:
        """Whether nothing is seen that would keep it from starting; True for what is not looked at."""

    def does_something(self, code: str) -> bool:
        """Whether there is more to it than comments, names and constants."""

    def is_program(self, code: str) -> bool:
        """Whether it is evidently a program, though no label says so. Prose, output and data are not."""

    def is_whole_program(self, code: str) -> bool:
        """Whether it is evidently a program and nothing is seen that would keep it from starting."""

    def looks_like_code(self, line: str) -> bool:
        """Whether a line on its own rather belongs to a program than to prose."""

    def names(self, code: str) -> frozenset[str]:
        """What it defines at its top level."""

    def imports(self, code: str) -> frozenset[str]:
        """The modules it loads, by the first part of their names or the stem of their files."""


def syntax_of(language: Language) -> Syntax:
    """A fresh reader for one reply."""
    looks = ROWS[language].looks
    return _PythonSyntax() if looks is None else _LineSyntax(looks)


@dataclass(frozen=True)
class _Parse:
    tree: ast.Module | None
    was_read: bool = True


_PYTHON_LINE = re.compile(
    r"\s*(?:#|@\w|[)\]}]|(?:import|from|def|class|async|await|return|raise|for|while|if|elif|else|try|except"
    r"|finally|with|assert|del|global|pass|break|continue|yield|match|case|lambda)\b.*[:)\]\w\\]\s*$"
    r"|[\w.\[\]'\", ]+\s*(?:[-+*/%|&^]|//|\*\*)?=[^=]|[\w.]+\(.*\)?\s*$)"
)
_PYTHON_PROOF = re.compile(
    r"^\s*(?:import \w|from \S+ import |def \w+\(|class \w+[(:]|for .+ in .+:|while .+:|print\()",
    re.MULTILINE,
)
_SENTENCE = re.compile(
    r"\s*(?:[A-Z][\w'-]*(?:,? [\w'\"-]+){2,}[.!?:,]?|[\w'-]+(?:,? [\w'\"-]+){2,}[.!?:])\s*$"
)


class _PythonSyntax:
    """Python by its own parser. `ast.parse` builds a tree and executes nothing, whatever the text."""

    def __init__(self) -> None:
        self._left = LOOKED_AT_CHARACTERS
        self._parses: dict[str, _Parse] = {}

    def could_run(self, code: str) -> bool:
        parse = self._parse(code)
        return parse.tree is not None or not parse.was_read

    def does_something(self, code: str) -> bool:
        parse = self._parse(code)
        return parse.tree is None or any(map(_has_effect, parse.tree.body[:_STATEMENTS_LOOKED_AT]))

    def is_program(self, code: str) -> bool:
        parse = self._parse(code)
        if parse.tree is not None:
            return any(map(_acts, parse.tree.body[:_STATEMENTS_LOOKED_AT]))
        return parse.was_read and _reads_like(code, self, _PYTHON_PROOF)

    def is_whole_program(self, code: str) -> bool:
        return self._parse(code).tree is not None and self.is_program(code)

    def looks_like_code(self, line: str) -> bool:
        return bool(_PYTHON_LINE.match(line)) and not _SENTENCE.match(line)

    def names(self, code: str) -> frozenset[str]:
        tree = self._parse(code).tree
        return frozenset(_defined(tree.body[:_STATEMENTS_LOOKED_AT]) if tree else ())

    def imports(self, code: str) -> frozenset[str]:
        tree = self._parse(code).tree
        return frozenset(_imported(tree.body[:_STATEMENTS_LOOKED_AT]) if tree else ())

    def _parse(self, code: str) -> _Parse:
        if code not in self._parses:
            if len(code) > self._left:
                return _Parse(None, was_read=False)
            self._left -= len(code)
            self._parses[code] = _Parse(_tree(code))
        return self._parses[code]


def _tree(code: str) -> ast.Module | None:
    if _DEEP_PREFIX.search(code):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _has_effect(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return False
    return not isinstance(statement, ast.Expr) or _calls(statement.value)


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign):
        return statement.value is not None and _calls(statement.value)
    return not isinstance(statement, ast.Pass)


def _calls(expression: ast.expr) -> bool:
    kinds = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    nodes = islice(ast.walk(expression), _STATEMENTS_LOOKED_AT)
    return any(isinstance(node, kinds) for node in nodes)


def _defined(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        match statement:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def _imported(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from [(module or alias.name).partition(".")[0] for alias in names]
            case _:
                pass


class _LineSyntax:
    """A language by the look of its lines: enough to tell it from prose, never to say that it is right."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks

    def could_run(self, code: str) -> bool:
        if self._looks.here_document is None:
            return True
        part = code[:LOOKED_AT_CHARACTERS]
        words = set(islice((found[1] for found in self._looks.here_document.finditer(part)), 20))
        return all(re.search(rf"^\t*{word}$", code, re.MULTILINE) for word in words)

    def does_something(self, code: str) -> bool:
        rest = self._looks.comment.sub("", code[:LOOKED_AT_CHARACTERS])
        return bool(self._looks.effect.search(rest))

    def is_program(self, code: str) -> bool:
        return _reads_like(code, self, self._looks.proof) and self.does_something(code)

    def is_whole_program(self, code: str) -> bool:
        return self.could_run(code) and self.is_program(code)

    def looks_like_code(self, line: str) -> bool:
        return bool(self._looks.line.match(line)) and not _SENTENCE.match(line)

    def names(self, code: str) -> frozenset[str]:
        return frozenset(self._looks.definition.findall(code[:LOOKED_AT_CHARACTERS]))

    def imports(self, code: str) -> frozenset[str]:
        return frozenset(self._looks.load.findall(code[:LOOKED_AT_CHARACTERS]))


def _reads_like(code: str, syntax: Syntax, proof: re.Pattern[str]) -> bool:
    part = code[:LOOKED_AT_CHARACTERS]
    lines = [line for line in part.split("\n")[:_STATEMENTS_LOOKED_AT] if line.strip()]
    n_code = sum(syntax.looks_like_code(line) for line in lines)
    return bool(lines) and 2 * n_code > len(lines) and bool(proof.search(part))
