"""A run as one HTML file that needs nothing else: no network, no server, no second file."""

from collections.abc import Iterator
from string import Template

from jobs.models import Record
from jobs.reports import ReportBuilder, Unfinished, natural_order

from .blocks import Blocks, packed
from .gathered import Gathered
from .jobs import JobRow, JobView
from .markup import text
from .page import period, summary
from .pieces import head, piece

_SCRIPTS = ("text.js", "blocks.js", "diff.js", "job.js", "table.js", "start.js")
_MOST_BYTES = 64 * 1024 * 1024
"""The room for attempts. A browser still opens a file of this size within seconds."""


class HtmlBuilder:
    """Counts records as they come, in any order, and keeps of each a row in memory and its attempts on disk.

    What models and programs wrote stands in the page as data alone: JSON, packed and in letters, which the page's own
    script puts into text nodes. Escaped HTML would take five times the room, and each of its thousand places would
    have to be right; this way there is one. The page forbids itself everything but its own script and style, by their
    hashes.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._report = ReportBuilder()
        self._gathered = Gathered()
        self._rows: list[tuple[tuple[list[tuple[int, str]], int, str], str]] = []
        # Where there is no room for all, those that were solved at once are missed the least.
        self._others, self._at_once = Blocks("jobs"), Blocks("solved-jobs")
        self.n_records = 0
        self.n_unscored = 0
        """Jobs that failed because of us, of those that count."""

    def close(self) -> None:
        """Forget what is on disk."""
        self._others.close()
        self._at_once.close()

    def add(self, record: Record) -> None:
        """Take in a record."""
        self._report.add(record)
        self._gathered.add(record)
        self.n_records += 1
        self.n_unscored += record.job.excluded is None and not record.verdict.is_scored
        blocks = self._at_once if record.solved_at == 1 else self._others
        row = JobRow.of(record, *blocks.add(JobView.of(record).to_json()))
        order = (natural_order(row.name), row.sample, row.job_id)
        self._rows.append((order, row.to_json()))

    def document(self, unfinished: Unfinished | None = None) -> Iterator[str]:
        """The page, piece by piece, with what is missing of the run; between two pieces a line may end."""
        report = self._report.report(unfinished)
        script = "\n".join(map(piece, _SCRIPTS))
        page = Template(piece("page.html")).substitute(
            head=head(self._run_id, script),
            title=text(self._run_id),
            period=text(period(self._gathered)),
            models=text(", ".join(report.requested_models)),
            summary=summary(report, self._gathered),
        )
        before, after = page.split("<!-- data -->\n")
        yield before
        rows = ",".join(row for _, row in sorted(self._rows))
        yield _data("rows", packed(f"[{rows}]").decode("ascii"))
        room = _MOST_BYTES
        for blocks in (self._others, self._at_once):
            for name, letters in blocks.within(room):
                yield _data(name, letters)
            room = max(0, room - blocks.n_bytes)
        yield f"{after}<script>{script}</script>\n</body>\n</html>"


def _data(name: str, letters: str) -> str:
    return f'<script type="text/plain" id="data-{name}">{letters}</script>'
