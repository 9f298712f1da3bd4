"""`promptmill languages`: what programs can be written in here."""

from typing import Annotated

from cyclopts import Parameter

from config.escaping import escaped_block
from jobs.errors import ExitCode

from .flags import AsJson, Switch, read_settings
from .output import emit, emit_json


def languages(
    *,
    check: Annotated[Switch, Parameter(help="run one program in each that is found")] = False,
    json: AsJson = False,
) -> int:
    """Every language a program can be written in, and what runs or compiles it here.

    With --check exits with 1 if one that is found does not work.
    """
    from .surveying import survey

    found = survey(read_settings(quiet=True), check=check)
    if json:
        emit_json([vars(one) for one in found])
    else:
        for one in found:
            line = f"{one.language:<10}  {one.status:<7}  {one.detail}"
            emit(escaped_block(line.rstrip()))
            for fix in one.fixes:
                emit(escaped_block(f"{'':<21}fix: {fix}"))
    return ExitCode.GATE_FAILED if any(one.status == "fails" for one in found) else ExitCode.OK
