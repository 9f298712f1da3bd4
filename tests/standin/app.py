"""The stand-in's HTTP side: Gemini's REST paths, and three of its own to be told and asked by."""

import asyncio
import json
import time

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from . import steps
from .batches import Batches
from .script import Log, Reader, Request, Script, Step

_VERTEX = "/{version:str}/publishers/google/models"
_OF_PROJECT = (
    "/{version:str}/projects/{project:str}/locations/{location:str}/publishers/google/models"
)
_RETIRED = {"gemini-2.0-flash"}
_LISTED = ("gemini-3.8-flash", "gemini-3.1-pro-preview")
_FIELDS = {
    "cachedContent",
    "contents",
    "generationConfig",
    "labels",
    "safetySettings",
    "serviceTier",
    "systemInstruction",
    "toolConfig",
    "tools",
}


class Service:
    """Answers like the Gemini API, as far as the script goes, and remembers every request."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._reader = Reader(Script())
        self._log: list[Request] = []
        self._batches = Batches(self._said_to)

    def app(self) -> Starlette:
        """The whole thing as an ASGI application."""
        return Starlette(
            routes=[
                Route("/__script", self._take_script, methods=["POST"]),
                Route("/__log", self._show_log, methods=["GET"]),
                Route("/__log", self._forget_log, methods=["DELETE"]),
                Route("/{version:str}/models", self._list_models, methods=["GET"]),
                Route("/{version:str}/models/{call:str}", self._generate, methods=["POST"]),
                Route("/{version:str}/models/{call:str}", self._metadata, methods=["GET"]),
                Route("/token", self._give_token, methods=["POST"]),
                Route(_VERTEX, self._list_of_vertex, methods=["GET"]),
                Route(_VERTEX + "/{call:str}", self._metadata, methods=["GET"]),
                Route(_OF_PROJECT + "/{call:str}", self._generate, methods=["POST"]),
                Route("/upload/here/{upload:str}", self._finish_upload, methods=["POST"]),
                Route("/upload/{version:str}/files", self._begin_upload, methods=["POST"]),
                Route("/{version:str}/files/{name:str}:download", self._download, methods=["GET"]),
                Route("/{version:str}/files/{name:str}", self._delete, methods=["DELETE"]),
                Route("/{version:str}/batches", self._list_batches, methods=["GET"]),
                Route("/{version:str}/batches/{name:str}:cancel", self._cancel, methods=["POST"]),
                Route("/{version:str}/batches/{name:str}", self._get_batch, methods=["GET"]),
            ]
        )

    async def _take_script(self, http: HttpRequest) -> Response:
        script = Script.model_validate_json(await http.body())
        self._reader = Reader(script)
        self._batches.follow(script)
        return JSONResponse({})

    async def _show_log(self, _: HttpRequest) -> Response:
        return Response(Log(requests=tuple(self._log)).to_json(), media_type="application/json")

    async def _forget_log(self, _: HttpRequest) -> Response:
        self._log.clear()
        return JSONResponse({})

    async def _list_models(self, http: HttpRequest) -> Response:
        listed: list[JsonValue] = [_description(name) for name in _LISTED]
        return await self._answer(http, self._refusal(http) or Step(body={"models": listed}))

    async def _list_of_vertex(self, http: HttpRequest) -> Response:
        listed: list[JsonValue] = [{"name": f"publishers/google/models/{name}"} for name in _LISTED]
        step = self._refusal(http) or Step(body={"publisherModels": listed})
        return await self._answer(http, step)

    async def _give_token(self, _: HttpRequest) -> Response:
        """What Google's OAuth server answers a service account with."""
        token = {"access_token": self._key, "token_type": "Bearer", "expires_in": 3600}
        return JSONResponse(token)

    async def _metadata(self, http: HttpRequest) -> Response:
        model = http.path_params["call"]
        step = self._refusal(http) or _unknown_model(http, model)
        step = step or self._reader.next_step("metadata", "", "")
        return await self._answer(http, step or Step(body=_description(model)))

    async def _generate(self, http: HttpRequest) -> Response:
        model, _, verb = http.path_params["call"].partition(":")
        if verb == "batchGenerateContent":
            step = self._refusal(http) or _unknown_model(http, model)
            asked = _body_of(await http.body())
            return await self._answer(http, step or self._batches.create(model, asked))
        if verb != "generateContent":
            return await self._answer(http, steps.error(404, "NOT_FOUND", f"no method {verb}"))
        step = self._refusal(http) or _unknown_model(http, model) or await self._scripted(http)
        return await self._answer(http, step, version=model)

    async def _begin_upload(self, http: HttpRequest) -> Response:
        here = f"{http.url.scheme}://{http.url.netloc}"
        about = _body_of(await http.body())
        step = self._refusal(http) or self._batches.begin_upload(http.headers, about, here)
        return await self._answer(http, step)

    async def _finish_upload(self, http: HttpRequest) -> Response:
        # Whoever knows the address may write there: it carries no key.
        upload, content = http.path_params["upload"], await http.body()
        step = self._batches.finish_upload(upload, http.headers, content)
        return _written(step, step.body)

    async def _download(self, http: HttpRequest) -> Response:
        step = self._refusal(http) or self._batches.download(http.path_params["name"])
        return await self._answer(http, step)

    async def _delete(self, http: HttpRequest) -> Response:
        step = self._refusal(http) or self._batches.delete(http.path_params["name"])
        return await self._answer(http, step)

    async def _list_batches(self, http: HttpRequest) -> Response:
        page = http.query_params.get("pageToken", "")
        return await self._answer(http, self._refusal(http) or self._batches.list(page))

    async def _get_batch(self, http: HttpRequest) -> Response:
        name = f"batches/{http.path_params['name']}"
        step = self._refusal(http) or self._reader.next_step("batch", "", "")
        return await self._answer(http, step or self._batches.get(name))

    async def _cancel(self, http: HttpRequest) -> Response:
        name = f"batches/{http.path_params['name']}"
        return await self._answer(http, self._refusal(http) or self._batches.cancel(name))

    def _refusal(self, http: HttpRequest) -> Step | None:
        """What the service says before it looks at the body."""
        if "/publishers/google/" in http.url.path:
            if not self._knows(http):
                return steps.error(401, "UNAUTHENTICATED", "Request had invalid authentication")
        elif "x-goog-api-key" not in http.headers:
            return steps.no_key()
        elif not self._knows(http):
            return steps.bad_key()
        deadline = http.headers.get("x-server-timeout", "10")
        if int(deadline) < 10:
            return steps.error(
                400,
                "INVALID_ARGUMENT",
                f"Manually set deadline {deadline}s is too short. Minimum allowed deadline is 10s.",
            )
        return None

    def _knows(self, http: HttpRequest) -> bool:
        """Whether who asks has the key, which is the token of Vertex AI's callers, too."""
        given = {http.headers.get("x-goog-api-key"), http.headers.get("authorization")}
        return not given.isdisjoint({self._key, f"Bearer {self._key}"})

    async def _scripted(self, http: HttpRequest) -> Step:
        return self._said_to(_body_of(await http.body()))

    def _said_to(self, body: JsonValue) -> Step:
        if not isinstance(body, dict) or not body.get("contents"):
            return _invalid("* GenerateContentRequest.contents: contents is not specified\n")
        if unknown := sorted(body.keys() - _FIELDS):
            return _invalid(f'Invalid JSON payload received. Unknown name "{unknown[0]}"')
        said = _user_texts(body["contents"])
        if not said:
            return _invalid("Please ensure that multiturn requests end with a user role.")
        step = self._reader.next_step("generate", said[0], said[-1])
        return step or _invalid(
            f"the stand-in's script has nothing left to say to {said[-1][:80]!r}"
        )

    async def _answer(self, http: HttpRequest, step: Step, version: str = "") -> Response:
        headers = {
            name: value
            for name, value in http.headers.items()
            if name not in {"x-goog-api-key", "authorization"}
        }
        self._log.append(
            Request(
                method=http.method,
                path=http.url.path,
                headers=headers,
                key_matched=self._knows(http),
                body=_body_of(await http.body()),
                at_seconds=time.monotonic(),
                status=step.status,
            )
        )
        body = _signed(step.body, version, f"r-{len(self._log)}")
        await asyncio.sleep(step.delay_seconds)
        return _written(step, body)


