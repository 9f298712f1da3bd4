"""Finds the program in a model's reply, or says why there is none."""

import re
from dataclasses import dataclass

from jobs.languages import Language
from jobs.models import ModelReply

# Whatever else the service says, known or invented tomorrow, it did not let the model finish.
_ENDED_WELL = (None, "STOP", "FINISH_REASON_UNSPECIFIED")


@dataclass(frozen=True)
class Extraction:
    """What was found in a reply."""

    code: str | None
    """The program, ending in a newline; None where there is none to run."""
    reason: str
    """Why there is no program, in one line; empty where there is one."""
    strategy: str
    """The rule that found the program, for people who wonder; empty where there is none."""
    truncated: bool
    """The end of the program is missing or was never marked."""


def unusable_because(reply: ModelReply) -> str | None:
    """Why nothing in the reply can be used, in one line, or None where it can be read."""
    if reply.block_reason is not None:
        return f"the prompt was blocked ({reply.block_reason})"
    if reply.finish_reason == "MAX_TOKENS":
        return "the reply was cut off at the token limit"
    if reply.finish_reason not in _ENDED_WELL:
        return f"the reply was stopped ({reply.finish_reason})"
    if not reply.text.strip() and not reply.code_parts:
        return "the reply is empty"
    return None


def program_of(reply: ModelReply, language: Language) -> Extraction:
    """The program in a reply; `executableCode` parts win over text, the last one over the others."""
    reason = unusable_because(reply)
    if reason is not None:
        return Extraction(None, reason, "", truncated=reply.finish_reason == "MAX_TOKENS")
    if reply.code_parts and language is Language.PYTHON:
        return Extraction(reply.code_parts[-1], "", "executableCode part", truncated=False)
    return extract(reply.text, language)


def extract(reply: str, language: Language) -> Extraction:
    """The program in the text of a reply."""
    found = re.search(rf"```{language}\n(.*?)^```", reply, re.DOTALL | re.MULTILINE)
    if found is None:
        return Extraction(None, "the reply holds no program", "", truncated=False)
    return Extraction(found[1], "", "labelled fence", truncated=False)
