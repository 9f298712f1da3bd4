"""`promptmill sandbox run`: what a worker would do with a program, for whoever wants to see it."""

import base64
import os
import signal

import pytest

from tests.waiting import wait_until

from .project import Project
from .terminal import on_terminal

pytestmark = pytest.mark.e2e


def test_a_program_prints_where_it_would_and_a_summary_follows(project: Project) -> None:
    """Its output can go on into another program, since what we say of it goes elsewhere."""
    project.write("one.py", "import sys\nprint('out')\nprint('err', file=sys.stderr)")
    ended = project.run("sandbox", "run", "one.py")
    assert (ended.code, ended.out) == (0, "out\n")
    first, *summary = ended.err.splitlines()
    assert first == "err"
    assert [line.split()[0] for line in summary] == ["ended", "used", "sandbox"]
    assert "exit code 0" in summary[0]
    assert "memory" in summary[1]
    assert "processes 1" in summary[1]


@pytest.mark.parametrize(
    ("words", "given"),
    [(("--stdin", "4 2"), None), (("--stdin", "-"), "4 2"), (("--stdin", "@in.txt"), None)],
    ids=["text", "ours", "file"],
)
def test_standard_input_is_given_in_three_ways(
    project: Project, words: tuple[str, ...], given: str | None
) -> None:
    """A word, a pipe or a file: whichever is at hand."""
    project.write("in.txt", "4 2")
    project.write("one.sh", "read a b; echo $((a * 10 + b))")
    ended = project.run("sandbox", "run", "one.sh", *words, stdin=given)
    assert (ended.code, ended.out) == (0, "42\n"), ended.err


def test_a_program_is_read_from_standard_input(project: Project) -> None:
    """Whatever made it need not know of files."""
    ended = project.run("sandbox", "run", "-", "--language", "python", stdin="print(6 * 7)")
    assert (ended.code, ended.out) == (0, "42\n"), ended.err


def test_a_file_is_a_file_whatever_it_is_called(project: Project) -> None:
    """With its folder before it, a name is no option."""
    project.write("-one.py", "print(6 * 7)")
    ended = project.run("sandbox", "run", "./-one.py")
    assert (ended.code, ended.out) == (0, "42\n"), ended.err


def test_files_go_in_and_come_out_as_json(project: Project) -> None:
    """The bytes are handed over; where a stranger's file may be written to is for others to decide."""
    project.write("data/in.txt", "data")
    project.write(
        "one", "with open('out.bin', 'wb') as f: f.write(open('in.txt', 'rb').read() + b'\\xff')"
    )
    words = ("--language", "python", "--files", "data/in.txt", "--collect", "3", "--json")
    before = sorted(path.name for path in project.folder.iterdir())
    ended = project.run("sandbox", "run", "one", *words)
    told = ended.json()
    assert (ended.code, ended.err) == (0, "")
    assert sorted(told) == ["execution", "isolation", "language", "limits"]
    (artefact,) = told["execution"]["artefacts"]
    assert artefact["name"] == "out.bin"
    assert base64.b64decode(artefact["contentBase64"]) == b"data\xff"
    assert told["isolation"]["profile"] in {"strict", "contained", "rlimits"}
    assert sorted(path.name for path in project.folder.iterdir()) == before
    assert "left      out.bin (5 bytes)" in project.run("sandbox", "run", "one", *words[:-1]).err


def test_output_is_passed_on_byte_by_byte(project: Project) -> None:
    """A picture on standard output is as good as one in a file."""
    project.write("one.py", "import os; os.write(1, bytes(range(256)))")
    ended = project.run_program(
        "sh", "-c", "promptmill sandbox run one.py 2>/dev/null | od -An -v -tu1 | tr -s ' \\n' ' '"
    )
    assert ended.out.split() == [str(number) for number in range(256)]


def test_a_terminal_is_not_steered_by_a_program(project: Project) -> None:
    """An escape sequence can rewrite what was on the screen, and even type."""
    project.write(
        "one.py", "import sys\nfor s in (sys.stdout, sys.stderr): s.write('a\\x1b]0;t\\x07')"
    )
    shown = on_terminal(project, "sandbox", "run", "one.py")
    assert "\x1b" not in shown
    assert shown.count(r"a\x1b]0;t\x07") == 2
    assert "ended     exit code 0" in shown


@pytest.mark.parametrize(
    ("program", "words", "told"),
    [
        ("raise SystemExit(3)", (), "exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", (), "signal 11 (SIGSEGV)"),
        ("while True: pass", ("--cpu-seconds", "0.3"), "over the limit of cpu"),
        (
            "input(); import time; time.sleep(9)",
            ("--stdin", "x\n", "--wall-seconds", "0.3"),
            "limit of wall",
        ),
        ("while True: print('x' * 999)", ("--output-kib", "8"), "over the limit of output"),
        ("x = [bytes(1 << 20) for _ in range(999)]", ("--memory-mib", "64"), "limit of memory"),
        ("def f(:", (), "does not compile"),
    ],
    ids=["exit code", "signal", "cpu", "wall", "output", "memory", "syntax"],
)
def test_a_program_that_failed_says_of_what_and_ends_with_1(
    project: Project, program: str, words: tuple[str, ...], told: str
) -> None:
    """A script that tries programs has to tell a bad one from a good one without reading."""
    project.write("one.py", program)
    ended = project.run("sandbox", "run", "one.py", *words)
    assert ended.code == 1
    assert told in ended.err


def test_no_flag_goes_over_the_ceiling(project: Project) -> None:
    """A worker would not, and here a worker is what is tried."""
    project.write("one.py", "")
    ended = project.run("sandbox", "run", "one.py", "--memory-mib", "60000", "--json")
    assert ended.json()["limits"]["memoryMib"] == 2048
    assert "--memory-mib 60000 is over ceiling.memory_mib: 2048" in ended.err


async def test_ctrl_c_ends_the_program_too(project: Project) -> None:
    """Whoever gives up must not leave something running that nobody has read."""
    project.write("one.py", "print('up', flush=True)\nwhile True: pass")
    running = project.start("sandbox", "run", "one.py", "--cpu-seconds", "50")
    await wait_until(lambda: len(running.tree()) > 3, 20, "the program")
    tree = running.tree()
    os.kill(running.pid, signal.SIGINT)
    assert running.ended().code == 130
    assert [process for process in tree if process.is_alive] == []
