"""The files that pages are put together from, and what a page may do."""

import hashlib
from base64 import b64encode
from importlib.resources import files

_FOLDER = files("jobs.reports.html")


def piece(name: str) -> str:
    """What stands in a file beside this one."""
    return _FOLDER.joinpath(name).read_text("utf-8")


def policy(style: str, script: str | None = None) -> str:
    """A content security policy that allows this style and this script, if there is one, and nothing else."""
    scripts = "" if script is None else f"script-src {_hash_of(script)}; "
    return (
        f"default-src 'none'; {scripts}style-src {_hash_of(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash_of(source: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
