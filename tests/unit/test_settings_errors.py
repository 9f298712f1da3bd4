"""What a person is told whose settings cannot be used, and what they are never told."""

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from config import ConfigError, load_settings
from config.errors import UnknownSettingError
from jobs.errors import ExitCode

_KEY = "AIzaSy-planted-key-0123456789-abcdx4Qk"
_PLAIN_SECRET = "correct-horse-battery"


def _refusal(
    directory: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(directory, overrides=overrides, environment=environment or {})
    return caught.value


@pytest.mark.parametrize(
    ("toml", "place", "text"),
    [
        pytest.param(
            "[attempts]\nmax = 50",
            "promptmill.toml:2",
            "attempts.max is 50; allowed: a whole number from 1 up to 20",
            id="out of range",
        ),
        pytest.param(
            '[attempts]\nmax = "three"',
            "promptmill.toml:2",
            'attempts.max is "three"; allowed: a whole number from 1 up to 20',
            id="text for a number",
        ),
        pytest.param(
            "attempts.max = true",
            "promptmill.toml:1",
            "attempts.max is true; allowed: a whole number from 1 up to 20",
            id="true for a number",
        ),
        pytest.param(
            "[model]\ntimeout_seconds = 9.5",
            "promptmill.toml:2",
            "model.timeout_seconds is 9.5; allowed: a number from 10 up to 3600",
            id="a deadline the service refuses",
        ),
        pytest.param(
            "[limits]\nwall_seconds = nan",
            "promptmill.toml:2",
            "limits.wall_seconds is NaN; allowed: a number above 0 up to 7200",
            id="not a number",
        ),
        pytest.param(
            '[log]\nformat = "xml"',
            "promptmill.toml:2",
            'log.format is "xml"; allowed: one of auto, pretty, json',
            id="not one of the choices",
        ),
        pytest.param(
            '[redis]\nurl = "http://h"',
            "promptmill.toml:2",
            'redis.url is "http://h"; allowed: redis://…, rediss://…, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/'
            "DATABASE, rediss+sentinel://…, unix://… or embedded:FOLDER",
            id="scheme",
        ),
        pytest.param(
            "[redis]\nprefix = 5",
            "promptmill.toml:2",
            "redis.prefix is 5; allowed: up to 64 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit",
            id="number for a text",
        ),
        pytest.param(
            '[store]\ndirectory = ["a",\n "b"]',
            "promptmill.toml:2",
            'store.directory is ["a", "b"]; allowed: a path',
            id="list over two lines",
        ),
        pytest.param(
            '[sandbox]\nrequire = "some"',
            "promptmill.toml:2",
            'sandbox.require is "some"; allowed: one of strict, contained, rlimits',
            id="no profile",
        ),
        pytest.param(
            '[sandbox.python]\npreload = ["numpy", "import os", "a b"]',
            "promptmill.toml:2",
            'sandbox.python.preload is ["numpy", "import os", "a b"]; allowed: names of modules, '
            "with commas between them or as a list",
            id="no names of modules",
        ),
        pytest.param(
            "[sandbox.python]\nenvironment = 5",
            "promptmill.toml:2",
            "sandbox.python.environment is 5; allowed: a path",
            id="a number for a path in a group of a group",
        ),
    ],
)
def test_a_bad_value_names_its_line_itself_and_what_is_allowed(
    tmp_path: Path, toml: str, place: str, text: str
) -> None:
    """The message alone has to be enough to mend the file."""
    (tmp_path / "promptmill.toml").write_text(toml)
    error = _refusal(tmp_path)
    assert (error.message, error.facts) == (text, {"set in": place})
    assert (error.kind, error.exit_code) == ("config-invalid", ExitCode.USAGE)


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        pytest.param(
            "[limits]\nmemroy_mib = 5",
            "limits.memroy_mib is not the name of a setting; did you mean limits.memory_mib?",
            id="key",
        ),
        pytest.param(
            "[sandbox.python]\nenviroment = 5",
            "sandbox.python.enviroment is not the name of a setting; did you mean sandbox.python.environment?",
            id="key of a group in a group",
        ),
        pytest.param(
            "[limxits]\nmemory_mib = 5",
            "limxits.memory_mib is not the name of a setting; did you mean limits.memory_mib?",
            id="group",
        ),
        pytest.param(
            "\n[modexl]",
            "modexl is not the name of a setting; did you mean model?",
            id="empty group",
        ),
        pytest.param(
            "\n[[worker]]",
            "worker is not the name of a setting",
            id="list of groups",
        ),
        pytest.param(
            "\nsandbox.memory_mib = 5",
            "sandbox.memory_mib is not the name of a setting; did you mean limits.memory_mib?",
            id="key of another group",
        ),
        pytest.param(
            "\nlimits.memoryMib = 5",
            "limits.memoryMib is not the name of a setting; did you mean limits.memory_mib?",
            id="spelling of the JSON",
        ),
        pytest.param(
            "\nlog.colour = 1",
            "log.colour is not the name of a setting",
            id="nothing near",
        ),
    ],
)
def test_an_unknown_key_is_an_error_with_its_line_and_the_near_key(
    tmp_path: Path, toml: str, text: str
) -> None:
    """A limit that is silently not set is worse than no limit: somebody relies on it."""
    (tmp_path / "promptmill.toml").write_text(toml)
    error = _refusal(tmp_path)
    assert (error.message, error.facts) == (text, {"set in": "promptmill.toml:2"})
    assert isinstance(error, UnknownSettingError)
    assert error.kind == "config-unknown-key"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("PROMPTMILL_REDIS__URI", "PROMPTMILL_REDIS__URL", id="key"),
        pytest.param("PROMPTMILL_REDIS_URL", "PROMPTMILL_REDIS__URL", id="one underscore"),
        pytest.param("PROMPTMILL_MODEL__NAMES", "PROMPTMILL_MODEL__NAME", id="plural"),
        pytest.param("promptmill_log__level", "PROMPTMILL_LOG__LEVEL", id="small letters"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_it(
    tmp_path: Path, name: str, meant: str
) -> None:
    """A misspelt variable in a unit file would otherwise be found weeks later, if at all."""
    error = _refusal(tmp_path, environment={name: "x"})
    assert error.facts == {"set in": f"{name} (environment)"}
    assert error.message == (f"{name} is not the name of a setting; did you mean {meant}?")


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    """One .env often serves several programs."""
    (tmp_path / ".env").write_text("DATABASE_URL=x\nexport AWS_REGION=y\n")
    settings = load_settings(tmp_path, environment={"PROMPT": "$", "HOME": "/"})
    assert settings == load_settings(tmp_path / "elsewhere", environment={})


@pytest.mark.parametrize(
    ("file", "content", "place", "text"),
    [
        pytest.param(
            "promptmill.toml", b"a = 1\nb = \n", "promptmill.toml:2", "is not TOML", id="toml"
        ),
        pytest.param(
            "promptmill.toml", b"a = 1\na = 2\n", "promptmill.toml:2", "is not TOML", id="twice"
        ),
        pytest.param(
            "promptmill.toml", b"# \xff", "promptmill.toml", "is not UTF-8", id="encoding"
        ),
        pytest.param(".env", b"# x\n\nwhat is this\n", ".env:3", "not NAME=value", id="dotenv"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(
    tmp_path: Path, file: str, content: bytes, place: str, text: str
) -> None:
    """A syntax error deep in a library is no help to somebody who mistyped a quote."""
    (tmp_path / file).write_bytes(content)
    error = _refusal(tmp_path)
    assert error.facts == {"set in": place}
    assert text in error.message


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("promptmill.toml", "[attempts]\nmax = 7\n", id="toml"),
        pytest.param(".env", "PROMPTMILL_ATTEMPTS__MAX=7\n", id="dotenv"),
    ],
)
def test_a_file_may_begin_with_the_mark_of_an_editor(
    tmp_path: Path, file: str, content: str
) -> None:
    """Some editors write one before the first character, and no one sees it."""
    (tmp_path / file).write_text(content, "utf-8-sig")
    assert load_settings(tmp_path, environment={}).attempts.max == 7


def test_a_directory_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    """Settings that are there and cannot be read must never count as not there."""
    (tmp_path / "promptmill.toml").mkdir()
    assert "cannot be read" in _refusal(tmp_path).message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Mending one line for each start is how an afternoon goes."""
    (tmp_path / "promptmill.toml").write_text("[attempts]\nmax = 0\n[limits]\nmemroy_mib = 1\n")
    (tmp_path / ".env").write_text("PROMPTMILL_LOG__LEVEL=loud\n")
    error = _refusal(
        tmp_path,
        overrides={"sandbox.requires": "strict"},
        environment={"PROMPTMILL_SANDBOX__SLOTS": "all"},
    )
    assert error.message == "5 settings cannot be used as they are"
    assert list(error.facts) == [
        "promptmill.toml:4",
        "command line",
        "promptmill.toml:2",
        "PROMPTMILL_SANDBOX__SLOTS (environment)",
        ".env:1",
    ]
    assert error.kind == "config-invalid"


def test_two_problems_of_one_line_are_both_told(tmp_path: Path) -> None:
    """Facts are kept by place, and one place can hold two of them."""
    (tmp_path / "promptmill.toml").write_text('log = { level = "loud", format = "xml" }')
    (told,) = _refusal(tmp_path).facts.values()
    assert "log.level" in told
    assert "log.format" in told


@pytest.mark.parametrize(
    ("toml", "dotenv", "environment"),
    [
        pytest.param(f"model.api_key = ['{_PLAIN_SECRET}']", "", {}, id="key of a wrong type"),
        pytest.param(f"model.api_key = {{ x = '{_PLAIN_SECRET}' }}", "", {}, id="key as a table"),
        pytest.param(f"api_key = '{_PLAIN_SECRET}'", "", {}, id="key in no group"),
        pytest.param(f"model.api_kye = '{_PLAIN_SECRET}'", "", {}, id="key under a misspelt name"),
        pytest.param(f"model.api_key = {_PLAIN_SECRET}", "", {}, id="key without quotes"),
        pytest.param(f"model.api_key = '{_PLAIN_SECRET}", "", {}, id="key with a quote missing"),
        pytest.param(
            "log.level = 1", f"GEMINI_API_KEY={_PLAIN_SECRET}", {}, id="another field fails"
        ),
        pytest.param("", f"GEMINI_API_KEY {_PLAIN_SECRET}", {}, id="dotenv without ="),
        pytest.param("", f"PROMPTMILL_MODEL__APIKEY={_PLAIN_SECRET}", {}, id="dotenv, misspelt"),
        pytest.param("", "", {"PROMPTMILL_API_KEY": _PLAIN_SECRET}, id="variable, misspelt"),
        pytest.param("", "", {"PROMPTMILL_LOG__LEVEL": _KEY}, id="key in another's place"),
        pytest.param(
            "",
            "",
            {"PROMPTMILL_LOG__LEVEL": _PLAIN_SECRET, "GEMINI_API_KEY": _PLAIN_SECRET},
            id="key pasted twice",
        ),
        pytest.param(
            "", "", {"PROMPTMILL_REDIS__URL": f"http://a:{_PLAIN_SECRET}@h"}, id="password"
        ),
        *(
            pytest.param("", "", {f"PROMPTMILL_{name}": value}, id=f"{name}, malformed {number}")
            for name in ("REDIS__URL", "MODEL__BASE_URL")
            for number, value in enumerate(
                (
                    f"redis//:{_PLAIN_SECRET}@x",
                    f":///a:{_PLAIN_SECRET}@x",
                    f":{_PLAIN_SECRET}@x",
                    f"{_PLAIN_SECRET}@x",
                    f"http//:{_PLAIN_SECRET}%40x",
                    f"http//x?password={_PLAIN_SECRET}",
                    f"http//x;password={_PLAIN_SECRET}",
                )
            )
        ),
        pytest.param(f"redis.url = ['redis//:{_PLAIN_SECRET}@x']", "", {}, id="URL in a list"),
    ],
)
def test_no_error_tells_a_secret(
    tmp_path: Path, toml: str, dotenv: str, environment: Mapping[str, str]
) -> None:
    """Errors are pasted into chats and kept by log collectors, tracebacks with their causes included."""
    (tmp_path / "promptmill.toml").write_text(toml)
    (tmp_path / ".env").write_text(dotenv)
    error = _refusal(tmp_path, environment=environment)
    parts = (error, error.facts, error.problems, error.fixes, error.note)
    told = "".join([str(error), *map(repr, parts), *traceback.format_exception(error)])
    for secret in (_KEY, _PLAIN_SECRET):
        assert secret not in told
        assert secret[-4:] not in told
