"""The model over Google's SDK: live calls."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TypeVar, assert_never

import httpx2
import structlog
from google import genai
from google.genai import errors, types
from google.genai.client import DebugConfig
from pydantic import JsonValue

from jobs.clock import monotonic
from jobs.models import ModelReply
from worker.errors import ModelRejectedError

from . import ModelRequest, ModelTurn, UserTurn
from .faults import NOT_SENT, Fault, Meaning, error_of, fault_of, meaning_of
from .options import GeminiOptions
from .replies import read_object, reply_of

_log = structlog.get_logger(__name__)
# Its warnings tell which of two environment variables it takes the key from; it takes neither.
logging.getLogger("google_genai").setLevel(logging.ERROR)

_CHECK_SECONDS = 10.0
# The longest own wait before the second try; it doubles with every further one. A short patience gets shorter waits,
# or it would be over after two.
_FIRST_BACKOFF_SECONDS = 1.0
_FIRST_BACKOFF_SHARE = 1 / 300
_MOST_BACKOFF_SECONDS = 60.0
# The service refuses a shorter deadline with a 400.
_SHORTEST_DEADLINE_SECONDS = 10

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class _Patience:
    """How long one request, and all waiting between the requests of one call, may take."""

    timeout_seconds: float
    max_wait_seconds: float


class GeminiModel:
    """Asks Gemini. What may pass by itself is tried again within one call; what is left is an error.

    One instance serves a whole worker process. No environment variable of the SDK's changes whom it asks,
    what, or with which key.
    """

    simulated = False

    def __init__(
        self, options: GeminiOptions, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """Connect to nothing yet. `transport` takes the requests in place of the network.

        Raises:
            ModelKeyError: there is no key, or it cannot be one.
            ModelRejectedError: the SDK cannot be used as this machine is set up.
        """
        self.name = options.name
        self._options = options
        self._patience = _Patience(options.timeout_seconds, options.max_wait_seconds)
        key = options.usable_key()
        # A client of our own keeps an installed aiohttp from taking over, with other time-outs and a
        # hidden retry, and does not follow redirects, which would carry the key to another host.
        self._http = httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=options.max_connections), transport=transport
        )
        self._client = sdk_client(options, key, self._http)

    async def check(self) -> None:
        """Ask for the description of the model, which costs nothing, for some ten seconds at most.

        Raises:
            ModelError: it cannot be had; the class says whether trying again helps.
        """
        patience = _Patience(
            min(_CHECK_SECONDS, self._patience.timeout_seconds),
            min(_CHECK_SECONDS, self._patience.max_wait_seconds),
        )
        await self._persist(self.name, self._describe, patience)

    async def generate(self, request: ModelRequest) -> ModelReply:
        """One reply; blocked, cut and empty ones included.

        Raises:
            ModelUnavailableError: none within the time for waiting; it says when to come back, if we were told.
            ModelClosedError: the key was refused, or has used up its quota of the day.
            ModelRejectedError: this request will never be answered.
        """
        model = request.model or self.name
        return await self._persist(
            model, lambda tries: self._ask(model, request, tries), self._patience
        )

    async def aclose(self) -> None:
        """Give back connections; calling it twice changes nothing."""
        await self._client.aio.aclose()
        self._client.close()
        # The SDK leaves a client that it was given to the giver.
        await self._http.aclose()

    async def _persist(
        self,
        model: str,
        ask: Callable[[int], Awaitable[_Answer | Fault]],
        patience: _Patience,
    ) -> _Answer:
        """The first answer that is no fault; no try starts later than the patience allows."""
        deadline = monotonic() + patience.max_wait_seconds
        tries = 0
        while True:
            tries += 1
            answer = await settle(ask(tries), patience.timeout_seconds)
            if not isinstance(answer, Fault):
                return answer
            wait_seconds = self._wait_seconds(answer, tries)
            if meaning_of(answer) is not Meaning.TRANSIENT or monotonic() + wait_seconds > deadline:
                raise error_of(answer, model, self._options, tries=tries)
            _log.warning(
                "model request failed",
                model=model,
                status=answer.status,
                tries=tries,
                wait_seconds=round(wait_seconds, 3),
            )
            await asyncio.sleep(wait_seconds)

    def _wait_seconds(self, fault: Fault, tries: int) -> float:
        """What the service asks for, and a random part on top that keeps workers from coming back together."""
        first_seconds = min(
            _FIRST_BACKOFF_SECONDS, self._options.max_wait_seconds * _FIRST_BACKOFF_SHARE
        )
        backoff_seconds = first_seconds * 2 ** min(tries - 1, 30)
        own = random.uniform(0, min(backoff_seconds, _MOST_BACKOFF_SECONDS))  # noqa: S311  # no secret
        return (fault.wait_seconds or 0.0) + own

    async def _ask(self, model: str, request: ModelRequest, tries: int) -> ModelReply | Fault:
        began = monotonic()
        response = await self._client.aio.models.generate_content(
            model=model, contents=request.prompt, config=self._config(request)
        )
        latency_seconds = monotonic() - began
        sent = response.sdk_http_response
        try:
            answer = read_object((sent.body if sent else None) or "")
            return reply_of(answer, latency_seconds=latency_seconds, transport_tries=tries)
        except ValueError:
            return _unreadable()

    async def _describe(self, _: int) -> None:
        await self._client.aio.models.get(model=self.name)

    def _config(self, request: ModelRequest) -> types.GenerateContentConfig:
        asked, default = request.temperature, self._options.temperature
        return types.GenerateContentConfig(
            system_instruction=request.system_instruction or None,
            temperature=default if asked is None else asked,
            max_output_tokens=self._options.max_output_tokens,
            tools=[types.Tool(code_execution=types.ToolCodeExecution())]
            if request.code_execution
            else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            # Each continuation is billed, and there is no limit to their number.
            automatic_continuation=False,
            # The SDK's own reading drops fields that it does not know.
            should_return_http_response=True,
            # Put in last and untouched: the SDK rewrites thought signatures in turns that it is given.
            http_options=types.HttpOptions(
                extra_body={"contents": [_content_of(turn) for turn in request.turns]}
            ),
        )


def sdk_client(options: GeminiOptions, key: str, http: httpx2.AsyncClient) -> genai.Client:
    """The SDK's client with everything said that it would otherwise look up in the environment."""
    deadline_seconds = max(_SHORTEST_DEADLINE_SECONDS, math.ceil(options.timeout_seconds))
    try:
        return genai.Client(
            api_key=key,
            vertexai=False,
            debug_config=DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
            http_options=types.HttpOptions(
                base_url=options.address,
                api_version=options.version,
                # The service stops working when we stop waiting.
                headers={"X-Server-Timeout": str(deadline_seconds)},
                # The SDK's retries read no RetryInfo, repeat no dropped connection and are not counted.
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=http,
            ),
        )
    except ImportError as error:
        raise ModelRejectedError(
            "google-genai cannot start",
            facts={"it says": str(error)},
            fixes=("unset GOOGLE_GENAI_HTTP_CLIENT",),
        ) from error


async def settle(request: Awaitable[_Answer | Fault], timeout_seconds: float) -> _Answer | Fault:
    """The answer, or what came in its place as a fault: no exception of the SDK's or the network's passes."""
    try:
        # The time-out of the HTTP library holds for each read, so a trickling answer would never end.
        async with asyncio.timeout(timeout_seconds):
            return await request
    except TimeoutError:
        return Fault(None, f"no answer within {timeout_seconds:g} s")
    except errors.APIError as error:
        headers = getattr(error.response, "headers", None)
        return fault_of(error.code, error.details, headers or {})
    except JSONDecodeError:
        return _unreadable()
    except (ValueError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        return Fault(None, f"not sent: {error}", reasons=(NOT_SENT,))
    except httpx2.TransportError as error:
        return Fault(None, f"{type(error).__name__}: {error}")


def _unreadable() -> Fault:
    return Fault(None, "an answer that is no JSON object")


def _content_of(turn: UserTurn | ModelTurn) -> dict[str, JsonValue]:
    match turn:
        case UserTurn(text=text):
            return {"role": "user", "parts": [{"text": text}]}
        case ModelTurn(content=content):
            return content
        case never:
            assert_never(never)
