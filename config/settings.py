"""Every setting of promptmill: its name, unit, bounds and default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from jobs.conversations import Conversation
from jobs.limits import Limits

DEFAULT_ORIGIN = "default"
"""What a setting that nobody has set was set by."""


@dataclass(frozen=True)
class Allowed:
    """Words for what a pattern lets through: nobody should have to read a regular expression in an error."""

    words: str


class Group(BaseModel):
    """The base of every group of settings."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        # Of use only as parts of `Settings`, which builds them for itself.
        defer_build=True,
    )


class RedisSettings(Group):
    """Where queued work is coordinated."""

    url: Annotated[
        str | None,
        Field(pattern=r"^((rediss?(\+sentinel)?|unix)://|embedded:.)"),
        Allowed(
            "redis://…, rediss://…, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE, rediss+sentinel://…, "
            "unix://… or embedded:FOLDER"
        ),
    ] = None
    """Redis or Valkey to use; unset means the embedded server of this project."""
    prefix: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
        Allowed(
            "up to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
        ),
    ] = "promptmill"
    """What every key begins with: installations that share a server need different ones."""


class StoreSettings(Group):
    """Where finished work is kept."""

    directory: Path = Path(".promptmill")
    """Holds records and the embedded server's data; relative to the project directory."""
    url: Annotated[
        str | None,
        Field(pattern=r"^((file|file\+objects|s3|gs|az|rediss?(\+sentinel)?|unix)://.|embedded:.)"),
        Allowed(
            "file:///FOLDER, file+objects:///FOLDER (for a folder that machines share), s3://BUCKET/PREFIX, "
            "gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, or a Redis as in redis.url"
        ),
    ] = None
    """Where records are kept; unset means the folder `records` in `store.directory`. Workers on several machines need
    one that they share. Object stores need the extra `objects`, and credentials in the environment (AWS_…, GOOGLE_…,
    AZURE_…); a Redis needs its append-only file."""


class QueueSettings(Group):
    """How much waits in Redis."""

    high_water: Annotated[int, Field(ge=1, le=1_000_000)] = 5000
    """Jobs of one kind that are due at most, about: a producer that has more waits for workers to take some; of jobs
    for later, that are queued at most, those that are due among them."""


