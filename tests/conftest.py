"""What tests of every kind share: a private Redis, the repository, a clean environment."""

import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from tests.node import folder_of_node
from tests.orphans import orphans_in
from tests.redis_server import DATABASES, find_server, private_redis
from tests.requiring import require

pytest_plugins = ["tests.side_by_side", "tests.standin.fixtures", "tests.stores"]

_REPOSITORY = Path(__file__).parent.parent
_database_numbers = itertools.count()

# How long an example takes tells how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Forget the settings and keys of whoever runs the tests: none may steer one, or be spent by one.

    Nor may it matter whether Ctrl-C reaches the tests themselves: what they start can always be interrupted.
    """
    # An exec resets a handler, but not SIG_IGN, which a shell without job control gives to what runs in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(("PROMPTMILL_", "GEMINI_", "GOOGLE_", "AWS_", "AZURE_")):
            del os.environ[name]
    node = folder_of_node()
    if node is not None:
        # Last, as it is looked for last.
        os.environ["PATH"] += f"{os.pathsep}{node}"


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    """The server that tests start."""
    binary = find_server()
    require("a Valkey or Redis server", available=binary is not None)
    assert binary is not None
    return binary


@pytest.fixture(scope="session")
def redis_socket(redis_binary: Path) -> Iterator[Path]:
    """The unix socket of this session's own Redis."""
    with private_redis(redis_binary) as socket:
        yield socket


@pytest.fixture
def own_redis(redis_binary: Path) -> Iterator[redis.Redis]:
    """A connection to a Redis that no other test uses: it may be filled, or stopped."""
    with private_redis(redis_binary) as socket, redis.Redis(unix_socket_path=str(socket)) as client:
        yield client


@pytest.fixture
def own_redis_url(own_redis: redis.Redis) -> str:
    """Where `own_redis` is."""
    return f"unix://{own_redis.connection_pool.connection_kwargs['path']}"


@pytest.fixture
def redis_url(redis_socket: Path) -> str:
    """The URL of an empty database that no other test is using."""
    number = next(_database_numbers) % DATABASES
    url = f"unix://{redis_socket}?db={number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(autouse=True)
def _no_orphans(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where a test leaves a key that would stay for ever: it is looked at when all that used it is closed."""
    urls = [
        request.getfixturevalue(name)
        for name in ("redis_url", "own_redis_url")
        if name in request.fixturenames
    ]
    yield
    for url in urls:
        with redis.Redis.from_url(url) as client, suppress(redis.ConnectionError):
            # Of a server that the test has ended, nothing is left.
            assert orphans_in(client) == [], "keys without an expiry and without an owner"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for a unix socket, whose path holds 107 bytes: pytest's own folders can be longer."""
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return _REPOSITORY
