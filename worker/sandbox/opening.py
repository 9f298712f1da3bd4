"""Opens the sandbox: finds out what this machine grants, by doing it, and refuses to be weaker than was asked."""

import os
import platform
import sys
from functools import partial
from pathlib import Path
from typing import Literal

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation

from .cgroups import find_places
from .errors import InterpreterMissingError, PackagesError, SandboxError, SandboxTooWeakError
from .inside.layers import OF_CONTAINED, OF_STRICT, PRELOAD
from .inside.protocol import Setup
from .interpreters import SEARCH_PATH, find_interpreter, readable_for, readable_paths
from .packages import NO_PACKAGES, PythonPackages
from .runner import ZygoteSandbox
from .slot import LayerRefused
from .slots import SlotMaker, Slots

Profile = Literal["strict", "contained", "rlimits"]
"""How much stands between a program and the machine, strongest first; `docs/sandbox.md` has what each holds."""

PROFILES: tuple[Profile, ...] = ("strict", "contained", "rlimits")

# Empty but for a look at what programs are to be able to read. As root, and without namespaces, they may run under
# another Python than we do.
_PROBE = """\
import os, sys
for folder in {!r}:
    if "python%d.%d" % sys.version_info[:2] not in folder: raise ImportError(folder + ": not of Python " + sys.version)
    os.listdir(folder)
"""
_PROBE_LIMITS = Limits(cpu_seconds=5, wall_seconds=20, memory_mib=128)
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
_LANDLOCK_FIX = (
    "a kernel of 6.12 or later with Landlock among its security modules (lsm=landlock,…)"
)
_ACCEPT_FIXES = {
    "contained": "or accept less: PROMPTMILL_SANDBOX__REQUIRE=contained",
    "rlimits": "or, for prompts you trust only, accept less: PROMPTMILL_SANDBOX__REQUIRE=rlimits",
}


async def open_sandbox(
    require: Profile = "contained", packages: PythonPackages = NO_PACKAGES
) -> ZygoteSandbox:
    """The strongest sandbox this machine grants. Close it: it has processes of its own.

    Each profile is probed by a slot and a whole run of an empty program, so that nothing is inferred from versions.

    Raises:
        SandboxTooWeakError: what is granted is less than `require`; nothing was run.
        PackagesError: programs cannot have these packages.
        InterpreterMissingError: there is no Python to probe with.
        SandboxError: the zygote itself failed.
    """
    refusals: dict[Profile, LayerRefused] = {}
    for profile in PROFILES[: PROFILES.index(require) + 1]:
        try:
            return await probe(profile, packages)
        except LayerRefused as refused:
            if refused.layer == PRELOAD:
                # No weaker profile would import it either.
                raise _not_preloaded(refused, packages) from None
            refusals[profile] = refused
        except InterpreterMissingError:
            # As root, and with no Python that others can reach: what could only be weaker is not to be had.
            if not refusals:
                raise
    raise _too_weak(require, refusals)


async def probe(profile: Profile, packages: PythonPackages = NO_PACKAGES) -> ZygoteSandbox:
    """A sandbox of this profile, after a run of an empty program.

    Raises:
        LayerRefused: the profile cannot be had here; it says at which layer.
        PackagesError: programs cannot use the packages they are to have.
        SandboxError: the zygote itself failed.
    """
    for_everybody = profile != "strict" and os.geteuid() == 0
    interpreter = find_interpreter(Language.PYTHON, for_everybody=for_everybody)

    readable = _readable(interpreter, for_everybody=for_everybody)

    def setup(role: str, scratch_mib: int) -> Setup:
        return Setup(
            role=role,
            profile=profile,
            readable=readable,
            scratch_parent="",
            scratch_mib=scratch_mib,
            search_path=SEARCH_PATH,
            python_path=packages.folders,
            preload=packages.preload,
            cgroups=(),
        )

    places = find_places()
    programs, tests = (
        SlotMaker(interpreter, partial(setup, role), places) for role in ("programs", "tests")
    )
    slot = await programs.make(_PROBE_LIMITS.scratch_mib)
    slots = Slots(programs)
    slots.keep(slot)
    sandbox = ZygoteSandbox(
        _isolation(profile, slot.layers), slots, Slots(tests), for_everybody=for_everybody
    )
    probing = ExecutableCode(language=Language.PYTHON, code=_PROBE.format(packages.folders))
    execution = await sandbox.run(probing, _PROBE_LIMITS)
    if execution.exit_code != 0:
        await sandbox.aclose()
        raise _probe_failed(profile, packages, execution)
    return sandbox


def _probe_failed(profile: Profile, packages: PythonPackages, execution: Execution) -> SandboxError:
    last_words = execution.stderr.rstrip().rpartition("\n")[2]
    if any(folder in last_words for folder in packages.folders):
        return PackagesError(
            "programs cannot use the packages of `sandbox.python.environment`",
            facts={"it said": last_words},
            fixes=(
                "let everybody read them: chmod -R a+rX FOLDER, and chmod a+x each folder above",
            ),
        )
    return SandboxError(
        f"an empty program fails in the sandbox's profile {profile!r}",
        facts={"it said": execution.stderr[-500:], "limit": str(execution.limit_hit)},
    )


def _not_preloaded(refused: LayerRefused, packages: PythonPackages) -> PackagesError:
    installed = (
        f"install it into {Path(packages.folders[0]).parents[2]}" if packages.folders else ""
    )
    return PackagesError(
        "a module of `sandbox.python.preload` cannot be imported beforehand",
        facts={"reason": refused.detail},
        fixes=(
            installed or "name the environment it is installed in: `sandbox.python.environment`",
            "or take it out of `sandbox.python.preload`: programs may import for themselves what is installed",
        ),
    )


def _readable(python: Path, *, for_everybody: bool) -> tuple[str, ...]:
    """What every installed interpreter needs."""
    paths = list(readable_paths(python))
    for language in Language:
        paths += readable_for(language, for_everybody=for_everybody)
    return tuple(dict.fromkeys(paths))


def _isolation(profile: Profile, layers: tuple[str, ...]) -> Isolation:
    return Isolation(
        profile=profile,
        layers=layers,
        missing=tuple(
            name
            for name in (*OF_CONTAINED, *OF_STRICT)
            if not any(layer.startswith(name) for layer in layers)
        ),
    )


def _too_weak(require: Profile, refusals: dict[Profile, LayerRefused]) -> SandboxTooWeakError:
    fixes: list[str] = []
    strict = refusals.get("strict")
    if strict is not None:
        fixes = [_DOCKER_FIX, _KUBERNETES_FIX]
        if strict.layer != "private-proc":
            fixes = [_DOCKER_FIX, _KUBERNETES_FIX, _SYSCTL_FIX, _APPARMOR_FIX]
    if "contained" in refusals:
        fixes.append(_LANDLOCK_FIX)
    weaker = PROFILES[PROFILES.index(require) + 1 :]
    if weaker:
        fixes.append(_ACCEPT_FIXES[weaker[0]])
    return SandboxTooWeakError(
        f"the isolation profile {require!r} cannot be had on this machine",
        facts={
            **{
                f"refused for {profile}": f"{refused.layer}: {refused.detail}"
                for profile, refused in refusals.items()
            },
            "kernel": platform.release(),
            "means": "programs would see more of this machine than was allowed",
        },
        fixes=tuple(fixes),
        note="no program was run",
    )
