"""The map is held to the tree: a page nobody tests goes stale."""

import re
import subprocess
from pathlib import Path

import pytest

from config.leaves import groups, leaves
from config.settings import Settings

_TOP = ("jobs", "config", "worker", "tests", "docs", "examples", "benchmarks")


def _page(repository: Path) -> str:
    return (repository / "docs" / "architecture.md").read_text()


def _named_paths(page: str) -> set[str]:
    return set(re.findall(rf"\b(?:{'|'.join(_TOP)})/[\w./-]*", page))


def test_every_path_that_the_map_names_exists(repository: Path) -> None:
    """A newcomer who follows the map must arrive."""
    paths = _named_paths(_page(repository))
    missing = [path for path in sorted(paths) if not (repository / path.rstrip(".")).exists()]
    assert len(paths) > 30
    assert missing == []


def test_every_package_folder_is_on_the_map(repository: Path) -> None:
    """A folder that the map leaves out is one nobody will look for."""
    listed = subprocess.run(
        ["git", "ls-files", "jobs", "config", "worker"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    folders = {str(Path(name).parent) + "/" for name in listed}
    assert folders
    assert [folder for folder in sorted(folders) if folder not in _page(repository)] == []


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/architecture.md", "docs/operations.md", "docs/glossary.md", "SECURITY.md"],
)
def test_every_link_between_pages_leads_somewhere(repository: Path, page: str) -> None:
    """A dead link on the first page is the first thing a reader meets."""
    text = (repository / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    folder = (repository / page).parent
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_page_on_operations_names_settings_that_there_are(repository: Path) -> None:
    """Somebody types them at night, and a service must give a worker the time to drain."""
    page = (repository / "docs" / "operations.md").read_text()
    named = set(re.findall(rf"`((?:{'|'.join(groups())})\.\w+)`", page))
    assert len(named) > 5
    assert named <= set(leaves())
    [grace_seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", page, re.MULTILINE)
    assert int(grace_seconds) >= Settings().worker.drain_seconds + 15
