"""What an import costs and does: a script pays for what it uses, and nothing happens before it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from worker.cli import app

_REPOSITORY = Path(__file__).parents[2]
_IMPORT_ALL = """
import importlib, os, sys, threading
for name in sys.argv[1:]:
    importlib.import_module(name)
assert os.listdir() == [], os.listdir()
assert threading.active_count() == 1, threading.enumerate()
"""


# Each takes longer to load than help takes to be written.
_HEAVY = {
    "arq",
    "google",
    "httpcore2",
    "httpx2",
    "jwt",
    "pydantic",
    "pydantic_settings",
    "redis",
    "structlog",
}


def _modules() -> list[str]:
    """Every module that is imported, and not run: not a program's `__main__`, not the inside of the sandbox."""
    paths = (
        path
        for folder in ("config", "jobs", "worker")
        for path in (_REPOSITORY / folder).rglob("*.py")
    )
    relative = (path.relative_to(_REPOSITORY).with_suffix("") for path in sorted(paths))
    names = [
        ".".join(path.parts).removesuffix(".__init__")
        for path in relative
        if "inside" not in path.parts
    ]
    # Arq wants its settings as attributes of a class, so this one alone may act when it is imported.
    return [name for name in names if not name.endswith("__main__") and name != "worker.main"]


def _commands(parent: App = app, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, the groups of commands included."""
    inner = [name for name in parent if not name.startswith("-")]
    return [words, *(found for name in inner for found in _commands(parent[name], (*words, name)))]


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_any_module_does_nothing_else(tmp_path: Path) -> None:
    """A module that reads the environment, writes a file or starts a thread on import cannot be tested or reused."""
    result = _run("-c", _IMPORT_ALL, *_modules(), folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def _loaded_by(*arguments: str, folder: Path) -> set[str]:
    """The packages that a command of Python loads."""
    return {name.partition(".")[0] for name in _modules_loaded_by(*arguments, folder=folder)}


def _modules_loaded_by(*arguments: str, folder: Path) -> set[str]:
    result = _run("-X", "importtime", *arguments, folder=folder)
    assert result.returncode == 0, result.stderr[-2000:]
    return {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}


def test_a_script_that_submits_jobs_does_not_load_the_model_sdk(tmp_path: Path) -> None:
    """It takes longer to load than the rest together, and whoever queues a prompt asks no model."""
    loaded = _loaded_by("-c", "import jobs.queue, jobs.models", folder=tmp_path)
    assert "jobs" in loaded
    assert "google" not in loaded


def test_no_command_loads_the_model_sdk_before_it_asks_the_model(tmp_path: Path) -> None:
    """An eval of recordings, and one whose workers ask, would take half as long again."""
    names = ", ".join(name for name in _modules() if name.startswith("worker.cli"))
    loaded = _loaded_by("-c", f"import worker.main, {names}", folder=tmp_path)
    assert {"arq", "structlog"} <= loaded
    assert loaded & {"aiohttp", "google"} == set()


@pytest.mark.parametrize("words", _commands(), ids=lambda words: " ".join(words) or "promptmill")
def test_help_loads_nothing_that_only_work_needs(words: tuple[str, ...], tmp_path: Path) -> None:
    """Help is asked for again and again while a command line is put together, and must be there at once."""
    promptmill = str(Path(sys.executable).parent / "promptmill")
    loaded = _loaded_by(promptmill, *words, "--help", folder=tmp_path)
    assert "cyclopts" in loaded
    assert loaded & _HEAVY == set()


def test_a_command_loads_nothing_that_it_only_passes_by(tmp_path: Path) -> None:
    """What logins by token, drawn tracebacks and a second client of Redis import makes a third of a command's start."""
    promptmill = str(Path(sys.executable).parent / "promptmill")
    loaded = _modules_loaded_by(promptmill, "run", "list", folder=tmp_path)
    assert {"arq.connections", "redis.asyncio", "structlog"} <= loaded
    passed_by = {"cryptography.x509", "google.genai", "rich.traceback", "stamina", "valkey"}
    assert loaded & passed_by == set()


def test_a_list_of_runs_loads_nothing_of_jobs_and_records(tmp_path: Path) -> None:
    """It shows a few counters of Redis, is typed again and again, and would start a sixth slower."""
    promptmill = str(Path(sys.executable).parent / "promptmill")
    loaded = _modules_loaded_by(promptmill, "run", "list", folder=tmp_path)
    assert "jobs.runs" in loaded
    assert (
        loaded & {"jobs.models", "jobs.queue", "jobs.records", "jobs.scripts", "sqlite3"} == set()
    )


def test_a_report_loads_redis_only_where_records_lie_in_it(tmp_path: Path) -> None:
    """Records in files are read without any server, and its client takes a fifth of the time to start."""
    script = "import worker.cli.report, worker.cli.reading, jobs.reports, jobs.records.files"
    assert "redis" not in _loaded_by("-c", script, folder=tmp_path)


def test_a_package_that_is_loaded_late_is_there_for_whoever_uses_it(tmp_path: Path) -> None:
    """A later version of a library may use on each start what today's only imports."""
    script = "from worker.cli.late import load_late; load_late(); import jwt; print(jwt.decode.__module__)"
    result = _run("-c", script, folder=tmp_path)
    assert (result.stdout, result.stderr) == ("jwt.api_jwt\n", "")


def test_the_library_changes_nothing_of_how_a_script_imports(tmp_path: Path) -> None:
    """A script has logins of its own, in threads of its own, and would find their modules empty now and then."""
    script = (
        "import sys; before = [*sys.meta_path]; import jobs.queue; print(sys.meta_path == before)"
    )
    result = _run("-c", script, folder=tmp_path)
    assert (result.stdout, result.stderr) == ("True\n", "")
