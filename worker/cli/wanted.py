"""From what was typed for `promptmill submit`, its files and standard input to jobs."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from config.settings import Settings
from jobs.bounds import MAX_PROMPT, MAX_SOURCE
from jobs.checkers import Checker, checker_of
from jobs.clock import new_id
from jobs.datasets.named import place_of
from jobs.datasets.readers import piped_tasks, read_tasks
from jobs.datasets.reading import reading_as
from jobs.errors import UsageError
from jobs.identifiers import is_identifier
from jobs.languages import Language
from jobs.models import PromptJob
from jobs.python_tests import fault_of

from .batch import NAMES, Batch, batch_of, name_of_run
from .flags import JobFlags, refuse_option
from .placing import Place

_STDIN = "standard input"
_NOTHING = "nothing was queued"


def wanted(prompt: str | None, job: JobFlags, place: Place, settings: Settings) -> Batch:
    """The jobs of one prompt or of a file of them; nothing is queued yet.

    Raises:
        UsageError: what was typed does not go together, or a file cannot be used.
    """
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
        return _batch_of_file(job.jsonl, job, place, settings)
    if job.form is not None:
        raise UsageError("--format goes with --jsonl: a single prompt has none", note=_NOTHING)
    if job.run is not None:
        raise UsageError(
            "--run goes with --jsonl: a single prompt belongs to no run", note=_NOTHING
        )
    try:
        one = _job_of_prompt(_text_of(prompt or ""), job, settings)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        words = fault["msg"].removeprefix("Value error, ")
        why = f"{words[:1].lower()}{words[1:]}"
        raise UsageError(f"{fault['loc'][-1]!r} cannot be used: {why}", note=_NOTHING) from None
    cache = settings.model.cache == "always"
    return Batch(
        None,
        1,
        {one.language: 1},
        {},
        int(one.checker.kind == "exits_cleanly"),
        lambda: iter([one]),
        place,
        settings.conversation,
        cache,
    )


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
    )


def _batch_of_file(path: Path, job: JobFlags, place: Place, settings: Settings) -> Batch:
    if job.tests or job.expect is not None or job.language:
        raise UsageError(
            "--tests, --expect and --language go with one prompt",
            fixes=["write them into the lines of the file"],
            note=_NOTHING,
        )
    is_piped = str(path) == "-"
    how = reading_as(job.form)
    return batch_of(
        piped_tasks(sys.stdin.buffer, _STDIN, how) if is_piped else read_tasks(place_of(path), how),
        name_of_run(job.run),
        settings,
        place=place,
        max_attempts=job.max_attempts,
        cache=settings.model.cache == "always",
    )


def _text_of(prompt: str) -> str:
    if prompt == "-":
        return _text_in(sys.stdin.buffer, _STDIN, "prompt", MAX_PROMPT)
    refuse_option(prompt, "submit", "a prompt", note=_NOTHING)
    if prompt == "@":
        raise UsageError(
            "no file is named after @", fixes=["promptmill submit @prompt.txt"], note=_NOTHING
        )
    return _read(Path(prompt[1:]), "prompt", MAX_PROMPT) if prompt.startswith("@") else prompt


def _read(path: Path, field: str, most: int) -> str:
    try:
        with path.open("rb") as file:
            return _text_in(file, str(path), field, most)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", note=_NOTHING) from None


def _text_in(file: BinaryIO, name: str, field: str, most: int) -> str:
    """The text of `file`, but for the line break that editors and `echo` put at its end.

    It is read as far as it could be used, and no further: it may have no end.
    """
    reader = TextIOWrapper(file, "utf-8-sig")
    try:
        text = reader.read(most + 2).removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{name} cannot be read: it is not UTF-8 text", note=_NOTHING) from None
    finally:
        # Or standard input would be closed with the reader.
        reader.detach()
    if len(text) > most:
        raise UsageError(
            f"{field!r} cannot be used: {name} holds more than {most} characters", note=_NOTHING
        )
    return text


def _checker(job: JobFlags) -> Checker:
    if job.tests is not None and job.expect is not None:
        raise UsageError("give either --tests or --expect, not both", note=_NOTHING)
    tests = None if job.tests is None else _read(job.tests, "tests", MAX_SOURCE)
    is_python = (job.language or Language.PYTHON) is Language.PYTHON
    fault = fault_of(tests) if tests and is_python else None
    if fault:
        raise UsageError(f"{job.tests} cannot be used: {fault}", note=_NOTHING)
    # Whoever types a check wants the program repaired by it, and measures no model.
    return checker_of(expect=job.expect, tests=tests)
