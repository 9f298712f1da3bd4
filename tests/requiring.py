"""What a test needs of the machine: a reason to skip at home, a failure where everything is required."""

import os

import pytest

# Not one of the product's own settings, so that a program started by a test does not stumble over it.
_ALL_REQUIRED = bool(os.environ.get("TESTS_REQUIRE_ALL"))


def require(feature: str, *, available: bool) -> None:
    """Go on if `feature` is available; else skip the test by that name, or fail it in CI.

    A test that CI skips proves nothing and is missed by nobody, so there `TESTS_REQUIRE_ALL` is set.
    """
    if available:
        return
    if _ALL_REQUIRED:
        pytest.fail(f"required here, but missing: {feature}", pytrace=False)
    pytest.skip(f"missing: {feature}")
