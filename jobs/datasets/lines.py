"""JSON Lines as people send them: gzipped or not, read line by line, and what is told of those that cannot be used."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from jobs.errors import DatasetError

MAX_LINE_MIB = 256
"""Room for a row with each of its texts at its longest, every character escaped."""
_GZIP = b"\x1f\x8b"
GZIP_SUFFIX = ".gz"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What no text has: control characters, but for those that end lines or part words.
_NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")
_SHOWN_PROBLEMS = 20
_SHOWN_KINDS = 20
_SHOWN_SPANS = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line."""

    place: str
    """`line 17`, or `line 17, column 3`."""
    what: str


def lines_in(file: IO[bytes], name: str, *, note: str = "") -> Iterator[str]:
    """The lines of a document from its beginning, gzipped or not; `name` is what messages call it.

    Raises:
        DatasetError: it is no text, or it cannot be read any further.
    """
    file.seek(0)
    is_gzipped = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    source: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=file) if is_gzipped else file
    encoding = "utf-8-sig"
    try:
        for number, line in enumerate(_raw_lines(source, name, note), 1):
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError:
                is_named_gzip = name.endswith(GZIP_SUFFIX) and not is_gzipped
                raise DatasetError(
                    f"{name} is not UTF-8 text: the first bad byte is on line {number}",
                    facts={"gzip": "it is none, though it is called so"} if is_named_gzip else {},
                    fixes=[_way_to_utf_8(line)],
                    note=note,
                ) from None
            encoding = "utf-8"
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{name} is a damaged gzip file: {error}",
            fixes=["make it again:  gzip -k FILE"],
            note=note,
        ) from None
    except OSError as error:
        raise _unreadable(name, error, note) from None


def kept_in_a_file(file: IO[bytes], name: str, *, note: str = "") -> IO[bytes]:
    """What comes from `file`, which cannot be read twice, in a temporary one without a name, which can.

    Raises:
        DatasetError: a line is too long, and nothing beyond it was read; or there is no room for it.
    """
    kept = tempfile.TemporaryFile()  # noqa: SIM115  (for whoever reads it)
    try:
        for line in _raw_lines(file, name, note):
            kept.write(line)
        kept.seek(0)
    except OSError as error:
        raise DatasetError(
            f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}",
            fixes=["make room there, or name another folder with TMPDIR, or give a file"],
            note=note,
        ) from None
    return kept


def refusal(
    name: str, problems: Sequence[Problem], n_rows: int, *, note: str = "", n_left_out: int = 0
) -> DatasetError:
    """The error that names everything that is wrong at once, line by line, up to a bearable length.

    What is wrong with the lines beyond that is told of all together that have it. `n_left_out` lines are bad as well.
    """
    problems = sorted(problems, key=_line_of)
    n_bad = len({problem.place.partition(",")[0] for problem in problems}) + n_left_out
    facts: dict[str, str] = {}
    for problem in problems[:_SHOWN_PROBLEMS]:
        facts[problem.place] = (
            f"{facts[problem.place]}; {problem.what}" if problem.place in facts else problem.what
        )
    alike: dict[str, list[Problem]] = {}
    for problem in problems[_SHOWN_PROBLEMS:]:
        alike.setdefault(problem.what, []).append(problem)
    kinds = list(alike.items())
    for what, those in kinds[:_SHOWN_KINDS]:
        place = _lines_in_words(those)
        facts[place] = f"{facts[place]}; {what}" if place in facts else what
    others = [problem for _, those in kinds[_SHOWN_KINDS:] for problem in those]
    if others or n_left_out:
        places = [_lines_in_words(others)] if others else []
        rest = ["further on"] if n_left_out else []
        facts["and"] = f"{len(others) + n_left_out} more, {', and '.join(places + rest)}"
    return DatasetError(
        f"{name} has {n_bad} bad line{'s' if n_bad > 1 else ''} of {n_rows}",
        facts=facts,
        fixes=["mend these lines and run the same command again"],
        note=note,
    )


def _unreadable(name: str, error: OSError, note: str) -> DatasetError:
    return DatasetError(
        f"{name} cannot be read: {error.strerror or error}",
        fixes=["name a JSONL file that is there and may be read"],
        note=note,
    )


def _raw_lines(file: IO[bytes] | gzip.GzipFile, name: str, note: str) -> Iterator[bytes]:
    # Not splitlines: JSON strings may hold U+2028, which is no line end in JSONL.
    number = 0
    while line := file.readline(MAX_LINE_MIB * 2**20 + 1):
        number += 1
        if len(line) > MAX_LINE_MIB * 2**20:
            raise DatasetError(
                f"{name} cannot be read: line {number} is longer than {MAX_LINE_MIB} MiB",
                fixes=["write one JSON object a line"],
                note=note or "nothing was queued",
            )
        yield line


def _way_to_utf_8(line: bytes) -> str:
    """What to type, by what the first line shows that is no UTF-8."""
    if line.startswith(_UTF_16):
        return "save it as UTF-8, such as by  iconv -f UTF-16 -t UTF-8 FILE"
    if not _NO_TEXT.isdisjoint(line):
        return "name a file of text: this one holds other bytes"
    return "save it as UTF-8, such as by  iconv -f WINDOWS-1252 -t UTF-8 FILE"


def _line_of(problem: Problem) -> int:
    return int(problem.place.partition(",")[0].split()[-1])


def _lines_in_words(problems: Sequence[Problem]) -> str:
    """The lines that these are on, in their order; those that follow each other as one span."""
    spans: list[list[int]] = []
    for number in sorted(set(map(_line_of, problems))):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    is_one = len(spans) == 1 and spans[0][0] == spans[0][1]
    rest = ", …" if len(shown) > _SHOWN_SPANS else ""
    return f"line{'' if is_one else 's'} {', '.join(shown[:_SHOWN_SPANS])}{rest}"
