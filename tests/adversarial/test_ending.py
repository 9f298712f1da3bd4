"""Whatever a program does, it ends, and nothing of it is left."""

import asyncio
import os
import secrets
import signal
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.requiring import require
from tests.waiting import wait_until
from worker.sandbox import Harness, Sandbox, SandboxError, ZygoteSandbox
from worker.sandbox.slot import Slot

from .programs import (
    LIMITS,
    descriptors,
    host_has,
    is_alive,
    is_named,
    javascript,
    python,
    sh,
    unique_nap,
    zygotes,
)

pytestmark = pytest.mark.adversarial

_DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execlp("sleep", "sleep", "{nap}")
    os._exit(0)
print("main done")
"""
_IMMORTAL = """
import os, signal
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid()
    os.execlp("sleep", "sleep", "{nap}")
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(lambda nap: python(_DAEMON.format(nap=nap)), id="daemon"),
        pytest.param(lambda nap: python(_IMMORTAL.format(nap=nap)), id="ignores signals"),
        pytest.param(
            lambda nap: python(f"import subprocess; subprocess.Popen(['sleep', '{nap}'])"),
            id="python",
        ),
        pytest.param(
            lambda nap: javascript(
                f"require('child_process').spawn('sleep', ['{nap}'], {{detached: true, stdio: 'inherit'}}).unref()"
            ),
            id="javascript",
        ),
        pytest.param(lambda nap: sh(f"sleep {nap} & setsid sleep {nap} &"), id="sh"),
    ],
)
async def test_a_child_left_behind_dies_and_delays_nothing(
    sandbox: Sandbox, program: object
) -> None:
    """A daemon that holds the pipe open hangs whoever waits for its end, and outlives whoever kills a group."""
    nap = unique_nap()
    execution = await sandbox.run(program(nap), LIMITS)  # type: ignore[operator]
    assert (execution.exit_code, execution.limit_hit) == (0, None)
    assert not is_alive(nap)


async def test_cancelling_a_run_kills_its_whole_tree(sandbox: Sandbox) -> None:
    """A cancelled job must not go on using the machine."""
    nap = unique_nap()
    run = asyncio.create_task(
        sandbox.run(python(_DAEMON.format(nap=nap) + "import time; time.sleep(60)"), LIMITS)
    )
    await wait_until(lambda: is_alive(nap), 10, "the daemon")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not is_alive(nap)


async def test_a_worker_killed_in_mid_run_leaves_nothing_behind(sandbox: Sandbox) -> None:
    """SIGKILL lets nobody clean up: the kernel, or the launcher on its own, has to."""
    nap = unique_nap()
    program = _DAEMON.format(nap=nap) + "import time; time.sleep(60)"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The way through for whoever the program is.
        folder.chmod(0o711)  # noqa: ASYNC240  nobody else waits
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _A_WORKER, sandbox.isolation.profile, program),
            env={**os.environ, "TMPDIR": name},
        )
        try:
            await wait_until(lambda: is_alive(nap), 20, "the daemon")
        finally:
            worker.kill()
            await worker.wait()
        await wait_until(lambda: not is_alive(nap), 5, "the daemon's death")
        await wait_until(lambda: not list(folder.iterdir()), 5, "the end of its directories")


_A_WORKER = textwrap.dedent("""
    import asyncio, sys
    from jobs.models import ExecutableCode
    from jobs.limits import Limits
    from worker.sandbox.opening import probe

    async def main():
        sandbox = await probe(sys.argv[1])
        await sandbox.run(ExecutableCode(language="python", code=sys.argv[2]), Limits())

    asyncio.run(main())
""")


async def test_nothing_is_left_on_disk(on_disk: ZygoteSandbox) -> None:
    """Directories that pile up fill the disk; ones that cannot be removed were made so on purpose."""
    program = """
import os
os.symlink("/etc", "link")
for n in range(1500):
    os.mkdir("deep"); os.chdir("deep")
os.chdir(os.environ["HOME"])
os.umask(0o777); os.mkdir("closed at birth"); os.umask(0)
os.mkdir("closed"); open("closed/file", "w").close()
for path, mode in (("closed", 0), (".", 0o500), ("..", 0)):
    try: os.chmod(path, mode)
    except PermissionError: pass  # where no mode can be changed at all
print(os.getcwd())
"""
    execution = await on_disk.run(python(program), LIMITS)
    assert execution.exit_code == 0, execution.stderr
    assert not host_has(execution.stdout.strip().removesuffix("/work"))
    assert host_has("/etc/passwd")


