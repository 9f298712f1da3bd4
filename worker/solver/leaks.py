"""Finds what of a hidden check stands in feedback or in an answer, with sense: not what could stand there by chance."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from jobs.leaks import Leak
from jobs.models import PromptJob

from .hidden import Secret, secrets_of, shown_of

_MOST_FOUND = 10
# Texts are searched in time that grows with them and not with how many secrets there are: by their first characters.
_SEARCHED_CHARACTERS = 262_144
_SECRET_CHARACTERS = 200
_MOST_SECRETS = 5_000
# Of secrets that differ in their length alone, and a text that begins each of them everywhere.
_MOST_TRIED = 200_000
_MOST_LOOKED_FOR = 200
_KEY = 5
_SHORTEST_LINE = 24
_SHORTEST_STRUCTURE = 10
_FEWEST_DIGITS = 5
_FEWEST_DIFFERENT = 4

_SPACE = re.compile(r"\s+")
_AROUND_SIGNS = re.compile(r" ?([^\w ]) ?")
_NUMBER = re.compile(r"-?[\d_]*\.?\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{1,12}")
_ENDS_WITHIN = re.compile(r"\w$|\d\.$")
_GOES_ON = re.compile(r"\w|\.\d")
_STRUCTURE = re.compile(r"[\[({].*[\])}]", re.DOTALL)


def leaks_of(job: PromptJob, code: str | None, feedback: str | None) -> tuple[Leak, ...]:
    """What is hidden of the job's check and stands in a program, or in what was said of it. Few of many are named.

    Trivial values do not count: short numbers, short words, truth values, and what stands in the prompt or in a public
    part of the check. Of a model that is told the hidden checks (`oracle`) nothing leaks in feedback.
    """
    told = None if job.conversation.feedback == "oracle" else feedback
    secrets = list(_telling(secrets_of(job))) if code or told else []
    values = [secret for secret in secrets if secret.is_value]
    in_feedback, in_answer = _standing_in(told, secrets), _standing_in(code, values)
    # What may be told anyway is long, and of most attempts there is nothing to look for in it.
    shown = [_alike(text) for text in shown_of(job)] if in_feedback or in_answer else []
    return (*_leaks("feedback", in_feedback, shown), *_leaks("answer", in_answer, shown))


def is_telling(secret: Secret) -> bool:
    """Whether it is so particular that it stands nowhere by chance; its text is one of those made alike."""
    text = secret.text
    if not secret.is_value:
        return len(text) >= _SHORTEST_LINE
    if _WORD.fullmatch(text):
        return False
    if _NUMBER.fullmatch(text):
        digits = text.lower().partition("e")[0].replace(".", "").replace("_", "").strip("-0")
        return len(digits) >= _FEWEST_DIGITS
    is_long_enough = len(text) >= (_SHORTEST_STRUCTURE if _STRUCTURE.fullmatch(text) else _KEY + 1)
    return is_long_enough and len(set(text) - set(' ,[](){}"')) >= _FEWEST_DIFFERENT


def _telling(secrets: Iterable[Secret]) -> Iterator[Secret]:
    """Those that are, each text once, cut to a bounded length, of the first thousands that there are."""
    seen = set[str]()
    for secret in secrets:
        # A little more than is kept, so that white space is no way to be too short.
        text = _alike(secret.text[: 4 * _SECRET_CHARACTERS])[:_SECRET_CHARACTERS].strip()
        if text in seen:
            continue
        if len(seen) >= _MOST_SECRETS:
            return
        seen.add(text)
        made_alike = Secret(secret.case, text, secret.is_value)
        if is_telling(made_alike):
            yield made_alike


def _leaks(
    place: Literal["feedback", "answer"], found: Iterable[Secret], shown: Sequence[str]
) -> Iterator[Leak]:
    hidden = (
        secret
        for secret in islice(found, _MOST_LOOKED_FOR)
        if not any(_stands_in(secret, text) for text in shown)
    )
    for secret in islice(hidden, _MOST_FOUND):
        yield Leak(place=place, case=secret.case[:300], text=secret.text)


def _stands_in(secret: Secret, text: str) -> bool:
    """Whether it is there as whole words, as far as was looked."""
    place = -1
    for _ in range(_MOST_LOOKED_FOR):
        place = text.find(secret.text, place + 1)
        if place < 0 or _is_whole(secret.text, text, place):
            return place >= 0
    return False


def _standing_in(text: str | None, secrets: Iterable[Secret]) -> list[Secret]:
    return _found(secrets, _alike(text[:_SEARCHED_CHARACTERS])) if text else []


def _found(secrets: Iterable[Secret], text: str) -> list[Secret]:
    """Those that stand in the text as whole words; both were made alike."""
    # By their first characters, then by their length: of a thousand that begin alike, none is tried one by one.
    by_key: dict[str, dict[int, dict[str, Secret]]] = {}
    for secret in secrets:
        by_length = by_key.setdefault(secret.text[:_KEY], {})
        by_length.setdefault(len(secret.text), {})[secret.text] = secret
    tried = (
        (place, by_text.get(text[place : place + length]))
        for place in range(len(text) - _KEY + 1)
        for length, by_text in by_key.get(text[place : place + _KEY], {}).items()
    )
    found: dict[Secret, None] = {}
    for place, candidate in islice(tried, _MOST_TRIED):
        if candidate is not None and _is_whole(candidate.text, text, place):
            found[candidate] = None
    return list(found)


def _is_whole(word: str, text: str, place: int) -> bool:
    """Whether it neither begins nor ends within a longer number or name."""
    end = place + len(word)
    begins_within = word[0].isalnum() and _ENDS_WITHIN.search(text[max(0, place - 2) : place])
    is_cut = len(word) == _SECRET_CHARACTERS
    ends_within = word[-1].isalnum() and _GOES_ON.match(text[end : end + 2])
    return not begins_within and (is_cut or not ends_within)


def _alike(text: str) -> str:
    """The same text for the same value, however its quotes and white space are written."""
    plain = _SPACE.sub(" ", text.replace("'", '"')).strip()
    return _AROUND_SIGNS.sub(r"\1", plain)
