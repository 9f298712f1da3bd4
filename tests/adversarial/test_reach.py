"""What a program can reach: its own files, and nothing of the host."""

import asyncio
import os
import secrets
import socket
import tempfile
from pathlib import Path

import pytest

from jobs.languages import Language
from worker.sandbox import Harness, Sandbox
from worker.sandbox.interpreters import readable_for

from .programs import LIMITS, javascript, python, sh

pytestmark = pytest.mark.adversarial


@pytest.fixture
def planted_secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment of the worker, which these tests are."""
    secret = f"secret-{secrets.token_hex(8)}"
    monkeypatch.setenv("GEMINI_API_KEY", secret)
    return secret


async def test_the_environment_is_an_allow_list(sandbox: Sandbox, planted_secret: str) -> None:
    """The worker's environment holds the key that pays for everything."""
    execution = await sandbox.run(sh("env"), LIMITS)
    names = {line.partition("=")[0] for line in execution.stdout.splitlines()}
    assert names - {"PWD"} == {"HOME", "LANG", "PATH", "TMPDIR"}
    assert planted_secret not in execution.stdout


async def test_no_process_shows_the_workers_environment(
    strict: Sandbox, planted_secret: str
) -> None:
    """Clearing the program's own environment is not enough: its parent has one too."""
    execution = await strict.run(
        sh("cat /proc/*/environ /proc/*/cmdline /proc/*/task/*/environ; true"), LIMITS
    )
    assert "LANG=C.UTF-8" in execution.stdout
    assert planted_secret not in execution.stdout


async def test_a_program_sees_no_process_but_its_own_run(strict: Sandbox) -> None:
    """Names and arguments of other processes are other people's business."""
    execution = await strict.run(
        python("import os; print(sorted(n for n in os.listdir('/proc') if n.isdigit()))"), LIMITS
    )
    # PID 1 of the slot, and itself.
    assert len(execution.stdout.split()) == 2
    assert execution.stdout.startswith("['1', ")


async def test_files_of_the_host_cannot_be_reached(strict: Sandbox) -> None:
    """The project's .env, the tests of other tasks and every home lie one open() away otherwise."""
    with tempfile.NamedTemporaryFile() as planted:
        paths = (
            planted.name,
            __file__,
            "/etc/shadow",
            "/etc/hostname",
            "/var/lib",
            "/proc/1/root/etc/shadow",
            "/proc/1/cwd",
        )
        program = f"import os\nfor path in {paths!r}:\n  if os.path.exists(path): print(path)"
        execution = await strict.run(python(program), LIMITS)
    assert (execution.stdout, execution.exit_code) == ("", 0)


async def test_the_root_holds_only_what_interpreters_need(strict: Sandbox) -> None:
    """Whatever else appears here was not meant to be shown."""
    execution = await strict.run(
        sh("ls /etc /dev /scratch; ls / /home /root /mnt /srv 2> /dev/null; true"), LIMITS
    )
    shown = {name for name in execution.stdout.split() if not name.endswith(":")}
    expected = {
        *("alternatives", "group", "hosts", "ld.so.cache", "nsswitch.conf", "passwd"),
        *("fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"),
        *("work", "tmp", "run"),
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "scratch", "usr"),
    }
    # Settings of interpreters, and an interpreter that lies elsewhere: each file by itself, and its parents' names.
    named = {
        part
        for language in Language
        for path in readable_for(language, for_everybody=False)
        for part in Path(path).parts
    }
    assert shown - expected <= named


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/usr/x",
        "/usr/bin/python3",
        "/etc/passwd",
        "/dev/x",
        "/proc/sys/kernel/hostname",
        "/var/tmp/x",
    ],
)
async def test_nothing_but_the_scratch_directory_can_be_written(strict: Sandbox, path: str) -> None:
    """An interpreter that one program changes, every later program runs."""
    execution = await strict.run(sh(f": > {path}"), LIMITS)
    assert execution.exit_code != 0


async def test_the_interpreter_cannot_be_changed_for_the_next_run(sandbox: Sandbox) -> None:
    """The standard library's own files are what the next program imports."""
    program = "import os, json\nfor path in (os.__file__, json.__cached__, os.path.dirname(os.__file__) + '/x.py'):\n"
    program += "  try: open(path, 'ab').write(b'#'); print('changed', path)\n  except OSError: pass"
    execution = await sandbox.run(python(program), LIMITS)
    assert (execution.stdout, execution.exit_code) == ("", 0)


async def test_a_file_left_in_tmp_is_gone_in_the_next_run(strict: Sandbox) -> None:
    """A candidate must not leave answers for the next sample of its task."""
    places = "/tmp /dev/shm . $HOME $TMPDIR /var/tmp /run"
    await strict.run(
        sh(f"for place in {places}; do echo left > $place/left; done 2> /dev/null"), LIMITS
    )
    execution = await strict.run(
        sh(f"for place in {places}; do ls $place/left; done 2> /dev/null; true"), LIMITS
    )
    assert execution.stdout == ""


