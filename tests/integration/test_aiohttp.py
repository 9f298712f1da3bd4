"""The SDK's requests go by aiohttp, and by nothing of what aiohttp or the SDK would do beside them."""

import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from google.genai import _api_client

from tests.certificates import make_certificates
from tests.integration.asking_gemini import FINE, asked, everything_said, gemini
from tests.standin import steps
from tests.standin.running import Standin
from tests.waiting import wait_until
from worker.errors import ModelError, ModelRejectedError, ModelUnavailableError
from worker.model.transport import AiohttpClient

REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


class Server:
    """An HTTP server that says one thing, or nothing, and remembers who came."""

    def __init__(self, answer: bytes | None) -> None:
        self.url = ""
        self.heads: list[str] = []
        self.n_connections = 0
        self.n_left = 0
        self._answer = answer

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                if self._answer is not None:
                    writer.write(self._answer)
        except asyncio.IncompleteReadError:
            self.n_left += 1
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answer: bytes | None, certificates: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(answer)
    async with await asyncio.start_server(
        server.meet, "localhost", 0, family=2, ssl=certificates
    ) as listener:
        scheme = "https" if certificates else "http"
        server.url = f"{scheme}://localhost:{listener.sockets[0].getsockname()[1]}"
        yield server


def saying(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def client(max_connections: int = 4, wait_seconds: float = 5.0) -> AiohttpClient:
    return AiohttpClient(max_connections, wait_seconds)


async def test_the_sdks_own_way_to_aiohttp_is_not_used(standin: Standin) -> None:
    """It brings other time-outs, and a hidden retry that can be billed twice."""
    assert _api_client.has_aiohttp, "or this test shows nothing"
    standin.says(FINE)
    async with aclosing(gemini(standin.url)) as model:
        await model.generate(asked())
    [request] = standin.requests
    assert request.headers["user-agent"].startswith("google-genai-sdk")
    assert "aiohttp" not in str(request.headers)
    assert not model._client._api_client._aiohttp_sessions


async def test_a_request_that_a_kept_connection_loses_is_repeated_by_us_alone(
    standin: Standin,
) -> None:
    """Whoever repeats it unasked pays for it twice, and no record says so."""
    standin.says(FINE, steps.dropped(FINE), FINE)
    async with aclosing(gemini(standin.url)) as model:
        await model.generate(asked())
        reply = await model.generate(asked())
    assert (reply.transport_tries, reply.transport_retries) == (2, 1)
    assert len(standin.requests) == 3


async def test_connections_are_kept_and_never_more_than_may_be() -> None:
    """One made anew for each call costs a handshake each; one too many is refused where their number is limited."""
    async with serving(saying(b"{}")) as server, aclosing(client(max_connections=3)) as asking:
        await asyncio.gather(*(asking.request("POST", server.url) for _ in range(30)))
        assert len(server.heads) == 30
        assert server.n_connections <= 3


async def test_who_finds_no_connection_in_time_has_sent_nothing() -> None:
    """It may be sent again without a thought of what it costs."""
    async with (
        serving(None) as server,
        aclosing(client(max_connections=1, wait_seconds=0.05)) as asking,
    ):
        first = asyncio.create_task(asking.request("POST", server.url))
        await wait_until(lambda: len(server.heads) == 1, 5, "the first to be sent")
        with pytest.raises(httpx2.PoolTimeout):
            await asking.request("POST", server.url)
        first.cancel()
        assert len(server.heads) == 1


async def test_a_call_that_is_over_leaves_no_connection_behind() -> None:
    """The service works on, and bills, for whoever still listens; and the answer would be taken for the next one's."""
    async with (
        serving(None) as server,
        aclosing(gemini(server.url, timeout_seconds=0.3, max_wait_seconds=0)) as model,
    ):
        with pytest.raises(ModelUnavailableError) as caught:
            await model.generate(asked())
        await wait_until(lambda: server.n_left == 1, 5, "the connection to be closed")
    assert caught.value.facts["class"] == "timeout"


async def test_an_answer_may_be_compressed_and_a_broken_one_passes() -> None:
    """Google compresses what is asked for; half an answer is no answer, and no fault of the program's."""
    whole = gzip.compress(b'{"candidates": []}')
    async with (
        serving(saying(whole, "content-encoding: gzip")) as server,
        aclosing(client()) as asking,
    ):
        assert (await asking.request("POST", server.url)).json() == {"candidates": []}
        assert "accept-encoding: gzip" in server.heads[0].lower()
    async with (
        serving(saying(b"no gzip", "content-encoding: gzip")) as server,
        aclosing(gemini(server.url, max_wait_seconds=0)) as model,
    ):
        with pytest.raises(ModelUnavailableError, match="no reply"):
            await model.generate(asked())


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json; charset=UTF-8", "utf-8"),
        ("application/json", "utf-8"),
        ("text/html; charset=iso-8859-1", "latin-1"),
        ("text/html; charset=none-such", "utf-8"),
    ],
)
async def test_an_answer_is_read_in_the_encoding_that_it_names(
    content_type: str, encoding: str
) -> None:
    """Programs hold letters of all languages, and a proxy's page may be as old as the proxy."""
    said = saying("µ".encode(encoding), f"content-type: {content_type}")
    async with serving(said) as server, aclosing(client()) as asking:
        assert (await asking.request("POST", server.url)).text == "µ"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_requests_go_by_the_proxy_of_the_environment_with_its_login(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """In many companies it is the only way out; what need not go by it must not."""
    async with (
        serving(saying(b"{}")) as near,
        serving(REFUSED) as proxy,
        aclosing(client()) as asking,
    ):
        monkeypatch.setenv(f"{scheme}_proxy", proxy.url.replace("//", "//me:p%40ss@"))
        monkeypatch.setenv("no_proxy", "localhost")
        with suppress(httpx2.ProxyError):
            await asking.request("POST", f"{scheme}://{scheme}.example/v1")
        await asking.request("POST", near.url)
    [head] = proxy.heads
    first = {"http": "POST http://http.example/v1 ", "https": "CONNECT https.example:443 "}
    assert head.startswith(first[scheme])
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}" in head
    assert len(near.heads) == 1


