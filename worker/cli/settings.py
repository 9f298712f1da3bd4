"""`promptmill config show`: every setting in force."""

from config.escaping import escaped_block
from jobs.errors import ExitCode

from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, read_settings
from .output import emit, emit_json


def show_settings(
    *,
    origin: Switch = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Every setting in force; secrets are masked.

    Args:
        origin: also where each was set.
        json: as JSON.
    """
    from config.loading import origins

    rows = origins(read_settings(flags))
    if json:
        emit_json([{"name": row.name, "value": row.data, "origin": row.origin} for row in rows])
        return ExitCode.OK
    name_width = max(len(row.name) for row in rows)
    value_width = max(len(row.value) for row in rows)
    for row in rows:
        line = (
            f"{row.name:<{name_width}}  {row.value:<{value_width}}  {row.origin if origin else ''}"
        )
        emit(escaped_block(line.rstrip()))
    return ExitCode.OK
