"""Sets logging up: one form for our own events and everybody else's, and nothing in it that must not be read."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO

from .log_events import Withhold, escape_controls, in_reading_order
from .redaction import Redactor


@contextmanager
def _without(name: str) -> Iterator[None]:
    there = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        if there is not None:
            sys.modules[name] = there


# It imports rich where it can, to draw tracebacks with it, and that takes longer than all the rest of it. Ours are
# plain text.
with _without("rich"):
    import structlog
    from structlog.typing import Processor

# Below a warning these print requests with their headers, or, in the case of arq, the payload of every job.
_QUIET_LOGGERS = ("arq", "google_genai", "httpcore2", "httpx2")
# arq's own command and uvicorn give these handlers of their own, which would print past ours.
_LOGGERS_WITH_HANDLERS = ("arq", "uvicorn", "uvicorn.access", "uvicorn.error")


def configure_logging(
    format: Literal["auto", "pretty", "json"],  # noqa: A002  # the name of the setting
    level: Literal["debug", "info", "warning", "error"],
    *,
    stream: TextIO | None = None,
    secrets: Sequence[str] = (),
) -> None:
    """Write every event of this process to `stream`: standard error where it is None.

    `auto` is pretty on a terminal and one line of JSON an event elsewhere. Ids bound with
    `structlog.contextvars.bind_contextvars` are on every line, foreign ones included. `secrets` are taken out of
    every text, as is whatever has the form of one. Called again, it takes the place of the call before.
    """
    target = sys.stderr if stream is None else stream
    pretty = format == "pretty" or (format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(_renderers(target) if pretty else _JSON, Redactor(secrets)))
    _take_over(handler, getattr(logging, level.upper()))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


# Tracebacks become plain text here: renderers that draw them would show local variables, prompts among them.
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)
_JSON: tuple[Processor, ...] = (structlog.processors.JSONRenderer(),)


def _renderers(target: TextIO) -> tuple[Processor, ...]:
    colored = target.isatty() and not os.environ.get("NO_COLOR")
    console = structlog.dev.ConsoleRenderer(
        colors=colored,
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
        timestamp_key="time",
    )
    return (escape_controls, console)


def _formatter(renderers: tuple[Processor, ...], redact: Redactor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Last before the renderers, so that nothing is added after it.
            Withhold(redact),
            in_reading_order,
            *renderers,
        ],
    )


def _take_over(handler: logging.Handler, level: int) -> None:
    handler.setLevel(level)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    for name in _LOGGERS_WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
