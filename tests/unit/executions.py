"""Executions for tests that look at what comes after one."""

from jobs.models import Execution


def execution(stdout: str = "", stderr: str = "", **fields: object) -> Execution:
    """One that ended well and printed this, changed by `fields`."""
    return Execution.model_validate(
        {
            "exit_code": 0,
            "signal": None,
            "limit_hit": None,
            "cpu_seconds": 0.1,
            "wall_seconds": 0.1,
            "peak_memory_kib": None,
            "stdout": stdout,
            "stderr": stderr,
            "stdout_bytes": len(stdout.encode()),
            "stderr_bytes": len(stderr.encode()),
            "stdout_truncated": False,
            "stderr_truncated": False,
            **fields,
        }
    )
