"""What a log line is made of, and what never gets into one."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog
from typing_extensions import override

from config import configure_logging

_KEY = "AIzaSy-planted-key-0123456789-abcdx4Qk"
_PLAIN_SECRET = "correct-horse-battery"

Format = Literal["auto", "pretty", "json"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Logging is one for the whole process: what a test sets up is taken down after it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # The SDK's own logger among them: the module that loads it has quietened it once for all.
    others = [log for log in root.manager.loggerDict.values() if isinstance(log, logging.Logger)]
    levels = [log.level for log in others]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for log, its_level in zip(others, levels, strict=True):
        log.setLevel(its_level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _written(
    say: Callable[[], object],
    *,
    form: Format = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: io.StringIO | None = None,
) -> str:
    stream = stream or io.StringIO()
    configure_logging(form, level, stream=stream, secrets=[_PLAIN_SECRET])
    say()
    return stream.getvalue()


def _events(say: Callable[[], object]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _written(say).splitlines()]


def _break(text: str) -> None:
    raise ValueError(text)


def _fail_with(text: str) -> None:
    try:
        _break(text)
    except ValueError:
        structlog.get_logger("ours").exception("it broke")


def _say_with_bound(text: str) -> None:
    with structlog.contextvars.bound_contextvars(worker=text):
        structlog.get_logger("ours").info("hello")


def test_an_event_is_one_line_of_json_with_the_time_in_utc() -> None:
    """A log collector reads lines, and sorts them by their times."""
    (event,) = _events(lambda: structlog.get_logger("ours").info("attempt judged", number=2))
    assert list(event)[:3] == ["time", "level", "event"]
    assert event["time"].endswith("Z")
    assert (event["level"], event["event"], event["number"]) == ("info", "attempt judged", 2)
    assert event["logger"] == "ours"


def test_a_foreign_record_has_the_form_of_ours() -> None:
    """Redis, arq and asyncio must not write lines that the collector cannot read."""
    (event,) = _events(lambda: logging.getLogger("redis").warning("lost %s", "it"))
    assert (event["level"], event["event"], event["logger"]) == ("warning", "lost it", "redis")


def test_a_traceback_stays_on_its_line() -> None:
    """One failure must be one event, not forty."""
    (event,) = _events(lambda: _fail_with("no"))
    assert event["exception"].endswith("ValueError: no")


def test_a_foreign_traceback_stays_on_its_line() -> None:
    """asyncio logs exceptions nobody awaited in this way."""

    def say() -> None:
        try:
            _break("no")
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved")

    (event,) = _events(say)
    assert event["exception"].endswith("ValueError: no")


def test_a_warning_is_an_event() -> None:
    """A deprecation in a worker's library should be seen where everything else is."""

    def say() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("soon gone", UserWarning, stacklevel=1)

    (event,) = _events(say)
    assert event["level"] == "warning"
    assert "soon gone" in event["event"]


def test_bound_ids_are_on_our_lines_and_on_foreign_ones() -> None:
    """Someone who has the id of a job finds everything that happened to it."""

    def say() -> None:
        with structlog.contextvars.bound_contextvars(job_id="job_1", delivery=2):
            structlog.get_logger("ours").info("one")
            logging.getLogger("redis").warning("two")
        structlog.get_logger("ours").info("three")

    assert [event.get("job_id") for event in _events(say)] == ["job_1", "job_1", None]


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        pytest.param("auto", io.StringIO, True, id="auto, no terminal"),
        pytest.param("auto", Terminal, False, id="auto, terminal"),
        pytest.param("json", Terminal, True, id="json, terminal"),
        pytest.param("pretty", io.StringIO, False, id="pretty, no terminal"),
    ],
)
def test_the_form_follows_the_stream_unless_it_is_asked_for(
    form: Format, stream: type[io.StringIO], is_json: bool
) -> None:
    """People read terminals, programs read everything else, and both may say otherwise."""
    line = _written(lambda: structlog.get_logger("ours").info("hello"), form=form, stream=stream())
    assert line.startswith("{") is is_json


def test_what_is_below_the_level_is_not_written() -> None:
    """Neither ours nor that of a library whose logger has a level of its own."""

    def say() -> None:
        structlog.get_logger("ours").warning("ours")
        logging.getLogger("arq.worker").warning("theirs")

    assert _written(say, level="error") == ""


def test_a_logger_that_was_used_before_takes_the_new_set_up() -> None:
    """Loggers live in modules: the first configuration must not stick to them."""
    logger = structlog.get_logger("ours")
    _written(lambda: logger.info("first"), level="error")
    assert "second" in _written(lambda: logger.info("second"))


def test_arq_does_not_print_payloads() -> None:
    """arq logs the beginning of every payload, and with it the prompt."""
    assert (
        _written(lambda: logging.getLogger("arq.worker").info("run_job('…')"), level="debug") == ""
    )


