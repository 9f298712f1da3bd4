"""A sandbox is never weaker than was asked for, and says what to do where it would be."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.languages import Language
from tests.requiring import require
from worker.sandbox import InterpreterMissingError, find_interpreter, open_sandbox, self_check

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

# Makes a user namespace, waits until it has been given its ids, and forbids itself any further one.
_WITHOUT_NAMESPACES = textwrap.dedent("""
    import asyncio, json, sys
    from jobs.limits import Limits
    from jobs.models import ExecutableCode
    from worker.sandbox import SandboxTooWeakError, open_sandbox
    from worker.sandbox.inside import syscalls

    syscalls.unshare(syscalls.CLONE_NEWUSER)
    print("unshared", flush=True)
    sys.stdin.readline()
    with open("/proc/sys/user/max_user_namespaces", "w") as switch:
        switch.write("0")

    async def main(require):
        try:
            sandbox = await open_sandbox(require)
        except SandboxTooWeakError as error:
            return {"kind": error.kind, "message": error.message, "facts": error.facts, "fixes": error.fixes}
        code = ExecutableCode(language="python", code="import os; print(os.geteuid() != 0 or os.getpid() > 1)")
        execution = await sandbox.run(code, Limits())
        return {"isolation": sandbox.isolation.model_dump(), "stdout": execution.stdout}

    print(json.dumps(asyncio.run(main(sys.argv[1]))))
""")


@pytest.fixture
def machine_without_namespaces(repository: Path) -> Iterator[object]:
    """Opens a sandbox, with what is required given, on a kernel that refuses user namespaces."""
    children: list[subprocess.Popen[str]] = []

    def open_there(require_profile: str) -> dict[str, object]:
        child = subprocess.Popen(
            [sys.executable, "-c", _WITHOUT_NAMESPACES, require_profile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=repository,
        )
        children.append(child)
        assert child.stdin is not None
        assert child.stdout is not None
        require("user namespaces", available=child.stdout.readline() == "unshared\n")
        _give_ids(child.pid)
        output, _ = child.communicate("go\n", timeout=30)
        answer: dict[str, object] = json.loads(output)
        return answer

    yield open_there
    for child in children:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def _give_ids(pid: int) -> None:
    """What a container runtime does: root gives a whole range of ids, an ordinary user has one to give."""
    root = os.geteuid() == 0
    if not root:
        Path(f"/proc/{pid}/setgroups").write_text("deny")
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        more = "\n1 1800000000 65535" if root else ""
        Path(f"/proc/{pid}/{kind}_map").write_text(f"0 {own} 1{more}")


def test_strict_is_refused_where_the_kernel_refuses_namespaces(
    machine_without_namespaces: object,
) -> None:
    """Falling back without a word would run strangers' code beside the queue's password."""
    answer = machine_without_namespaces("strict")  # type: ignore[operator]
    assert answer["kind"] == "sandbox-too-weak"
    assert "'strict'" in answer["message"]
    assert answer["facts"]["refused"].startswith("user-namespace: [Errno 28] unshare")
    fixes = "\n".join(answer["fixes"])
    for words in (
        "--security-opt seccomp=unconfined",
        "user.max_user_namespaces",
        "PROMPTMILL_SANDBOX__REQUIRE=rlimits",
    ):
        assert words in fixes


def test_less_is_given_where_less_was_asked_for(machine_without_namespaces: object) -> None:
    """Whoever runs trusted prompts on an old kernel decides so by name, and each record says so."""
    if os.geteuid() == 0:
        try:
            find_interpreter(Language.PYTHON, for_everybody=True)
        except InterpreterMissingError as error:
            require(f"a Python that everybody can reach ({error})", available=False)
    answer = machine_without_namespaces("rlimits")  # type: ignore[operator]
    assert answer["stdout"] == "True\n"
    assert answer["isolation"]["profile"] == "rlimits"
    assert "rlimits" in answer["isolation"]["layers"]
    assert {"user-namespace", "network-namespace", "private-root"} <= set(
        answer["isolation"]["missing"]
    )


async def test_the_strongest_profile_is_taken_whatever_the_minimum() -> None:
    """The minimum says what is refused, not what is wanted."""
    sandbox = await open_sandbox("rlimits")
    require("namespaces", available=sandbox.isolation.profile == "strict")
    assert {"network-namespace", "private-root", "no-capabilities", "rlimits"} <= set(
        sandbox.isolation.layers
    )
    assert sandbox.isolation.missing == ()


async def test_a_sandbox_proves_itself() -> None:
    """`promptmill doctor` shows this, and a screenshot of it is the first thing in a report of a fault."""
    checks = await self_check(await open_sandbox("rlimits"))
    assert [check for check in checks if not check.ok] == []
    names = {check.name for check in checks}
    assert {"language python", "limit cpu", "limit wall", "limit memory", "limit output"} <= names


def test_a_loop_that_ends_does_not_take_the_sandbox_with_it() -> None:
    """Commands open one loop after the other; a sandbox belongs to none of them."""
    sandbox = asyncio.run(open_sandbox("rlimits"))
    outputs = [asyncio.run(sandbox.run(python(f"print({n})"), LIMITS)).stdout for n in range(2)]
    assert outputs == ["0\n", "1\n"]
