"""Puts the settings together from every source, or says everything that is wrong with them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .errors import ConfigError, Problem, UnknownSettingError
from .leaves import Leaf, leaves, shortened
from .redaction import Redactor, may_hold_a_password
from .settings import Settings
from .sources import Entry, read_sources


@dataclass(frozen=True)
class SettingOrigin:
    """One line of `promptmill config show --origin`."""

    name: str
    value: str
    """For people: secrets and passwords are masked, what is not set is `unset`."""
    data: str | float | None
    """For programs: the same, but numbers as numbers, and None where nothing is set."""
    origin: str
    """Where it was set: `promptmill.toml:31`, `PROMPTMILL_LOG__LEVEL (environment)`, `default`."""


def load_settings(
    directory: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force for the project in `directory`.

    From the strongest: `overrides` (dotted names, from the command line), `PROMPTMILL_SECTION__KEY` in
    `environment` (None is that of the process), `.env` and `promptmill.toml` of `directory` and of no other, then,
    for the key alone, GEMINI_API_KEY and GOOGLE_API_KEY in `environment` or `.env`, then the defaults. Nothing is
    changed anywhere.

    Raises:
        ConfigError: something cannot be used; it lists everything that is wrong and holds no secret.
    """
    given = os.environ if environment is None else environment
    found = read_sources(directory, overrides or {}, given)
    in_force = {entry.name: entry for entry in found.entries}
    settings = _build(in_force)
    problems = (*found.problems, *_problems_of(settings, in_force))
    if isinstance(settings, ValidationError) or problems:
        only_names = all(problem.is_unknown_name for problem in problems)
        raise (UnknownSettingError if only_names else ConfigError)(problems)
    return settings.with_origins({name: entry.place for name, entry in in_force.items()})


def origins(settings: Settings) -> tuple[SettingOrigin, ...]:
    """Every setting with its value and where it was set, in the order of `Settings`."""
    return tuple(_origin(leaf, settings) for leaf in leaves().values())


def _origin(leaf: Leaf, settings: Settings) -> SettingOrigin:
    value = leaf.value_in(settings)
    shown = leaf.shown(value)
    return SettingOrigin(
        name=leaf.name,
        value=shown,
        data=value if value is None or isinstance(value, int | float) else shown,
        origin=settings.origin_of(leaf.name),
    )


def _build(in_force: Mapping[str, Entry]) -> Settings | ValidationError:
    values: dict[str, Any] = {}
    for name, entry in in_force.items():
        group = values
        *outer, key = name.split(".")
        for step in outer:
            group = group.setdefault(step, {})
        # pydantic reads true as 1; no setting is a yes or no, and this is refused everywhere.
        group[key] = {} if isinstance(entry.value, bool) else entry.value
    try:
        return Settings(**values)
    except ValidationError as error:
        return error


def _problems_of(
    settings: Settings | ValidationError, in_force: Mapping[str, Entry]
) -> tuple[Problem, ...]:
    if isinstance(settings, Settings):
        return ()
    locations = (error["loc"] for error in settings.errors(include_url=False, include_input=False))
    # A value that fails in two ways, or a list in two places, is one thing to mend.
    names = dict.fromkeys(_setting_at(location) for location in locations)
    secrets = [str(entry.value) for name, entry in in_force.items() if leaves()[name].is_secret]
    redact = Redactor(secrets)
    return tuple(_wrong_value(in_force[name], redact) for name in names)


def _setting_at(location: tuple[int | str, ...]) -> str:
    names = (".".join(map(str, location[:length])) for length in range(1, len(location) + 1))
    return next(name for name in names if name in leaves())


def _wrong_value(entry: Entry, redact: Redactor) -> Problem:
    leaf = leaves()[entry.name]
    given = "cannot be used"
    is_told = not (leaf.is_secret or (leaf.is_url and may_hold_a_password(str(entry.value))))
    if is_told:
        given = f"is {shortened(redact(json.dumps(entry.value, default=str)))}"
    return Problem(entry.place, f"{entry.name} {given}; allowed: {leaf.allowed}")
