"""HumanEval+ as EvalPlus releases it: inputs without results, which its reference gives in the tests' own process."""

import ast
from typing import Any

from typing_extensions import override

from .rows import (
    ForeignRowError,
    Format,
    Row,
    before_function,
    requires_of,
    rest_of,
    text_of,
    to_complete,
)

# Expected values come out of the reference while the tests run, in the sandbox. Numbers are compared as EvalPlus does:
# within `atol`, or a millionth of one where something expected is no whole number.
_TESTS = """
import copy
import math

inf, nan = math.inf, math.nan


def _has_floats(value):
    if isinstance(value, (list, tuple)):
        return any(_has_floats(item) for item in value)
    return isinstance(value, float)


def _is_same(got, expected, atol):
    if isinstance(expected, (list, tuple)):
        if not isinstance(got, type(expected)) or len(got) != len(expected):
            return False
        return all(_is_same(*pair, atol) for pair in zip(got, expected))
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return got == expected or abs(got - expected) <= atol + 1e-7 * abs(expected)
    return got == expected


def check(candidate):
    for arguments in _INPUTS:
        expected = {reference}(*copy.deepcopy(arguments))
        got = candidate(*copy.deepcopy(arguments))
        atol = {atol!r} or (1e-6 if _has_floats(expected) else 0)
        {comparison}


"""
_SAME = "assert _is_same(got, expected, atol), (got, expected)"
# Of what has many answers, the answer is put to the test and not compared.
_ORACLES = {"find_zero": "assert abs({prefix}poly(arguments[0], got)) <= max(atol, 1e-4), got"}
_PREFIX = "_reference_"


class _Renamed(ast.NodeTransformer):
    """Gives the reference names that neither the program nor its tests have."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    @override
    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self._names:
            node.id = f"{_PREFIX}{node.id}"
        return node

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if node.name in self._names:
            node.name = f"{_PREFIX}{node.name}"
        self.generic_visit(node)
        return node


def _under_other_names(reference: str) -> str:
    try:
        tree = ast.parse(reference)
    except SyntaxError as error:
        raise ForeignRowError(f"its reference does not compile: {error.msg}") from None
    names = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    return ast.unparse(_Renamed(frozenset(names)).visit(tree))


def _task(row: Row) -> dict[str, Any]:
    prompt, name = text_of(row, "prompt"), text_of(row, "entry_point")
    reference = prompt + text_of(row, "canonical_solution")
    inputs = [*row["base_input"], *(row["plus_input"] or [])]
    comparison = _ORACLES.get(name, _SAME).format(prefix=_PREFIX)
    tests = _TESTS.format(
        reference=f"{_PREFIX}{name}", atol=row.get("atol") or 0, comparison=comparison
    )
    tests += f"{_under_other_names(reference)}\n\n_INPUTS = {inputs!r}\n\ncheck({name})\n"
    return {
        "id": row["task_id"],
        "prompt": to_complete("python", prompt),
        "preamble": before_function(prompt, name),
        "tests": tests,
        "reference": reference,
        "requires": requires_of(reference),
        "metadata": rest_of(
            row, "task_id", "prompt", "canonical_solution", "base_input", "plus_input"
        ),
    }


FORMATS = (
    Format(
        name="evalplus",
        title="HumanEval+ as EvalPlus releases it (Mini and whole)",
        keys=frozenset(
            ("task_id", "prompt", "entry_point", "canonical_solution", "base_input", "plus_input")
        ),
        task=_task,
        gives="hidden `tests` that call the reference for each expected value, in the tests' own process",
    ),
)
