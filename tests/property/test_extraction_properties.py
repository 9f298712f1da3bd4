"""What extraction promises for every text there is."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.languages import Language
from worker.solver.extraction import extract

PIECES = st.sampled_from(
    [
        "```",
        "````",
        "~~~",
        "python",
        "py\n",
        "sh\n",
        "\n",
        "> ",
        "- ",
        "   ",
        "\t",
        "print(1)",
        "'''",
        "<pre>",
        "</pre>",
        "<code>",
        "<think>",
        "</think>",
        '{"code": "f()"}',
        "prose goes here.",
        "def f():\n",
        "\r\n",
        ">>> f()",
        "\u00a0",
        "\ud800",
        "\x00",
        "# a.py",
        "import a\n",
        "-",
        "+",
        "&lt;",
        "!ls\n",
        "EOF\n",
        "<<EOF\n",
    ]
)
REPLIES = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))
LANGUAGES = st.sampled_from(Language)
PROGRAMS = st.lists(
    st.sampled_from(
        ["print('a ``` b')", "x = f(1)", "for n in y:\n    print(n)", "", "s = '''\n```\n'''"]
    ),
    min_size=1,
    max_size=6,
).map(lambda lines: "\n".join([*lines, "print(x)"]) + "\n")


# Time is for other tests: a busy machine must not fail this one.
@given(REPLIES, LANGUAGES)
def test_any_text_gives_a_program_or_a_reason_and_never_an_error(
    reply: str, language: Language
) -> None:
    """A worker that fell over one reply would fall over it again at every delivery."""
    found = extract(reply, language)
    if found.code is None:
        assert found.reason
        assert "\n" not in found.reason
        assert not found.strategy
    else:
        assert found.code.strip()
        assert found.code.endswith("\n")
        assert found.strategy
        assert not found.reason


@given(REPLIES, LANGUAGES)
def test_a_program_can_always_be_written_to_a_file(reply: str, language: Language) -> None:
    """Half a surrogate pair in a reply must not surface as an error of the sandbox."""
    code = extract(reply, language).code or ""
    assert code.encode().decode() == code


@given(PROGRAMS, st.sampled_from(["```python", "````py", "~~~python"]), st.text(alphabet="abc .\n"))
def test_a_program_between_clean_fences_comes_out_as_it_went_in(
    program: str, opener: str, prose: str
) -> None:
    """Whatever else is tolerated, the right form must never be touched."""
    fence = opener.rstrip("python")
    found = extract(f"{prose}\n\n{opener}\n{program}{fence}\n\n{prose}\n", Language.PYTHON)
    assert found.code == program
    assert not found.truncated