class ModelLimitSettings(Group):
    """What all workers with one key may ask of one model, together: each request that is sent counts."""

    requests_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """Unset is no limit of ours. Requests are spread over the minute; those of `burst` come on top."""
    tokens_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = None
    """Of prompts; unset is no limit of ours. A tenth of it may be sent at once, and comes on top."""
    requests_per_day: Annotated[int | None, Field(ge=1, le=100_000_000)] = None
    """Until midnight Pacific time, where the days of the service end; unset is no limit of ours."""
    concurrency: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Requests under way at one time, on all machines; unset is as many as the workers' `calls_in_flight`."""
    burst: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Requests that may follow each other at once after a quiet time."""


class ModelSettings(Group):
    """Who answers prompts, and how long we wait."""

    name: Annotated[
        str,
        Field(pattern=r"^(replay:.+|[A-Za-z0-9][A-Za-z0-9._/-]*)$"),
        Allowed("auto, replay, replay:PATH, replay:run:RUN or the name of a Gemini model"),
    ] = "auto"
    """`auto` is Gemini if a key is set or the backend is `vertex`, and the shipped recordings if not; `replay`,
    `replay:PATH` and `replay:run:RUN` are recordings."""
    gemini: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"), Allowed("the name of a Gemini model")
    ] = "gemini-3.8-flash"
    """The Gemini model that `auto` means."""
    api_key: Annotated[SecretStr | None, Field(min_length=1), Allowed("text")] = None
    """Gemini API key; GEMINI_API_KEY and GOOGLE_API_KEY are read too, and give way to every spelling of this one."""
    backend: Literal["gemini", "vertex"] = "gemini"
    """`gemini` is the Gemini API, which takes the key; `vertex` is Vertex AI, which takes the application default
    credentials of this machine (GOOGLE_APPLICATION_CREDENTIALS, or what gcloud has stored) and no key."""
    project: Annotated[
        str | None,
        Field(pattern=r"^[a-z0-9][a-z0-9.:-]{0,62}$"),
        Allowed("the id of a Google Cloud project"),
    ] = None
    """Google Cloud project that Vertex AI bills; needed with the backend `vertex`, and only there."""
    location: Annotated[
        str | None, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$"), Allowed("global or a region")
    ] = None
    """Where Vertex AI answers, such as `global` or `europe-west4`; needed with the backend `vertex`, and only there."""
    base_url: Annotated[
        str | None,
        Field(pattern=r"^https?://"),
        Allowed("a URL beginning with http:// or https://"),
    ] = None
    """Where the Gemini API is reached, for proxies and stand-ins; unset means Google's own address."""
    api_version: Annotated[
        str | None, Field(pattern=r"^v[0-9][a-z0-9]*$"), Allowed("a version such as v1 or v1beta")
    ] = None
    """Version of the Gemini API; unset means v1, and v1beta1 of Vertex AI."""
    timeout_seconds: Annotated[float, Field(ge=10, le=3600)] = 120
    """Longest wait for one answer; the service refuses deadlines under 10 seconds."""
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 16_384
    """Longest answer, thinking included."""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    """Randomness of answers; unset leaves it to the model."""
    cache: Literal["eval", "always", "never"] = "eval"
    """Whose jobs are answered by replies that were paid for within 30 days, where there is one to the same words: those
    of `eval`, those of every command, or none."""
    max_wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300
    """Longest time one call spends on repeating requests that were answered with 429 or 5xx."""
    limits: ModelLimitSettings = ModelLimitSettings()


class AttemptSettings(Group):
    """How often the model may try."""

    # The bound is `jobs.bounds.MAX_ATTEMPTS`; a test holds the two together, because settings may not import it.
    max: Annotated[int, Field(ge=1, le=20)] = 3
    """Generations for each job that does not say otherwise, the first one counted."""


def _named_one_by_one(value: object) -> object:
    """A variable or a flag can only be text: names with commas between them."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


class PythonSettings(Group):
    """What Python programs find beside the standard library."""

    environment: Path | None = None
    """Virtual environment whose packages programs may import, of the worker's own Python version and readable for
    everybody; unset means none. Never the worker's own, and not below /tmp, of which programs have one of their own."""
    preload: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$")], ...],
        BeforeValidator(_named_one_by_one),
        Field(max_length=100),
        Allowed("names of modules, with commas between them or as a list"),
    ] = ("collections", "functools", "itertools", "math", "re", "typing")
    """Modules that are imported once for all programs, which then need not wait for them. A list of your own, such as
    `typing, numpy`, replaces this one."""


class SandboxSettings(Group):
    """How programs are kept in."""

    require: Literal["strict", "contained", "rlimits"] = "contained"
    """The least isolation a program may run under; the strongest that the machine grants is used, less is refused."""
    slots: Annotated[int | None, Field(ge=1, le=4096)] = None
    """Programs that run at one time, each with a process for Python tests beside it (60 s of CPU, 1 GiB); unset means
    one for each core."""
    python: PythonSettings = PythonSettings()


