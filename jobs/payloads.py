"""A job as arq keeps it: the one function that workers run, and the job as its argument."""

from . import wire
from .models import PromptJob

FUNCTION = "run_prompt_job"
"""The name of the one arq function that workers run."""


def payload_of(job: PromptJob, queued_ms: int) -> bytes:
    """What stands under arq's key of this job, which was queued at that time (Unix time in milliseconds)."""
    # What arq's `serialize_job` makes with our serializer, without a detour through Python's own objects.
    return f'{{"t":null,"f":"{FUNCTION}","a":[{job.to_json()}],"k":{{}},"et":{queued_ms}}}'.encode()


def job_in(payload: bytes) -> PromptJob:
    """The job of such a payload.

    Raises:
        ValueError: it was not written by this version.
    """
    try:
        return PromptJob.model_validate(wire.decode(payload)["a"][0])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is none of promptmill's jobs: {error!r}") from None
