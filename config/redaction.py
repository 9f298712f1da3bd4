"""What must not be read by anybody is taken out of text before it is shown or logged."""

import re
from collections.abc import Sequence

REDACTED = "[redacted]"

# A secret shorter than this is not searched for: it would be found in ordinary words.
_MIN_SECRET_CHARACTERS = 6
# Errors of the model client go by the same number; a test holds the two together.
_MIN_CHARACTERS_TO_SHOW_THE_END = 12

# Forms that are secret wherever they stand; what is taken out is the group named `secret`.
_FORMS = tuple(
    f"(?ix:{form})"
    for form in (
        # Google's API keys, old and new, and its OAuth tokens.
        r"(?P<secret> (?-i: AIza[0-9A-Za-z_-]{20,} | \b AQ\.[0-9A-Za-z_-]{20,} | \b ya29\.[0-9A-Za-z._-]{10,} ))",
        # A header, as it is sent or as a mapping prints it; the scheme before a credential may stay.
        r"""\b (?: proxy-authorization | authorization | x-goog-api-key | api[_-]?key ) ["']?
            \s* [:=,] \s* (?: b(?=["']) )? ["']? (?: (?:basic|bearer|digest|token) \s+ )?
            (?P<secret> [^\s"',;&)\]}]+ )""",
        r"[?&] (?: key | (?: sentinel_ )? password ) = (?P<secret> [^&\s\"']+ )",
        r"\b [a-z][a-z0-9+.-]{0,20} :// [^\s/:@\"']* : (?P<secret> [^\s/\"']+ ) @",
    )
)


def mask(secret: str) -> str:
    """A secret as a person may see it: the last four characters, and those only of a long one."""
    return f"***…{secret[-4:]}" if len(secret) >= _MIN_CHARACTERS_TO_SHOW_THE_END else "***"


class Redactor:
    """Takes known secrets, and everything that has the form of one, out of text."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """Know `secrets` by heart; those of fewer than six characters are not searched for."""
        known = [secret for secret in secrets if len(secret) >= _MIN_SECRET_CHARACTERS]
        # Each by itself: secrets may overlap, and all of both has to go.
        patterns = (*(f"(?P<secret>{re.escape(secret)})" for secret in known), *_FORMS)
        self._patterns = tuple(map(re.compile, patterns))
        # Most texts hold none, and one look is enough for those.
        self._any = re.compile("|".join(patterns).replace("(?P<secret>", "(?:"))

    def __call__(self, text: str) -> str:
        """`text` with "[redacted]" in the place of each secret."""
        if self._any.search(text) is None:
            return text
        spans = sorted(
            found.span("secret") for pattern in self._patterns for found in pattern.finditer(text)
        )
        pieces, end = [], 0
        for start, stop in spans:
            if start >= end:
                pieces += [text[end:start], REDACTED]
            end = max(end, stop)
        return "".join((*pieces, text[end:]))


redact_known_forms = Redactor()

# A scheme, a host, a port and a path, or the beginnings of them.
_PLAIN_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:/{0,2})?[a-z0-9.-]*(?::[0-9]{1,5})?(?:/[\w./-]*)?", re.IGNORECASE
)


def may_hold_a_password(url: str) -> bool:
    """Whether what was meant as a URL holds more than an address; where it is none, no form tells a password."""
    return _PLAIN_ADDRESS.fullmatch(url) is None
