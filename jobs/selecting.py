"""Picks jobs out of the queue by what they are, a page at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from arq.constants import job_key_prefix

from .cancellation import Cancelled, cancel_jobs
from .connection import expecting_answer
from .languages import Language
from .models import PromptJob
from .payloads import job_in
from .queue import JobQueue
from .scanning import all_of_queues, all_of_run


@dataclass(frozen=True)
class Selection:
    """What jobs have to be; None leaves it open."""

    run_id: str | None = None
    task: str | None = None
    """A pattern in the way of file names, such as `HumanEval/1*`."""
    language: Language | None = None
    queue: str | None = None

    def takes(self, job: PromptJob) -> bool:
        """Whether the job is one of these."""
        return (
            self.run_id in {None, job.run_id}
            and self.language in {None, job.language}
            and self.queue in {None, job.queue}
            and (self.task is None or fnmatchcase(job.task_id or "", self.task))
        )


async def selected(queue: JobQueue, selection: Selection) -> AsyncIterator[list[PromptJob]]:
    """The jobs that have not ended and are among these, by the page; those that this version cannot read are not.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the queue cannot be read"):
        pages = (
            all_of_queues(queue, selection.queue)
            if selection.run_id is None
            else all_of_run(queue, selection.run_id)
        )
        async for page in pages:
            payloads = await queue.redis.mget([job_key_prefix + job_id for job_id in page.job_ids])
            jobs = [job for payload in payloads if (job := _read(payload)) is not None]
            yield [job for job in jobs if selection.takes(job)]


async def cancel_selected(queue: JobQueue, selection: Selection) -> Cancelled:
    """Cancel all these jobs, waiting, running or held.

    Raises:
        RedisUnreachableError: Redis did not answer; cancelling them again does the rest.
    """
    total = Cancelled(0, 0)
    async for jobs in selected(queue, selection):
        with expecting_answer("not all of these jobs are cancelled", note="cancel them again"):
            total += await cancel_jobs(
                queue.redis, queue.keys, queue.records, [job.job_id for job in jobs]
            )
    return total


def _read(payload: bytes | None) -> PromptJob | None:
    try:
        return job_in(payload or b"")
    except ValueError:
        return None
