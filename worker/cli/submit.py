"""`promptmill submit`: queue one prompt or a file of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped, escaped_block
from jobs.errors import ExitCode
from jobs.verdicts import Verdict

from .flags import NO_FLAGS, NO_JOB_FLAGS, AsJson, JobFlags, SettingFlags, Switch, read_settings
from .output import emit, emit_json, talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.models import PromptJob, Record
    from jobs.presence import WorkerPresence
    from jobs.queue import JobQueue

_SHOWN_LINES, _SHOWN_CHARACTERS = 20, 200


def submit(
    prompt: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    wait: Switch = False,
    json: AsJson = False,
    job: JobFlags = NO_JOB_FLAGS,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Queue one prompt or a file of them; the ids go to standard output, one a line.

    Args:
        prompt: the prompt itself, - for standard input, or @FILE; of these two, a line break at the end is left out.
        wait: wait for the records; exit with 0 if all are accepted, 1 if some are not, 5 if we failed with some.
        json: ids, and with --wait the records, as JSON.
    """
    from .wanted import jobs_wanted

    settings = read_settings(flags, quiet=True)
    jobs = jobs_wanted(prompt, job, settings)
    how_to_go_on = _how_to_go_on(job, jobs[0])
    records = asyncio.run(
        _submit(settings, jobs, wait=wait, as_json=json, how_to_go_on=how_to_go_on)
    )
    if not wait:
        return ExitCode.OK
    if json:
        emit_json([record.model_dump(mode="json", by_alias=True) for record in records])
    return _exit_code(records, len(jobs))


def _how_to_go_on(job: JobFlags, first: PromptJob) -> str:
    from .resuming import same_command

    if first.run_id is None:
        return f"type it again with --id {first.job_id}: nothing is queued twice"
    again = same_command(*(() if job.run is not None else ("--run", first.run_id)))
    with_what = " with the same standard input" if str(job.jsonl) == "-" else ""
    return f"nothing is queued twice if you{with_what} go on with:  {again}"


async def _submit(
    settings: Settings,
    jobs: Sequence[PromptJob],
    *,
    wait: bool,
    as_json: bool,
    how_to_go_on: str,
) -> list[Record]:
    from .checking import (
        check_languages,
        for_model,
        model_meant,
        nothing_queued_yet,
        refuse_mixed_run,
        that_answer,
    )
    from .following import records_of
    from .resuming import going_on
    from .running import open_queue

    async with AsyncExitStack() as stack:
        with nothing_queued_yet(settings):
            queue = await stack.enter_async_context(open_queue(settings))
            workers = await queue.live_workers()
            model = model_meant(settings, workers)
            jobs = for_model(jobs, model)
            check_languages(jobs, that_answer(workers, model))
            await refuse_mixed_run(queue, jobs)
        with going_on(how_to_go_on):
            for job in jobs:
                await queue.submit(job)
                if not as_json:
                    # At once: should the next one fail, this one stays queued.
                    emit(job.job_id)
            if as_json and not wait:
                emit_json([{"jobId": job.job_id} for job in jobs])
            _tell_who_works(workers, model)
            if not wait:
                return []
            await _wait(queue, jobs)
            records = await records_of(queue, jobs)
    _tell_what_came_of_it(settings, records)
    return records


async def _wait(queue: JobQueue, jobs: Sequence[PromptJob]) -> None:
    from .errors import NobodyWorksError
    from .following import follow_to_the_end
    from .progress import RunProgress

    with RunProgress(jobs[0].run_id or jobs[0].job_id, len(jobs), details=True) as progress:
        while True:
            try:
                return await follow_to_the_end(queue, jobs, progress)
            except NobodyWorksError as error:
                talk(f"{error.in_one_line}; still waiting")


def _tell_who_works(workers: Sequence[WorkerPresence], model: str) -> None:
    from jobs.presence import is_replayed
    from jobs.reports.text import SIMULATED_NOTE

    from .checking import models_of, that_answer
    from .resuming import worker_command

    if not that_answer(workers, model):
        who = f"the running workers answer with {models_of(workers)}"
        nobody = who if workers else "no worker has been heard of yet"
        talk(f"queued for {model}; {nobody}. Start one:  {worker_command(model)}")
    if is_replayed(model):
        talk(SIMULATED_NOTE)


def _tell_what_came_of_it(settings: Settings, records: Sequence[Record]) -> None:
    from jobs.records.opening import open_store

    store = open_store(settings.records_place, prefix=settings.redis.prefix)
    for record in records:
        talk(escaped(f"{record.job_id}  {record.verdict}  {record.explanation}".rstrip()))
        if len(records) == 1 and record.output:
            talk(escaped_block(_first_lines(record.output)))
        talk(f"record  {store.place_of(record.job_id)}")


def _first_lines(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    shown = [f"  │ {line[:_SHOWN_CHARACTERS]}" for line in lines[:_SHOWN_LINES]]
    if len(lines) > _SHOWN_LINES:
        shown.append(f"  … and {len(lines) - _SHOWN_LINES} lines more")
    return "\n".join(shown)


def _exit_code(records: Sequence[Record], n_jobs: int) -> int:
    if len(records) < n_jobs or any(not record.verdict.is_scored for record in records):
        return ExitCode.INCOMPLETE
    return (
        ExitCode.OK
        if all(record.verdict is Verdict.ACCEPTED for record in records)
        else ExitCode.GATE_FAILED
    )
