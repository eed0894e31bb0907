"""Where a key was seen first, in 16 bytes a key: exact up to a collision of 64-bit hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Run = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]

_BITS = 26
_BIT_MASK = (1 << _BITS) - 1
_KEY_MASK = (1 << 64) - 1
_RECENT = 200_000


class FirstSeen:
    """Remembers the first value that came with each key.

    A bitmap answers for most keys that they are new; the newest keys are in a dictionary, older ones in sorted arrays.

    >>> seen = FirstSeen()
    >>> seen.add(hash("a"), 1), seen.add(hash("b"), 2), seen.add(hash("a"), 3)
    (None, None, 1)
    """

    def __init__(self, recent: int = _RECENT) -> None:
        self._bitmap = bytearray(1 << (_BITS - 3))
        self._recent: dict[int, int] = {}
        self._limit = recent
        self._runs: list[Run] = []

    def add(self, key: int, value: int) -> int | None:
        """Return the value that ``key`` came with first; None where it is new, and remember ``value`` then.

        Args:
            key: A hash; its lower 64 bits count.
            value: From 0 to 2**64 - 1.
        """
        key &= _KEY_MASK
        index, bit = (key & _BIT_MASK) >> 3, 1 << (key & 7)
        if self._bitmap[index] & bit:
            first = self._find(key)
            if first is not None:
                return first
        else:
            self._bitmap[index] |= bit
        self._recent[key] = value
        if len(self._recent) >= self._limit:
            self._pack()
        return None

    def _find(self, key: int) -> int | None:
        import numpy as np

        first = self._recent.get(key)
        if first is not None:
            return first
        wanted = np.uint64(key)
        for keys, values in self._runs:
            at = int(keys.searchsorted(wanted))
            if at < len(keys) and keys[at] == wanted:
                return int(values[at])
        return None

    def _pack(self) -> None:
        """Move the newest keys to a sorted array; arrays of like size become one, so that there are few."""
        import numpy as np

        keys = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
        values = np.fromiter(self._recent.values(), np.uint64, len(self._recent))
        self._recent = {}
        run: Any = (keys, values)
        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            older = self._runs.pop()
            run = tuple(np.concatenate(pair) for pair in zip(older, run, strict=True))
        order = np.argsort(run[0], kind="stable")
        self._runs.append((run[0][order], run[1][order]))
