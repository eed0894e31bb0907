"""Which image ids were seen, in about a bit an id where they lie close together, in some bytes where they do not."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter

_PAGE_BITS = 16
_PAGE_BYTES = 1 << (_PAGE_BITS - 3)
_MOST_LISTED = 1 << 9  # ids of a page that are listed; more are bits


class SeenIds:
    """Counts how often an id came before; ids that came again cost an entry.

    >>> seen = SeenIds()
    >>> [seen.add(i) for i in (7, 8, 7, 7)]
    [0, 0, 1, 2]
    """

    def __init__(self) -> None:
        self._listed: dict[int, array[int]] = {}  # by page, ascending
        self._bits: dict[int, bytearray] = {}
        self._again: Counter[int] = Counter()

    def add(self, number: int) -> int:
        """Return how often ``number`` was added before, and add it."""
        page, place = number >> _PAGE_BITS, number & ((1 << _PAGE_BITS) - 1)
        bits = self._bits.get(page)
        if bits is None:
            if self._list(page, place):
                return 0
        elif not bits[place >> 3] & 1 << (place & 7):
            bits[place >> 3] |= 1 << (place & 7)
            return 0
        self._again[number] += 1
        return self._again[number]

    def _list(self, page: int, place: int) -> bool:
        """Add an id to those listed; tell whether it was not among them."""
        listed = self._listed.get(page)
        if listed is None:
            listed = self._listed[page] = array("H")
        at = bisect_left(listed, place)
        if at < len(listed) and listed[at] == place:
            return False
        listed.insert(at, place)
        if len(listed) > _MOST_LISTED:
            bits = self._bits[page] = bytearray(_PAGE_BYTES)
            for other in self._listed.pop(page):
                bits[other >> 3] |= 1 << (other & 7)
        return True
