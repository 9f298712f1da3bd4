"""Which form a report is written in: the one that was asked for, else that of the file it goes to."""

from pathlib import Path

import pytest

from jobs.errors import UsageError
from worker.cli.report import ReportFormat, form_of


@pytest.mark.parametrize(
    ("output", "form"),
    [
        (None, ReportFormat.TEXT),
        ("night.html", ReportFormat.HTML),
        ("night.HTM", ReportFormat.HTML),
        ("night.md", ReportFormat.MARKDOWN),
        ("night.json", ReportFormat.JSON),
        ("junit.xml", ReportFormat.JUNIT),
        ("night.log", ReportFormat.TEXT),
    ],
)
def test_a_report_has_the_form_that_its_file_is_called_by(
    output: str | None, form: ReportFormat
) -> None:
    """Whoever names a file `.md` has said what is to be in it."""
    assert form_of(None, None if output is None else Path(output), as_json=False) is form


def test_the_form_that_was_asked_for_goes_before_the_name_of_the_file() -> None:
    """A CI job may want its JUnit in a file of any name."""
    assert form_of(ReportFormat.JUNIT, Path("a.html"), as_json=False) is ReportFormat.JUNIT
    assert form_of(None, Path("a.html"), as_json=True) is ReportFormat.JSON


def test_two_forms_at_once_are_refused() -> None:
    """One of them would be ignored, and whoever reads the other would wonder."""
    with pytest.raises(UsageError, match="--json does not go with --format html"):
        form_of(ReportFormat.HTML, None, as_json=True)