class WorkerSettings(Group):
    """How one worker takes and gives back jobs."""

    queues: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")], ...],
        BeforeValidator(_named_one_by_one),
        Field(min_length=1, max_length=100),
        Allowed("names of queues, with commas between them or as a list"),
    ] = ("default",)
    """Queues that jobs are taken from."""
    jobs_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 128
    """Jobs one worker holds at one time; most of them wait for the model, or for a slot of the sandbox."""
    calls_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Calls of the model that one worker has under way at one time."""
    max_deliveries: Annotated[int, Field(ge=1, le=1000)] = 5
    """How often a job is handed over before it is recorded as `internal_error`; deliveries are not attempts."""
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 15
    """After this long without a sign of life a worker's jobs go to another."""
    free_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 256
    """No job is taken while the disk of a record store in a folder has less than this free."""
    listen: Annotated[
        str | None, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$"), Allowed("HOST:PORT, as 127.0.0.1:9464")
    ] = None
    """Where a worker answers `/healthz`, `/readyz` and `/metrics`, such as 127.0.0.1:9464; unset is nowhere. Whoever
    reaches it may read how many jobs there are; let it be no address that strangers reach."""
    drain_seconds: Annotated[float, Field(ge=0, le=86_400)] = 30
    """Time to finish held jobs after SIGTERM; what is not finished then is handed back."""


class LogSettings(Group):
    """What is said on standard error."""

    format: Literal["auto", "pretty", "json"] = "auto"
    """`auto` is pretty on a terminal and one line of JSON an event elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is shown."""


class Settings(BaseSettings):
    """Every setting, by group. `config.load_settings` finds the values; building one by hand reads nothing."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        # `ceiling.memory_mib` alone must leave the rest of the ceiling, not turn it into the default limits.
        nested_model_default_partial_update=True,
    )

    redis: RedisSettings = RedisSettings()
    queue: QueueSettings = QueueSettings()
    store: StoreSettings = StoreSettings()
    model: ModelSettings = ModelSettings()
    attempts: AttemptSettings = AttemptSettings()
    conversation: Conversation = Conversation()
    limits: Limits = Limits()
    """What one run of a program may use when its job does not say."""
    ceiling: Limits = Limits(
        cpu_seconds=60,
        wall_seconds=120,
        memory_mib=2048,
        output_kib=16_384,
        file_size_mib=256,
        scratch_mib=512,
        processes=256,
        open_files=1024,
    )
    """The most one run of a program gets, whatever its job says."""
    sandbox: SandboxSettings = SandboxSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()

    @property
    def meant_model(self) -> str:
        """Who is to answer: a model of Gemini's, `replay` or `replay:PATH`; what `auto` means here is worked out."""
        if self.model.name != "auto":
            return self.model.name
        key = self.model.api_key
        has_key = key is not None and bool(key.get_secret_value().strip())
        asks_gemini = has_key or self.model.backend == "vertex"
        return self.model.gemini if asks_gemini else "replay"

    @property
    def redis_url(self) -> str:
        """The configured Redis, or the embedded server of this project."""
        return self.redis.url or f"embedded:{self.store.directory}"

    @property
    def records_place(self) -> str | Path:
        """Where the records of this project are: the configured URL, or a folder."""
        return self.store.url or self.store.directory / "records"

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def origin_of(self, name: str) -> str:
        """Where the setting of this dotted name was set, such as `promptmill.toml:31` or `default`."""
        return self._origins.get(name, DEFAULT_ORIGIN)

    def secrets(self) -> tuple[str, ...]:
        """Every secret in force, as it is written and as it is sent: what logs must not hold."""
        key = self.model.api_key
        urls = (self.redis.url, self.store.url, self.model.base_url)
        passwords = [password for url in urls if url for password in _passwords_in(url)]
        written = [key.get_secret_value() if key else None, *passwords]
        return tuple({spelling for text in written if text for spelling in (text, unquote(text))})

    def with_origins(self, origins: Mapping[str, str]) -> Self:
        """The same settings, knowing where those named in `origins` were set."""
        copy = self.model_copy()
        copy._origins = dict(origins)  # noqa: SLF001  # the copy is of this class
        return copy

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and the defaults.

        The library's own readers of environment and files forget where a value stood, and read the process's
        environment whenever an object is built; `config.sources` reads them instead.
        """
        return (init_settings,)


def _passwords_in(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query)
    except ValueError:
        # Whoever connects says that it is none. What stands in it is still redacted by its form.
        return ()
    said = [value for name, value in options if name in {"password", "sentinel_password"}]
    return (*([parts.password] if parts.password else []), *said)
