"""Which part of a dataset is to be run, as it is typed."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from jobs.errors import UsageError

from .flags import WholeNumber

if TYPE_CHECKING:
    from jobs.parts import Part

_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")


@Parameter(name="*")
@dataclass(frozen=True)
class PartFlags:
    """What of the dataset is run; of several, all have to hold."""

    limit: Annotated[
        WholeNumber | None,
        Parameter(validator=validators.Number(gte=1), help="run so many tasks at most, the first"),
    ] = None
    item: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="run the task of this id; may be given again for more"),
    ] = ()
    where: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            help="run tasks of which this holds: tag=NAME, language=NAME or metadata.KEY=VALUE; may be given again",
        ),
    ] = ()
    shard: Annotated[
        str | None,
        Parameter(
            help="run one of N parts, as 1/4: each task is in one, the same on every machine"
        ),
    ] = None


ALL_OF_IT = PartFlags()


def part_in(flags: PartFlags) -> "Part | None":
    """What was typed; None is all of the dataset.

    Raises:
        UsageError: it means nothing.
    """
    if flags == ALL_OF_IT:
        return None
    from pydantic import ValidationError

    from jobs.parts import Part

    words = {
        "items": tuple(dict.fromkeys(flags.item)),
        "where": [_where(text) for text in dict.fromkeys(flags.where)],
        "shard": None if flags.shard is None else _shard(flags.shard),
        "limit": flags.limit,
    }
    try:
        return Part.model_validate(words)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = {"items": "item"}.get(str(fault["loc"][0]), fault["loc"][0])
        why = fault["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"--{name} cannot be used: {why[:1].lower()}{why[1:]}",
            fixes=["see what there is: promptmill eval --help"],
            note="nothing was queued",
        ) from None


def _where(text: str) -> dict[str, str]:
    field, sign, value = text.partition("=")
    if not sign or not field:
        raise UsageError(
            f"--where {text!r} is no FIELD=VALUE",
            fixes=["--where tag=NAME, --where language=NAME or --where metadata.KEY=VALUE"],
            note="nothing was queued",
        )
    return {"field": field, "value": value}


def _shard(text: str) -> dict[str, int]:
    found = _SHARD.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--shard {text!r} is no NUMBER/OF",
            fixes=["--shard 1/4 is the first of four"],
            note="nothing was queued",
        )
    return {"number": int(found[1]), "of": int(found[2])}
