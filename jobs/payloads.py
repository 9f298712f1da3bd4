"""A job as arq keeps it: the one function that workers run, and the job as its argument."""

from collections.abc import Iterable

from . import wire
from .models import PromptJob

FUNCTION = "run_prompt_job"
"""The name of the one arq function that workers run."""


def payload_of(job: PromptJob, queued_ms: int) -> bytes:
    """What stands under arq's key of this job, which was queued at that time (Unix time in milliseconds)."""
    # What arq's `serialize_job` makes with our serializer, without a detour through Python's own objects.
    return f'{{"t":null,"f":"{FUNCTION}","a":[{job.to_json()}],"k":{{}},"et":{queued_ms}}}'.encode()


def as_lines(jobs: Iterable[tuple[str, bytes]]) -> bytes:
    """Ids and payloads, a line each, as scripts are given jobs to queue: in one word, not in a thousand."""
    # Neither can hold the end of a line: in JSON it is escaped.
    return b"".join(b"%b\n%b\n" % (job_id.encode(), payload) for job_id, payload in jobs)


def job_in(payload: bytes) -> PromptJob:
    """The job of such a payload.

    Raises:
        ValueError: it was not written by this version.
    """
    try:
        return PromptJob.model_validate(wire.decode(payload)["a"][0])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is none of promptmill's jobs: {error!r}") from None