def test_a_handler_that_arq_brought_does_not_print_past_ours() -> None:
    """arq's own command sets one up before it asks us; every line would come twice, once unredacted."""
    past = io.StringIO()
    logging.getLogger("arq").addHandler(logging.StreamHandler(past))
    _events(lambda: logging.getLogger("arq.worker").warning("once"))
    assert past.getvalue() == ""


@pytest.mark.parametrize("secret", [_KEY, _PLAIN_SECRET], ids=["by its form", "by heart"])
@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda secret: structlog.get_logger("o").info(f"got {secret}"), id="event"),
        pytest.param(lambda secret: structlog.get_logger("o").info("got", to=secret), id="value"),
        pytest.param(
            lambda secret: structlog.get_logger("o").info("got", a=[{"b": (secret, {secret})}]),
            id="nested",
        ),
        pytest.param(
            lambda secret: structlog.get_logger("o").info("got", a={secret: 1}), id="nested key"
        ),
        pytest.param(
            lambda secret: structlog.get_logger("o").info("got", a=secret.encode()), id="bytes"
        ),
        pytest.param(
            lambda secret: structlog.get_logger("o").info("got", a=ValueError(secret)),
            id="exception as a value",
        ),
        pytest.param(_fail_with, id="traceback"),
        pytest.param(
            lambda secret: logging.getLogger("redis").warning("to %s", secret), id="foreign"
        ),
        pytest.param(_say_with_bound, id="bound"),
    ],
)
def test_a_secret_is_redacted_wherever_it_is(
    say: Callable[[str], object], secret: str, form: Format
) -> None:
    """Logs are kept for years by people who must not have the key."""
    written = _written(lambda: say(secret), form=form)
    assert "[redacted]" in written
    assert secret not in written


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param(
            "Authorization: Bearer abc.def", "Authorization: Bearer [redacted]", id="bearer"
        ),
        pytest.param("{'x-goog-api-key': 'abc'}", "{'x-goog-api-key': '[redacted]'}", id="mapping"),
        pytest.param(
            "(b'X-Goog-Api-Key', b'abc')", "(b'X-Goog-Api-Key', b'[redacted]')", id="bytes"
        ),
        pytest.param("redis://:pw@h:1/0", "redis://:[redacted]@h:1/0", id="redis"),
        pytest.param("redis://h/0?password=pw", "redis://h/0?password=[redacted]", id="in options"),
        pytest.param("rediss://me:p:w@h", "rediss://me:[redacted]@h", id="rediss"),
        pytest.param("https://h/v1?key=abc&x=1", "https://h/v1?key=[redacted]&x=1", id="query"),
        pytest.param("redis://h:6379/0 is authorization-free", None, id="nothing secret"),
    ],
)
def test_what_has_the_form_of_a_secret_is_redacted(text: str, left: str | None) -> None:
    """Not every secret is one that we were told of: a library may print another's."""
    (event,) = _events(lambda: logging.getLogger("foreign").warning(text))
    assert event["event"] == (left or text)


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    """Taking out one must not break the other into readable pieces."""
    stream = io.StringIO()
    configure_logging("json", "info", stream=stream, secrets=["abcdefgh", "efghijkl"])
    structlog.get_logger("ours").info("abcdefghijkl.")
    assert json.loads(stream.getvalue())["event"] == "[redacted]."


@pytest.mark.parametrize(
    "key",
    [
        "prompt",
        "code",
        "source",
        "stdin",
        "stdout",
        "stderr",
        "content",
        "api_key",
        "Authorization",
    ],
)
def test_prompts_programs_and_keys_are_withheld_by_name(key: str) -> None:
    """They belong to whoever sent them, and a slip in one call must not publish them."""
    (event,) = _events(lambda: structlog.get_logger("ours").info("x", a={key: "v"}, **{key: "v"}))
    assert (event[key], event["a"]) == ("[redacted]", {key: "[redacted]"})


def test_a_program_cannot_steer_the_terminal_of_who_reads_the_log() -> None:
    """Escape sequences can hide lines, write the clipboard and type commands; bidi marks reorder text."""
    evil = "a\x1b]52;c;eA==\x07\x9b2J\nfake line\u202e\u2066\ud800"
    line = _written(
        lambda: structlog.get_logger("ours").info(evil, name=evil, **{"k\x1b": [evil]}),
        form="pretty",
    )
    assert line.count("\n") == 1
    assert line.rstrip("\n").isprintable()


def test_a_traceback_on_a_terminal_keeps_its_lines_and_loses_its_escapes() -> None:
    """It has to be readable, and it quotes what a program said."""
    written = _written(lambda: _fail_with("a\x1b[2J"), form="pretty")
    assert "\x1b" not in written
    assert written.count("\n") > 2


def test_standard_error_is_the_stream_when_none_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Standard output belongs to results, which other programs read."""
    configure_logging("json", "info")
    structlog.get_logger("ours").info("hello")
    captured = capsys.readouterr()
    assert (captured.out, "hello" in captured.err) == ("", True)
