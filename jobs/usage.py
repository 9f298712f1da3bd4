"""What a reply used of a model."""

from .wire import Wire


class Usage(Wire):
    """Tokens, by Gemini's names (`usageMetadata`). None is unknown, not zero."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        """The sum, in which an unknown part counts as nothing unless both are unknown."""
        return Usage(
            **{
                name: None if mine is None and theirs is None else (mine or 0) + (theirs or 0)
                for (name, mine), (_, theirs) in zip(self, other, strict=True)
            }
        )
