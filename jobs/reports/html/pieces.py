"""The files that pages are put together from, and what a page may do."""

import hashlib
from base64 import b64encode
from importlib.resources import files
from string import Template

from .markup import text

_FOLDER = files("jobs.reports.html")


def piece(name: str) -> str:
    """What stands in a file beside this one."""
    return _FOLDER.joinpath(name).read_text("utf-8")


def head(title: str, script: str | None = None) -> str:
    """How a page begins, up to its body: it may do nothing but show our style, and run this script if there is one."""
    style = piece("page.css")
    return Template(piece("head.html")).substitute(
        title=text(title), policy=_policy(style, script), style=style
    )


def _policy(style: str, script: str | None) -> str:
    scripts = "" if script is None else f"script-src {_hash_of(script)}; "
    return (
        f"default-src 'none'; {scripts}style-src {_hash_of(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash_of(source: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
