"""Executions for tests that look at what comes after one."""

from jobs.models import Execution


def execution(stdout: str = "", stderr: str = "", **fields: object) -> Execution:
    """One that ended well and printed this, changed by `fields`."""
    plain = Execution.unmeasured(exit_code=0, stdout=stdout, stderr=stderr)
    return Execution.model_validate(
        {**dict(plain), "cpu_seconds": 0.1, "wall_seconds": 0.1, **fields}
    )
