"""A machine that refuses user namespaces: what is weaker there is said, and what would mend it."""

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.requiring import require

from .project import PYTHON, SCRIPTS, Ended, Project

pytestmark = pytest.mark.e2e

# Makes a user namespace, waits for its ids, forbids itself any further one, and becomes the command.
_WITHOUT_NAMESPACES = textwrap.dedent("""
    import os, sys
    from worker.sandbox.inside import syscalls

    syscalls.call("unshare", syscalls.CLONE_NEWUSER)
    print("unshared", flush=True)
    sys.stdin.readline()
    with open("/proc/sys/user/max_user_namespaces", "w") as switch:
        switch.write("0")
    os.execv(sys.argv[1], sys.argv[1:])
""")


def run_there(project: Project, *words: str, **environment: str) -> Ended:
    """Run `promptmill` on a kernel that refuses user namespaces."""
    child = subprocess.Popen(
        [PYTHON, "-c", _WITHOUT_NAMESPACES, SCRIPTS / "promptmill", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        cwd=project.folder,
        env={**project.environment, **environment},
    )
    with child:
        assert child.stdout is not None
        require("user namespaces", available=child.stdout.readline() == "unshared\n")
        root = os.geteuid() == 0
        if not root:
            Path(f"/proc/{child.pid}/setgroups").write_text("deny")
        for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
            more = "\n1 1800000000 65535" if root else ""
            Path(f"/proc/{child.pid}/{kind}_map").write_text(f"0 {own} 1{more}")
        out, err = child.communicate("go\n", timeout=50)
        return Ended(child.returncode, out, err)


def test_the_doctor_says_what_is_missing_and_what_to_type(project: Project) -> None:
    """Weaker than it could be is no failure, and must not go unsaid."""
    ended = run_there(project, "doctor", "--json")
    rows = {row["name"]: row for row in ended.json() if row["group"] == "sandbox"}
    missing = rows["missing"]
    assert missing["status"] == "warn"
    assert {"user-namespace", "private-root"} <= set(missing["detail"].split())
    assert "--security-opt seccomp=unconfined" in missing["fix"]
    assert "user.max_user_namespaces" in missing["fix"]
    assert "SANDBOX__REQUIRE" not in missing["fix"], "that would make it weaker still"


def test_a_run_says_how_weakly_it_was_kept(project: Project) -> None:
    """What was tried here may not be what another machine would do."""
    project.write("one.py", "print(1)")
    ended = run_there(project, "sandbox", "run", "one.py")
    assert (ended.code, ended.out) == (0, "1\n"), ended.err
    assert "; without " in ended.err.splitlines()[-1]
    assert "user-namespace" in ended.err.splitlines()[-1]


def test_what_is_required_and_cannot_be_had_is_refused(project: Project) -> None:
    """Falling back without a word would run strangers' code with less around it than was agreed."""
    project.write("one.py", "print(1)")
    ended = run_there(project, "sandbox", "run", "one.py", PROMPTMILL_SANDBOX__REQUIRE="strict")
    assert (ended.code, ended.out) == (2, "")
    assert "error[sandbox-too-weak]: the isolation profile 'strict'" in ended.err
    assert "no program was run" in ended.err
