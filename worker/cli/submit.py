"""`promptmill submit`: queue one prompt or a file of them."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from config.escaping import escaped, escaped_block
from config.settings import Settings
from jobs.checkers import Checker, checker_of
from jobs.clock import new_id
from jobs.datasets.readers import read_tasks, tasks_in
from jobs.errors import ExitCode, UsageError
from jobs.languages import Language
from jobs.models import PromptJob, Record, is_identifier
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.reports.text import SIMULATED_NOTE
from jobs.verdicts import Verdict

from .checking import check_workers, nothing_queued_yet, refuse_mixed_run
from .errors import NobodyWorksError
from .evaluate import NAMES, make_jobs
from .flags import NO_FLAGS, AsJson, Attempts, SettingFlags, Switch, read_settings
from .following import follow_to_the_end, records_of
from .output import emit, emit_json, talk
from .progress import RunProgress
from .resuming import going_on, same_command
from .running import open_queue


@Parameter(name="*")
@dataclass(frozen=True)
class JobFlags:
    """What is to be queued, and how it is checked."""

    jsonl: Annotated[
        Path | None,
        Parameter(
            allow_leading_hyphen=True,
            help="a file of jobs, one JSON object a line; - is standard input",
        ),
    ] = None
    language: Annotated[Language | None, Parameter(help="language of the program (python)")] = None
    max_attempts: Annotated[
        Attempts, Parameter(help="generations, the first one counted (1 to 20)")
    ] = None
    tests: Annotated[Path | None, Parameter(help="file of tests that the program must pass")] = None
    expect: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="text that the program must print"),
    ] = None
    run: Annotated[
        str | None, Parameter(help="name of the run that the lines of --jsonl belong to")
    ] = None
    id: Annotated[
        str | None,
        Parameter(help="id of one prompt's job; what has an id is queued only once"),
    ] = None


NO_JOB_FLAGS = JobFlags()

_STDIN = "standard input"
_NOTHING = "nothing was queued"
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
        prompt: the prompt itself, - for standard input, or @FILE.
        wait: wait for the records; exit with 0 if all are accepted, 1 if some are not, 5 if we failed with some.
        json: ids, and with --wait the records, as JSON.
    """
    settings = read_settings(flags, quiet=True)
    jobs = _jobs(prompt, job, settings)
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
    if first.run_id is None:
        return f"type it again with --id {first.job_id}: nothing is queued twice"
    again = same_command(*(() if job.run is not None else ("--run", first.run_id)))
    with_what = " with the same standard input" if str(job.jsonl) == "-" else ""
    return f"nothing is queued twice if you{with_what} go on with:  {again}"


def _jobs(prompt: str | None, job: JobFlags, settings: Settings) -> list[PromptJob]:
    if (prompt is None) == (job.jsonl is None):
        raise UsageError(
            "give either one prompt or --jsonl FILE",
            fixes=[
                'promptmill submit "Print the first 20 primes."',
                "promptmill submit --jsonl prompts.jsonl",
            ],
            note=_NOTHING,
        )
    if job.jsonl is not None and job.id is not None:
        raise UsageError(
            "--id goes with one prompt",
            fixes=["name the run that the lines of the file belong to, with --run"],
            note=_NOTHING,
        )
    if job.jsonl is not None:
        return _jobs_of_file(job.jsonl, job, settings)
    if job.run is not None:
        raise UsageError(
            "--run goes with --jsonl: a single prompt belongs to no run", note=_NOTHING
        )
    try:
        return [_job_of_prompt(_text_of(prompt or ""), job, settings)]
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        words = fault["msg"].removeprefix("Value error, ")
        why = f"{words[:1].lower()}{words[1:]}"
        raise UsageError(f"{fault['loc'][-1]!r} cannot be used: {why}", note=_NOTHING) from None


def _job_of_prompt(text: str, job: JobFlags, settings: Settings) -> PromptJob:
    if not text.strip():
        raise UsageError(
            "the prompt is empty", fixes=["say what the program should do"], note=_NOTHING
        )
    if job.id is not None and not is_identifier(job.id):
        raise UsageError(f"{job.id!r} cannot be the id of a job", fixes=[NAMES], note=_NOTHING)
    return PromptJob(
        prompt=text,
        job_id=job.id or new_id("job"),
        language=job.language or Language.PYTHON,
        checker=_checker(job),
        max_attempts=job.max_attempts or settings.attempts.max,
        model=settings.named_model,
    )


