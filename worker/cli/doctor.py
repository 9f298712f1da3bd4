"""`promptmill doctor`: find out what works on this machine, by doing it."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from config.escaping import escaped_block
from jobs.errors import ExitCode

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import emit, emit_json

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


Live = Annotated[
    bool,
    Parameter(
        negative=(), help="ask the model a few questions, too, which cost a fraction of a cent"
    ),
]


def doctor(*, live: Live = False, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Find out what works on this machine and what does not; nothing is queued or recorded, or generated unless asked.

    Exits with 1 if something does not work that promptmill needs under the settings in force.

    Args:
        json: as JSON.
    """
    from .examining import examine

    findings = asyncio.run(examine(read_settings(flags, silent=True), live=live))
    if json:
        emit_json([vars(finding) for finding in findings])
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            line = f"{_MARKS[finding.status]}  {finding.group:<8}  {finding.name:<{width}}  {finding.detail}"
            emit(escaped_block(line.rstrip()))
            for number, fix in enumerate(finding.fix.splitlines()):
                emit(escaped_block(f"{'':<{width + 18}}{'    ' if number else 'fix:'} {fix}"))
    has_failed = any(finding.status == "fail" for finding in findings)
    return ExitCode.GATE_FAILED if has_failed else ExitCode.OK
