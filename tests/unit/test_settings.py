"""Where settings come from, and which of two wins."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from config import Settings, load_settings
from config.loading import origins
from config.redaction import mask
from jobs.bounds import MAX_ATTEMPTS
from jobs.limits import Limits
from worker.model.options import DEFAULT_API_VERSION, GeminiOptions

_KEY = "AIzaSy-planted-key-0123456789-abcdx4Qk"


def _write(directory: Path, *, toml: str = "", dotenv: str = "") -> None:
    (directory / "promptmill.toml").write_text(toml)
    (directory / ".env").write_text(dotenv)


def test_an_empty_project_has_the_defaults(tmp_path: Path) -> None:
    """Nobody has to configure anything before the first run."""
    assert load_settings(tmp_path, environment={}) == Settings()


@pytest.mark.parametrize(
    ("overrides", "environment", "dotenv", "toml", "expected"),
    [
        pytest.param(
            {"log.level": "error"}, "warning", "info", "debug", "error", id="command line"
        ),
        pytest.param({}, "warning", "info", "debug", "warning", id="environment"),
        pytest.param({}, None, "error", "debug", "error", id="dotenv"),
        pytest.param({}, None, None, "debug", "debug", id="toml"),
        pytest.param({}, None, None, None, "info", id="default"),
        pytest.param({}, "", "", "debug", "debug", id="empty variables count as unset"),
    ],
)
def test_the_strongest_source_wins(
    tmp_path: Path,
    overrides: Mapping[str, str],
    environment: str | None,
    dotenv: str | None,
    toml: str | None,
    expected: str,
) -> None:
    """What is typed now must beat what was exported, that what was written down, that what we chose."""
    name = "PROMPTMILL_LOG__LEVEL"
    _write(
        tmp_path,
        toml="" if toml is None else f'[log]\nlevel = "{toml}"\n',
        dotenv="" if dotenv is None else f"{name}={dotenv}\n",
    )
    variables = {} if environment is None else {name: environment}
    settings = load_settings(tmp_path, overrides=overrides, environment=variables)
    assert settings.log.level == expected


@pytest.mark.parametrize(
    ("environment", "dotenv", "toml", "expected"),
    [
        pytest.param(
            {"PROMPTMILL_MODEL__API_KEY": "ours", "GEMINI_API_KEY": "gemini"},
            "",
            "",
            ("ours", "PROMPTMILL_MODEL__API_KEY (environment)"),
            id="our own variable first",
        ),
        pytest.param(
            {"GEMINI_API_KEY": "gemini"},
            "PROMPTMILL_MODEL__API_KEY=ours",
            "",
            ("ours", ".env:1"),
            id="our own variable in a file before another in the environment",
        ),
        pytest.param(
            {"GEMINI_API_KEY": "gemini"},
            "",
            'model.api_key = "ours"',
            ("ours", "promptmill.toml:1"),
            id="our own file before another's variable",
        ),
        pytest.param(
            {"GEMINI_API_KEY": "gemini", "GOOGLE_API_KEY": "google"},
            "",
            "",
            ("gemini", "GEMINI_API_KEY (environment)"),
            id="GEMINI before GOOGLE",
        ),
        pytest.param(
            {"GOOGLE_API_KEY": "google"},
            "\n# mine\nGEMINI_API_KEY=gemini",
            "",
            ("gemini", ".env:3 (GEMINI_API_KEY)"),
            id="GEMINI in a file before GOOGLE in the environment",
        ),
        pytest.param(
            {"GOOGLE_API_KEY": "google", "GEMINI_API_KEY": ""},
            "",
            "",
            ("google", "GOOGLE_API_KEY (environment)"),
            id="GOOGLE where nothing else is set",
        ),
    ],
)
def test_the_more_specific_key_wins_and_says_where_it_was_set(
    tmp_path: Path,
    environment: Mapping[str, str],
    dotenv: str,
    toml: str,
    expected: tuple[str, str],
) -> None:
    """A key exported for another program must not be billed for a project that names its own."""
    _write(tmp_path, toml=toml, dotenv=dotenv)
    settings = load_settings(tmp_path, environment=environment)
    assert settings.model.api_key is not None
    assert (
        settings.model.api_key.get_secret_value(),
        settings.origin_of("model.api_key"),
    ) == expected


def test_a_dotenv_of_a_parent_directory_is_not_read(tmp_path: Path) -> None:
    """A file that somebody left higher up must not spend a key or change a limit."""
    _write(tmp_path, toml="attempts.max = 9", dotenv="PROMPTMILL_ATTEMPTS__MAX=8")
    project = tmp_path / "project"
    project.mkdir()
    assert load_settings(project, environment={}).attempts.max == 3


def test_a_dollar_sign_in_a_dotenv_stands_for_itself(tmp_path: Path) -> None:
    """A password with ${…} in it must arrive as it was written, not with somebody's environment in it."""
    _write(tmp_path, dotenv="PROMPTMILL_REDIS__URL='redis://:a${HOME}b@h/0'")
    assert load_settings(tmp_path, environment={}).redis.url == "redis://:a${HOME}b@h/0"