async def test_a_run_whose_zygote_is_killed_is_repeated(sandbox: ZygoteSandbox) -> None:
    """Whoever killed it, the program has done nothing wrong and is owed a verdict."""
    nap = unique_nap()
    # The test before may have ended the slot.
    await sandbox.run(sh(":"), LIMITS)
    before = set(zygotes())
    (first,) = (slot._process.pid for slot in sandbox._programs._idle)
    # The second time it finds no time to sleep: the first zygote is gone, and so is what it held.
    limits = LIMITS.model_copy(update={"wall_seconds": 2.0})
    run = asyncio.create_task(sandbox.run(sh(f"sleep {nap}; echo over"), limits))
    await wait_until(lambda: is_alive(nap), 10, "the program")
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: bool(set(zygotes()) - before) and is_alive(nap), 10, "another try")
    execution = await run
    assert execution.limit_hit == "wall"
    # As an ordinary user, and without a PID namespace, nothing tells what the first left from what is the user's own.
    assert not is_alive(nap) or (sandbox.isolation.profile != "strict" and os.geteuid() != 0)


async def test_what_hides_from_its_zygote_s_avengers_is_found(on_disk: ZygoteSandbox) -> None:
    """A zombie has no command line, and neither has a process that took the memory of it away."""
    require("root: only then programs have a user of their own", available=os.geteuid() == 0)
    name = f"hides{secrets.token_hex(5)}"
    # By another thread: the first one's own stack may lie in the same page.
    program = (
        "import ctypes, os, threading, time\nlibc = ctypes.CDLL(None)\nPR_SET_NAME, PAGE = 15, 4096\n"
        "fields = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
        "start, end = int(fields[45]) & -PAGE, int(fields[46])\n"
        "def hide():\n"
        "    time.sleep(0.2)\n"
        "    libc.munmap(ctypes.c_void_p(start), ctypes.c_size_t(end - start))\n"
        "    time.sleep(60)\n"
        "if os.fork() == 0:\n"
        f"    libc.prctl(PR_SET_NAME, b'{name}')\n"
        "    threading.Thread(target=hide).start()\n"
        "time.sleep(60)"
    )
    await on_disk.run(sh(":"), LIMITS)
    (zygote,) = (slot._process.pid for slot in on_disk._programs._idle)
    limits = LIMITS.model_copy(update={"wall_seconds": 4.0})
    run = asyncio.create_task(on_disk.run(python(program), limits))
    await wait_until(lambda: is_named(name, hidden=True), 10, "the program")
    os.kill(zygote, signal.SIGKILL)
    await run
    assert not is_named(name)


async def test_what_is_on_its_way_as_its_zygote_is_killed_is_found(on_disk: ZygoteSandbox) -> None:
    """Who forks and ends between being listed and being killed has a child that was never listed."""
    require("root: only then programs have a user of their own", available=os.geteuid() == 0)
    nap = unique_nap()
    for n in range(60):
        await on_disk.run(sh(":"), LIMITS)
        (zygote,) = (slot._process.pid for slot in on_disk._programs._idle)
        # A daemon is made in four milliseconds; some of these come before it, and some after.
        moment = n / 60 * 0.006
        asyncio.get_running_loop().call_later(moment, os.kill, zygote, signal.SIGKILL)
        await on_disk.run(python(_DAEMON.format(nap=nap)), LIMITS)
        assert not is_alive(nap), f"after {moment * 1000:.1f} ms"


def _scratch_with(slot: Slot, name: str) -> Path:
    (scratch,) = (
        each for each in Path(slot._directory).iterdir() if (each / "work" / name).exists()
    )
    return scratch


async def test_the_worker_goes_on_while_it_removes_what_a_lost_slot_left(
    on_disk: ZygoteSandbox,
) -> None:
    """A worker that does nothing else for a minute loses its leases, and every other job with them."""
    nap = unique_nap()
    program = (
        f"import os\nfor n in range(3000): os.mkdir(str(n))\nos.execlp('sleep', 'sleep', '{nap}')"
    )
    await on_disk.run(sh(":"), LIMITS)
    (slot,) = on_disk._programs._idle
    limits = LIMITS.model_copy(update={"cpu_seconds": 20.0, "wall_seconds": 30.0})
    run = asyncio.create_task(on_disk.run(python(program), limits))
    await wait_until(lambda: is_alive(nap), 30, "the program")
    scratch = _scratch_with(slot, "2999")
    assert len([*scratch.iterdir()]) < 100
    os.kill(slot._process.pid, signal.SIGKILL)
    # The directories in its own are moved up to be removed: nobody sees this who has a turn only before and after.
    await wait_until(lambda: len([*scratch.glob("*")]) > 100, 20, "a turn during the removal")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_program_under_which_zygotes_keep_dying_is_our_failure(
    sandbox: ZygoteSandbox,
) -> None:
    """It is delivered again, and its program is not blamed."""
    nap = unique_nap()
    # The test before may have ended the slot.
    await sandbox.run(sh(":"), LIMITS)
    of_others = set(zygotes()) - {slot._process.pid for slot in sandbox._programs._idle}
    run = asyncio.create_task(sandbox.run(sh(f"exec sleep {nap}"), LIMITS))
    while not run.done():
        if is_alive(nap):
            for pid in set(zygotes()) - of_others:
                os.kill(pid, signal.SIGKILL)
        await asyncio.wait([run], timeout=0.02)
    with pytest.raises(SandboxError, match="died 3 times"):
        await run
    await wait_until(lambda: not is_alive(nap), 5, "the program's death")


