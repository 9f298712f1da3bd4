"""The edge to the model: one protocol, and the clients that keep it."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from jobs.models import ModelReply


@dataclass(frozen=True)
class UserTurn:
    """Something we say to the model."""

    text: str


@dataclass(frozen=True)
class ModelTurn:
    """Something the model said, Gemini's `Content` exactly as received."""

    content: dict[str, JsonValue]


@dataclass(frozen=True)
class ModelRequest:
    """One generation that is asked for, and the place it has in its job."""

    prompt: str
    """The job's own prompt: with task and sample, what a recording is found by."""
    task_id: str | None
    sample: int
    attempt: int
    """From 1."""
    system_instruction: str
    turns: tuple[UserTurn | ModelTurn, ...]
    model: str | None = None
    """None asks the client's own default."""
    temperature: float | None = None
    conversation: int = 1
    """Which one of its job this belongs to. A restart says the same words, and wants another answer."""
    code_execution: bool = False
    """Whether the model may run programs itself."""
    cache: bool = False
    """Whether a reply that was paid for earlier will do."""
    run_id: str | None = None
    """Whose budget pays for it, if any."""
    rescores: str | None = None
    """The job whose stored replies are to be given again."""


class ModelClient(Protocol):
    """Whoever answers prompts."""

    @property
    def name(self) -> str:
        """The model asked when a request names none."""

    @property
    def simulated(self) -> bool:
        """Whether the answers are recordings."""

    async def check(self) -> None:
        """Find out whether the client could answer, at no cost.

        Raises:
            ModelError: it could not; the class says whether trying again helps.
        """

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Ask for one reply. A blocked, cut or empty reply is a reply; only no reply at all is an error.

        Raises:
            ModelError: there is no reply; the class says whether trying again helps.
        """

    async def aclose(self) -> None:
        """Give back connections; calling it twice changes nothing."""
