"""`promptmill sandbox run`: one program, exactly as a worker would run it."""

import sys
from typing import Annotated

from cyclopts import Parameter

from config.escaping import escaped
from jobs.errors import ExitCode

from .flags import AsJson, read_settings
from .output import emit_json, pass_on, talk
from .program_flags import NO_LIMITS, NO_SURROUNDINGS, LimitFlags, Surroundings


def run_program(
    program: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    given: Surroundings = NO_SURROUNDINGS,
    limits: LimitFlags = NO_LIMITS,
    json: AsJson = False,
) -> int:
    """Run one program exactly as a worker would: same settings, same sandbox, same limits.

    What it prints goes where it printed it, a summary to standard error. Exits with 0 if it ended well, 1 if it failed
    or went over a limit, 2 if it was not run, 3 if the sandbox failed.

    Args:
        program: the file it stands in; - is standard input.
        json: the whole execution and the isolation as JSON, and nothing else.
    """
    from .trying import try_program

    tried = try_program(read_settings(quiet=True), program, given, limits)
    if json:
        emit_json(tried.as_object())
    else:
        pass_on(tried.stdout, sys.stdout)
        pass_on(tried.stderr, sys.stderr)
        for line in tried.summary():
            talk(escaped(line))
    return ExitCode.OK if tried.ended_well else ExitCode.GATE_FAILED
