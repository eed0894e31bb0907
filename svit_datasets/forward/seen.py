"""Which image ids were seen, in about a bit an id where they lie close together, in 230 bytes where they do not."""

from __future__ import annotations

from collections import Counter

_PAGE_BITS = 9  # small, so that ids far from each other cost little too


class SeenIds:
    """Counts how often an id came before; ids that came once cost a bit, ids that came again an entry.

    >>> seen = SeenIds()
    >>> [seen.add(i) for i in (7, 8, 7, 7)]
    [0, 0, 1, 2]
    """

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._again: Counter[int] = Counter()

    def add(self, number: int) -> int:
        """Return how often ``number`` was added before, and add it."""
        page_number, place = number >> _PAGE_BITS, number & ((1 << _PAGE_BITS) - 1)
        page = self._pages.get(page_number)
        if page is None:
            page = self._pages[page_number] = bytearray(1 << (_PAGE_BITS - 3))
        index, bit = place >> 3, 1 << (place & 7)
        if page[index] & bit:
            self._again[number] += 1
            return self._again[number]
        page[index] |= bit
        return 0
