"""A key that is planted is looked for wherever anything is written, shown, kept or handed on."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import Rule
from tests.waiting import wait_until

from .programs import reply
from .project import Ended, Project, Running

pytestmark = pytest.mark.e2e

LOOKING = reply(
    """
import os, pathlib
print(dict(os.environ))
for process in pathlib.Path("/proc").glob("[0-9]*"):
    for name in ("environ", "cmdline"):
        try:
            print((process / name).read_bytes())
        except OSError:
            pass
"""
)
QUOTING = steps.error(400, "INVALID_ARGUMENT", f"the key {GOOD_KEY} may not do this")
EVERYTHING = {"PROMPTMILL_LOG__LEVEL": "debug", "PROMPTMILL_LOG__FORMAT": "json"}


def _told(standin: Standin) -> None:
    """Every kind of answer there is, by what the prompt asks for."""
    standin.script(
        Rule(first="look around", steps=(steps.text(LOOKING),), repeats=True),
        Rule(first="be refused", steps=(QUOTING,), repeats=True),
        Rule(
            first="wait",
            steps=(steps.rate_limited(0.01), steps.not_json(), steps.text(reply("print(42)"))),
            repeats=True,
        ),
    )


def _rows(project: Project) -> None:
    prompts = ("look around", "be refused", "wait")
    project.write_rows("all.jsonl", [{"id": word, "prompt": word} for word in prompts])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_report_record_error_or_file_holds_the_key(gemini: Project, standin: Standin) -> None:
    """They are pasted into tickets, sent around and put under version control."""
    _told(standin)
    _rows(gemini)
    ended = [gemini.run("eval", "all.jsonl", "--run", "r", "--debug", **EVERYTHING)]
    records = gemini.records()
    assert len(records) == 3
    commands = [
        ("run", "show", "r", "--json"),
        *(("job", "show", record.job_id, "--json") for record in records),
        ("config", "show"),
        ("model", "check", "--json"),
        ("doctor", "--live", "--json"),
    ]
    _assert_unsaid(ended + [gemini.run(*words, **EVERYTHING) for words in commands])
    standin.says(steps.bad_key())
    _assert_unsaid([gemini.run("eval", "all.jsonl", "--run", "p", "--debug", **EVERYTHING)])
    written = [path for path in gemini.folder.rglob("*") if path.is_file()]
    assert [path for path in written if GOOD_KEY.encode() in path.read_bytes()] == []
    with gemini.client() as client:
        names = list(client.scan_iter())
        assert [name for name in names if GOOD_KEY.encode() in (client.dump(name) or b"")] == []


def _assert_unsaid(ended: list[Ended]) -> None:
    for one in ended:
        assert GOOD_KEY not in one.said


async def test_no_process_below_a_worker_is_handed_the_key(
    gemini: Project, standin: Standin
) -> None:
    """Programs that nobody has read run down there, and whoever is in a sandbox looks around first."""
    _told(standin)
    worker = await gemini.start_worker(**EVERYTHING)
    gemini.submit("look around")
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    below = _environments_below(worker)
    assert below, "there is a sandbox to look at"
    assert [name for name, environment in below.items() if GOOD_KEY.encode() in environment] == []
    [record] = gemini.records()
    assert GOOD_KEY not in record.to_json()
    assert GOOD_KEY not in worker.err + worker.out


def _environments_below(worker: Running) -> dict[str, bytes]:
    found = {}
    for process in worker.tree():
        if process.pid != worker.pid:
            # One that waits to be buried when it is listed may be gone when it is looked at.
            with suppress(FileNotFoundError, ProcessLookupError):
                found[str(process)] = Path(f"/proc/{process.pid}/environ").read_bytes()
    return found
