"""The corpus of hostile programs that may stand beside the repository."""

import json
from pathlib import Path

from .hostile import Hostile, Then

_FOLDER = Path(__file__).parents[3] / "shared" / "corpus"


def rows() -> list[Hostile]:
    """All its programs; none where there is no corpus."""
    corpus = _FOLDER / "corpus.jsonl"
    if not corpus.is_file():
        return []
    return [_hostile(line) for line in corpus.read_text().splitlines()]


def _hostile(line: str) -> Hostile:
    row = json.loads(line)
    return Hostile(
        name=row["id"],
        source=(_FOLDER / row["file"]).read_text(),
        verdicts=tuple(row["expected"]["verdict"]),
        own_invariants=tuple(row["expected"]["invariants"]),
        language=row["language"],
        category=row["category"],
        is_judged=row["mode"] == "judge",
        stdin=row.get("stdin", ""),
        then=Then(**row["then"]) if "then" in row else Then(),
    )
