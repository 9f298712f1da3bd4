"""The report as JUnit XML, which CI servers show: a test case for each job."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from jobs.models import Record
from jobs.summaries import Summary
from jobs.sums import seconds_at_work
from jobs.verdicts import Verdict

from . import Unfinished, unfinished_in_words
from .text import SIMULATED_NOTE

# What no XML document may hold, however it is escaped.
_UNFIT = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JUnitBuilder:
    """Keeps a summary of each record, in the order in which they come."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: list[Summary] = []
        self._seconds: dict[str, float] = {}
        self._excluded: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Take in a record."""
        self._jobs.append(Summary.of(record))
        self._seconds[record.job_id] = seconds_at_work(record.attempts)
        if record.job.excluded is not None:
            self._excluded[record.job_id] = record.job.excluded

    @property
    def n_unscored(self) -> int:
        """Jobs that failed because of us, of those that count."""
        return sum(not job.verdict.is_scored for job in self._counted)

    @property
    def n_records(self) -> int:
        """All jobs, however they ended."""
        return len(self._jobs)

    def document(self, unfinished: Unfinished | None = None) -> str:
        """The whole document. A job that failed because of us is an error, one that was not solved a failure.

        Jobs that are left out of the score are skipped, however they ended. Those that are missing of the run are one
        error together: nothing but a test case is shown by all that read this.
        """
        n_failed = sum(job.verdict.is_scored and not _is_solved(job) for job in self._counted)
        suite = Element(
            "testsuite",
            name=_fit(self._name),
            tests=str(self.n_records + (unfinished is not None)),
            failures=str(n_failed),
            errors=str(self.n_unscored + (unfinished is not None)),
            skipped=str(len(self._excluded)),
            time=f"{sum(self._seconds.values()):.3f}",
        )
        if any(job.simulated for job in self._jobs):
            properties = SubElement(suite, "properties")
            SubElement(properties, "property", name="note", value=SIMULATED_NOTE)
        for job in sorted(self._jobs, key=lambda job: (job.task_id or "", job.sample, job.job_id)):
            _add_case(suite, job, self._seconds[job.job_id], self._excluded.get(job.job_id))
        if unfinished is not None:
            missing = SubElement(
                suite, "testcase", classname=_fit(self._name), name="jobs without a record"
            )
            message = unfinished_in_words(self.n_records, unfinished)
            SubElement(missing, "error", type="unfinished", message=message)
        indent(suite)
        return tostring(suite, encoding="unicode", xml_declaration=False)

    @property
    def _counted(self) -> list[Summary]:
        return [job for job in self._jobs if job.job_id not in self._excluded]


def _add_case(suite: Element, job: Summary, seconds: float, excluded: str | None) -> None:
    sample = f" #{job.sample}" if job.sample else ""
    case = SubElement(
        suite,
        "testcase",
        classname=_fit(job.run_id or "jobs"),
        name=_fit(f"{job.task_id or job.job_id}{sample}"),
        time=f"{seconds:.3f}",
    )
    if excluded is not None:
        SubElement(case, "skipped", message=_fit(f"left out of the score: {excluded}"))
    elif not _is_solved(job):
        kind = "failure" if job.verdict.is_scored else "error"
        ending = SubElement(case, kind, type=job.verdict, message=_fit(job.explanation))
        ending.text = f"job {job.job_id}, {job.attempts} attempts"


def _is_solved(job: Summary) -> bool:
    return job.verdict is Verdict.ACCEPTED


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
