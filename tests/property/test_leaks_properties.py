"""What is hidden of a check is found where it stands, and nothing else is, in time that is bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.checkers import (
    Case,
    Checker,
    ExpectedCall,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.conversations import Conversation
from jobs.feedback import Feedback
from jobs.languages import Language
from jobs.models import PromptJob
from worker.solver.leaks import leaks_of

_PROMPT = "Sort the words that you are given."
_SECRET = "walrus-31337-quartz"


def a_job(
    checker: Checker,
    *,
    prompt: str = _PROMPT,
    feedback: Feedback = "public",
    language: Language = Language.PYTHON,
) -> PromptJob:
    talk = Conversation(feedback=feedback)
    return PromptJob(prompt=prompt, checker=checker, conversation=talk, language=language)


def calls(*expected: object, public: bool = False) -> MatchesCalls:
    made = [
        ExpectedCall.model_validate({"arguments": [n], "expected": e})
        for n, e in enumerate(expected)
    ]
    return MatchesCalls(entry_point="f", calls=tuple(made), public=public)


def output(*cases: tuple[str, bool]) -> MatchesOutput:
    return MatchesOutput(cases=tuple(Case(expect=text, public=public) for text, public in cases))


HIDDEN = output((_SECRET, False))
TESTS = PassesTests(tests=f"value = 3\nassert sort_words(['b', 'a']) == ['{_SECRET}', 'ab']\n")


@pytest.mark.parametrize(
    ("checker", "code"),
    [
        pytest.param(HIDDEN, f"print('{_SECRET}')", id="an output"),
        pytest.param(output(("12\n345\n6789", False)), r"print('12\n345\n6789')", id="lines"),
        pytest.param(TESTS, f'R = [ "{_SECRET}",\n "ab" ]', id="a list, written otherwise"),
        pytest.param(calls(987654321), "return 987654321", id="a long number"),
        pytest.param(calls([3, 1, 4, 1, 5, 9]), "x = [3,1,4,1,5,9]", id="a list of numbers"),
        pytest.param(calls({"b": [1, 2, 3]}), "return {'b': [1, 2, 3]}", id="an object"),
        pytest.param(
            calls({"no": None, "on": True, "in": 1}), 'x={"no":null,"on":true,"in":1}', id="as JSON"
        ),
    ],
)
def test_an_answer_that_holds_what_is_expected_is_named(checker: Checker, code: str) -> None:
    """Outputs that are written down and not worked out solve nothing, and raise the rate."""
    [leak, *_] = leaks_of(a_job(checker), code, None)
    assert leak.place == "answer"


@pytest.mark.parametrize(
    ("checker", "code"),
    [
        pytest.param(
            calls(3, True, None, "", "a", 1000, [], [1]),
            "f(3, True, None, '', 'a', 1000, [], [1])",
            id="trivial values",
        ),
        pytest.param(calls("Sunday"), "DAYS = ['Sunday']", id="a word"),
        pytest.param(calls(12345), "x = 9123456", id="within a longer number"),
        pytest.param(calls(12345), "x = 3.123450 + 12345.5", id="within a fraction"),
        pytest.param(output((_SECRET, True)), f"print('{_SECRET}')", id="of a public case"),
        pytest.param(
            output((_SECRET, True), (_SECRET, False)),
            f"print('{_SECRET}')",
            id="in a public case, too",
        ),
        pytest.param(calls(_SECRET, public=True), f"'{_SECRET}'", id="of public calls"),
        pytest.param(
            PassesTests(tests="assert f(12345678) == 3"), "f(12345678)", id="what tests give"
        ),
        pytest.param(PassesTests(tests="def f(:"), "def f(:", id="tests that do not compile"),
    ],
)
def test_what_may_stand_there_by_chance_is_not_named(checker: Checker, code: str) -> None:
    """A warning that is wrong most of the time is read by nobody."""
    assert leaks_of(a_job(checker), code, code) == ()


def test_what_stands_in_the_prompt_is_no_secret() -> None:
    """Most prompts give an example, and many checks try it."""
    job = a_job(HIDDEN, prompt=f"It prints  '{_SECRET}'.")
    assert leaks_of(job, f"print('{_SECRET}')", _SECRET) == ()


def test_a_line_of_hidden_tests_in_feedback_is_named() -> None:
    """Whoever is told its tests is measured by how well it copies."""
    line = TESTS.tests.split("\n")[1]
    found = leaks_of(a_job(TESTS), "print(1)", f"It failed in:\n\n    {line}\n")
    assert {leak.place for leak in found} == {"feedback"}
    assert {leak.case for leak in found} == {"line 2"}
    assert any(leak.text.startswith("assert sort_words(") for leak in found)


def test_nothing_leaks_in_feedback_to_a_model_that_is_told_everything() -> None:
    """It was asked for; an answer that copies it solves nothing all the same."""
    job = a_job(HIDDEN, feedback="oracle")
    [leak] = leaks_of(job, f"print('{_SECRET}')", f"Expected: {_SECRET}")
    assert leak.place == "answer"


@pytest.mark.parametrize("language", [Language.JAVASCRIPT, Language.BASH])
def test_tests_of_other_languages_are_read_by_their_lines(language: Language) -> None:
    """Half of the known benchmarks are not in Python."""
    tests = {
        Language.JAVASCRIPT: f'assert.deepEqual(f("12345678"),"{_SECRET}");',
        Language.BASH: f'[[ $(f "12345678") = "{_SECRET}" ]]',
    }[language]
    job = a_job(PassesTests(tests=tests), language=language)
    assert leaks_of(job, f"return '{_SECRET}'", None) != ()
    assert leaks_of(job, "return '12345678'", None) == ()


_TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
_VALUE = st.recursive(st.integers() | _TEXT, lambda inner: st.lists(inner, max_size=4))


@given(value=_VALUE, before=_TEXT, after=_TEXT)
def test_a_telling_value_is_found_wherever_it_stands(
    value: object, before: str, after: str
) -> None:
    """A guard that sees it in one place and not in the next guards nothing."""
    job = a_job(calls(value), prompt="x")
    alone = leaks_of(job, json.dumps(value, ensure_ascii=False), None)
    beside = leaks_of(job, f"{before} ;{json.dumps(value, ensure_ascii=False)}; {after}", None)
    assert {leak.text for leak in alone} <= {leak.text for leak in beside}
    assert bool(alone) == bool(
        leaks_of(job, f"return {json.dumps(value, ensure_ascii=False)}\n", None)
    )


@given(tests=st.text(max_size=300), code=st.text(max_size=300), language=st.sampled_from(Language))
def test_no_tests_and_no_program_break_it(tests: str, code: str, language: Language) -> None:
    """It looks at what models write, in the middle of a job that was paid for."""
    job = a_job(PassesTests(tests=tests or "x"), language=language)
    for leak in leaks_of(job, code, code):
        assert leak.text


def test_many_cases_and_long_texts_are_looked_at_in_one_pass() -> None:
    """Some checks have hundreds of cases of a MiB, and the worker has other jobs to see to meanwhile."""
    many = calls(*([f"{_SECRET}{n}" for n in range(4_000)]))
    found = leaks_of(a_job(many), f"{'x = 1; ' * 200_000}", f"{_SECRET}7 {'walrus ' * 200_000}")
    assert [leak.text for leak in found] == [f"{_SECRET}7"]
    large = output(*[(f"{n}: {'so it goes on ' * 7_000}", False) for n in range(300)])
    assert len(leaks_of(a_job(large), f"print('7: {'so it goes on ' * 7_000}')", None)) == 1


def test_a_number_that_python_does_not_spell_is_passed_over() -> None:
    """Four thousand digits in a row of somebody else's would end each attempt at it with an error of ours."""
    tests = f"assert factorial(3_000) == 0x{'f' * 5_000}\nassert name() == '{_SECRET}'\n"
    [leak] = leaks_of(a_job(PassesTests(tests=tests)), f"NAME = '{_SECRET}'", None)
    assert leak.text == _SECRET


