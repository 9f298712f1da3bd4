"""How a model is told what came of its programs, and when asking it again is given up."""

from typing import Annotated, Literal

from pydantic import Field

from .bounds import MAX_ATTEMPTS
from .feedback import Feedback
from .wire import Wire

Style = Literal["text", "parts"]

End = Literal[
    "accepted",
    "attempts_used_up",
    "prompt_blocked",
    "same_program_again",
    "same_error_again",
    "recordings_used_up",
]
"""Why a job ended with an attempt."""

STUCK: tuple[End, ...] = ("same_program_again", "same_error_again")
"""The model repeated itself."""

END_IN_WORDS: dict[End, str] = {
    "same_program_again": "stopped early: the model gave a program again that had failed",
    "same_error_again": "stopped early: two programs in a row failed with the same error",
    "prompt_blocked": "stopped early: the service refuses the prompt",
    "recordings_used_up": "ended where no more attempts were recorded",
}
"""Those that a reader of a record would wonder at."""


class Conversation(Wire):
    """What is said to the model between two attempts, and how long it is kept up."""

    feedback: Feedback = "public"
    """How much of what came of a program goes back: `public` is what its own run shows and what is public of its check,
    `oracle` the hidden part of its check as well, which measures something else, and `none` only that it failed."""
    style: Style = "text"
    """How a failed program goes back: `text`, or `parts` as Gemini writes a program and its result down. Parts are for
    Python; other programs, and whatever the service refuses with a 400, are told as text."""
    history_tokens: Annotated[int, Field(ge=1000, le=10_000_000)] = 60_000
    """After a prompt of more tokens than this, earlier attempts are left out of the next one, but for the last."""
    restart_after: Annotated[int | None, Field(ge=1, le=MAX_ATTEMPTS)] = None
    """Failed repairs after which the model is asked anew, without what it said so far; unset means never."""
    stop_when_stuck: bool = True
    """Whether a job ends, or starts anew where `restart_after` is set, when a program comes twice, or two in a row fail
    with the same error."""