def test_the_process_environment_is_read_only_when_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test or a script that gives an environment must get that one and nothing of its surroundings."""
    monkeypatch.setenv("PROMPTMILL_ATTEMPTS__MAX", "7")
    assert load_settings(tmp_path, environment={}).attempts.max == 3
    assert load_settings(tmp_path).attempts.max == 7


def test_loading_leaves_the_process_environment_as_it_was(tmp_path: Path) -> None:
    """What is put into the environment is inherited by every process we start."""
    _write(tmp_path, dotenv=f"GEMINI_API_KEY={_KEY}\nPROMPTMILL_LOG__LEVEL=debug")
    before = dict(os.environ)
    load_settings(tmp_path)
    assert dict(os.environ) == before


def test_one_key_of_a_ceiling_leaves_the_rest_of_it(tmp_path: Path) -> None:
    """The ceiling has defaults of its own: raising its memory must not lower its time to that of a job."""
    settings = load_settings(tmp_path, overrides={"ceiling.memory_mib": "4096"}, environment={})
    assert settings.ceiling == Settings().ceiling.model_copy(update={"memory_mib": 4096})


def test_the_default_limits_are_under_the_default_ceiling() -> None:
    """A job that says nothing must get what the reference says it gets."""
    settings = Settings()
    assert settings.limits.capped_by(settings.ceiling) == settings.limits == Limits()


def test_the_setting_and_the_job_agree_on_the_most_attempts(tmp_path: Path) -> None:
    """Settings cannot import the bound of a job, so it is written twice and held together here."""
    most = {"attempts.max": str(MAX_ATTEMPTS)}
    assert load_settings(tmp_path, overrides=most, environment={}).attempts.max == MAX_ATTEMPTS
    with pytest.raises(Exception, match=f"from 1 up to {MAX_ATTEMPTS}$"):
        load_settings(tmp_path, overrides={"attempts.max": str(MAX_ATTEMPTS + 1)}, environment={})


def test_the_setting_names_the_version_that_is_sent_without_it(repository: Path) -> None:
    """Whoever looks for a model that only another version has must know which one was asked."""
    page = (repository / "docs/reference/settings.md").read_text("utf-8")
    assert (
        f"Version of the Gemini API; unset means {DEFAULT_API_VERSION}, and v1beta1 of Vertex AI."
        in page
    )


@pytest.mark.parametrize("key", ["k" * 7 + "9zQ1", "k" * 8 + "9zQ1"], ids=["short", "long"])
def test_settings_and_model_errors_agree_on_how_much_of_a_key_is_shown(key: str) -> None:
    """Neither can import the other's rule, so it is written twice and held together here."""
    told = GeminiOptions(name="m", api_key=key).key_facts()["key"]
    assert ("9zQ1" in told) == ("9zQ1" in mask(key)) == (len(key) == 12)


