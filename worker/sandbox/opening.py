"""Opens the sandbox: finds out what this machine grants, by doing it, and refuses to be weaker than was asked."""

import platform
import sys
from typing import Literal

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Isolation

from .errors import SandboxError, SandboxTooWeakError
from .inside.layers import STRICT
from .launch import LayerRefused
from .runner import OneRun, SubprocessSandbox

Profile = Literal["strict", "rlimits"]
"""The least isolation that is accepted: namespaces and all, or what every Linux grants."""

_PROBE_LIMITS = Limits(cpu_seconds=5, wall_seconds=20, memory_mib=128)
_RLIMITS = "PROMPTMILL_SANDBOX__REQUIRE=rlimits"
_DOCKER_FIX = (
    "in Docker or Podman: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined"
)
_SYSCTL_FIX = (
    "on the host: sysctl -w user.max_user_namespaces=15000 "
    "(and kernel.unprivileged_userns_clone=1 where there is such a switch)"
)
_APPARMOR_FIX = (
    "on Ubuntu 23.10 and later: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor "
    f"profile `{sys.executable} flags=(unconfined) {{ userns, }}`"
)
_KUBERNETES_FIX = "in Kubernetes: procMount: Unmasked together with hostUsers: false"
_ACCEPT_FIX = f"or, for prompts you trust only, accept less: {_RLIMITS}"


async def open_sandbox(require: Profile) -> SubprocessSandbox:
    """The strongest sandbox this machine grants.

    Each profile is probed by a whole run of an empty program, so that nothing is inferred from versions.

    Raises:
        SandboxTooWeakError: what is granted is less than `require`; nothing was run.
        InterpreterMissingError: there is no Python to probe with.
        SandboxError: the launcher itself failed.
    """
    try:
        return SubprocessSandbox(await probe("strict"))
    except LayerRefused as refused:
        if require == "strict":
            raise _too_weak(refused) from refused
    try:
        return SubprocessSandbox(await probe("rlimits"))
    except LayerRefused as refused:
        raise SandboxTooWeakError(
            "this machine grants not even resource limits",
            facts={"refused": f"{refused.layer}: {refused.detail}"},
        ) from refused


async def probe(profile: Profile) -> Isolation:
    """What is in force under this profile, by a run of an empty program.

    Raises:
        LayerRefused: the profile cannot be had here; it says at which layer.
        SandboxError: the launcher itself failed.
    """
    nothing = ExecutableCode(language=Language.PYTHON, code="")
    execution, layers = await OneRun(profile, nothing, _PROBE_LIMITS, None).to_its_end("")
    if execution.exit_code != 0:
        raise SandboxError(
            f"an empty program fails in the sandbox's profile {profile!r}",
            facts={"it said": execution.stderr[-500:], "limit": str(execution.limit_hit)},
        )
    return Isolation(
        profile=profile, layers=layers, missing=tuple(name for name in STRICT if name not in layers)
    )


def _too_weak(refused: LayerRefused) -> SandboxTooWeakError:
    fixes: tuple[str, ...] = (_DOCKER_FIX, _KUBERNETES_FIX)
    if refused.layer != "private-proc":
        fixes = (_DOCKER_FIX, _SYSCTL_FIX, _APPARMOR_FIX)
    return SandboxTooWeakError(
        "the isolation profile 'strict' cannot be had on this machine",
        facts={
            "refused": f"{refused.layer}: {refused.detail}",
            "kernel": platform.release(),
            "means": "programs would see this machine's network, processes and readable files",
        },
        fixes=(*fixes, _ACCEPT_FIX),
        note="no program was run",
    )