async def test_a_server_on_the_loopback_is_out_of_reach(walled: Sandbox) -> None:
    """The queue listens there, and it holds every job."""
    reached = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        program = f"import socket\ntry: socket.create_connection(('127.0.0.1', {port}), 2); print('reached')\n"
        program += "except OSError as error: print(error.errno)"
        execution = await walled.run(python(program), LIMITS)
        script = f"const socket = require('net').connect({port}, '127.0.0.1', () => console.log('reached'));"
        script += "socket.on('error', () => 0)"
        by_node = await walled.run(javascript(script), LIMITS)
    # No socket at all, no right to connect, or no network.
    assert execution.stdout in {"1\n", "13\n", "101\n"}
    assert by_node.stdout == ""
    assert not reached.is_set()


async def test_an_abstract_socket_of_the_host_is_out_of_reach(walled: Sandbox) -> None:
    """These names belong to the network, no file permission guards them."""
    name = f"\0promptmill-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen()
        program = f"import socket\ntry: socket.socket(socket.AF_UNIX).connect({name!r}); print('reached')\n"
        program += "except OSError: pass"
        execution = await walled.run(python(program), LIMITS)
    assert (execution.stdout, execution.exit_code) == ("", 0)


@pytest.mark.parametrize("tests", [None, "pass"], ids=["no tests", "tests"])
async def test_no_descriptor_is_inherited_but_the_program_s_own(
    sandbox: Sandbox, tests: str | None
) -> None:
    """A forgotten descriptor is a door that no wall covers."""
    descriptor = os.memfd_create("secret")
    os.set_inheritable(descriptor, True)
    try:
        program = "import os\nprint(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
        execution = await sandbox.run(python(program), LIMITS, harness=Harness(tests=tests))
    finally:
        os.close(descriptor)
    own = [0, 1, 2] if tests is None else [0, 1, 2, 3, 4]
    # The listing itself takes one more.
    assert execution.stdout == f"{[*own, len(own)]}\n"


async def test_the_supervisor_cannot_be_traced_or_read(sandbox: Sandbox) -> None:
    """It holds the channel on which a verdict could be forged."""
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
if libc.ptrace(16, parent, 0, 0) == 0: print("traced")
for name in ("mem", "environ", "maps", "fd/0"):
    try: open(f"/proc/{parent}/{name}", "rb").read(1); print("read", name)
    except OSError: pass
try: print(os.listdir(f"/proc/{parent}/fd"))
except OSError: pass
"""
    execution = await sandbox.run(python(program), LIMITS)
    assert (execution.stdout, execution.exit_code) == ("", 0)


async def test_a_program_has_no_privileges_and_cannot_get_any(sandbox: Sandbox) -> None:
    """One capability is enough to undo a wall, and a setuid program would bring them all."""
    execution = await sandbox.run(
        sh("exec grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNewPrivs' /proc/self/status"), LIMITS
    )
    values = dict(line.split(":\t") for line in execution.stdout.splitlines())
    assert values.pop("NoNewPrivs") == "1"
    assert set(values.values()) == {"0000000000000000"}


async def test_root_runs_nothing_as_root(sandbox: Sandbox) -> None:
    """Root's processes are bound by no process limit and read every file."""
    execution = await sandbox.run(
        python("import os; print(0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()))"), LIMITS
    )
    assert execution.stdout == "False\n"


async def test_no_user_namespace_can_be_made(strict: Sandbox) -> None:
    """In one of its own a program is root again, towards most of the kernel."""
    program = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    program += "print(libc.unshare(0x10000000), ctypes.get_errno())\n"
    program += "try: open('/proc/sys/user/max_user_namespaces', 'w').write('9'); print('raised')\nexcept OSError: pass"
    execution = await strict.run(python(program), LIMITS)
    assert execution.stdout == "-1 1\n"


@pytest.mark.parametrize(
    "call",
    ["shmget(0x5EED, 4096, 0o1666)", "msgget(0x5EED, 0o1666)", "semget(0x5EED, 1, 0o1666)"],
)
async def test_nothing_is_made_that_could_outlive_the_run(walled: Sandbox, call: str) -> None:
    """Segments and queues of System V have no owner process: the next run could read them."""
    program = f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.{call}, ctypes.get_errno())"
    execution = await walled.run(python(program), LIMITS)
    assert execution.stdout == "-1 1\n"


async def test_the_machine_s_name_is_not_told(strict: Sandbox) -> None:
    """Host names carry customers, regions and roles."""
    execution = await strict.run(python("import os; print(os.uname().nodename)"), LIMITS)
    assert execution.stdout == "sandbox\n"
