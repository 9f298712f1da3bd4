"""Which ids there are, in eight bytes each: there may be millions of them."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

_PARTS = 64


class HashedIds:
    """A set of ids of which only the hashes are kept.

    Of a million ids, one that is not among them is taken for one that is with a chance of one in ten to the thirteenth.
    Hashes differ from process to process, so no such error comes twice.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Keep the hashes of `ids`."""
        # In parts, so that no step needs memory for all of them twice.
        self._parts = [array("q") for _ in range(_PARTS)]
        self._is_sorted = True
        for each in ids:
            self.add(each)

    def add(self, each: str) -> None:
        """Keep the hash of one more."""
        digest = hash(each)
        self._parts[digest % _PARTS].append(digest)
        self._is_sorted = False

    def __contains__(self, each: str) -> bool:
        self._sort()
        digest = hash(each)
        part = self._parts[digest % _PARTS]
        place = bisect_left(part, digest)
        return place < len(part) and part[place] == digest

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def repeated(self) -> frozenset[int]:
        """The hashes that came more than once."""
        self._sort()
        return frozenset(
            part[place]
            for part in self._parts
            for place in range(1, len(part))
            if part[place] == part[place - 1]
        )

    def _sort(self) -> None:
        if not self._is_sorted:
            self._parts = [array("q", sorted(part)) for part in self._parts]
            self._is_sorted = True
