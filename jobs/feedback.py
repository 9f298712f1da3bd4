"""How much of what came of a program goes back to the model, by name: for whoever loads nothing else of a job."""

from typing import Literal

Feedback = Literal["public", "oracle", "none"]
