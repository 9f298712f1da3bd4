"""What a person is told of a run."""

import pytest

from jobs.handed_back import Artefact
from tests.unit.executions import execution
from worker.cli.execution import execution_lines


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "ended     exit code 0"),
        ({"exit_code": 3}, "ended     exit code 3"),
        ({"exit_code": 1, "compile_failed": True}, "ended     exit code 1: it does not compile"),
        ({"exit_code": None, "signal": 40}, "ended     signal 40"),
        (
            {"exit_code": None, "signal": 9, "limit_hit": "cpu"},
            "ended     signal 9 (SIGKILL): over the limit of cpu",
        ),
        (
            {"exit_code": 1, "limit_hit": "denied"},
            "ended     exit code 1: asked for what no program may do here",
        ),
        ({"peak_memory_kib": 2048, "peak_processes": 3}, "memory 2.0 MiB, processes 3"),
        ({"peak_memory_kib": None}, "memory unknown"),
        (
            {"stderr_truncated": True, "stderr_bytes": 70_000},
            "stderr    cut: at least 70,000 bytes were written",
        ),
        ({"artefacts_omitted": 2}, "left      2 passed over"),
    ],
)
def test_each_fact_has_its_place(fields: dict[str, object], told: str) -> None:
    """Whoever looks for the reason reads these lines first, and mostly these only."""
    assert told in "\n".join(execution_lines(execution(**fields)))  # type: ignore[arg-type]


def test_a_thousand_files_are_not_a_thousand_lines() -> None:
    """What matters must not scroll out of sight because of what a program left."""
    one = Artefact(name="f", size_bytes=5, content_base64="", truncated=True)
    lines = list(execution_lines(execution(artefacts=(one,) * 1000)))
    assert "left      f (5 bytes, cut)" in lines
    assert lines[-1] == "left      … and 980 files more"
    assert len(lines) < 30
