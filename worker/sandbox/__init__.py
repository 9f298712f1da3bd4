"""The edge to the kernel: runs a program that nobody has read and says what happened.

`Sandbox` is the contract; `open_sandbox` gives the strongest one this machine grants.
"""

from .contract import Sandbox
from .errors import InterpreterMissingError, SandboxError, SandboxTooWeakError
from .interpreters import FoundInterpreter, find_interpreter, interpreters
from .opening import Profile, open_sandbox
from .runner import SubprocessSandbox
from .selfcheck import Check, self_check

__all__ = [
    "Check",
    "FoundInterpreter",
    "InterpreterMissingError",
    "Profile",
    "Sandbox",
    "SandboxError",
    "SandboxTooWeakError",
    "SubprocessSandbox",
    "find_interpreter",
    "interpreters",
    "open_sandbox",
    "self_check",
]
