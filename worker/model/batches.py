"""Batches over Google's SDK: what goes up, how it stands, and what comes down, each by one request or a few."""

import asyncio
import io
import json
import warnings
from collections import Counter
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import structlog
from google.genai import types
from pydantic import JsonValue
from typing_extensions import override

from jobs.calls import CallClass
from jobs.models import ModelReply

from .faults import Fault, class_of, error_of, fault_of
from .gemini import sdk_client, settle
from .options import GeminiOptions
from .replies import read_object, reply_of
from .transport import AiohttpClient

_log = structlog.get_logger(__name__)
# Of a state that it has no word for, such as that of a batch that ended in part; we read the states ourselves.
warnings.filterwarnings("ignore", message=".* is not a valid JobState")
_Json = dict[str, JsonValue]
_Answer = TypeVar("_Answer")
# A file of many megabytes goes up or down in one request.
_FILE_SECONDS = 600.0
_ENDED = {"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"}
# What google.rpc.Code says in a line of results, as HTTP says it.
_STATUS_OF_CODE = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400,
    10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip


@dataclass(frozen=True)
class BatchStatus:
    """How a batch stands."""

    state: str
    """Google's word without its beginning: `PENDING`, `RUNNING`, `SUCCEEDED`; it may be newer than us."""
    n_open: int | None
    """Requests that are still to be answered; None where the service does not say."""
    results: str | None
    """The file of results, if there is one."""
    reason: str
    """Why it failed, if the service says."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in _ENDED or self.results is not None


@dataclass(frozen=True)
class MadeBatch:
    """A batch that is there."""

    name: str
    file: str | None = None
    """What was uploaded for it; None where somebody else did, or an earlier process of ours."""


class GeminiBatches:
    """The Batch API of one project. Nothing is tried again here: who waits for hours knows better when."""

    def __init__(self, options: GeminiOptions) -> None:
        """Connect to nothing yet.

        Raises:
            ModelKeyError: there is no key, or it cannot be one.
        """
        self._options = options
        self._http = _KeepingClient(options.max_connections, options.connection_seconds)
        self._client = sdk_client(options, options.usable_key(), self._http)
        self._looking = asyncio.Lock()

    async def create(self, own_id: str, model: str, lines: bytes) -> MadeBatch:
        """Upload the lines and have them answered. Called twice, it makes two batches.

        Raises:
            ModelError: it is not known to have been made, and may have been: look for it by `own_id` first.
        """
        config = types.UploadFileConfig(mime_type="jsonl", display_name=own_id)
        files, batches = self._client.aio.files, self._client.aio.batches
        upload = files.upload(file=io.BytesIO(lines), config=config)
        file = await self._answer(upload, model, _FILE_SECONDS)
        name = file.name or ""
        making = batches.create(
            model=model, src=name, config=types.CreateBatchJobConfig(display_name=own_id)
        )
        made = await self._settled(making)
        if isinstance(made, Fault) and _is_refusal(made):
            # The next try uploads all of it again.
            await self.delete(name)
        return MadeBatch(self._sure(made, model).name or "", file.name)

    async def find(self, own_id: str) -> str | None:
        """The name of the batch that was made under this id, if one was.

        Raises:
            ModelError: it cannot be told.
        """
        return await self._answer(self._find(own_id), own_id, _FILE_SECONDS)

    async def look(self, name: str) -> BatchStatus | None:
        """How a batch stands; None where the service has none of this name.

        Raises:
            ModelError: it cannot be told.
        """
        async with self._looking:
            seen = await self._settled(self._client.aio.batches.get(name=name))
            if isinstance(seen, Fault) and seen.status == 404:
                return None
            self._sure(seen, name)
            # The SDK's own reading has neither the counts nor the reason.
            return _status_of(read_object(self._http.kept))

    async def results(self, file: str) -> dict[str, ModelReply | Fault] | None:
        """What a file of results says of each key; of a key that stands there twice it says nothing.

        None where we may not read it: so it is with one that is gone, and with every other where the key is refused.

        Raises:
            ModelError: it cannot be had.
        """
        download = self._client.aio.files.download(file=file)
        found = await self._settled(download, _FILE_SECONDS)
        if isinstance(found, Fault) and found.status in (403, 404):
            return None
        content = self._sure(found, file)
        results = list(_results_in(content.decode("utf-8", "replace")))
        times = Counter(key for key, _ in results)
        if unclear := sorted(key for key, n in times.items() if n > 1):
            _log.warning("results with the same key", file=file, keys=unclear[:10])
        return {key: result for key, result in results if times[key] == 1}

    async def cancel(self, name: str) -> bool:
        """Let Gemini answer nothing more of a batch; gives whether there was anything left to be answered.

        Raises:
            ModelError: it is not known to be cancelled.
        """
        status = await self.look(name)
        if status is None or status.is_over:
            return False
        async with self._looking:
            await self._answer(self._client.aio.batches.cancel(name=name), name)
        return True

    async def delete(self, file: str) -> None:
        """Delete a file, which nobody minds if it does not work: Gemini does so by itself after two days."""
        deleted = await self._settled(self._client.aio.files.delete(name=file))
        if isinstance(deleted, Fault) and deleted.status not in (403, 404):
            _log.warning("file not deleted", file=file, reason=self._options.redact(deleted.words))

    async def aclose(self) -> None:
        """Give back connections; calling it twice changes nothing."""
        await self._client.aio.aclose()
        self._client.close()
        await self._http.aclose()

    async def _find(self, own_id: str) -> str | None:
        async for batch in await self._client.aio.batches.list():
            if batch.display_name == own_id:
                return batch.name
        return None

    async def _answer(
        self, request: Awaitable[_Answer], asked: str, timeout_seconds: float | None = None
    ) -> _Answer:
        return self._sure(await self._settled(request, timeout_seconds), asked)

    async def _settled(
        self, request: Awaitable[_Answer], timeout_seconds: float | None = None
    ) -> _Answer | Fault:
        try:
            return await settle(request, timeout_seconds or self._options.timeout_seconds)
        except KeyError as error:
            # What the SDK says of an answer to an upload that it cannot use.
            return Fault(None, f"an answer without {error}")

    def _sure(self, answer: _Answer | Fault, asked: str) -> _Answer:
        """The answer to a request about the model, batch or file that was `asked`, where it is one."""
        if isinstance(answer, Fault):
            raise error_of(answer, asked, self._options, tries=1)
        return answer


class _KeepingClient(AiohttpClient):
    """One that keeps what was last said of a batch."""

    kept = ""

    @override
    async def request(  # type: ignore[override]  # whatever its own class takes
        self, method: str, url: str, **asked: Any
    ) -> httpx2.Response:
        """The answer to a request, as by any client."""
        response = await super().request(method, url, **asked)
        if "/batches/" in url:
            self.kept = response.text
        return response


def _is_refusal(fault: Fault) -> bool:
    """Whether the service has said, and for certain, that it did not do what it was asked."""
    is_unclear = class_of(fault) in {CallClass.TRANSIENT, CallClass.TIMEOUT}
    return fault.status is not None and not is_unclear


def _status_of(told: _Json) -> BatchStatus:
    metadata = _object(told, "metadata")
    output = _object(metadata, "output") or _object(told, "response")
    file = output.get("responsesFile")
    n_open = _object(metadata, "batchStats").get("pendingRequestCount")
    return BatchStatus(
        state=str(metadata.get("state", "UNKNOWN")).removeprefix("BATCH_STATE_"),
        # A count of 64 bits is a text in Google's JSON.
        n_open=int(n_open) if isinstance(n_open, str) and n_open.isdecimal() else None,
        results=file if isinstance(file, str) else None,
        reason=str(_object(told, "error").get("message", "")),
    )


def _results_in(text: str) -> Iterator[tuple[str, ModelReply | Fault]]:
    """Each result with its key, in the order of the lines, which says nothing; a line that cannot be read is none."""
    # Not by `splitlines`: JSON may hold other ends of lines than this one.
    for line in filter(str.strip, text.split("\n")):
        try:
            told = read_object(line)
        except ValueError:
            _log.warning("a line of results cannot be read")
            continue
        if isinstance(key := told.get("key"), str):
            yield key, _result_of(told)


def _result_of(told: _Json) -> ModelReply | Fault:
    if isinstance(response := told.get("response"), dict):
        return reply_of(response, latency_seconds=0.0)
    error = _object(told, "error")
    code = error.get("code")
    code = code if isinstance(code, int) else 2
    # Codes of HTTP begin where those of RPC have long ended.
    return fault_of(code if code >= 100 else _STATUS_OF_CODE.get(code, 500), {"error": error}, {})


def _object(value: _Json, name: str) -> _Json:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def line_of(key: str, body: _Json) -> bytes:
    """One line of what is uploaded."""
    return json.dumps({"key": key, "request": body}, separators=(",", ":")).encode() + b"\n"
