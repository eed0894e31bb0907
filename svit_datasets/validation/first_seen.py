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

    def add_all(
        self, keys: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        """Add keys in order; return the first value of each, and which of them came before.

        Args:
            keys: Hashes.
            values: The value that comes with each.

        >>> import numpy as np
        >>> firsts, is_known = FirstSeen().add_all(*np.array([[7, 8, 7], [1, 2, 3]], np.uint64))
        >>> firsts.tolist(), is_known.tolist()
        ([1, 2, 1], [False, False, True])
        """
        import numpy as np

        if self._recent:
            self._pack()
        known, at, places = np.unique(keys, return_index=True, return_inverse=True)
        firsts, is_new = values[at], np.ones(len(known), bool)
        for run_keys, run_values in self._runs:
            found = np.minimum(run_keys.searchsorted(known), len(run_keys) - 1)
            is_there = run_keys[found] == known
            firsts[is_there] = run_values[found[is_there]]
            is_new &= ~is_there
        is_known = np.ones(len(keys), bool)
        is_known[at[is_new]] = False
        if is_new.any():
            self._mark(known[is_new])
            self._keep((known[is_new], firsts[is_new]))
        return firsts[places.reshape(-1)], is_known

    def _mark(self, keys: npt.NDArray[np.uint64]) -> None:
        import numpy as np

        low = keys & np.uint64(_BIT_MASK)
        bits = np.left_shift(1, (low & np.uint64(7)).astype(np.int64)).astype(np.uint8)
        np.bitwise_or.at(np.frombuffer(self._bitmap, np.uint8), (low >> np.uint64(3)).astype(np.int64), bits)

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
        self._keep((keys, values))

    def _keep(self, run: Any) -> None:
        import numpy as np

        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            older = self._runs.pop()
            run = tuple(np.concatenate(pair) for pair in zip(older, run, strict=True))
        order = np.argsort(run[0], kind="stable")
        self._runs.append((run[0][order], run[1][order]))
