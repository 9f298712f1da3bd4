"""What a program prints may be meant for the terminal of whoever reads it: it is spelled out, never sent."""

import json
import re
from typing import Any

import pytest

from .programs import recordings, reply
from .project import Project
from .terminal import on_terminal

pytestmark = pytest.mark.e2e

ATTACKS = {
    "colour": "\x1b[31mred",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "title": "\x1b]0;root@prod\x1b\\",
    "one-byte-introducer": "\x9b31mred",
    "overwriting": "verdict: accepted\r",
    "backspaces": "wrong\b\b\b\b\bright",
    "right-to-left": "user\u202e\u2066nimda",
    "invisible": "pass\u200bword\ufeff",
}
EVERYTHING = "".join(ATTACKS.values())
# What may steer a terminal or hide text; the line ends of our own lines are not among it.
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


@pytest.fixture
def attacked(project: Project) -> Project:
    """A folder with the record of a program that printed every attack, to both streams."""
    program = f"import sys\nsaid = {EVERYTHING!r}\nprint(said)\nsys.exit(said)"
    project.write_rows("said.jsonl", recordings({f"{EVERYTHING}\nforged": [reply(program)]}))
    # The prompt and the names in a dataset are as strange as the program.
    row = {
        "id": f"{EVERYTHING}\nforged",
        "prompt": f"Print {EVERYTHING}",
        "expect": "peace",
        "maxAttempts": 1,
    }
    project.write_rows("one.jsonl", [row])
    return project


def _evaluated(project: Project, *words: str) -> Any:
    return project.run("eval", "one.jsonl", "--model", "replay:said.jsonl", *words)


@pytest.fixture
def job_id(attacked: Project) -> str:
    """The id of the job in that record."""
    ended = _evaluated(attacked)
    assert ended.code == 0, ended.err
    [record] = attacked.records()
    assert record.attempts[0].execution is not None
    assert ATTACKS["clipboard"] in record.attempts[0].execution.stdout
    return record.job_id


def test_the_report_and_its_progress_steer_nothing(attacked: Project) -> None:
    """The first difference of a wrong answer is a line of the program's own choosing."""
    ended = _evaluated(attacked)
    assert "not solved: 1" in ended.out
    assert _STEERING.findall(ended.said) == []


def test_one_job_is_one_line_of_a_list(attacked: Project, job_id: str) -> None:
    """A task's name with a line end in it could otherwise add a job that never was."""
    listed = attacked.run("job", "list").out.splitlines()
    assert [line.split()[0] for line in listed] == [job_id]


@pytest.mark.parametrize(
    "words",
    [
        ("job", "show", "--content"),
        ("job", "show"),
        ("job", "show", "--json"),
        ("job", "list"),
        ("job", "list", "--json"),
    ],
    ids=" ".join,
)
def test_what_is_shown_of_a_job_steers_nothing(
    attacked: Project, job_id: str, words: tuple[str, ...]
) -> None:
    """Output that is piped into a pager or a log meets a terminal in the end."""
    shown = attacked.run(*words, *([job_id] if words[1] == "show" else []))
    assert shown.code == 0
    assert _STEERING.findall(shown.said) == []


def test_json_keeps_what_it_spells_out(attacked: Project, job_id: str) -> None:
    """Safe to print must not mean changed: a program that reads the JSON gets what was printed."""
    record = attacked.run("job", "show", job_id, "--json").json()
    assert record["attempts"][0]["execution"]["stdout"] == f"{EVERYTHING}\n"


def test_a_terminal_is_shown_the_attack_in_letters(attacked: Project, job_id: str) -> None:
    """On a terminal content is shown unasked, so that is where spelling out matters most."""
    shown = on_terminal(attacked, "job", "show", job_id)
    assert r"\x1b]52;c;cm0gLXJmIH4=\x07" in shown
    assert r"\u202e" in shown
    assert _STEERING.findall(shown.replace("\r\n", "\n")) == []


def test_an_error_steers_nothing(project: Project) -> None:
    """File names and options come from archives and scripts of strangers."""
    for words in (("eval", f"{EVERYTHING}.jsonl"), ("config", "show", f"--{EVERYTHING}")):
        ended = project.run(*words)
        assert ended.code == 2
        assert _STEERING.findall(ended.said) == []
        as_json = project.run(*words, "--json")
        assert _STEERING.findall(as_json.said) == []
        assert json.loads(as_json.out)["error"]["exit"] == 2
