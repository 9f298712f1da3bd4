"""A finished job as one flat row, for tables and for other evaluators."""

from collections.abc import AsyncIterable
from typing import Self

from pydantic import AwareDatetime

from jobs.models import Record
from jobs.reports import natural_order
from jobs.verdicts import Verdict
from jobs.wire import Wire


class ResultRow(Wire):
    """What is asked of results most often. Its fields are the columns of tables, by the same names as in a record."""

    run_id: str | None
    task_id: str | None
    sample: int
    job_id: str
    verdict: Verdict
    solved_at: int | None
    attempts: int
    explanation: str
    program: str | None
    """The last one."""
    language: str
    requested_model: str
    served_model: str | None
    simulated: bool
    imported_from: str | None
    excluded: str | None
    """Why it is left out of the score; None where it counts."""
    total_tokens: int | None
    cost_usd: float | None
    model_seconds: float
    """Of all attempts together."""
    cpu_seconds: float | None
    """Of the last program; None where none ran."""
    started_at: AwareDatetime
    finished_at: AwareDatetime

    @classmethod
    def of(cls, record: Record) -> Self:
        """The row of a record."""
        code = record.executable_code
        execution = record.attempts[-1].execution if record.attempts else None
        return cls(
            run_id=record.job.run_id,
            task_id=record.job.task_id,
            sample=record.job.sample,
            job_id=record.job_id,
            verdict=record.verdict,
            solved_at=record.solved_at,
            attempts=len(record.attempts),
            explanation=record.explanation,
            program=None if code is None else code.code,
            language=record.job.language,
            requested_model=record.requested_model,
            served_model=record.served_model,
            simulated=record.simulated,
            imported_from=record.imported_from,
            excluded=record.job.excluded,
            total_tokens=record.usage.total_token_count,
            cost_usd=record.cost_usd,
            model_seconds=sum(attempt.reply.latency_seconds for attempt in record.attempts),
            cpu_seconds=None if execution is None else execution.cpu_seconds,
            started_at=record.started_at,
            finished_at=record.finished_at,
        )


async def rows_of(records: AsyncIterable[Record]) -> list[ResultRow]:
    """Their rows, by task, in which 2 comes before 10, then by sample."""
    rows = [ResultRow.of(record) async for record in records]
    return sorted(rows, key=lambda row: (natural_order(row.task_id or ""), row.sample, row.job_id))