@pytest.mark.parametrize(
    ("toml", "name", "line"),
    [
        pytest.param('\n[log] # why\nlevel = "debug"\n', "log.level", 3, id="key of a section"),
        pytest.param('log.level = "debug"', "log.level", 1, id="dotted key"),
        pytest.param('\n\nlog = { level = "debug" }', "log.level", 3, id="inline table"),
        pytest.param('[log]\n"level" = "debug"', "log.level", 2, id="quoted key"),
        pytest.param(
            '[model]\nname = """\\\n  [log]\\\n  level = 1"""\n[log]\nlevel = "debug"',
            "log.level",
            6,
            id="after text that looks like a section",
        ),
        pytest.param('[log]\r\n\r\nlevel = "debug"\r\n', "log.level", 3, id="line ends of Windows"),
    ],
)
def test_a_value_from_toml_knows_its_line(tmp_path: Path, toml: str, name: str, line: int) -> None:
    """A person who is told the line does not search the file."""
    (tmp_path / "promptmill.toml").write_bytes(toml.encode())
    settings = load_settings(tmp_path, overrides={"model.name": "auto"}, environment={})
    assert settings.origin_of(name) == f"promptmill.toml:{line}"


def test_every_setting_tells_its_value_and_its_origin(tmp_path: Path) -> None:
    """`config show --origin` is where people look when a value is not what they think it is."""
    _write(tmp_path, toml="[attempts]\nmax = 5", dotenv="\nPROMPTMILL_SANDBOX__SLOTS=2")
    settings = load_settings(
        tmp_path,
        overrides={"model.name": "replay"},
        environment={"PROMPTMILL_LOG__FORMAT": "json"},
    )
    told = {line.name: (line.value, line.origin) for line in origins(settings)}
    assert told["model.name"] == ("replay", "command line")
    assert told["log.format"] == ("json", "PROMPTMILL_LOG__FORMAT (environment)")
    assert told["sandbox.slots"] == ("2", ".env:2")
    assert told["attempts.max"] == ("5", "promptmill.toml:2")
    assert told["redis.url"] == ("unset", "default")


def test_the_list_of_origins_masks_secrets(tmp_path: Path) -> None:
    """The list is what people paste into a bug report."""
    settings = load_settings(
        tmp_path,
        overrides={"redis.url": "redis://me:hunter2@h:6379/0"},
        environment={"GEMINI_API_KEY": _KEY},
    )
    told = {line.name: line.value for line in origins(settings)}
    assert told["model.api_key"] == "***…x4Qk"
    assert told["redis.url"] == "redis://me:[redacted]@h:6379/0"


def test_a_short_secret_is_masked_whole(tmp_path: Path) -> None:
    """Four characters of a short one are too much of it."""
    settings = load_settings(tmp_path, environment={"GEMINI_API_KEY": "elevenchars"})
    assert "***" in {line.value for line in origins(settings)}


def test_settings_list_every_secret_for_the_logs(tmp_path: Path) -> None:
    """Redaction by value can only find what it is told of, in both spellings of a URL's password."""
    settings = load_settings(
        tmp_path,
        overrides={
            "redis.url": "redis+sentinel://me:pass%2Fword@h:1,h:2/mill?sentinel_password=asked",
            "store.url": "rediss://me:of-records@h/1",
            "model.base_url": "http://a:proxy@h",
        },
        environment={"GEMINI_API_KEY": _KEY},
    )
    in_urls = {"pass%2Fword", "pass/word", "asked", "of-records", "proxy"}
    assert set(settings.secrets()) == {_KEY, *in_urls}


def test_importing_config_loads_neither_pydantic_nor_structlog() -> None:
    """`promptmill --help` and shell completion must answer at once."""
    script = (
        "import sys, config; "
        "print([name for name in ('pydantic', 'structlog', 'dotenv') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"


@pytest.mark.parametrize(
    ("toml", "dotenv"),
    [
        pytest.param('[sandbox.python]\npreload = ["numpy", "a.b"]', "", id="a list"),
        pytest.param('[sandbox]\npython.preload = "numpy, a.b"', "", id="text"),
        pytest.param("", "PROMPTMILL_SANDBOX__PYTHON__PRELOAD=numpy,a.b", id="a variable"),
    ],
)
def test_a_list_may_be_written_as_one_or_as_text(tmp_path: Path, toml: str, dotenv: str) -> None:
    """TOML has lists and a variable has none, and both are places where people write settings."""
    _write(tmp_path, toml=toml, dotenv=dotenv)
    settings = load_settings(tmp_path, environment={})
    assert settings.sandbox.python.preload == ("numpy", "a.b")
    assert settings.sandbox.require == "contained", (
        "a group in a group leaves the rest of the outer one"
    )
    shown = {row.name: row.value for row in origins(settings)}
    assert shown["sandbox.python.preload"] == "numpy, a.b"
