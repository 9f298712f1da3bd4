"""What the documentation says of each profile was measured."""

import re

from tests.requiring import require
from worker.sandbox import PROFILES

from .corpus import rows
from .profiles import BEGIN, END, PAGE, Measured, table_of


def _committed() -> list[str]:
    _, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, _ = rest.partition(END)
    assert begin
    assert end
    return table.strip().splitlines()


def test_the_committed_table_names_every_kind_of_program_and_every_profile() -> None:
    """Somebody who chooses a profile by it must not miss what it does not hold."""
    require("the corpus of hostile programs in ../shared", available=bool(rows()))
    lines = _committed()
    # With the same programs, and everything held, only numbers can differ.
    everything = table_of([Measured(profile) for profile in PROFILES]).splitlines()
    assert lines[:2] == everything[:2]
    for line, whole in zip(lines[2:], everything[2:], strict=False):
        assert re.sub(r"\d+/", "/", line) == re.sub(r"\d+/", "/", whole)
    assert len(lines) >= len(everything)


def test_the_committed_table_says_what_is_not_held() -> None:
    """A number alone sends its reader to guess which attack is the one."""
    text = "\n".join(_committed())
    for place, profile in enumerate(PROFILES):
        [cell] = re.findall(rf"^\| all \|{' [^|]+ [|]' * place} (\d+)/(\d+) \|", text, re.MULTILINE)
        held, of = map(int, cell)
        named = re.findall(rf"Not held in `{profile}`: (.*)", text)
        assert held == of - sum(len(re.findall(r"`\w+` \(", line)) for line in named)
