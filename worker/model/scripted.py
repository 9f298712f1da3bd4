"""The model for tests: it says what it was told to say, and remembers what it was asked."""

from collections import Counter

from jobs.models import ModelReply
from worker.errors import NoRecordingError

from . import ModelRequest


class ScriptedModel:
    """Says `replies` in order, from the first one again for every other job (task or prompt, and sample).

    A string is a reply that ended well, an exception is raised. `requests` holds all that was asked, in order.
    """

    name = "scripted"
    simulated = True

    def __init__(self, *replies: str | ModelReply | Exception) -> None:
        self.requests: list[ModelRequest] = []
        self._replies = replies
        self._asked: Counter[tuple[str, int]] = Counter()

    async def check(self) -> None:
        """Raise the first reply if it is an error: a model that fails from the start fails its check too."""
        if self._replies and isinstance(self._replies[0], Exception):
            raise self._replies[0]

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The next reply of the script.

        Raises:
            NoRecordingError: the job has heard the whole script.
            Exception: the one that stands in the script.
        """
        self.requests.append(request)
        job = (request.task_id or request.prompt, request.sample)
        position = self._asked[job]
        self._asked[job] += 1
        if position >= len(self._replies):
            raise NoRecordingError(f"the script of {len(self._replies)} replies is over")
        match self._replies[position]:
            case Exception() as error:
                raise error
            case ModelReply() as reply:
                return reply
            case text:
                return spoken(text)

    async def aclose(self) -> None:
        """Nothing to give back."""


def spoken(text: str) -> ModelReply:
    """`text` as a model says it that has nothing to hide: one visible part, ended well."""
    return ModelReply(
        content={"role": "model", "parts": [{"text": text}]},
        text=text,
        finish_reason="STOP",
        model_version="scripted",
        latency_seconds=0.0,
        simulated=True,
    )
