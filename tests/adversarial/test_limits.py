"""Every limit ends the program that breaks it, and says which limit it was."""

import secrets
import signal

import pytest

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, LimitHit
from tests.requiring import require
from worker.sandbox import Files, InterpreterMissingError, Sandbox, find_interpreter
from worker.sandbox.languages import ROWS

from .programs import LIMITS, javascript, python, sh

pytestmark = pytest.mark.adversarial

_SMALL = LIMITS.model_copy(update={"cpu_seconds": 0.5, "wall_seconds": 3.0, "memory_mib": 96})

_IGNORE_SIGNALS = """
import signal
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""
_CHILDREN_BURN = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        while True: pass
time.sleep(60)
"""
_SHARED_MAPPING = """
import mmap
blocks = []
while True:
    blocks.append(mmap.mmap(-1, 1 << 22))
    blocks[-1].write(b"x" * (1 << 22))
"""
_MEMORY_IN_CHILDREN = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x") * (40 << 20)
        time.sleep(60)
time.sleep(60)
"""
# Of a process whose first thread has ended, /proc shows no memory. Shared mappings are in no RLIMIT_DATA either.
_MEMORY_WITHOUT_A_HEAD = """
import ctypes, mmap, os, threading, time
libc = ctypes.CDLL(None)
EXIT_THREAD = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
def hold():
    time.sleep(0.1)
    blocks = [mmap.mmap(-1, 16 << 20) for _ in range(4)]
    for block in blocks: block.write(b"x" * (16 << 20))
    time.sleep(60)
for _ in range(4):
    if os.fork() == 0:
        threading.Thread(target=hold).start()
        libc.syscall(EXIT_THREAD, 0)
time.sleep(60)
"""
_BOTH_STREAMS = """
import os
while True:
    os.write(1, b"x" * 65536)
    os.write(2, b"y" * 65536)
