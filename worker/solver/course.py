"""The course of a job: when it is over, when it starts anew, and how much of it is still told."""

from collections.abc import Sequence

from jobs.conversations import End
from jobs.models import Attempt, ModelReply, PromptJob
from jobs.verdicts import Verdict

from .repeats import repetition_in


def end_of(job: PromptJob, attempts: Sequence[Attempt]) -> End | None:
    """Why there is nothing more to try after these attempts, or None where there is."""
    if not attempts:
        return None
    last = attempts[-1]
    are_over = last.reply.recordings_left == 0
    if last.verdict is Verdict.ACCEPTED and (are_over or not _goes_on_as_recorded(job, last)):
        return "accepted"
    if are_over and (job.as_recorded or job.rescores is not None):
        return "recordings_used_up"
    if last.number >= job.max_attempts:
        return "attempts_used_up"
    if _goes_on_as_recorded(job, last):
        return None
    # A blocked prompt would be blocked again: the same words, the same filter.
    if last.reply.block_reason is not None:
        return "prompt_blocked"
    talk = job.conversation
    if not talk.stop_when_stuck or talk.restart_after is not None:
        return None
    return repetition_in(attempts)


def conversation_so_far(job: PromptJob, attempts: Sequence[Attempt]) -> tuple[int, list[Attempt]]:
    """The number of the conversation that the next attempt belongs to, and those before it in the same one."""
    if job.conversation.restart_after is None:
        return 1, list(attempts)
    number, current = 1, list[Attempt]()
    for attempt in attempts:
        current.append(attempt)
        if _is_given_up(job, current):
            number, current = number + 1, []
    return number, current


def still_told(job: PromptJob, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
    """Those of a conversation that its next prompt tells of: whole turns, from the last that grew too long on."""
    most = job.conversation.history_tokens
    too_long = [
        place for place, attempt in enumerate(attempts) if _prompt_tokens(attempt.reply) > most
    ]
    return attempts[too_long[-1] :] if too_long else attempts


def _goes_on_as_recorded(job: PromptJob, last: Attempt) -> bool:
    return job.as_recorded and bool(last.reply.recordings_left)


def _prompt_tokens(reply: ModelReply) -> int:
    """How long the prompt was that it answers: what was asked for it before was as long, and is no part of that."""
    return (reply.usage.prompt_token_count or 0) - (reply.thrown_away.prompt_token_count or 0)


def _is_given_up(job: PromptJob, current: Sequence[Attempt]) -> bool:
    talk = job.conversation
    # The first one was no repair.
    n_repairs = len(current) - 1
    is_used_up = talk.restart_after is not None and n_repairs >= talk.restart_after
    return is_used_up or (talk.stop_when_stuck and repetition_in(current) is not None)
