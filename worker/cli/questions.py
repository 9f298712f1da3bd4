"""What only the real service can say, asked with a few tokens each."""

from dataclasses import dataclass

from worker.model import ModelClient, ModelRequest, ModelTurn, UserTurn

_TASK = "Write a Python program that prints 42. Answer with nothing but its code."
_SYSTEM = "You write short programs."


@dataclass(frozen=True)
class Question:
    """One call, and what it shows."""

    name: str
    turns: tuple[UserTurn | ModelTurn, ...]
    otherwise: str | None = None
    """What to do without it; None where nothing works without it."""


QUESTIONS = (
    Question("a program", (UserTurn(_TASK),)),
    Question(
        "results as parts",
        (
            UserTurn(_TASK),
            ModelTurn(
                {
                    "role": "model",
                    "parts": [
                        {"executableCode": {"language": "PYTHON", "code": "print(4 2)\n"}},
                        {
                            "codeExecutionResult": {
                                "outcome": "OUTCOME_FAILED",
                                "output": "SyntaxError: invalid syntax",
                            }
                        },
                    ],
                }
            ),
            UserTurn("Give the whole corrected program."),
        ),
        otherwise="nothing: results go back as text, which every model takes",
    ),
)


async def ask(model: ModelClient, question: Question) -> str:
    """What came of the question, in one line.

    Raises:
        ModelError: no reply.
    """
    reply = await model.generate(
        ModelRequest(
            prompt=_TASK,
            task_id=None,
            sample=0,
            attempt=1,
            system_instruction=_SYSTEM,
            turns=question.turns,
        )
    )
    usage = reply.usage
    parts = [
        f"{reply.call_class}, by {reply.model_version or 'a model that does not say which'}",
        f"{usage.total_token_count or 0} tokens, {usage.thoughts_token_count or 0} of them thoughts",
        f"{reply.latency_seconds:.1f} s",
    ]
    return ", ".join(parts)
