"""How a run was held, for whoever wants to know what its numbers are numbers of."""

from collections.abc import Iterator

from jobs.feedback import Feedback
from jobs.models import Record
from jobs.outlines import Outline
from jobs.wire import Wire

_SHOWN_IDS = 5
_IN_WORDS: dict[Feedback, str] = {
    "public": "public: what a program's own run shows, and what is public of its check",
    "oracle": "ORACLE: models were told the hidden checks that judge them; this is no pass rate to set beside others",
    "none": "none: models were told that a program failed, and nothing more",
}


class Conduct(Wire):
    """Under which conditions its jobs were judged, and what is to be said of that."""

    feedback: tuple[Feedback, ...]
    """What models were told of failed programs, in jobs of more than one attempt."""
    parts: tuple[str, ...]
    """What of its dataset was run, where that was not all of it."""
    n_unchecked: int
    """Jobs whose check is that the program ends without an error: it says nothing of what is right."""
    n_copies: int
    """Jobs that were answered with what was recorded of another sample: they are in no pass@k."""
    n_reruns: int
    """Runs of programs that were over their time, and were repeated alone."""
    n_reruns_changed: int
    """Those of them that were in time alone."""
    n_past_recordings: int
    """Attempts for which no reply was recorded, so that the last one was given again."""
    leaks_in_feedback: tuple[str, ...]
    """Jobs whose model was told something that is hidden of their check."""
    leaks_in_answers: tuple[str, ...]
    """Jobs with a program that holds what is expected of it in secret."""


class ConductBuilder:
    """Counts records as they come, in any order, and keeps none of them."""

    def __init__(self) -> None:
        self._feedback: set[Feedback] = set()
        self._parts: set[str] = set()
        self._n_reruns = self._n_reruns_changed = 0
        self._n_unchecked = self._n_copies = 0
        self._n_past_recordings = 0
        self._leaks: dict[str, list[str]] = {"feedback": [], "answer": []}

    def add(self, record: Record | Outline, *, is_copy: bool) -> None:
        """Count a record, which may be no sample of its own."""
        job = record.job
        if job.max_attempts > 1:
            self._feedback.add(job.conversation.feedback)
        # What was judged elsewhere has its check there.
        if record.imported_from is None:
            self._n_unchecked += job.checker.kind == "exits_cleanly"
        self._n_copies += is_copy
        if job.part is not None:
            self._parts.add(job.part.in_words)
        for attempt in record.attempts:
            self._n_past_recordings += attempt.reply.replay_exhausted
            for rerun in attempt.reruns:
                self._n_reruns += 1
                self._n_reruns_changed += not rerun.is_over_again
        if any(attempt.leaks for attempt in record.attempts):
            for place in {leak.place for attempt in record.attempts for leak in attempt.leaks}:
                self._leaks[place].append(record.job_id)

    def conduct(self) -> Conduct:
        """What they came to."""
        return Conduct(
            feedback=tuple(sorted(self._feedback)),
            parts=tuple(sorted(self._parts)),
            n_unchecked=self._n_unchecked,
            n_copies=self._n_copies,
            n_reruns=self._n_reruns,
            n_reruns_changed=self._n_reruns_changed,
            n_past_recordings=self._n_past_recordings,
            leaks_in_feedback=tuple(sorted(self._leaks["feedback"])),
            leaks_in_answers=tuple(sorted(self._leaks["answer"])),
        )


def told_of_conduct(conduct: Conduct) -> Iterator[tuple[str, str]]:
    """What a reader of a report has to know of it: a word, and a line for each thing."""
    for part in conduct.parts:
        yield "part", f"not all of the dataset: {part}"
    yield from _told_of_recordings(conduct)
    if conduct.n_unchecked:
        yield "check", unchecked_in_words(conduct.n_unchecked)
    for feedback in conduct.feedback:
        yield "feedback", _IN_WORDS[feedback]
    if conduct.n_reruns:
        runs = f"{conduct.n_reruns} runs were over their time and were repeated alone"
        yield "time", f"{runs}; {conduct.n_reruns_changed} of them were in time then"
    if conduct.leaks_in_feedback:
        yield "leaks", _named("were told what is hidden of their check", conduct.leaks_in_feedback)
    if conduct.leaks_in_answers:
        what = "have an answer that holds what is expected of it in secret"
        yield "leaks", _named(what, conduct.leaks_in_answers)


def _told_of_recordings(conduct: Conduct) -> Iterator[tuple[str, str]]:
    # What was replayed because nothing was recorded for it.
    if conduct.n_copies:
        copies = f"{conduct.n_copies:,} jobs were answered with what was recorded of sample 0"
        yield "samples", f"{copies}, and count in no pass@k: nothing was of their own"
    if conduct.n_past_recordings:
        attempts = f"{conduct.n_past_recordings:,} attempts had no reply of their own recorded"
        yield "replies", f"{attempts}: the last one was given again, and says nothing of repairs"


def unchecked_in_words(n_jobs: int) -> str:
    """That so many jobs have nothing to be right by."""
    jobs = "1 job counts" if n_jobs == 1 else f"{n_jobs:,} jobs count"
    return f"NO CHECK: {jobs} as solved where the program ends without an error, whatever it did"


def _named(what: str, job_ids: tuple[str, ...]) -> str:
    more = f" and {len(job_ids) - _SHOWN_IDS} more" if len(job_ids) > _SHOWN_IDS else ""
    return f"WARNING: {len(job_ids)} jobs {what}: {', '.join(job_ids[:_SHOWN_IDS])}{more}"
