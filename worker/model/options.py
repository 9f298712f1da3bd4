"""What a Gemini client is told, and how its key may be spoken of."""

import hashlib
import re
from dataclasses import dataclass, field

from jobs.errors import UsageError
from worker.errors import CredentialsError, ModelKeyError, ModelKeyMissingError

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com/"
DEFAULT_API_VERSION = "v1"
VERTEX_API_VERSION = "v1beta1"

_MULTI_REGIONS = {"us", "eu"}
_KEY_VARIABLES = "PROMPTMILL_MODEL__API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY"
# Of a shorter key, four characters would be too much of it. Settings go by the same number; a test holds both together.
_SHORTEST_KEY_WITH_AN_ENDING = 12


@dataclass(frozen=True)
class GeminiOptions:
    """Everything the client goes by: no environment variable of the SDK's changes any of it."""

    name: str
    """The model asked when a request names none."""
    api_key: str | None = field(default=None, repr=False)
    vertex: bool = False
    """Ask Vertex AI, with the machine's own credentials; then project and location must be set, or else neither."""
    project: str | None = None
    location: str | None = None
    base_url: str | None = None
    """None is Google's own."""
    api_version: str | None = None
    """None is `DEFAULT_API_VERSION`, or that of Vertex AI."""
    timeout_seconds: float = 120.0
    """For one HTTP request, from the first byte sent to the last byte read."""
    max_output_tokens: int | None = None
    """Thoughts count too, so a small number cuts the visible reply to nothing."""
    temperature: float | None = None
    """For requests that name none; None leaves it to the model."""
    max_wait_seconds: float = 300.0
    """No try of one call starts later than this after its first; 0 means one try."""
    max_connections: int = 100
    """At least the number of calls in flight, or some of them wait for a connection until they time out."""

    @property
    def connection_seconds(self) -> float:
        """How long a request waits for a connection: longer than any takes to come free, unless there are too few."""
        return self.timeout_seconds / 2

    @property
    def address(self) -> str:
        """Where requests go."""
        return self.base_url or (_vertex_url(self.location) if self.vertex else DEFAULT_BASE_URL)

    @property
    def shown_address(self) -> str:
        """Where requests go, without a password that a gateway's address may carry."""
        return re.sub(r"//[^/@]*@", "//", self.address)

    @property
    def account(self) -> str:
        """Whose limits requests count against: those of a project, or of a key, of which it tells nothing."""
        payer = self.project if self.vertex else (self.api_key or "").strip()
        return hashlib.sha256(f"{self.address}\0{payer}".encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """The API version they go to."""
        return self.api_version or (VERTEX_API_VERSION if self.vertex else DEFAULT_API_VERSION)

    def check_backend(self) -> None:
        """Make sure that Vertex AI is set up as a whole, or not at all.

        Raises:
            UsageError: it is by halves.
        """
        given = {"model.project": self.project, "model.location": self.location}
        half = [name for name, value in given.items() if (value is not None) is not self.vertex]
        if not half:
            return
        if self.vertex:
            fixes = [f"set it:  PROMPTMILL_{name.upper().replace('.', '__')}=..." for name in half]
            raise UsageError(
                f"model.backend is vertex, and {' and '.join(half)} not set",
                fixes=(*fixes, "or ask the Gemini API:  PROMPTMILL_MODEL__BACKEND=gemini"),
            )
        raise UsageError(
            f"{' and '.join(half)} set, which is only for Vertex AI, and model.backend is gemini",
            fixes=("ask Vertex AI:  PROMPTMILL_MODEL__BACKEND=vertex", "or leave them unset"),
        )

    def refused(self, facts: dict[str, str]) -> ModelKeyError:
        """The error of a service that takes neither key nor credentials."""
        if self.vertex:
            return CredentialsError(
                "Vertex AI refused the credentials",
                facts={**facts, "project": f"{self.project} in {self.location}"},
                fixes=(
                    "log in:  gcloud auth application-default login",
                    "or name a file of credentials:  export GOOGLE_APPLICATION_CREDENTIALS=...",
                    "then test them with:  promptmill model check",
                ),
            )
        return ModelKeyError(
            "Gemini refused the API key",
            facts=facts | self.key_facts(),
            fixes=(
                "put a working key there; test it with:  promptmill model check",
                "or replay the shipped recordings, no key needed:  --model replay",
            ),
        )

    @property
    def shaping(self) -> dict[str, str | float | None]:
        """What of these changes answers, and is in no request: who is asked, and with which generation config."""
        return {
            "address": self.address,
            "version": self.version,
            "max_output_tokens": self.max_output_tokens,
            "default_temperature": self.temperature,
        }

    def usable_key(self) -> str:
        """The key without the white space around it.

        Raises:
            ModelKeyMissingError: there is none.
            ModelKeyError: it holds characters that no HTTP header may, such as a line break.
        """
        key = (self.api_key or "").strip()
        if not key:
            raise ModelKeyMissingError(
                f"asking {self.name!r} needs an API key, and none is set",
                facts={"looked at": _KEY_VARIABLES},
                fixes=(
                    "set one:  export GEMINI_API_KEY=...",
                    "or replay the shipped recordings, no key needed:  --model replay",
                ),
            )
        # The HTTP library would refuse it too, but in an error that quotes the key.
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ModelKeyError(
                "the API key holds characters that no key has, such as a space, a line break or an accent",
                facts=self.key_facts(),
                fixes=("copy the key again, without quotes or line breaks",),
            )
        return key

    def key_facts(self) -> dict[str, str]:
        """What may be said of the key: its length, its last four characters, where it is set."""
        key = (self.api_key or "").strip()
        shown = f"{len(key)} characters"
        if len(key) >= _SHORTEST_KEY_WITH_AN_ENDING:
            shown += f", ends in …{ascii(key[-4:])[1:-1]}"
        return {"key": shown, "set in": f"the first that is set of {_KEY_VARIABLES}"}

    def redact(self, words: str) -> str:
        """`words` without the key, should somebody else have quoted it."""
        key = (self.api_key or "").strip()
        return words.replace(key, "[the API key]") if key else words


def _vertex_url(location: str | None) -> str:
    """By the rules of the SDK, which would let a variable of the environment overrule them."""
    if location == "global":
        return "https://aiplatform.googleapis.com/"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com/"
    return f"https://{location}-aiplatform.googleapis.com/"
