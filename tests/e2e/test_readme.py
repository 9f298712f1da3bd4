"""The README is believed: what it tells people to type works as it stands."""

import re
from pathlib import Path

import pytest

from jobs.verdicts import Verdict

from .project import PYTHON, Project
from .readme import Readme

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
README = Readme(REPOSITORY / "README.md")


def test_the_readme_has_something_to_type() -> None:
    """Were its form to change, every test below would pass for want of anything to run."""
    assert len(README.sessions()) >= 2
    assert len(README.scripts()) >= 1
    assert {"run", "test"} <= set(README.make_targets())
    assert len(README.mentioned()) >= 5


@pytest.mark.parametrize("session", README.sessions(), ids=lambda text: text.split("\n", 1)[0])
def test_what_is_to_be_typed_works(bare_project: Project, session: str) -> None:
    """Somebody types it in an empty folder, without a key, and judges everything else by what happens."""
    ended = bare_project.run_program("sh", "-eu", "-c", session)
    assert ended.code == 0, ended.said
    assert "Traceback" not in ended.said
    assert {record.verdict for record in bare_project.records()} == {Verdict.ACCEPTED}


@pytest.mark.parametrize("script", README.scripts(), ids=["script"] * len(README.scripts()))
async def test_the_script_works_beside_a_worker(bare_project: Project, script: str) -> None:
    """Ten lines that are copied into a project decide whether a library is given an hour."""
    await bare_project.start_worker()
    bare_project.write("script.py", script)
    ended = bare_project.run_program(PYTHON, "script.py")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("accepted 2 3 5 7 11 ")


@pytest.mark.parametrize("command", sorted(set(README.mentioned())))
def test_every_command_that_is_mentioned_exists(bare_project: Project, command: str) -> None:
    """A flag that was renamed lives on in the README, and is the first thing somebody tries."""
    words = command.split()[1:]
    path = [word for word in words[:2] if re.fullmatch("[a-z]+", word)]
    ended = bare_project.run(*path, "--help")
    assert ended.code == 0, ended.err
    unknown = [word for word in words if word.startswith("--") and f"{word} " not in ended.out]
    assert unknown == []


@pytest.mark.parametrize("target", sorted(set(README.make_targets())))
def test_every_make_target_that_is_mentioned_exists(target: str) -> None:
    """They are the first two lines that anybody types."""
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(README.links())))
def test_every_link_leads_somewhere(link: str) -> None:
    """A dead link is where a reader stops."""
    assert (REPOSITORY / link).exists()
