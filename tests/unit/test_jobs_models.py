"""What a job, an attempt and a record promise as data."""

import json

import pytest
from pydantic import BaseModel, ValidationError

from jobs.checkers import Case, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.models import (
    CodeExecutionResult,
    ExecutableCode,
    Isolation,
    ModelReply,
    PromptJob,
    Record,
)
from jobs.sums import weakest_of
from jobs.usage import Usage
from jobs.verdicts import Outcome, Verdict
from tests.making import a_record, an_attempt

BAD_IDS = [
    pytest.param("", id="empty"),
    pytest.param("../x", id="a way out of the folder"),
    pytest.param("a/b", id="a path"),
    pytest.param(".hidden", id="a leading dot"),
    pytest.param("-rf", id="a leading dash"),
    pytest.param("a b", id="a space"),
    pytest.param("a\n", id="a line end, which `$` of other engines would let pass"),
    pytest.param("a\0b", id="a NUL"),
    pytest.param("é", id="a letter that two file systems spell differently"),
    pytest.param("a*", id="a pattern"),
    pytest.param("a:b", id="the separator of Redis keys"),
    pytest.param("x" * 129, id="129 characters"),
]


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("field", ["job_id", "run_id"])
def test_an_id_that_a_path_or_a_key_would_misread_is_refused(field: str, bad: str) -> None:
    """Ids name files and Redis keys: one that climbs out of its folder would write anywhere."""
    with pytest.raises(ValidationError, match=field):
        PromptJob.model_validate({"prompt": "x", field: bad})


@pytest.mark.parametrize("good", ["a", "0", "x" * 128, "job_0m3x.A-1"])
def test_an_id_of_letters_digits_dots_hyphens_and_underscores_is_taken(good: str) -> None:
    """People name jobs after tickets and files; that must go on working."""
    assert PromptJob(prompt="x", job_id=good).job_id == good


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        pytest.param(PromptJob(prompt="x"), "prompt", "y", id="job"),
        pytest.param(an_attempt(), "verdict", Verdict.NO_CODE, id="attempt"),
        pytest.param(a_record(PromptJob(prompt="x"), Verdict.ACCEPTED), "error", "e", id="record"),
    ],
)
def test_what_is_stored_cannot_be_changed_afterwards(
    model: BaseModel, field: str, value: object
) -> None:
    """A record that someone amends in passing is no longer what happened."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, field, value)


def test_an_unknown_field_is_refused() -> None:
    """A misspelt option that is dropped in silence costs a night's run."""
    with pytest.raises(ValidationError, match="maxAttemps"):
        PromptJob.model_validate({"prompt": "x", "maxAttemps": 5})


def test_names_are_taken_in_both_spellings_and_written_in_one() -> None:
    """Scripts write Python, files hold JSON; a reader of files meets one spelling only."""
    by_name = PromptJob(prompt="x", job_id="j", max_attempts=5)
    by_alias = PromptJob.model_validate({"prompt": "x", "jobId": "j", "maxAttempts": 5})
    assert by_name == by_alias
    assert {"jobId", "maxAttempts", "taskId"} <= json.loads(by_name.to_json()).keys()


def test_the_two_resources_are_written_with_their_documented_names() -> None:
    """Readers of records know these two from Gemini's own documentation, letter by letter."""
    attempt = json.loads(an_attempt().to_json())
    code, result = attempt["executableCode"], attempt["codeExecutionResult"]
    assert code == {"language": "python", "code": "print(1)"}
    assert result == {"outcome": "OUTCOME_OK", "output": "1\n", "executionError": None}


def test_an_execution_error_is_told_beside_the_output() -> None:
    """The feedback loop and its readers need the error apart from what was printed."""
    result = CodeExecutionResult(
        outcome=Outcome.FAILED, output="1\nboom", execution_error="ValueError: boom"
    )
    assert json.loads(result.to_json())["executionError"] == "ValueError: boom"


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param({"prompt": "TOPSECRET", "max_attempts": 99}, id="prompt"),
        pytest.param(
            {"prompt": "x", "checker": {"kind": "passes", "tests": "TOPSECRET"}}, id="tests"
        ),
        pytest.param({"prompt": ["TOPSECRET"]}, id="of the wrong type"),
        pytest.param({"prompt": "x", "metadata": {"k": float("nan"), "s": "TOPSECRET"}}, id="meta"),
    ],
)
def test_an_error_does_not_show_what_was_asked(refused: dict[str, object]) -> None:
    """Errors are logged and pasted into tickets; prompts may hold what belongs to a customer."""
    with pytest.raises(ValidationError) as caught:
        PromptJob.model_validate(refused)
    assert "TOPSECRET" not in str(caught.value)


def test_an_error_does_not_show_a_program() -> None:
    """Programs are not logged either."""
    with pytest.raises(ValidationError) as caught:
        ExecutableCode.model_validate({"language": "cobol", "code": "TOPSECRET"})
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"x": float("nan")}, id="NaN, which JSON has no word for"),
        pytest.param({"x": [float("inf")]}, id="infinity"),
        pytest.param({"x": "\ud800"}, id="half a surrogate pair, which UTF-8 has no bytes for"),
        pytest.param({"\udfff": 1}, id="half a surrogate pair in a name"),
    ],
)
def test_metadata_that_could_not_be_written_back_unchanged_is_refused(
    metadata: dict[str, object],
) -> None:
    """It is promised to come back untouched; what cannot must be said before the job is paid for."""
    with pytest.raises(ValidationError, match="metadata"):
        PromptJob.model_validate({"prompt": "x", "metadata": metadata})


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_metadata_as_deep_as_allowed_still_makes_a_readable_record() -> None:
    """A record that was written and cannot be read is a job that never ends."""
    job = PromptJob.model_validate({"prompt": "x", "metadata": {"deep": nested(98)}})
    record = a_record(job, Verdict.ACCEPTED)
    assert Record.model_validate_json(record.to_json()) == record


