"""Settings and logging: read once, at start, by programs."""

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    from .loading import load_settings
    from .logs import configure_logging
    from .settings import Settings

__all__ = ["ConfigError", "Settings", "configure_logging", "load_settings"]

# pydantic-settings and structlog take longer to import than most commands take to run, so the modules that need
# them are imported by the first use of a name.
_HOMES = {"Settings": "settings", "load_settings": "loading", "configure_logging": "logs"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
