"""Which languages this machine has, and whether programs in them run."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from config.settings import Settings
from jobs.languages import Language
from worker.sandbox import (
    FoundInterpreter,
    MissingInterpreter,
    check_language,
    interpreters,
    open_sandbox,
    packages_of,
)


@dataclass(frozen=True)
class Surveyed:
    """One language."""

    language: str
    status: Literal["found", "missing", "ok", "fails"]
    """`ok` and `fails` only where a program was run."""
    tool: str | None
    """Where what runs or compiles it is."""
    version: str | None
    detail: str
    fixes: tuple[str, ...] = ()


def survey(settings: Settings, *, check: bool) -> list[Surveyed]:
    """Every language; with `check` a program is run in each that is found.

    Raises:
        SandboxError: the sandbox cannot be had.
    """
    found = list(_found())
    return asyncio.run(_checked(settings, found)) if check else found


def _found() -> Iterator[Surveyed]:
    for one in interpreters():
        yield _missing(one) if isinstance(one, MissingInterpreter) else _present(one)


def _present(one: FoundInterpreter) -> Surveyed:
    version = f"  {one.version}" if one.version else ""
    return Surveyed(one.language.value, "found", str(one.path), one.version, f"{one.path}{version}")


def _missing(one: MissingInterpreter) -> Surveyed:
    error = one.error
    passed_over = error.facts.get("passed over")
    detail = f"{error.message} ({passed_over})" if passed_over else error.message
    return Surveyed(one.language.value, "missing", None, None, detail, tuple(error.fixes))


async def _checked(settings: Settings, found: list[Surveyed]) -> list[Surveyed]:
    python = settings.sandbox.python
    packages = packages_of(python.environment, python.preload)
    checked = []
    async with await open_sandbox(settings.sandbox.require, packages) as sandbox:
        for one in found:
            if one.status == "found":
                check = await check_language(sandbox, Language(one.language))
                detail = f"{one.detail}  {check.detail}"
                checked.append(replace(one, status="ok" if check.ok else "fails", detail=detail))
            else:
                checked.append(one)
    return checked