def test_a_text_that_nobody_closes_is_looked_at_once() -> None:
    """Where each quote in it began another search, a single line of a dataset would hold its worker for hours."""
    endless = "\\" + '\\"' * 200_000
    tests = f'EXPECT_EQ(name(), "{_SECRET}");\nEXPECT_EQ(other(), "{endless}\n'
    job = a_job(PassesTests(tests=tests), language=Language.CPP)
    assert [leak.text for leak in leaks_of(job, f'"{_SECRET}"', None)] == [_SECRET]


def test_secrets_that_begin_everywhere_in_a_text_are_not_tried_without_end() -> None:
    """A row of a dataset could hold its worker for minutes at each attempt, by a prompt or by what models repeat."""
    again = "abcd1" * 199_000
    lengths = [(again[:n], False) for n in range(10, 200)]
    job = a_job(output(*lengths, (_SECRET, False)), prompt=again)
    code = f"print('{_SECRET}')\n# {again}"
    assert [leak.text for leak in leaks_of(job, code, again)] == [_SECRET]


def test_what_is_public_is_looked_through_at_once_however_long_it_is() -> None:
    """Contests have inputs of megabytes, and each attempt at them that holds a secret would wait for seconds."""
    long = "\n".join(f"line {n} x{_SECRET}x" for n in range(100_000))
    public = Case(stdin=long, expect=f"{long}\nshown-90210-too", public=True)
    hidden = [Case(expect=text, public=False) for text in (_SECRET, "shown-90210-too")]
    job = a_job(MatchesOutput(cases=(public, *hidden)))
    found = leaks_of(job, f"print('{_SECRET}', 'shown-90210-too')", None)
    assert [leak.text for leak in found] == [_SECRET]
