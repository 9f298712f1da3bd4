"""Packages for programs: those of an environment made for them, and never the worker's own."""

import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import PythonSettings
from jobs.errors import ExitCode
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from worker.sandbox import PackagesError, PythonPackages, open_sandbox, packages_of

LIMITS = Limits(cpu_seconds=5, wall_seconds=10)


@pytest.fixture(scope="module")
def environment() -> Iterator[Path]:
    """A virtual environment with a few packages; not in /tmp, which programs have one of their own of."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        place = Path(folder, "venv")
        venv.create(place, with_pip=False, symlinks=True)
        Path(folder).chmod(0o755)
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "greeting.py").write_text("WORD = 'hello'\n")
        (packages / "threaded.py").write_text(
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        )
        (packages / "broken.py").write_text("raise RuntimeError('no luck')\n")
        (packages / "leaving.py").write_text("raise SystemExit(3)\n")
        yield place.resolve()


def python(code: str) -> ExecutableCode:
    return ExecutableCode(language=Language.PYTHON, code=code)


@pytest.mark.parametrize("preload", [(), ("greeting",)], ids=["imported", "preloaded"])
async def test_programs_import_what_lies_in_their_environment(
    environment: Path, preload: tuple[str, ...]
) -> None:
    """Most programs that people want written use a package or two."""
    async with await open_sandbox("rlimits", packages_of(environment, preload)) as sandbox:
        code = "import sys\nprint('greeting' in sys.modules)\nimport greeting\nprint(greeting.WORD)"
        execution = await sandbox.run(python(code), LIMITS)
    assert execution.stdout == f"{bool(preload)}\nhello\n", execution.stderr


async def test_programs_find_loaded_what_the_settings_name() -> None:
    """A program can see it, and so it is said: what is not named is not there before it is imported."""
    named = PythonSettings().preload
    async with await open_sandbox("rlimits", packages_of(None, named)) as sandbox:
        asked = (*named, "json", "random", "threading", "decimal", "unittest")
        code = f"import sys\nprint(*(name for name in {asked!r} if name in sys.modules))"
        execution = await sandbox.run(python(code), LIMITS)
    assert execution.stdout.split() == list(named)


async def test_a_generator_that_was_preloaded_is_seeded_for_each_run() -> None:
    """Children of one process would share its state."""
    async with await open_sandbox("rlimits", packages_of(None, ("random",))) as sandbox:
        code = python("import random\nprint(random.random())")
        outputs = {(await sandbox.run(code, LIMITS)).stdout for _ in range(3)}
    assert len(outputs) == 3


async def test_without_an_environment_there_is_the_standard_library_alone() -> None:
    """A package of the worker's would be at hand here and missing on the next machine."""
    async with await open_sandbox("rlimits", packages_of(None, ("decimal",))) as sandbox:
        code = "import sys\nprint('decimal' in sys.modules)\nimport pydantic"
        execution = await sandbox.run(python(code), LIMITS)
    assert execution.stdout == "True\n"
    assert "ModuleNotFoundError: No module named 'pydantic'" in execution.stderr


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("nowhere", "import nowhere: ModuleNotFoundError: No module named 'nowhere'"),
        ("threaded", "import threaded: it starts a thread"),
        ("broken", "import broken: RuntimeError: no luck"),
        ("leaving", "import leaving: SystemExit: 3"),
    ],
)
async def test_a_module_that_cannot_be_preloaded_is_named(
    environment: Path, module: str, reason: str
) -> None:
    """It is found out when a worker starts, by the one who can mend it, and not by every program."""
    with pytest.raises(PackagesError) as caught:
        await open_sandbox("rlimits", packages_of(environment, ("greeting", module)))
    assert caught.value.facts["reason"].startswith(reason)
    assert caught.value.exit_code is ExitCode.USAGE
    assert str(environment) in caught.value.fixes[0]
    assert "sandbox.python.preload" in caught.value.fixes[1]


def test_the_workers_own_environment_is_refused(tmp_path: Path) -> None:
    """In it lie our own packages, and a program would see which, and break with them."""
    (tmp_path / "link").symlink_to(sys.prefix)
    for spelling in (Path(sys.prefix), tmp_path / "link"):
        with pytest.raises(PackagesError, match="worker's own environment") as caught:
            packages_of(spelling, ())
        assert "-m venv" in caught.value.fixes[0]


def test_what_is_no_environment_is_refused(tmp_path: Path) -> None:
    """A mistyped path must not mean that programs silently find no packages."""
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(PackagesError, match="is not a virtual environment") as caught:
            packages_of(path, ())
        assert str(path) in caught.value.fixes[0]


def test_an_environment_of_another_python_is_refused(tmp_path: Path) -> None:
    """Compiled packages are made for one version, and fail in words that nobody understands."""
    (tmp_path / "pyvenv.cfg").touch()
    (tmp_path / "lib/python2.7/site-packages").mkdir(parents=True)
    with pytest.raises(PackagesError, match=r"holds no packages for python3\.\d+"):
        packages_of(tmp_path, ())


def test_an_environment_that_programs_could_not_see_is_refused() -> None:
    """Programs have a /tmp of their own over the machine's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = Path(folder, "venv")
        venv.create(place, with_pip=False, symlinks=True)
        with pytest.raises(PackagesError, match="programs have a /tmp of their own"):
            packages_of(place, ())


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("lib/python{}/nowhere", "FileNotFoundError"),
        ("lib", "not of Python"),
    ],
    ids=["out of reach", "of another version"],
)
async def test_packages_that_programs_cannot_use_are_an_error_at_the_start(
    environment: Path, folder: str, reason: str
) -> None:
    """Or each program would fail of it, and the model be told that it was wrong."""
    place = f"{environment}/{folder.format(f'{sys.version_info.major}.{sys.version_info.minor}')}"
    with pytest.raises(PackagesError, match="cannot use") as caught:
        await open_sandbox("rlimits", PythonPackages((place,)))
    assert reason in caught.value.facts["it said"]
