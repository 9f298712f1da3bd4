"""JSON Lines as people send them: gzipped or not, and what is told of those that cannot be used."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.errors import DatasetError

_SHOWN_PROBLEMS = 20
_SHOWN_SPANS = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line."""

    place: str
    """`line 17`, or `line 17, column 3`."""
    what: str


def lines_of(raw: bytes, name: str, *, note: str = "") -> list[str]:
    """The lines of a document, gzipped or not; `name` is what messages call it.

    Raises:
        DatasetError: it is no text.
    """
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{name} is a damaged gzip file: {error}",
            fixes=["make it again:  gzip -k FILE"],
            note=note,
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{name} is not UTF-8 text: the first bad byte is on line {line}",
            fixes=["save it as UTF-8, such as by  iconv -f UTF-16 -t UTF-8 FILE"],
            note=note,
        ) from None
    # Not splitlines: JSON strings may hold U+2028, which is no line end in JSONL.
    return text.split("\n")


def refusal(name: str, problems: Sequence[Problem], n_rows: int, *, note: str = "") -> DatasetError:
    """The error that names everything that is wrong at once, in the order given, up to a bearable length."""
    n_bad = len({problem.place.partition(",")[0] for problem in problems})
    facts: dict[str, str] = {}
    for problem in problems[:_SHOWN_PROBLEMS]:
        facts[problem.place] = (
            f"{facts[problem.place]}; {problem.what}" if problem.place in facts else problem.what
        )
    others = problems[_SHOWN_PROBLEMS:]
    if others:
        facts["and"] = f"{len(others)} more, on {_lines_in_words(others)}"
    return DatasetError(
        f"{name} has {n_bad} bad line{'s' if n_bad > 1 else ''} of {n_rows}",
        facts=facts,
        fixes=["mend these lines and run the same command again"],
        note=note,
    )


def _lines_in_words(problems: Sequence[Problem]) -> str:
    """The lines that these are on, in their order; those that follow each other as one span."""
    spans: list[list[int]] = []
    for number in sorted(
        {int(problem.place.partition(",")[0].split()[-1]) for problem in problems}
    ):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    is_one = len(spans) == 1 and spans[0][0] == spans[0][1]
    rest = ", …" if len(shown) > _SHOWN_SPANS else ""
    return f"line{'' if is_one else 's'} {', '.join(shown[:_SHOWN_SPANS])}{rest}"