async def test_killing_everyone_reaches_no_one_outside(strict: Sandbox) -> None:
    """`kill -9 -1` of an unprivileged user takes the worker with it."""
    nap = unique_nap()
    bystander = await asyncio.create_subprocess_exec("sleep", nap)
    program = "import os\nfor pid in (os.getppid(), -os.getppid(), -1):\n  try: os.kill(pid, 9)\n"
    program += "  except OSError as error: pass\nprint('still here')"
    execution = await strict.run(python(program), LIMITS)
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()
    assert execution.stdout == "still here\n"


async def test_signals_to_the_supervisor_change_nothing(strict: Sandbox) -> None:
    """PID 1 of the run watches the limits: a program that could stop it would have none."""
    program = "import os\nfor number in range(1, 65):\n  try: os.kill(1, number)\n"
    program += "  except PermissionError: pass\nwhile True: pass"
    limits = LIMITS.model_copy(update={"cpu_seconds": 0.5})
    execution = await strict.run(python(program), limits)
    assert execution.limit_hit == "cpu"


async def test_runs_side_by_side_do_not_meet(sandbox: Sandbox) -> None:
    """A worker runs as many programs at once as it has cores; each has to get its own answer."""
    runs = [
        sandbox.run(
            python(f"print({n}); open('{n}', 'w'); import os; print(len(os.listdir()))"), LIMITS
        )
        for n in range(8)
    ]
    executions = await asyncio.gather(*runs)
    assert [execution.stdout for execution in executions] == [f"{n}\n2\n" for n in range(8)]


async def test_no_descriptor_of_the_worker_is_lost(sandbox: Sandbox) -> None:
    """A worker runs a million programs; one descriptor a run stops it after a thousand."""
    await sandbox.run(python("print(1)"), LIMITS)
    before = descriptors()
    for code in ("print(1)", "import os; os._exit(3)", "while True: print('x' * 10000)"):
        await sandbox.run(
            python(code), LIMITS, stdin="x" * 1_000_000, harness=Harness(tests="pass")
        )
    assert descriptors() == before


@pytest.mark.parametrize(
    "end", ["", "while True: pass", "raise SystemExit(3)"], ids=["well", "by a limit", "badly"]
)
async def test_the_scratch_directory_is_gone_however_a_run_ends(
    on_disk: ZygoteSandbox, end: str
) -> None:
    """What one run leaves, the next one finds."""
    program = f"import os\nopen('left', 'w').write('x')\nprint(os.getcwd(), flush=True)\n{end}"
    execution = await on_disk.run(python(program), LIMITS.model_copy(update={"cpu_seconds": 0.2}))
    assert "promptmill-slot-" in execution.stdout
    assert not host_has(execution.stdout.strip().removesuffix("/work"))


# Whoever ends a sandbox waits for what is still to be removed, as long as its disk takes for it.
@pytest.mark.timeout(240)
async def test_what_takes_long_to_remove_delays_no_report(on_disk: ZygoteSandbox) -> None:
    """A program makes directories faster than anybody removes them, and its verdict must not wait for that."""
    # No more of them than a slow disk is rid of while the sandbox ends, which waits for it.
    program = "import os, time\nfor _ in range(6):\n  if os.fork() == 0: break\n"
    program += "for n in range(6000): os.mkdir(f'{os.getpid()}-{n}')\ntime.sleep(60)"
    limits = LIMITS.model_copy(update={"cpu_seconds": 20.0, "wall_seconds": 2.0})
    execution = await on_disk.run(python(program), limits)
    assert execution.limit_hit == "wall"
    assert (await on_disk.run(python("print('next')"), LIMITS)).stdout == "next\n"
