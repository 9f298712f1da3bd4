"""What tests of every kind share: a private Redis, the material beside the repository, a clean environment."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.redis_server import DATABASES, find_server, private_redis
from tests.requiring import require

pytest_plugins = ["tests.standin.fixtures"]

_REPOSITORY = Path(__file__).parent.parent
_database_numbers = itertools.count()


def pytest_configure() -> None:
    """Forget the settings and keys of whoever runs the tests: none may steer one, or be spent by one."""
    for name in list(os.environ):
        if name.startswith(("PROMPTMILL_", "GEMINI_", "GOOGLE_")):
            del os.environ[name]


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[Path]:
    """The unix socket of this session's own Redis."""
    binary = find_server()
    require("a Valkey or Redis server", available=binary is not None)
    assert binary is not None
    with private_redis(binary) as socket:
        yield socket


@pytest.fixture
def redis_url(redis_socket: Path) -> str:
    """The URL of an empty database that no other test is using."""
    number = next(_database_numbers) % DATABASES
    url = f"unix://{redis_socket}?db={number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for a unix socket, whose path holds 107 bytes: pytest's own folders can be longer."""
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return _REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of material that may stand beside the repository; without it the test is skipped."""
    folder = _REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("missing: the folder ../shared with corpora and data sets")
    return folder
