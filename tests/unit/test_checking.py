"""Which runs a check is made of, and which of them decides."""

import pytest

from jobs.checkers import Case, MatchesOutput
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, PromptJob
from jobs.verdicts import Verdict
from tests.unit.executions import execution
from worker.sandbox import NO_FILES, NO_HARNESS, Files, Harness, Verification
from worker.solver.checking import Checked, check

CODE = ExecutableCode(language=Language.PYTHON, code="print(input())\n")
CASES = tuple(Case(stdin=str(n), expect=str(n)) for n in range(4))


class Runs:
    """Prints its input, unless it is told what came of it."""

    def __init__(self, **ends: list[Execution]) -> None:
        self.inputs: list[str] = []
        self._ends = {name: iter(each) for name, each in ends.items()}

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness, files: Files
    ) -> Execution:
        assert (code, limits, harness, files) == (CODE, Limits(), NO_HARNESS, NO_FILES)
        self.inputs.append(stdin)
        ends = self._ends.get(f"on_{stdin}")
        return execution(f"{stdin}\n") if ends is None else next(ends)

    async def verify(
        self, code: ExecutableCode, tests: str, limits: Limits, *, stdin: str, files: Files
    ) -> Verification:
        raise AssertionError("outputs are compared here, and need no slot for tests")

    async def ask(self, code: ExecutableCode, limits: Limits, *, harness: Harness) -> Execution:
        raise AssertionError("outputs are compared here, and there is no checker to be asked")


async def checked(runs: Runs, *, run_all: bool = False) -> Checked:
    checker = MatchesOutput(cases=CASES, run_all=run_all)
    return await check(PromptJob(prompt="x", checker=checker), CODE, Limits(), runs)


def printed(found: Checked) -> str:
    assert found.execution is not None
    return found.execution.stdout


def verdicts(found: Checked) -> list[Verdict]:
    return [case.verdict for case in found.judgement.cases]


async def test_a_program_is_right_if_it_is_for_each_of_its_inputs() -> None:
    """Each case is a run of its own, and the last one is what the attempt shows."""
    runs = Runs()
    found = await checked(runs)
    assert runs.inputs == ["0", "1", "2", "3"]
    assert found.judgement.verdict is Verdict.ACCEPTED
    assert verdicts(found) == [Verdict.ACCEPTED] * 4
    assert printed(found) == "3\n"
    assert [case.name for case in found.judgement.cases][2:] == ["case 3", "case 4"]


async def test_the_first_case_that_fails_decides_and_ends_the_check() -> None:
    """What comes after it costs time and changes no verdict."""
    runs = Runs(on_1=[execution("7\n")])
    found = await checked(runs)
    assert runs.inputs == ["0", "1"]
    assert (found.judgement.verdict, printed(found)) == (Verdict.WRONG_ANSWER, "7\n")
    assert found.judgement.explanation == "case 2: line 1: expected '1', got '7'"
    case = found.judgement.cases[-1]
    assert (case.expected, case.actual) == ("1", "7\n")


async def test_all_cases_are_run_if_the_check_says_so_and_the_first_failure_still_decides() -> None:
    """Whoever counts cases one by one needs the others, too."""
    slow = execution(exit_code=None, signal=9, limit_hit="cpu")
    runs = Runs(on_1=[slow], on_2=[execution("7\n")])
    found = await checked(runs, run_all=True)
    assert runs.inputs == ["0", "1", "2", "3"]
    assert (found.judgement.verdict, found.execution) == (Verdict.TIME_LIMIT_EXCEEDED, slow)
    assert found.judgement.explanation == "case 2: killed after 10 s of CPU time"
    assert verdicts(found) == [
        Verdict.ACCEPTED,
        Verdict.TIME_LIMIT_EXCEEDED,
        Verdict.WRONG_ANSWER,
        Verdict.ACCEPTED,
    ]
    assert found.judgement.cases[1].actual == "killed after 10 s of CPU time"


async def test_a_case_is_shown_in_bounded_length_and_what_was_right_in_less() -> None:
    """A thousand cases are kept with each attempt, and a failed one is the one that is read."""
    long = "x" * 10_000
    case = Case(expect=long)
    checker = MatchesOutput(cases=(case, case), run_all=True)
    right, wrong = execution(long), execution(f"{long[:-1]}y")
    found = await check(
        PromptJob(prompt="x", checker=checker), CODE, Limits(), Runs(on_=[right, wrong])
    )
    lengths = [len(result.actual or "") for result in found.judgement.cases]
    assert lengths == pytest.approx([200, 2000], abs=2)
    assert (found.judgement.cases[1].actual or "").endswith("y")
