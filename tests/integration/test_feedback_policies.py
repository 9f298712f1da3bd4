"""How much a model is told is a condition of its job: all that is public, what is hidden as well, or nothing."""

import asyncio

import pytest

from jobs.checkers import Case, Checker, ExpectedCall, MatchesCalls, MatchesOutput, PassesTests
from jobs.conversations import Conversation, Style
from jobs.feedback import Feedback
from jobs.models import Attempt, PromptJob
from jobs.verdicts import Verdict
from worker.model import UserTurn
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

from .test_hidden_checks import LIMITS, NoCheckpoint

_HIDDEN = "Zq7xWv31"
CHECKS: dict[str, Checker] = {
    "cases": MatchesOutput(
        cases=(Case(stdin="a", expect=_HIDDEN), Case(stdin="b", expect="B", public=True)),
        run_all=True,
    ),
    "tests": PassesTests(tests=f"assert f('a') == '{_HIDDEN}'"),
    "calls": MatchesCalls(
        entry_point="f", calls=(ExpectedCall(arguments=("a",), expected=_HIDDEN),)
    ),
}
_WRONG = "def f(x):\n    return 'no'\nprint('no')"
_RAISES = "def f(x):\n    raise ValueError(x)\nf('a')"


async def solve(
    sandbox: Sandbox, checker: Checker, feedback: Feedback, *programs: str, style: Style = "text"
) -> tuple[ScriptedModel, tuple[Attempt, ...]]:
    job = PromptJob(
        prompt="Do as you are told.",
        checker=checker,
        max_attempts=len(programs),
        conversation=Conversation(feedback=feedback, style=style),
    )
    model = ScriptedModel(*(f"```python\n{program}\n```" for program in programs))

    async def ignore(_: Attempt) -> None: ...

    loop = FeedbackLoop(model, sandbox, calls=asyncio.Semaphore(1), turns=Turns(1))
    return model, await loop.solve(job, LIMITS, NoCheckpoint(), ignore)


@pytest.mark.parametrize("name", CHECKS)
async def test_an_oracle_tells_what_the_hidden_check_expects(sandbox: Sandbox, name: str) -> None:
    """What a model can do with its score in hand is a question, too; but another one."""
    model, [first, _] = await solve(sandbox, CHECKS[name], "oracle", _WRONG, _WRONG)
    assert first.verdict is Verdict.WRONG_ANSWER
    assert _HIDDEN in (first.feedback or "")
    assert _HIDDEN in str(model.requests[1])
    assert first.leaks == ()


@pytest.mark.parametrize("name", CHECKS)
async def test_what_is_hidden_stays_so_unless_somebody_asks(sandbox: Sandbox, name: str) -> None:
    """By default a rate is that of a model that was not told the answers."""
    model, [first, _] = await solve(sandbox, CHECKS[name], "public", _WRONG, _WRONG)
    assert first.feedback is not None
    assert _HIDDEN not in str(model.requests[1])


@pytest.mark.parametrize("style", ["text", "parts"])
@pytest.mark.parametrize("name", CHECKS)
async def test_without_feedback_a_model_knows_that_it_failed_and_nothing_more(
    sandbox: Sandbox, name: str, style: Style
) -> None:
    """What a second try alone brings is what every kind of feedback has to be compared with."""
    programs = (_WRONG, _RAISES, "this is no Python", "while True: pass", _WRONG)
    model, attempts = await solve(sandbox, CHECKS[name], "none", *programs, style=style)
    told = {(attempt.feedback or "").partition(" failed")[2] for attempt in attempts[:-1]}
    assert told == {".\n\nGive the whole corrected program in one code block."}
    for request in model.requests:
        assert "codeExecutionResult" not in str(request.turns)
        first, *others = [turn.text for turn in request.turns if isinstance(turn, UserTurn)]
        assert first.startswith("Do as you are told.")
        assert {text.partition(" failed")[2] for text in others} <= told


async def test_an_answer_with_hidden_outputs_in_it_is_marked(sandbox: Sandbox) -> None:
    """It was accepted, and shows that the check is known and not that the task is solved."""
    _, [attempt] = await solve(sandbox, CHECKS["tests"], "public", f"def f(x): return '{_HIDDEN}'")
    assert attempt.verdict is Verdict.ACCEPTED
    [leak] = attempt.leaks
    assert (leak.place, leak.case, leak.text) == ("answer", "line 1", _HIDDEN)