async def test_a_proxy_that_speaks_no_http_is_told_and_never_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tunnel by ssh speaks SOCKS: what it makes of HTTP looks like a network that fails, for minutes."""
    async with serving(None) as proxy, aclosing(gemini("http://gemini.example")) as model:
        monkeypatch.setenv("all_proxy", proxy.url.replace("http://", "socks5h://me:secret@"))
        with pytest.raises(ModelRejectedError) as caught:
            await model.generate(asked())
    assert "speaks socks5h, and only http and https can be used" in everything_said(caught.value)
    assert "secret" not in everything_said(caught.value)
    assert proxy.n_connections == 0


async def test_a_login_in_the_address_is_shown_there_and_told_nowhere() -> None:
    """Gateways are given theirs so."""
    async with serving(REFUSED) as server:
        url = server.url.replace("//", "//me:secret@")
        async with aclosing(gemini(url, max_wait_seconds=0)) as model:
            with pytest.raises(ModelError) as caught:
                await model.generate(asked())
    assert f"authorization: Basic {base64.b64encode(b'me:secret').decode()}" in server.heads[
        0
    ].replace("Authorization", "authorization")
    assert "secret" not in everything_said(caught.value)


async def test_a_certificate_is_believed_where_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between a worker and Gemini could read the key; a company's own proxy does, and is meant to."""
    made = make_certificates(tmp_path)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(made.server)
    async with serving(saying(b"{}"), own) as server:
        async with aclosing(client()) as asking:
            with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
                await asking.request("POST", server.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        async with aclosing(client()) as asking:
            assert (await asking.request("POST", server.url)).status_code == 200