def _jobs_of_file(path: Path, job: JobFlags, settings: Settings) -> list[PromptJob]:
    if job.tests or job.expect is not None or job.language:
        raise UsageError(
            "--tests, --expect and --language go with one prompt",
            fixes=["write them into the lines of the file"],
            note=_NOTHING,
        )
    is_piped = str(path) == "-"
    tasks = tasks_in(sys.stdin.buffer.read(), _STDIN) if is_piped else read_tasks(path)
    return make_jobs(
        tasks,
        new_id("run") if job.run is None else job.run,
        settings,
        max_attempts=job.max_attempts,
    )


def _text_of(prompt: str) -> str:
    if prompt == "-":
        return _decoded(sys.stdin.buffer.read(), _STDIN)
    # The parser lets hyphens through for the one above; `--wiat` must not be sent to a model.
    if prompt.startswith("-") and len(prompt.split()) == 1:
        raise UsageError(
            f"unknown option: {prompt!r}",
            fixes=[
                "see what there is: promptmill submit --help",
                "if it is a prompt, give it on standard input: promptmill submit -",
            ],
            note=_NOTHING,
        )
    return _read(Path(prompt[1:])) if prompt.startswith("@") else prompt


def _read(path: Path) -> str:
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", note=_NOTHING) from None


def _decoded(raw: bytes, name: str) -> str:
    try:
        return TextIOWrapper(BytesIO(raw), "utf-8").read()
    except UnicodeDecodeError:
        raise UsageError(f"{name} cannot be read: it is not UTF-8 text", note=_NOTHING) from None


def _checker(job: JobFlags) -> Checker:
    if job.tests is not None and job.expect is not None:
        raise UsageError("give either --tests or --expect, not both", note=_NOTHING)
    return checker_of(expect=job.expect, tests=None if job.tests is None else _read(job.tests))


async def _submit(
    settings: Settings,
    jobs: Sequence[PromptJob],
    *,
    wait: bool,
    as_json: bool,
    how_to_go_on: str,
) -> list[Record]:
    async with AsyncExitStack() as stack:
        with nothing_queued_yet(settings):
            queue = await stack.enter_async_context(open_queue(settings))
            workers = await queue.live_workers()
            if workers:
                check_workers(settings, jobs, workers)
            await refuse_mixed_run(queue, jobs, workers[0].model if workers else None)
        with going_on(how_to_go_on):
            for job in jobs:
                await queue.submit(job)
                if not as_json:
                    # At once: should the next one fail, this one stays queued.
                    emit(job.job_id)
            if as_json and not wait:
                emit_json([{"jobId": job.job_id} for job in jobs])
            _tell_who_works(workers)
            if not wait:
                return []
            await _wait(queue, jobs)
            records = await records_of(queue, jobs)
    _tell_what_came_of_it(settings, records)
    return records


async def _wait(queue: JobQueue, jobs: Sequence[PromptJob]) -> None:
    with RunProgress(jobs[0].run_id or jobs[0].job_id, len(jobs), details=True) as progress:
        while True:
            try:
                return await follow_to_the_end(queue, jobs, progress)
            except NobodyWorksError as error:
                talk(f"{error.in_one_line}; still waiting")


def _tell_who_works(workers: Sequence[WorkerPresence]) -> None:
    if not workers:
        talk("queued; no worker has been heard of yet. Start one:  promptmill worker")
    elif any(worker.simulated for worker in workers):
        talk(SIMULATED_NOTE)


def _tell_what_came_of_it(settings: Settings, records: Sequence[Record]) -> None:
    store = FileRecordStore(settings.records_directory)
    for record in records:
        talk(escaped(f"{record.job_id}  {record.verdict}  {record.explanation}".rstrip()))
        if len(records) == 1 and record.output:
            talk(escaped_block(_first_lines(record.output)))
        talk(f"record  {store.path_of(record.job_id)}")


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
