"""The rows of a dataset that are meant, as `eval` and schedules name them."""

from dataclasses import replace
from pathlib import Path

from jobs.begun import LeftOut, digest_of
from jobs.datasets.choosing import ChosenTasks, Tasks
from jobs.datasets.findings import read_findings
from jobs.datasets.named import place_of
from jobs.datasets.readers import read_tasks
from jobs.datasets.reading import reading_as
from jobs.parts import Part


def rows_of(dataset: Path, form: str | None, exclude: Path | None, part: Part | None) -> Tasks:
    """The tasks, and what is said about some of them.

    Raises:
        UsageError: they cannot be read, or what is said about them cannot.
        DatasetError: some are bad, or none is meant.
    """
    how = reading_as(form)
    if exclude is not None:
        how = replace(how, findings=read_findings(exclude))
    tasks = read_tasks(place_of(dataset), how)
    return tasks if part is None else ChosenTasks(tasks, part)


def left_out_by(exclude: Path | None, tasks: Tasks) -> LeftOut | None:
    """Which of the tasks are left out of the score, for whoever is to leave out the same ones."""
    if exclude is None:
        return None
    return LeftOut(path=str(exclude.absolute()), digest=digest_of(tasks.excluded))
