"""Redis by TLS: what the URL says of certificates is what holds."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
from redis.asyncio import SSLConnection

from jobs.connection import open_redis
from jobs.errors import RedisUnreachableError, UsageError
from jobs.keys import Keys
from jobs.sentinels import open_master_pool
from tests.certificates import Certificates, make_certificates
from tests.cutting import Cutter, copied, passing_to
from tests.redis_server import free_port, private_server
from tests.sentinels import private_sentinel

_KEYS = Keys()
_TLS_BEGINS = b"\x16"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of a server that is called `localhost` and nothing else."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def by_tls(
    url: str, certificates: Certificates, *, asks_for_one: bool = False
) -> AsyncIterator[int]:
    """The port of a way to that Redis: what it is built with, not every binary of it has."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server)
    if asks_for_one:
        context.load_verify_locations(certificates.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    passing = passing_to(url, Cutter(b"", 0))
    async with await asyncio.start_server(passing, "localhost", 0, ssl=context) as listener:
        yield listener.sockets[0].getsockname()[1]


async def ping(url: str) -> bool:
    async with open_redis(url, _KEYS) as redis:
        return bool(await redis.ping())


async def test_a_certificate_of_the_named_authority_is_believed(
    redis_url: str, certificates: Certificates
) -> None:
    """What a company signs itself is on no machine's list."""
    async with by_tls(redis_url, certificates) as port:
        assert await ping(f"rediss://localhost:{port}/0?ssl_ca_certs={certificates.authority}")


async def test_a_server_that_asks_for_a_certificate_gets_the_one_with_its_key_in_the_same_file(
    redis_url: str, certificates: Certificates
) -> None:
    """redis-py leaves out a certificate that comes without a key, and says nothing."""
    async with by_tls(redis_url, certificates, asks_for_one=True) as port:
        url = f"rediss://localhost:{port}/0?ssl_ca_certs={certificates.authority}"
        assert await ping(f"{url}&ssl_certfile={certificates.client}")
        with pytest.raises(RedisUnreachableError):
            await ping(url)


@pytest.mark.parametrize(
    ("host", "options", "is_refused"),
    [
        pytest.param("localhost", "", True, id="an authority that nobody named"),
        pytest.param("localhost", "ssl_cert_reqs=none", False, id="none is asked for"),
        pytest.param("127.0.0.1", "ssl_ca_certs={ca}", True, id="another host's"),
        pytest.param(
            "127.0.0.1",
            "ssl_ca_certs={ca}&ssl_check_hostname=false",
            False,
            id="another host's, which is said to do",
        ),
    ],
)
async def test_a_certificate_has_to_be_somebodys_and_for_that_host(
    redis_url: str, certificates: Certificates, host: str, options: str, is_refused: bool
) -> None:
    """Whoever can stand between a worker and its Redis can hand it jobs."""
    async with by_tls(redis_url, certificates) as port:
        url = f"rediss://{host}:{port}/0?{options.format(ca=certificates.authority)}"
        if not is_refused:
            assert await ping(url)
            return
        with pytest.raises(RedisUnreachableError) as caught:
            await ping(url)
    assert "certificate verify failed" in caught.value.facts["tried"]


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel"])
async def test_certificates_that_cannot_be_read_are_told_at_once(scheme: str) -> None:
    """It is not the server that is missing."""
    with pytest.raises(UsageError, match="certificates for") as caught:
        await ping(f"{scheme}://localhost:1/0?ssl_ca_certs=/nowhere.pem")
    assert "ssl_ca_certs" in caught.value.fixes[0]


def test_sentinels_get_what_the_url_says_of_certificates_and_a_password_of_their_own(
    certificates: Certificates,
) -> None:
    """A password of the servers is none of the Sentinels' business, and TLS to one half of them protects nothing."""
    options = f"ssl_ca_certs={certificates.authority}&sentinel_password=asked"
    pool = open_master_pool(f"rediss+sentinel://me:secret@one,two:7/mill/2?{options}", {})
    said = pool.connection_kwargs
    assert (said["username"], said["password"], said["db"]) == ("me", "secret", 2)
    asked = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    addresses = [(each.connection_kwargs["host"], each.connection_kwargs["port"]) for each in asked]
    assert addresses == [("one", 26379), ("two", 7)]
    for each in asked:
        assert (each.connection_kwargs["password"], "username" in each.connection_kwargs) == (
            "asked",
            False,
        )
    for each in (pool, *asked):
        connection = each.connection_class(**each.connection_kwargs)
        assert isinstance(connection, SSLConnection)
        assert (connection.ca_certs, connection.check_hostname) == (
            str(certificates.authority),
            True,
        )


@asynccontextmanager
async def by_tls_or_not(plain: int, tls: int) -> AsyncIterator[int]:
    """A port that leads to `tls` whoever begins so, and all others to `plain`: Sentinels here cannot speak it."""

    async def pass_on(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        # At the end of a test this may be cancelled anywhere.
        with closing(answers):
            first = await client.read(65_536)
            server, requests = await asyncio.open_connection(
                "localhost", tls if first[:1] == _TLS_BEGINS else plain
            )
            with closing(requests):
                requests.write(first)
                back = asyncio.create_task(copied(server, answers))
                try:
                    await copied(client, requests)
                finally:
                    back.cancel()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]


async def test_the_master_of_sentinels_is_reached_by_tls(
    redis_binary: Path, certificates: Certificates
) -> None:
    """Both the question and what follows from its answer can be read on the wire otherwise."""
    port, asked = free_port(), free_port()
    async with AsyncExitStack() as stack:
        server = stack.enter_context(private_server(redis_binary, port=port))
        tls = await stack.enter_async_context(by_tls(server.url, certificates))
        watched = await stack.enter_async_context(by_tls_or_not(port, tls))
        stack.enter_context(private_sentinel(redis_binary, asked, watched))
        asking = await stack.enter_async_context(by_tls(f"redis://127.0.0.1:{asked}", certificates))
        options = f"ssl_ca_certs={certificates.authority}&ssl_check_hostname=false"
        assert await ping(f"rediss+sentinel://localhost:{asking}/mill?{options}")
