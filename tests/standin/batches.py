"""The stand-in's batches and files: what is uploaded, what is made of it and when, and how that goes wrong."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from . import steps
from .script import BatchPlan, Script, Step

Body = dict[str, JsonValue]
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
# google.rpc.Code, which is what lines of a results file carry.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}
_WITH_RESULTS = {"SUCCEEDED", "PARTIALLY_SUCCEEDED"}


@dataclass
class _Batch:
    """One batch as the server keeps it."""

    name: str
    number: int
    display_name: str
    model: str
    lines: list[Body]
    n_looks: int = 0
    is_cancelled: bool = False
    results: str | None = None


@dataclass
class Batches:
    """All batches and files of one stand-in. `answer` says what a line's request is answered with."""

    answer: Callable[[Body], Step]
    plans: tuple[BatchPlan, ...] = (BatchPlan(),)
    files: dict[str, bytes] = field(default_factory=dict)
    _begun: dict[str, str] = field(default_factory=dict)
    _batches: dict[str, _Batch] = field(default_factory=dict)

    def follow(self, script: Script) -> None:
        """Go by the plans of this script from now on, batches that were made before included."""
        self.plans = script.batches
        for batch in self._batches.values():
            batch.n_looks = 0

    def begin_upload(self, headers: Mapping[str, str], about: JsonValue, here: str) -> Step:
        """The first half of an upload: where its bytes are to be sent."""
        if headers.get("x-goog-upload-command") != "start":
            return steps.error(400, "INVALID_ARGUMENT", "an upload begins with the command start")
        told = about.get("file") if isinstance(about, dict) else None
        name = f"file-{len(self._begun)}"
        if isinstance(told, dict) and isinstance(wish := told.get("name"), str):
            name = wish.removeprefix("files/")
        if name in self.files:
            return steps.error(409, "ALREADY_EXISTS", f"Requested entity already exists: {name}")
        upload = f"upload-{len(self._begun)}"
        self._begun[upload] = name
        # The SDK takes the path alone, and goes on asking the host that it was told.
        return Step(body={}, headers={"x-goog-upload-url": f"{here}/upload/here/{upload}"})

    def finish_upload(self, upload: str, headers: Mapping[str, str], content: bytes) -> Step:
        """The second half: the bytes, all at once or the last of them."""
        name = self._begun[upload]
        self.files[name] = self.files.get(name, b"") + content
        if "finalize" not in headers.get("x-goog-upload-command", ""):
            return Step(body={}, headers={"x-goog-upload-status": "active"})
        file: JsonValue = {"name": f"files/{name}", "state": "ACTIVE", "mimeType": "jsonl"}
        return Step(body={"file": file}, headers={"x-goog-upload-status": "final"})

    def download(self, name: str) -> Step:
        """What a file holds."""
        content = self.files.get(name)
        if content is None:
            return steps.error(403, "PERMISSION_DENIED", f"You do not have access to File {name}")
        return Step(text=content.decode(), headers={"content-type": "application/octet-stream"})

    def delete(self, name: str) -> Step:
        """Take a file away."""
        if self.files.pop(name, None) is None:
            return steps.error(403, "PERMISSION_DENIED", f"You do not have access to File {name}")
        return Step(body={})

    def create(self, model: str, asked: JsonValue) -> Step:
        """Make a batch. It is not idempotent: asked twice, it makes two."""
        told = _object(asked, "batch")
        name = _text(_object(told, "inputConfig").get("fileName")).removeprefix("files/")
        if name not in self.files:
            return steps.error(404, "NOT_FOUND", f"no file {name!r}")
        number = len(self._batches)
        batch = _Batch(
            name=f"batches/b{number}",
            number=number,
            display_name=_text(told.get("displayName")),
            model=model,
            lines=[json.loads(line) for line in self.files[name].splitlines()],
        )
        self._batches[batch.name] = batch
        return self._plan(batch).refusal or Step(body=self._shown(batch))

    def get(self, name: str) -> Step:
        """Look at a batch, which lets it come one state further."""
        batch = self._batches.get(name)
        if batch is None:
            return steps.error(404, "NOT_FOUND", f"no batch {name!r}")
        batch.n_looks += 1
        return Step(body=self._shown(batch))

    def list(self, page_token: str) -> Step:
        """Two a page, the newest first."""
        found = sorted(self._batches.values(), key=lambda batch: -batch.number)
        begin = int(page_token or 0)
        page: list[JsonValue] = [self._shown(batch) for batch in found[begin : begin + 2]]
        listed: Body = {"operations": page}
        if begin + 2 < len(found):
            listed["nextPageToken"] = str(begin + 2)
        return Step(body=listed)

    def cancel(self, name: str) -> Step:
        """End a batch without results."""
        self._batches[name].is_cancelled = True
        return Step(body={})

    def _plan(self, batch: _Batch) -> BatchPlan:
        return self.plans[min(batch.number, len(self.plans) - 1)]

    def _shown(self, batch: _Batch) -> Body:
        plan = self._plan(batch)
        state = plan.states[min(batch.n_looks, len(plan.states) - 1)]
        state = "CANCELLED" if batch.is_cancelled else state
        is_over = state not in {"PENDING", "RUNNING"}
        n_requests = len(batch.lines)
        stats: Body = {"requestCount": str(n_requests)}
        stats |= {} if is_over else {"pendingRequestCount": str(n_requests)}
        metadata: Body = {
            "@type": _TYPE,
            "model": f"models/{batch.model}",
            "displayName": batch.display_name,
            "state": f"BATCH_STATE_{state}",
            "createTime": "2026-11-22T12:00:00.123456789Z",
            "updateTime": "2026-11-22T12:00:00.123456789Z",
            "batchStats": stats,
            "name": batch.name,
            "aFieldOfTomorrow": {"x": 1},
        }
        shown: Body = {"name": batch.name, "metadata": metadata}
        if not is_over:
            return shown
        shown["done"] = True
        if state in _WITH_RESULTS:
            file = self._results(batch, plan)
            metadata["output"] = {"responsesFile": f"files/{file}"}
            shown["response"] = {"@type": f"{_TYPE}Output", "responsesFile": f"files/{file}"}
        else:
            shown["error"] = {"code": 13, "message": f"the batch is {state}, says the stand-in"}
        return shown

    def _results(self, batch: _Batch, plan: BatchPlan) -> str:
        if batch.results is None:
            batch.results = f"results-of-{batch.number}"
            lines = list(self._lines(batch, plan))
            random.Random(batch.number).shuffle(lines)
            if not plan.is_gone:
                self.files[batch.results] = "".join(f"{line}\n" for line in lines).encode()
        return batch.results

    def _lines(self, batch: _Batch, plan: BatchPlan) -> Iterator[str]:
        for number, line in enumerate(batch.lines):
            if number in plan.missing:
                continue
            body = self._line(_object(line, "request"), batch.model, number, plan)
            yield json.dumps({"key": line["key"], "aFieldOfTomorrow": [1]} | body)
        yield from plan.extra_lines

    def _line(self, request: Body, model: str, number: int, plan: BatchPlan) -> Body:
        step = self.answer(request)
        step = plan.failing.get(number, step)
        if step.status == 200 and isinstance(step.body, dict):
            return {"response": step.body | {"modelVersion": model, "aFieldOfTomorrow": {}}}
        told = _object(step.body, "error")
        return {"error": {"code": _CODES[step.status], "message": told.get("message")}}


def _object(value: JsonValue, name: str) -> Body:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