@pytest.mark.parametrize("depth", [100, 10_000], ids=["a little", "far"])
def test_metadata_nested_too_deeply_to_be_read_back_is_refused(depth: int) -> None:
    """JSON readers give up at some depth, long after the answer was paid for."""
    with pytest.raises(ValidationError, match=r"nested|[Rr]ecursion"):
        PromptJob.model_validate({"prompt": "x", "metadata": {"deep": nested(depth)}})


def test_a_naive_time_is_refused() -> None:
    """Workers stand in several time zones; a time without one cannot be compared."""
    with pytest.raises(ValidationError, match="timezone"):
        an_attempt().model_validate({**an_attempt().model_dump(), "started_at": "2026-01-01T00:00"})


@pytest.mark.parametrize(
    ("verdicts", "solved_at"),
    [
        pytest.param([Verdict.ACCEPTED], 1, id="at once"),
        pytest.param([Verdict.RUNTIME_ERROR, Verdict.ACCEPTED], 2, id="after feedback"),
        pytest.param([Verdict.NO_CODE, Verdict.WRONG_ANSWER], None, id="never"),
    ],
)
def test_a_record_says_which_attempt_was_accepted(
    verdicts: list[Verdict], solved_at: int | None
) -> None:
    """Reports count by it."""
    assert a_record(PromptJob(prompt="x"), *verdicts).solved_at == solved_at


def test_a_job_that_failed_before_its_first_attempt_has_no_program_and_no_output() -> None:
    """A script that asks every record for its output must not trip over ours that failed."""
    record = a_record(PromptJob(prompt="x"), error="the sandbox failed")
    assert (record.executable_code, record.output, record.solved_at) == (None, None, None)


def test_the_output_of_a_record_is_that_of_its_last_program() -> None:
    """`record.output` is what a ten-line script prints."""
    record = a_record(PromptJob(prompt="x"), Verdict.RUNTIME_ERROR, Verdict.ACCEPTED)
    assert record.output == "1\n"
    assert record.executable_code == ExecutableCode(language=Language.PYTHON, code="print(1)")


@pytest.mark.parametrize(
    ("mine", "theirs", "together"),
    [
        pytest.param(None, None, None, id="unknown stays unknown"),
        pytest.param(2, None, 2, id="an unknown part counts as nothing"),
        pytest.param(None, 0, 0, id="nothing is known to be nothing"),
        pytest.param(2, 3, 5, id="known"),
    ],
)
def test_adding_usage_keeps_unknown_apart_from_nothing(
    mine: int | None, theirs: int | None, together: int | None
) -> None:
    """A bill of 0 tokens and a bill that nobody knows are different things."""
    total = Usage(total_token_count=mine) + Usage(total_token_count=theirs)
    assert total == Usage(total_token_count=together)


def test_a_reply_keeps_content_it_does_not_understand() -> None:
    """Thought signatures and parts newer than us must go back to the model as they came."""
    content = {
        "role": "model",
        "parts": [{"thoughtSignature": "c2ln", "newPart": {"x": [1, None]}}],
    }
    reply = ModelReply.model_validate(
        {"content": content, "text": "", "finishReason": None, "modelVersion": None}
        | {"latencySeconds": 0.0}
    )
    assert json.loads(reply.to_json())["content"] == content


@pytest.mark.parametrize(
    ("checker", "kind"),
    [
        pytest.param(MatchesOutput(cases=(Case(expect="1"),)), "matches_output", id="output"),
        pytest.param(PassesTests(tests="assert f() == 1"), "passes_tests", id="tests"),
    ],
)
def test_a_checker_is_told_apart_by_its_kind(
    checker: MatchesOutput | PassesTests, kind: str
) -> None:
    """A stored job has to be checked the same way when it is read back."""
    job = PromptJob(prompt="x", checker=checker)
    assert json.loads(job.to_json())["checker"]["kind"] == kind
    assert PromptJob.model_validate_json(job.to_json()).checker == checker


STRICT = Isolation(profile="strict", layers=("pid-namespace", "rlimits", "seccomp"))


@pytest.mark.parametrize(
    ("others", "weakest"),
    [
        pytest.param((), STRICT, id="one alone"),
        pytest.param(
            (Isolation(profile="rlimits", layers=("rlimits",), missing=("seccomp",)),),
            Isolation(profile="rlimits", layers=("rlimits",), missing=("seccomp",)),
            id="a weaker profile",
        ),
        pytest.param(
            (
                Isolation(profile="strict", layers=("rlimits", "landlock"), missing=("a", "b")),
                Isolation(profile="strict", layers=("rlimits", "seccomp"), missing=("b", "c")),
            ),
            Isolation(profile="strict", layers=("rlimits",), missing=("a", "b", "c")),
            id="layers of each only",
        ),
    ],
)
@pytest.mark.parametrize("turn", [1, -1], ids=["", "backwards"])
def test_of_several_isolations_that_is_claimed_which_all_had(
    others: tuple[Isolation, ...], weakest: Isolation, turn: int
) -> None:
    """A wall that stood during one run only held nothing in the others."""
    found = weakest_of((STRICT, *others)[::turn])
    assert (found.profile, sorted(found.layers), sorted(found.missing)) == (
        weakest.profile,
        sorted(weakest.layers),
        sorted(weakest.missing),
    )
