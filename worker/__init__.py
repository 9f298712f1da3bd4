"""The running system: what happens to a job after it leaves the queue."""

from importlib.util import find_spec
from pathlib import Path

# `config` and `jobs` are everyday names. Beside a stranger's `config.py` the wrong one may be found first,
# and the error would then be a puzzle about a missing name instead of this sentence.
for _name in ("config", "jobs"):
    _spec = find_spec(_name)
    _expected = Path(__file__).parent.parent / _name / "__init__.py"
    if _spec is None or _spec.origin is None or Path(_spec.origin).resolve() != _expected.resolve():
        raise ImportError(
            f"promptmill needs its own package {_name!r} from {_expected.parent}, "
            f"but {_spec.origin if _spec else 'nothing'} comes first on the path; "
            "start promptmill with the command `promptmill`, or rename that file"
        )
