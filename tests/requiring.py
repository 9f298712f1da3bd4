"""What a test needs and may miss: a reason to skip, by name, or a failure where everything is required.

What the machine has to offer (services, programs, what the kernel grants) is `require`d: skipped at home, a failure in
CI. What lies beside the repository and is no part of it is `material`: a clone passes without it, in CI too. No test
skips itself in any other way.
"""

import os
from pathlib import Path

import pytest

# Not one of the product's own settings, so that a program started by a test does not stumble over it.
_ALL_REQUIRED = bool(os.environ.get("TESTS_REQUIRE_ALL"))
_MATERIAL = Path(__file__).parents[2] / "shared"


def require(feature: str, *, available: bool) -> None:
    """Go on if `feature` is available; else skip the test by that name, or fail it in CI.

    A test that CI skips proves nothing and is missed by nobody, so there `TESTS_REQUIRE_ALL` is set.
    """
    if available:
        return
    if _ALL_REQUIRED:
        pytest.fail(f"required here, but missing: {feature}", pytrace=False)
    pytest.skip(f"missing: {feature}")


def material(name: str) -> Path:
    """The file or folder `name` of the corpora and data sets in `../shared`; without it the test is skipped by name."""
    if not has_material(name):
        pytest.skip(f"missing: ../shared/{name}")
    return _MATERIAL / name


def has_material(name: str) -> bool:
    """Whether it is there: for what has to be known before any test runs."""
    return (_MATERIAL / name).exists()
