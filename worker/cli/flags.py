"""Flags that several modules read, and the settings they change."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token, validators

from jobs.bounds import MAX_ATTEMPTS
from jobs.errors import UsageError
from jobs.feedback import Feedback
from jobs.languages import Language
from jobs.priorities import Priority

if TYPE_CHECKING:
    from config.settings import Settings


@Parameter(name="*")
@dataclass(frozen=True)
class SettingFlags:
    """Settings that a command line may change for one run."""

    model: Annotated[str | None, Parameter(help="auto, a Gemini model, replay, or replay:FILE")] = (
        None
    )
    redis: Annotated[
        str | None, Parameter(help="URL of Redis; unset means the embedded server")
    ] = None
    store: Annotated[str | None, Parameter(help="folder of records and of the embedded server")] = (
        None
    )

    def overrides(self) -> dict[str, str]:
        """What was given, by the dotted names of the settings.

        Raises:
            UsageError: something was given and is empty, as an unset variable of the shell is.
        """
        given = {"model.name": self.model, "redis.url": self.redis, "store.directory": self.store}
        kept = {name: value for name, value in given.items() if value is not None}
        for name, value in kept.items():
            if not value:
                raise UsageError(
                    f"the flag for {name} is empty", fixes=["give it a value, or leave it out"]
                )
        return kept


NO_FLAGS = SettingFlags()


def _whole_number(_: object, tokens: Sequence[Token]) -> int:
    """The number that was typed. By itself the parser would take 2.5 for 2."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


WholeNumber = Annotated[int, Parameter(converter=_whole_number)]
Switch = Annotated[bool, Parameter(negative=())]
Attempts = Annotated[
    WholeNumber | None, Parameter(validator=validators.Number(gte=1, lte=MAX_ATTEMPTS))
]
Detach = Annotated[
    bool,
    Parameter(
        negative=(), help="leave the jobs to the workers, which queue them, and return at once"
    ),
]
CodeExecution = Annotated[
    bool,
    Parameter(
        negative=(), help="Gemini runs the programs with its own tool, and nothing is run here"
    ),
]
Format = Annotated[
    str | None,
    Parameter(
        name="--format",
        help="what the rows are, such as human-eval or csv; unset: what the first one shows",
    ),
]
FeedbackFlag = Annotated[
    Feedback | None,
    Parameter(
        name="--feedback",
        help="what the model is told of a failed program: public (what its own run shows, and public checks), oracle "
        "(hidden checks, too: the score measures something else), none; unset: as conversation.feedback says",
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="data as JSON, errors too")]


@Parameter(name="*")
@dataclass(frozen=True)
class LaneFlags:
    """Where jobs wait, and what goes first there."""

    queue: Annotated[
        str | None,
        Parameter(help="name of the queue (default); workers take from those of worker.queues"),
    ] = None
    priority: Annotated[
        Priority, Parameter(help="what goes first in its queue: high, normal or low")
    ] = Priority.NORMAL


NO_LANE_FLAGS = LaneFlags()


@Parameter(name="*")
@dataclass(frozen=True)
class TimeFlags:
    """When jobs are due."""

    at: Annotated[str | None, Parameter(help="not before this time, such as 2027-01-31T22:00Z")] = (
        None
    )
    in_: Annotated[
        str | None,
        Parameter(name="--in", help="not before so long from now, such as 90s, 10m, 2h or 1d"),
    ] = None


NO_TIME_FLAGS = TimeFlags()


@Parameter(name="*")
@dataclass(frozen=True)
class JobFlags:
    """What is to be queued, and how it is checked."""

    jsonl: Annotated[
        Path | None,
        Parameter(
            allow_leading_hyphen=True,
            help="a file of jobs, one JSON object a line; - is standard input",
        ),
    ] = None
    language: Annotated[Language | None, Parameter(help="language of the program (python)")] = None
    max_attempts: Annotated[
        Attempts, Parameter(help="generations, the first one counted (1 to 20)")
    ] = None
    tests: Annotated[
        Path | None,
        Parameter(help="file of tests that the program must pass; the model may see which fails"),
    ] = None
    expect: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True, help="text that the program must print; the model may see it"
        ),
    ] = None
    form: Format = None
    run: Annotated[
        str | None, Parameter(help="name of the run that the lines of --jsonl belong to")
    ] = None
    detach: Detach = False
    code_execution: CodeExecution = False
    feedback: FeedbackFlag = None
    id: Annotated[
        str | None,
        Parameter(help="id of one prompt's job; what has an id is queued only once"),
    ] = None


NO_JOB_FLAGS = JobFlags()


def read_settings(
    flags: SettingFlags = NO_FLAGS,
    *,
    quiet: bool = False,
    silent: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> "Settings":
    """The settings of the current folder under these flags, and logging set up by them.

    `overrides`, by dotted names, win over the flags. `quiet` shows only warnings unless somebody chose a level: a
    command that shows its own progress needs no log beside it. `silent` leaves the warnings out, too.

    Raises:
        ConfigError: something cannot be used.
    """
    from config.loading import load_settings
    from config.logs import configure_logging
    from config.settings import DEFAULT_ORIGIN

    settings = load_settings(_here(), overrides={**flags.overrides(), **(overrides or {})})
    level = settings.log.level
    if (quiet or silent) and settings.origin_of("log.level") == DEFAULT_ORIGIN:
        level = "error" if silent else "warning"
    configure_logging(settings.log.format, level, secrets=settings.secrets())
    return settings


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "the folder that this command was started in is gone",
            fixes=["cd into one that is there; settings and records are looked for in it"],
        ) from None


def refuse_option(word: str, command: str, thing: str, *, note: str) -> None:
    """Return if this word, which stands where a command takes one, may be meant.

    Where - stands for standard input the parser lets every hyphen through: `--wiat` must not be sent to a model.

    Raises:
        UsageError: it is an option that does not exist.
    """
    after = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    if word.startswith("-") and len(word.split()) == 1 and word not in after:
        raise UsageError(
            f"unknown option: {word!r}",
            fixes=[
                f"see what there is: promptmill {command} --help",
                f"if it is {thing}: promptmill {command} -- {word}",
            ],
            note=note,
        )
