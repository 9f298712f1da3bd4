"""From the URL of a record store to the store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobs.errors import UsageError

from . import LastingStore

_FILES = "file"
_SHARED_FOLDER = "file+objects"
_CLOUDS = ("s3", "gs", "az")
_REDIS = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix")
_EMBEDDED = "embedded"

_KINDS = (
    "a folder: a path, or file:///PATH",
    "a folder that machines share: file+objects:///PATH",
    "object stores: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX",
    "Redis: redis://HOST:PORT/DATABASE, rediss://…, unix:///PATH.sock, embedded:FOLDER",
    "Redis behind Sentinels: redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE, rediss+sentinel://…",
)


def open_store(place: str | Path, *, prefix: str = "promptmill") -> LastingStore:
    """The store at `place`, a path or a URL. It connects when it is first used; `aclose` lets go of it.

    `prefix` is that of the installation, for keys in Redis. Object stores take their credentials from the environment,
    as obstore reads it: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, and their like.

    Raises:
        UsageError: the URL is of no kind we know, or its kind needs what is not installed.
    """
    scheme, colon, _ = str(place).partition(":")
    if isinstance(place, Path) or not colon:
        return _files(Path(place))
    if scheme == _EMBEDDED or place.startswith(tuple(f"{name}://" for name in _REDIS)):
        return _in_redis(place, prefix)
    if scheme in _CLOUDS:
        return _in_a_cloud(place)
    if scheme in {_FILES, _SHARED_FOLDER}:
        folder = _folder_of(place)
        return _files(folder) if scheme == _FILES else _as_objects(folder.as_uri())
    if scheme in _REDIS or "://" in place:
        raise UsageError(f"records cannot be kept at {_shown(place)!r}", fixes=_KINDS)
    return _files(Path(place))


def folder_on_disk(place: str | Path) -> Path | None:
    """Where the store that `open_store` opens at `place` keeps its records, if it is in a folder.

    Raises:
        UsageError: the URL means a folder, and names none.
    """
    scheme, colon, _ = str(place).partition(":")
    if isinstance(place, Path) or not colon:
        return Path(place)
    return _folder_of(place) if scheme in {_FILES, _SHARED_FOLDER} else None


def _files(folder: Path) -> LastingStore:
    from .files import FileRecordStore

    return FileRecordStore(folder)


def _in_redis(url: str, prefix: str) -> LastingStore:
    from jobs.connection import EMBEDDED_SCHEME, make_client
    from jobs.keys import Keys

    from .redis import RedisRecordStore

    if not url.startswith(EMBEDDED_SCHEME):
        # What is wrong with it is said now, and not when the first job has been paid for.
        make_client(url, Keys(prefix))
    return RedisRecordStore(url, prefix)


def _in_a_cloud(url: str) -> LastingStore:
    parts = urlsplit(url)
    if not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"{_shown(url)!r} does not name a bucket alone",
            fixes=[
                "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
                "give credentials and endpoints in the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …",
            ],
        )
    return _as_objects(url)


def _as_objects(url: str) -> LastingStore:
    try:
        from .objects import open_objects
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise UsageError(
            "object stores are reached through obstore, which is not installed",
            fixes=["pip install 'promptmill[objects]'"],
        ) from error
    return open_objects(url)


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise UsageError(
            f"{url!r} does not name a folder",
            fixes=[f"write three slashes and the whole path: {parts.scheme}:///PATH"],
        )
    return Path(unquote(parts.path))


def _shown(url: str) -> str:
    from jobs.connection import shown_url

    return shown_url(url)
