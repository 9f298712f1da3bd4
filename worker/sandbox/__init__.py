"""The edge to the kernel: runs a program that nobody has read and says what happened.

`Sandbox` is the contract; `open_sandbox` gives the strongest one this machine grants.
"""

from .contract import NO_FILES, NO_HARNESS, Files, Harness, Sandbox, Verification
from .errors import (
    FilesTooLargeError,
    InterpreterMissingError,
    PackagesError,
    SandboxError,
    SandboxTooWeakError,
    UnusableTestsError,
)
from .interpreters import FoundInterpreter, MissingInterpreter, find_interpreter, interpreters
from .opening import PROFILES, Profile, open_sandbox
from .packages import PythonPackages, packages_of
from .runner import ZygoteSandbox
from .selfcheck import Check, check_language, self_check

__all__ = [
    "NO_FILES",
    "NO_HARNESS",
    "PROFILES",
    "Check",
    "Files",
    "FilesTooLargeError",
    "FoundInterpreter",
    "Harness",
    "InterpreterMissingError",
    "MissingInterpreter",
    "PackagesError",
    "Profile",
    "PythonPackages",
    "Sandbox",
    "SandboxError",
    "SandboxTooWeakError",
    "UnusableTestsError",
    "Verification",
    "ZygoteSandbox",
    "check_language",
    "find_interpreter",
    "interpreters",
    "open_sandbox",
    "packages_of",
    "self_check",
]