def _unknown_model(http: HttpRequest, model: str) -> Step | None:
    version = http.path_params["version"]
    known = model.startswith("gemini-") and model not in _RETIRED
    # The aliases exist on the older path only.
    if known and (version == "v1beta" or not model.endswith("-latest")):
        return None
    return steps.not_found(model, version)


def _description(model: str) -> dict[str, JsonValue]:
    return {
        "name": f"models/{model}",
        "displayName": model,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _invalid(message: str) -> Step:
    return steps.error(400, "INVALID_ARGUMENT", message)


def _body_of(raw: bytes) -> JsonValue:
    value: JsonValue = json.loads(raw) if raw else None
    return value


def _user_texts(contents: JsonValue) -> list[str]:
    """The text of each user turn."""
    turns = (
        [turn for turn in contents if isinstance(turn, dict)] if isinstance(contents, list) else []
    )
    return [_text_of(turn) for turn in turns if turn.get("role") == "user"]


def _text_of(turn: dict[str, JsonValue]) -> str:
    found = turn.get("parts")
    listed = found if isinstance(found, list) else []
    return "".join(str(part.get("text", "")) for part in listed if isinstance(part, dict))


def _signed(body: JsonValue, version: str, response_id: str) -> JsonValue:
    """A reply carries who said it; an error does not."""
    if version and isinstance(body, dict) and "usageMetadata" in body:
        return body | {"modelVersion": version, "responseId": response_id}
    return body


def _written(step: Step, body: JsonValue) -> Response:
    raw = json.dumps(body).encode() if step.text is None else step.text.encode()
    headers = {"content-type": "application/json; charset=UTF-8"} | step.headers
    if step.cut_after_bytes is None:
        return Response(raw, status_code=step.status, headers=headers)
    headers["content-length"] = str(len(raw))
    return _CutResponse(raw[: step.cut_after_bytes], status_code=step.status, headers=headers)


class _CutResponse(Response):
    """Promises more than it sends, on which the server drops the connection."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