"""

_BREAKERS: dict[str, tuple[ExecutableCode, LimitHit]] = {
    "python loop": (python("while True: pass"), "cpu"),
    "c loop": (python("sum(range(10**12))"), "cpu"),
    "javascript loop": (javascript("for (;;) {}"), "cpu"),
    "shell loop": (sh("while :; do :; done"), "cpu"),
    "all signals ignored": (python(_IGNORE_SIGNALS), "cpu"),
    "children burn": (python(_CHILDREN_BURN), "cpu"),
    "python sleep": (python("import time; time.sleep(60)"), "wall"),
    "shell sleep": (sh("sleep 60"), "wall"),
    "closes its streams": (python("import os, time; os.closerange(0, 3); time.sleep(60)"), "wall"),
    "stops itself": (python("import os; os.kill(os.getpid(), 19)"), "wall"),
    "thread never joins": (
        python("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"),
        "wall",
    ),
    "python memory": (
        python("blocks = []\nwhile True: blocks.append(bytearray(1 << 20))"),
        "memory",
    ),
    "one huge block": (python("bytearray(1 << 40)"), "memory"),
    "shared mapping": (python(_SHARED_MAPPING), "memory"),
    "memory in children": (python(_MEMORY_IN_CHILDREN), "memory"),
    "memory in children without a first thread": (python(_MEMORY_WITHOUT_A_HEAD), "memory"),
    "javascript heap": (javascript("const a = []; for (;;) a.push({a});"), "memory"),
    "javascript buffers": (
        javascript("const a = []; for (;;) a.push(Buffer.alloc(1 << 24, 1));"),
        "memory",
    ),
    "standard output": (python("while True: print('x' * 100)"), "output"),
    "standard error": (python("import sys\nwhile True: sys.stderr.write('x' * 4096)"), "output"),
    "both, without a newline": (python(_BOTH_STREAMS), "output"),
    "one long line, then a clean end": (python("print('x' * (8 << 20))"), "output"),
    "endless shell output": (sh("exec yes"), "output"),
    "large file in javascript": (
        javascript("require('fs').writeFileSync('file', Buffer.alloc(32 << 20))"),
        "file_size",
    ),
    "large file of a shell's command": (sh("yes > file"), "file_size"),
    "large file of a python's command": (
        python("import subprocess; subprocess.run('exec yes > file', shell=True, check=True)"),
        "file_size",
    ),
    "large file": (sh("exec head -c 20000000 /dev/zero > file"), "file_size"),
}


# Each with the other limits well away: on a busy machine the same program takes three times as much CPU time.
_LOW = {
    "cpu": _SMALL,
    "wall": _SMALL.model_copy(update={"wall_seconds": 1.0}),
    **dict.fromkeys(
        ("memory", "output", "file_size"),
        LIMITS.model_copy(update={"cpu_seconds": 10.0, "wall_seconds": 20.0, "memory_mib": 96}),
    ),
}


@pytest.mark.parametrize("name", _BREAKERS)
async def test_a_broken_limit_is_named(sandbox: Sandbox, name: str) -> None:
    """The verdict and what the model is told both hang on this word."""
    program, limit = _BREAKERS[name]
    execution = await sandbox.run(program, _LOW[limit])
    assert execution.limit_hit == limit
    assert execution.exit_code != 0 or limit == "output"


@pytest.mark.parametrize("memory_mib", [64, 128])
async def test_memory_stays_near_its_limit(sandbox: Sandbox, memory_mib: int) -> None:
    """A watcher that comes late would let one program push every other off the machine."""
    limits = LIMITS.model_copy(update={"memory_mib": memory_mib})
    execution = await sandbox.run(python(_MEMORY_IN_CHILDREN), limits)
    assert execution.peak_memory_kib is not None
    assert execution.peak_memory_kib < (memory_mib + 128) * 1024


@pytest.mark.parametrize("memory_mib", [128, 1024])
async def test_forked_copies_of_one_block_are_counted_once(
    sandbox: Sandbox, memory_mib: int
) -> None:
    """A program that loads its data and forks workers holds it once, whatever resident sizes add up to."""
    program = "import os, time\nblock = bytearray(b'x') * (64 << 20)\n"
    program += "children = [os.fork() or (time.sleep(0.3), os._exit(0)) for _ in range(6)]\n"
    program += "for pid in children: os.waitpid(pid, 0)\nprint('done')"
    limits = LIMITS.model_copy(update={"memory_mib": memory_mib})
    execution = await sandbox.run(python(program), limits)
    assert (execution.stdout, execution.limit_hit) == ("done\n", None)
    assert execution.peak_memory_kib is not None
    assert 64 <= execution.peak_memory_kib / 1024 < 128


async def test_files_on_the_hosts_disk_are_no_memory(on_disk: Sandbox) -> None:
    """The kernel remembers what was written for as long as it has room, and a control group counts that."""
    program = "for n in range(4): open(f'f{n}', 'wb').write(b'x' * (12 << 20))"
    execution = await on_disk.run(python(program), LIMITS)
    assert (execution.exit_code, execution.limit_hit) == (0, None)
    assert execution.peak_memory_kib is not None
    assert execution.peak_memory_kib / 1024 < 40


async def test_no_more_output_is_kept_than_the_limit(sandbox: Sandbox) -> None:
    """What is kept ends up in every record; what was cut has to be told."""
    execution = await sandbox.run(python(_BOTH_STREAMS), LIMITS)
    assert max(len(execution.stdout), len(execution.stderr)) == LIMITS.output_kib * 1024
    assert execution.stdout_truncated or execution.stderr_truncated
    assert execution.stdout_bytes <= LIMITS.output_kib * 1024 + 65_536


async def test_output_up_to_the_limit_is_kept_whole(sandbox: Sandbox) -> None:
    """The last byte of a full buffer is still the program's answer."""
    execution = await sandbox.run(python(f"print('x' * ({LIMITS.output_kib} * 1024 - 1))"), LIMITS)
    assert len(execution.stdout) == LIMITS.output_kib * 1024
    assert (execution.exit_code, execution.limit_hit, execution.stdout_truncated) == (
        0,
        None,
        False,
    )


async def test_a_fork_bomb_meets_the_process_limit(strict: Sandbox) -> None:
    """One program must not take every process of its user, which is the worker's own."""
    program = "import os, time\nn = 0\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(60)\n    n += 1\n"
    program += "except OSError as error: print(n, error.errno)"
    execution = await strict.run(python(program), LIMITS)
    assert execution.stdout == f"{LIMITS.processes - 1} 11\n"


async def test_an_exponential_fork_bomb_ends_in_time(sandbox: Sandbox) -> None:
    """Killing has to win the race against forking."""
    bomb = "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.01)"
    execution = await sandbox.run(python(bomb), _SMALL)
    assert execution.limit_hit in {"cpu", "wall", "memory", "processes"}
    assert execution.wall_seconds < _SMALL.wall_seconds + 2


async def test_limits_cannot_be_raised(sandbox: Sandbox) -> None:
    """A limit that its own program lifts is a suggestion."""
    program = """
import resource
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        limit = resource.getrlimit(getattr(resource, name))[1]
        if limit != resource.RLIM_INFINITY:
            try: resource.setrlimit(getattr(resource, name), (limit, limit + 1))
            except (OSError, ValueError): continue
            print("raised", name)
"""
    execution = await sandbox.run(python(program), LIMITS)
    assert (execution.stdout, execution.exit_code) == ("", 0)


