"""Writes `.env.example` and `docs/reference/settings.md` from the settings themselves: `python -m config.reference`."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from .leaves import Leaf, group_class, groups, leaves
from .settings import Settings

_ENV_HEADER = """\
# Every setting with its default. Copy this file to .env, take the # away where you want another value.
# .env is read in the project directory only, as it stands: ${NAME} is not replaced.
"""

_PAGE_HEADER = """\
# Settings

Every setting has a dotted name. It is looked for, the strongest first, in

1. a flag of the command;
2. the environment, as `PROMPTMILL_GROUP__KEY`;
3. `.env` in the project directory, spelled in the same way;
4. `promptmill.toml` in the project directory, as `key = value` under `[group]`;
5. the default.

Neither file is looked for in parent directories. An empty variable counts as unset. Names of variables are in capitals.
`${NAME}` in `.env` is not replaced.

For the API key alone, `GEMINI_API_KEY` and then `GOOGLE_API_KEY`, in the environment or in `.env`, are used where
`model.api_key` is set nowhere else. Keep it out of `promptmill.toml`, which is meant to be shared.

A value that is not allowed, or a name that no setting has, stops the command before anything runs: exit code 2, with
every problem and the file and line, or the variable, it stands in. `promptmill config show --origin` tells
where each value came from.

This page is written by `python -m config.reference`.
"""


def env_example() -> str:
    """The text of `.env.example`."""
    return "\n".join([_ENV_HEADER, *(_env_group(group) for group in groups())])


def settings_page() -> str:
    """The text of `docs/reference/settings.md`."""
    return "\n".join([_PAGE_HEADER, *(_page_group(group) for group in groups())])


def docs_of(group: str) -> dict[str, str]:
    """The line under each setting of a group, by key."""
    return _lines_under_fields(group_class(group))


def write_reference(root: Path) -> None:
    """Write both files below `root`, the top of the repository."""
    (root / ".env.example").write_text(env_example(), encoding="utf-8")
    (root / "docs/reference/settings.md").write_text(settings_page(), encoding="utf-8")


def _env_group(group: str) -> str:
    lines = [f"# [{group}] {_about(group)}"]
    docs = docs_of(group)
    for leaf in _leaves_of(group):
        lines += ["", f"# {docs[leaf.key]}", f"#{leaf.variable}={_default(leaf)}"]
    return "\n".join([*lines, ""])


def _page_group(group: str) -> str:
    docs = docs_of(group)
    rows = [f"| {_cells(leaf, docs[leaf.key])} |" for leaf in _leaves_of(group)]
    head = ["| name | default | allowed | what it is |", "|---|---|---|---|"]
    return "\n".join([f"## {group}", "", _about(group), "", *head, *rows, ""])


def _cells(leaf: Leaf, doc: str) -> str:
    default = f"`{_default(leaf)}`" if _default(leaf) else "unset"
    return " | ".join([f"`{leaf.name}`", default, leaf.allowed, doc])


def _default(leaf: Leaf) -> str:
    return "" if leaf.default in {None, ()} else leaf.shown(leaf.default)


def _leaves_of(group: str) -> Iterator[Leaf]:
    return (leaf for leaf in leaves().values() if leaf.group == group)


def _about(group: str) -> str:
    # Two groups are of one class, and say by themselves which is which.
    by_group = _lines_under_fields(Settings)
    return by_group.get(group) or inspect.cleandoc(group_class(group).__doc__ or "")


def _lines_under_fields(kind: type) -> dict[str, str]:
    """Read the string under each field: pydantic would do so for every start of every command."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101  # the source of a class
    docs: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                docs[name] = " ".join(text.split())
            case _:
                continue
    return docs


if __name__ == "__main__":
    write_reference(Path(__file__).parent.parent)
