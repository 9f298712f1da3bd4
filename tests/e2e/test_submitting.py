"""Jobs that are submitted from a shell or from a script, and the worker that another terminal runs."""

import shutil
from pathlib import Path

import pytest

from jobs.verdicts import Verdict
from jobs.wire import decode
from tests.standin.running import Standin

from .programs import reply
from .project import PYTHON, Project
from .surroundings import without_reader

pytestmark = pytest.mark.e2e

PRIMES = "print(*[n for n in range(2, 72) if all(n % d for d in range(2, n))])"
EXAMPLE = Path(__file__).parents[2] / "examples" / "submit.py"


async def test_a_prompt_that_is_waited_for_ends_with_its_record(
    gemini: Project, standin: Standin
) -> None:
    """It is the first thing that anybody types; the id alone goes to standard output, for scripts."""
    standin.says(reply("print(42)"))
    await gemini.start_worker()
    ended = gemini.run("submit", "Print the answer.", "--expect", "42", "--wait")
    assert ended.code == 0
    [record] = gemini.records()
    assert ended.out == f"{record.job_id}\n"
    assert record.verdict is Verdict.ACCEPTED
    assert f"{record.job_id}.json" in ended.err


async def test_waiting_for_a_job_that_is_never_solved_exits_with_1(
    gemini: Project, standin: Standin
) -> None:
    """A script has to tell an answer from no answer without reading."""
    standin.says(reply("print(41)"))
    await gemini.start_worker()
    ended = gemini.run(
        "submit", "Print the answer.", "--expect", "42", "--max-attempts", "1", "--wait", "--json"
    )
    assert ended.code == 1
    assert [record["verdict"] for record in ended.json()] == ["wrong_answer"]


def test_a_job_that_waits_is_told_from_one_that_nobody_knows(project: Project) -> None:
    """Between submitting and the record people look, and "no record" reads as if the job were lost."""
    job_id = project.run("submit", "Print 1.").out.strip()
    ended = project.run("job", "show", job_id)
    assert ended.code == 2
    assert f"there is no record of job '{job_id}' yet: it waits for a worker" in ended.err
    assert "promptmill queue status" in ended.err
    assert "yet" not in project.run("job", "show", "nobody").err


async def test_a_file_of_jobs_is_submitted_through_a_pipe(
    gemini: Project, standin: Standin
) -> None:
    """Prompts are often made by another program, which writes to standard output."""
    standin.says(reply("print(42)"))
    await gemini.start_worker()
    rows = '{"id": "a", "prompt": "Print 42."}\n{"id": "b", "prompt": "Print it again."}\n'
    ended = gemini.run("submit", "--jsonl", "-", "--wait", stdin=rows)
    assert ended.code == 0
    assert ended.out.split() == [
        record.job_id
        for record in sorted(gemini.records(), key=lambda record: record.job.task_id or "")
    ]


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        pytest.param(("@prompt.txt",), None, id="file"),
        pytest.param(("-",), "Print the answer.\n", id="standard input"),
        pytest.param(("@windows.txt",), None, id="file of another system"),
    ],
)
def test_the_line_break_at_the_end_of_a_text_is_no_part_of_the_prompt(
    project: Project, words: tuple[str, ...], stdin: str | None
) -> None:
    """Every editor and `echo` put one there, and a recorded answer is found by the prompt's exact words."""
    project.write("prompt.txt", "Print the answer.\n")
    (project.folder / "windows.txt").write_bytes(b"\xef\xbb\xbfPrint the answer.\r\n")
    assert project.run("submit", *words, stdin=stdin).code == 0
    assert _queued_prompts(project) == ["Print the answer."]


def test_of_several_line_breaks_at_the_end_one_is_taken_away(project: Project) -> None:
    """What else stands there was meant."""
    assert project.run("submit", "-", stdin="Print the answer.\n\n").code == 0
    assert _queued_prompts(project) == ["Print the answer.\n"]


def test_what_stands_after_two_hyphens_is_a_prompt(project: Project) -> None:
    """It is how every command is told that no more options follow."""
    assert project.run("submit", "--", "--wait").code == 0
    assert _queued_prompts(project) == ["--wait"]


async def test_tests_may_begin_with_the_mark_of_an_editor(
    gemini: Project, standin: Standin
) -> None:
    """Some editors write one before the first character, and no one sees it; Python refuses it."""
    standin.says(reply("answer = 42"))
    await gemini.start_worker()
    (gemini.folder / "tests.py").write_bytes(b"\xef\xbb\xbfassert answer == 42\n")
    ended = gemini.run("submit", "Set answer.", "--tests", "tests.py", "--wait")
    assert ended.code == 0, ended.err


async def test_jobs_are_waited_for_although_nobody_reads_their_ids(
    gemini: Project, standin: Standin
) -> None:
    """`… --wait | head -n 1` asks for one id, and for the code that says how the jobs did."""
    standin.says(reply("print(41)"))
    await gemini.start_worker()
    gemini.write_rows("two.jsonl", [{"prompt": "Print 42.", "expect": "42"}, {"prompt": "Hm."}])
    words = ("promptmill", "submit", "--jsonl", "two.jsonl", "--max-attempts", "1", "--wait")
    ended = gemini.run_program(*without_reader(*words))
    assert (ended.code, ended.out) == (1, ""), ended.err
    verdicts = sorted(record.verdict for record in gemini.records())
    assert verdicts == [Verdict.ACCEPTED, Verdict.WRONG_ANSWER]


def _queued_prompts(project: Project) -> list[str]:
    with project.client() as client:
        payloads = [decode(client.get(key) or b"") for key in client.scan_iter("arq:job:*")]
    return [payload["a"][0]["prompt"] for payload in payloads]


def test_a_prompt_without_a_worker_waits_in_the_queue(project: Project) -> None:
    """Whoever forgot to start a worker should hear so, not wait in front of silence."""
    ended = project.run("submit", "Print the answer.")
    assert ended.code == 0
    assert "no worker has been heard of" in ended.err
    assert project.queued() == 1


async def test_the_example_script_runs_beside_a_config_module_of_ones_own(
    bare_gemini: Project, standin: Standin
) -> None:
    """Every second project has a `config.py`; a library that takes its place, or falls over it, is unusable."""
    standin.says(reply(PRIMES))
    bare_gemini.write("config.py", "raise RuntimeError('this is the config of somebody else')\n")
    script = str(shutil.copy(EXAMPLE, bare_gemini.folder))
    await bare_gemini.start_worker()
    ended = bare_gemini.run_program(PYTHON, script)
    assert ended.code == 0, ended.err
    [record] = bare_gemini.records()
    assert record.verdict is Verdict.ACCEPTED
    assert str(record.verdict) in ended.out
