"""The model over Google's SDK: live calls."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from json import JSONDecodeError
from typing import Any, Self, TypeVar, assert_never

import httpx2
from google import genai
from google.auth import exceptions
from google.genai import errors, types
from google.genai.client import DebugConfig
from pydantic import BaseModel, JsonValue, create_model
from typing_extensions import override

from jobs.calls import CallClass
from jobs.clock import monotonic, utcnow
from jobs.models import ModelReply
from worker.errors import ModelBusyError, ModelRejectedError

from . import ModelRequest, ModelTurn, UserTurn
from .calling import Patience, call
from .faults import Fault, class_of, error_of, fault_of
from .listing import ListedModel
from .options import GeminiOptions
from .prices import load_prices, priced
from .replies import read_object, reply_of
from .throttle import Throttle, Toll, Unlimited
from .tolls import toll_of
from .transport import AiohttpClient

# Its warnings tell which of two environment variables it takes the key from; it takes neither.
logging.getLogger("google_genai").setLevel(logging.ERROR)

_CHECK_SECONDS = 10.0
# The service refuses a shorter deadline with a 400.
_SHORTEST_DEADLINE_SECONDS = 10


class _AsItIs(BaseModel):
    """A config that the SDK neither copies to its depths nor goes through once for each field that it looks for.

    It copies so as not to change its caller's: with tools and continuation off it changes nothing.
    """

    def __contains__(self, name: str) -> bool:
        return False

    @override
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


# Not a class statement: mypy's plugin cannot read the SDK's class as a base.
_Config = create_model("_Config", __base__=(_AsItIs, types.GenerateContentConfig))
_CONFIG: types.GenerateContentConfig = _Config(  # type: ignore[assignment]
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    # Each continuation is billed, and there is no limit to their number.
    automatic_continuation=False,
    # The SDK's own reading drops fields that it does not know.
    should_return_http_response=True,
)
# What is asked goes into a copy: a new one would be validated, field by field.
_HTTP = types.HttpOptions()
# The SDK wants some; the body that is sent has others in their place.
_NO_CONTENTS = types.Content(parts=[])

_Answer = TypeVar("_Answer")


class GeminiModel:
    """Asks Gemini. What may pass by itself is tried again within one call; what is left is an error.

    One instance serves a whole worker process. No environment variable of the SDK's changes whom it asks,
    what, or with which key.
    """

    simulated = False

    def __init__(self, options: GeminiOptions, throttle: Throttle | None = None) -> None:
        """Connect to nothing yet. Each request for a generation is sent as `throttle` admits it, if there is one.

        Raises:
            ModelKeyError: there is no key, or it cannot be one.
            ModelRejectedError: the SDK cannot be used as this machine is set up.
            UsageError: Vertex AI is set up by halves.
        """
        self.name = options.name
        self._options = options
        self._throttle = throttle or Unlimited()
        self._patience = Patience(options.timeout_seconds, options.max_wait_seconds)
        options.check_backend()
        key = None if options.vertex else options.usable_key()
        self._turn = asyncio.Lock()
        self._http = AiohttpClient(options.max_connections, options.connection_seconds)
        self._client = sdk_client(options, key, self._http)

    async def check(self) -> None:
        """Ask for the description of the model, which costs nothing, for some ten seconds at most.

        Raises:
            ModelError: it cannot be had; the class says whether trying again helps.
        """
        patience = Patience(
            min(_CHECK_SECONDS, self._patience.timeout_seconds),
            min(_CHECK_SECONDS, self._patience.max_wait_seconds),
        )
        await call(
            lambda seconds: settle(self._describe(), seconds), self.name, self._options, patience
        )
        load_prices(self.name, utcnow())

    async def models(self) -> tuple[ListedModel, ...]:
        """The models that answer prompts, by the service's own list.

        Raises:
            ModelError: it cannot be had; the class says whether trying again helps.
        """
        found, _ = await call(
            lambda seconds: settle(self._list(), seconds), self.name, self._options, self._patience
        )
        return found

    async def generate(self, request: ModelRequest) -> ModelReply:
        """One reply; blocked, cut and empty ones included.

        Raises:
            ModelUnavailableError: none within the time for waiting; it says when to come back, if we were told.
            ModelClosedError: the key was refused, or has used up its quota of the day.
            ModelRejectedError: this request will never be answered.
        """
        model = request.model or self.name
        toll = toll_of(request, model, self._options)
        reply, progress = await call(
            lambda seconds: self._pass(toll, lambda: settle(self._ask(model, request), seconds)),
            model,
            self._options,
            self._patience,
        )
        return progress.finish(reply)

    async def aclose(self) -> None:
        """Give back connections; calling it twice changes nothing."""
        await self._client.aio.aclose()
        self._client.close()
        # The SDK leaves a client that it was given to the giver.
        await self._http.aclose()

    async def _pass(
        self, toll: Toll, ask: Callable[[], Awaitable[ModelReply | Fault]]
    ) -> ModelReply | Fault:
        """What is answered to a request that waits until it may be sent; a 429 holds everybody's."""
        async with self._throttle.passing(toll) as passage:
            answer = await ask()
            if isinstance(answer, ModelReply):
                passage.reply = answer
                return answer
        if class_of(answer) is not CallClass.RATE_LIMIT:
            return answer
        try:
            seconds = await self._throttle.pause(toll.model, answer.wait_seconds)
        except ModelBusyError as error:
            refused = replace(answer, wait_seconds=error.retry_after_seconds)
            raise error_of(refused, toll.model, self._options, tries=1) from None
        return replace(answer, wait_seconds=seconds)

    async def _ask(self, model: str, request: ModelRequest) -> ModelReply | Fault:
        await self._wait_for_turn()
        began = monotonic()
        response = await self._client.aio.models.generate_content(
            model=model, contents=_NO_CONTENTS, config=self._config(request)
        )
        latency_seconds = monotonic() - began
        sent = response.sdk_http_response
        try:
            answer = read_object((sent.body if sent else None) or "")
            reply = reply_of(answer, latency_seconds=latency_seconds)
        except ValueError:
            return _unreadable()
        return priced(reply, model, utcnow())

    async def _wait_for_turn(self) -> None:
        """Let one request after the other be made ready and sent, in two turns of the loop each.

        Hundreds that are asked for at one time would all be made ready before the first is sent, and be answered at one
        time again: the network would wait for the processor, and the processor for the network, round after round.
        """
        await self._turn.acquire()
        asyncio.get_running_loop().call_soon(self._turn.release)

    async def _describe(self) -> None:
        await self._client.aio.models.get(model=self.name)

    async def _list(self) -> tuple[ListedModel, ...]:
        listed = await self._client.aio.models.list()
        return tuple([_listed(model) async for model in listed if _generates(model)])

    def _config(self, request: ModelRequest) -> types.GenerateContentConfig:
        http = _HTTP.model_copy(update={"extra_body": body_of(request, self._options)})
        return _CONFIG.model_copy(update={"http_options": http})


