"""The pages about settings say what the settings are."""

from pathlib import Path

import pytest

from config import load_settings
from config.leaves import groups, leaves
from config.reference import docs_of, env_example, settings_page
from config.settings import Settings


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(".env.example", env_example(), id="env example"),
        pytest.param("docs/reference/settings.md", settings_page(), id="page"),
    ],
)
def test_a_page_is_what_the_settings_would_write(repository: Path, path: str, text: str) -> None:
    """A reference that lags behind is believed; `python -m config.reference` writes it again."""
    assert (repository / path).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("group", groups())
def test_every_setting_has_its_line(group: str) -> None:
    """The line is all that somebody sees who looks a setting up."""
    keys = {leaf.key for leaf in leaves().values() if leaf.group == group}
    assert docs_of(group).keys() == keys


def test_the_example_with_its_comments_taken_away_gives_the_defaults(tmp_path: Path) -> None:
    """Copying the example and uncommenting a line as it stands must change nothing."""
    lines = [line.removeprefix("#") for line in env_example().splitlines() if "__" in line]
    assert len(lines) == len(leaves())
    (tmp_path / ".env").write_text("\n".join(lines))
    assert load_settings(tmp_path, environment={}).model_dump() == Settings().model_dump()
