"""Tests that need packages: pytest's runner, and arrays of numpy."""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.verdicts import Verdict
from tests.requiring import require
from worker.sandbox import Harness, PythonPackages, UnusableTestsError, ZygoteSandbox
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

_PYTEST = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
_NUMPY = ("numpy", "numpy.libs")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder of packages for programs, copied from those that these tests themselves run with."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folder = Path(name, "lib", version, "site-packages")
        folder.mkdir(parents=True)
        for package in (*_PYTEST, *_NUMPY):
            source = _place_of(package)
            if source is not None:
                shutil.copytree(source, folder / package)
        # A module that pytest brings, and asks for.
        shutil.copy(Path(pytest.__file__).parents[1] / "py.py", folder)
        yield folder


def _place_of(package: str) -> Path | None:
    found = importlib.util.find_spec(package.partition(".")[0])
    if found is None or found.origin is None:
        return None
    place = Path(found.origin).parent.parent / package
    return place if place.is_dir() else None


async def _sandbox(folder: Path | None) -> ZygoteSandbox:
    packages = PythonPackages((str(folder),)) if folder else PythonPackages()
    try:
        return await probe("strict", packages)
    except LayerRefused as refused:
        require(f"the sandbox profile strict ({refused})", available=False)
        raise


_TESTS = """
import pytest

@pytest.fixture
def two():
    return 2

@pytest.mark.parametrize("n", [1, 2, 3])
def test_doubles(n, two):
    assert double(n) == two * n

class TestErrors:
    def test_refuses_text(self):
        with pytest.raises(TypeError, match="number"):
            double("a")

def test_is_close():
    assert double(0.1) == pytest.approx(0.2)
"""
_RIGHT = (
    "def double(n):\n    if isinstance(n, str): raise TypeError('not a number')\n    return 2 * n"
)
_WRONG = "def double(n): return 4 if n == 2 else n"


async def test_pytests_own_tests_are_run_by_pytest(folder: Path) -> None:
    """Fixtures, parameters and approximations mean what they mean anywhere, and each test is a case by its own name."""
    async with await _sandbox(folder) as sandbox:
        right = await sandbox.verify(python(_RIGHT), _TESTS, LIMITS)
        wrong = await sandbox.verify(python(_WRONG), _TESTS, LIMITS)
    names = [
        "test_doubles[1]",
        "test_doubles[2]",
        "test_doubles[3]",
        "TestErrors::test_refuses_text",
        "test_is_close",
    ]
    assert (right.end, right.why) == ("finished", "")
    assert [case.name for case in right.cases] == names
    assert wrong.end == "failed"
    verdicts = {case.name: (case.verdict, case.expected, case.actual) for case in wrong.cases}
    assert verdicts["test_doubles[1]"] == (Verdict.WRONG_ANSWER, "2", "1")
    assert verdicts["test_doubles[2]"][0] is Verdict.ACCEPTED
    assert list(verdicts) == names


@pytest.mark.parametrize(
    ("word", "is_right"), [("hi", True), ("ho", False)], ids=["right", "wrong"]
)
async def test_pytests_own_tests_are_run_beside_a_program_as_well(
    folder: Path, word: str, *, is_right: bool
) -> None:
    """What a program prints is known in its own process alone, and `capsys` is how most tests ask for it."""
    tests = "def test_words(capsys):\n    greet()\n    assert capsys.readouterr().out == 'hi\\n'"
    program = python(f"def greet(): print('{word}')\ndef test_mine(nosuch): pass")
    async with await _sandbox(folder) as sandbox:
        assert (await sandbox.verify(program, tests, LIMITS)).end == "cannot_cross"
        execution = await sandbox.run(program, LIMITS, harness=Harness(tests=tests))
    assert execution.tests_finished is is_right, execution.stderr
    assert ("AssertionError" in execution.stderr) is not is_right
    assert execution.stdout == ""


@pytest.mark.parametrize(
    "program",
    [
        "class Ending(ValueError, KeyboardInterrupt): pass\ndef double(n): raise Ending",
        "def double(n): raise SyntaxError('m', ('f', 1, 1, 5))",
        "def double(n): raise KeyboardInterrupt",
        "class Odd(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__\ndef double(n): raise Odd",
    ],
    ids=["an end of the runner", "an error not to be shown", "an interrupt", "an error that fails"],
)
async def test_an_error_that_ends_pytest_itself_is_a_failure(folder: Path, program: str) -> None:
    """A runner that was brought down has found nothing right."""
    async with await _sandbox(folder) as sandbox:
        verification = await sandbox.verify(python(program), _TESTS, LIMITS)
    assert verification.end in ("failed", "program_ended")


@pytest.mark.parametrize(
    ("tests", "package"),
    [
        ("def test_a(two): assert double(1) == two", "pytest"),
        ("import pytest\nassert double(1) == 2", "pytest"),
        ("import numpy.linalg\nassert double(1) == 2", "numpy"),
        ("def test_a():\n    import numpy\n    assert double(1) == 2", "numpy"),
    ],
    ids=["a fixture", "an import of pytest", "an import of numpy", "an import in a function"],
)
async def test_packages_that_tests_miss_are_no_fault_of_the_program(
    tests: str, package: str
) -> None:
    """It is the operator who can install them, and the error says where."""
    async with await _sandbox(None) as sandbox:
        with pytest.raises(UnusableTestsError) as caught:
            await sandbox.verify(python(_RIGHT), tests, LIMITS)
    reason = caught.value.in_one_line
    assert package in reason
    assert "sandbox.python.environment" in reason


async def test_arrays_cross_with_their_type_and_shape(folder: Path) -> None:
    """What numerical programs take and return are arrays, and a copy of one has to be one."""
    require("numpy, among the packages these tests run with", available=(folder / "numpy").is_dir())
    program = """
import numpy as np
def scaled(a): return a * 2
def mean(a): return a.mean()
def fill(a): a[0] = 9
class Loud(np.ndarray):
    def __eq__(self, other): return np.array(True)
def loud(a): return a.view(Loud)
"""
    tests = """
import numpy as np
a = np.arange(6, dtype=np.float32).reshape(2, 3)
got = scaled(a)
assert type(got) is np.ndarray and got.dtype == np.float32 and got.shape == (2, 3)
assert np.array_equal(got, a * 2)
assert mean(a) == 2.5 and mean(a).dtype == np.float32
assert fill(a) is None and a[0].tolist() == [9, 9, 9]
assert scaled(np.int64(4)) == 8 and type(scaled(np.int64(4))) is np.int64
assert not np.array_equal(loud(a), a + 1)
"""
    async with await _sandbox(folder) as sandbox:
        verification = await sandbox.verify(python(program), tests, LIMITS)
    assert (verification.end, verification.why) == ("finished", "")