def body_of(request: ModelRequest, options: GeminiOptions) -> dict[str, JsonValue]:
    """What is asked, as the service takes it: the SDK would rewrite signatures, and go through it part by part."""
    asked, default = request.temperature, options.temperature
    generation: dict[str, JsonValue] = {
        "temperature": default if asked is None else asked,
        "maxOutputTokens": options.max_output_tokens,
    }
    body: dict[str, JsonValue] = {
        "contents": [_content_of(turn) for turn in request.turns],
        "generationConfig": {
            name: value for name, value in generation.items() if value is not None
        },
    }
    if request.system_instruction:
        body["systemInstruction"] = {
            "role": "user",
            "parts": [{"text": request.system_instruction}],
        }
    if request.code_execution:
        body["tools"] = [{"codeExecution": {}}]
    return body


def sdk_client(options: GeminiOptions, key: str | None, http: httpx2.AsyncClient) -> genai.Client:
    """The SDK's client with everything said that it would otherwise look up in the environment."""
    deadline_seconds = max(_SHORTEST_DEADLINE_SECONDS, math.ceil(options.timeout_seconds))
    try:
        return genai.Client(
            api_key=key,
            vertexai=options.vertex,
            project=options.project,
            location=options.location,
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
        words = f"no answer within {timeout_seconds:.3g} s"
        return Fault(None, words, known_as=CallClass.TIMEOUT)
    except errors.APIError as error:
        headers = getattr(error.response, "headers", None)
        return fault_of(error.code, error.details, headers or {})
    except JSONDecodeError:
        return _unreadable()
    except exceptions.GoogleAuthError as error:
        # Of Vertex AI alone: the credentials of this machine, or whoever renews them.
        passes = isinstance(error, exceptions.TransportError) or error.retryable
        known_as = CallClass.TRANSIENT if passes else CallClass.AUTH
        return Fault(None, f"{type(error).__name__}: {error}", known_as=known_as)
    except (ValueError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        return Fault(None, f"not sent: {error}", known_as=CallClass.PERMANENT)
    except httpx2.PoolTimeout:
        words = "not sent: every connection is in use, which is a fault of ours"
        return Fault(None, words, known_as=CallClass.LOCAL_OVERLOAD)
    except httpx2.RequestError as error:
        return Fault(None, f"{type(error).__name__}: {error}")


def _unreadable() -> Fault:
    return Fault(None, "an answer that is no JSON object")


def _generates(model: types.Model) -> bool:
    # Vertex AI does not say.
    return not model.supported_actions or "generateContent" in model.supported_actions


def _listed(model: types.Model) -> ListedModel:
    name = (model.name or "").rpartition("models/")[2]
    return ListedModel(name, model.input_token_limit, model.output_token_limit)


def _content_of(turn: UserTurn | ModelTurn) -> dict[str, JsonValue]:
    match turn:
        case UserTurn(text=text):
            return {"role": "user", "parts": [{"text": text}]}
        case ModelTurn(content=content):
            return content
        case never:
            assert_never(never)