async def test_open_files_are_bounded(sandbox: Sandbox) -> None:
    """Descriptors are memory of the kernel, which no other limit counts."""
    program = "files = []\ntry:\n  while True: files.append(open('/dev/null'))\n"
    program += "except OSError: print(files[-1].fileno())"
    execution = await sandbox.run(python(program), LIMITS)
    assert execution.stdout == f"{LIMITS.open_files - 1}\n"


async def test_the_scratch_directory_is_bounded_in_bytes_and_files(strict: Sandbox) -> None:
    """Many files below the size limit would fill the disk one by one."""
    program = """
import errno
def fill(size, most):
    for n in range(most):
        try:
            with open(f"{size}-{n}", "wb") as file: file.write(bytes(size))
        except OSError as error:
            return errno.errorcode[error.errno]
    return "no end"
print(fill(0, 10_000))
"""
    limits = Limits(scratch_mib=8, memory_mib=128)
    by_count = await strict.run(python(program), limits)
    by_bytes = await strict.run(
        python(program.replace("fill(0, 10_000)", "fill(1 << 20, 50)")), limits
    )
    assert (by_count.stdout, by_bytes.stdout) == ("ENOSPC\n", "ENOSPC\n")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGXCPU], ids=lambda sent: sent.name)
async def test_a_limit_is_not_guessed_from_a_signal(sandbox: Sandbox, sent: signal.Signals) -> None:
    """A program may send itself whatever a limit would send; the model would be told to make it faster."""
    execution = await sandbox.run(python(f"import os\nos.kill(os.getpid(), {sent:d})"), LIMITS)
    assert (execution.exit_code, execution.signal, execution.limit_hit) == (None, sent, None)


@pytest.mark.parametrize("language", list(Language), ids=str)
async def test_a_program_well_within_its_limits_hits_none(
    sandbox: Sandbox, language: Language
) -> None:
    """Limits that break honest programs get switched off."""
    try:
        find_interpreter(language, for_everybody=sandbox.isolation.profile != "strict")
    except InterpreterMissingError as error:
        require(f"{error.message}, {error.facts}", available=False)
    code = ExecutableCode(language=language, code=ROWS[language].hello)
    execution = await sandbox.run(code, LIMITS.model_copy(update={"memory_mib": 96}))
    assert (execution.exit_code, execution.limit_hit, execution.stdout) == (0, None, "42\n")
    assert 0 < execution.wall_seconds < LIMITS.wall_seconds


async def test_a_program_that_hides_its_memory_is_held_all_the_same(walled: Sandbox) -> None:
    """A process can take itself out of sight (PR_SET_DUMPABLE), and whoever watches it must not fall over that."""
    program = "import ctypes, mmap\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n"
    program += "block = mmap.mmap(-1, 300 << 20)\nfor at in range(0, 300 << 20, 4096): block[at] = 1\nprint('filled')"
    execution = await walled.run(python(program), LIMITS.model_copy(update={"memory_mib": 128}))
    assert (execution.limit_hit, execution.stdout) == ("memory", "")


async def test_the_limits_of_one_run_are_not_those_of_the_next(strict: Sandbox) -> None:
    """The next program is on its way before its own limits can be written down."""
    alone = LIMITS.model_copy(update={"processes": 1})
    forks = python(
        "import os\nfor _ in range(6):\n  if os.fork() == 0: os._exit(0)\nprint('forked')"
    )
    for _ in range(10):
        await strict.run(python("print(1)"), alone)
        assert (await strict.run(forks, LIMITS)).stdout == "forked\n"


async def test_files_of_one_program_are_not_in_the_memory_of_the_next(strict: Sandbox) -> None:
    """What is collected goes through the zygote, and the next program is a copy of it."""
    word = secrets.token_hex(16)
    made = python(f"open('x-' + {word!r}, 'w').write({word!r} * 100)")
    execution = await strict.run(made, LIMITS, files=Files(most_collected=5, most_collected_kib=64))
    assert len(execution.artefacts) == 1
    # In two halves, so that it does not find itself.
    search = f"word = ({word[:16]!r}.encode(), {word[16:]!r}.encode())\nfound = 0\n"
    search += "for line in open('/proc/self/maps'):\n  span, mode = line.split()[:2]\n  if mode[0] != 'r': continue\n"
    search += "  start, end = (int(n, 16) for n in span.split('-'))\n  try:\n"
    search += "    with open('/proc/self/mem', 'rb', 0) as memory: memory.seek(start); raw = memory.read(end - start)\n"
    search += "  except (OSError, ValueError, OverflowError): continue\n  found += raw.count(word[0] + word[1])\n"
    search += "print(found <= 1)"
    assert (await strict.run(python(search), LIMITS)).stdout == "True\n"
