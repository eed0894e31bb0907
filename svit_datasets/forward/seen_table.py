"""Which image ids were seen by the processes of a run, in one file that they use in turns: 32 to 64 bytes an id."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from svit_datasets.records import TASKS

_SMALLEST = 1 << 12  # rows
_SPREAD, _SPREAD_BITS = 0x9E3779B97F4A7C15, 64
_KEY, _COUNT = range(2)


class SeenTable:
    """Counts how often image ids came before; what one process adds, the next finds.

    Args:
        file: The file, which is made when the first ids come; one process at a time may use it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = SeenTable(f"{folder}/ids"), SeenTable(f"{folder}/ids")
    ...     first.add([7, 8, 7]), second.add([8, 7, 9])
    ({}, {8: 1, 7: 2})
    """

    def __init__(self, file: str) -> None:
        self._file = file

    def add(self, image_ids: Sequence[int]) -> dict[int, int]:
        """Add the ids of a shard; return those that came before it, with how often.

        Raises:
            OverflowError: An id has more than 64 bits.
        """
        import numpy as np

        if not image_ids:
            return {}
        ids = np.asarray(image_ids, dtype=np.int64)
        several, counts = np.unique(ids, return_counts=True)
        rows = self._open(len(several))
        before = _add(rows, several, counts)
        rows[0, _COUNT] += np.count_nonzero(before == 0)
        found = before > 0
        came = dict(zip(several[found].tolist(), before[found].tolist(), strict=True))
        return {image_id: came[image_id] for image_id in dict.fromkeys(image_ids) if image_id in came}

    def _open(self, more: int) -> Any:
        """Return the rows, at least half of which stay free; the first holds how many are taken."""
        import numpy as np

        is_there = Path(self._file).exists()
        rows = _mapped(self._file, Path(self._file).stat().st_ino) if is_there else np.zeros((1, 2), np.int64)
        taken = int(rows[0, _COUNT]) + more
        if 2 * taken < len(rows):
            return rows
        rows_there = _rows_for(taken) + 1
        with Path(f"{self._file}.grown").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 16 * rows_there)  # a page that finds no room would end the process
        grown = np.memmap(f"{self._file}.grown", np.int64, "r+", shape=(rows_there, 2))
        is_used = rows[1:, _COUNT] > 0
        _add(grown, rows[1:][is_used, _KEY], rows[1:][is_used, _COUNT])
        grown[0] = rows[0]
        Path(f"{self._file}.grown").replace(self._file)
        return grown


@lru_cache(maxsize=len(TASKS))
def _mapped(file: str, _inode: int) -> Any:
    """Return the rows in a file; mapped once, for each page of it costs a fault."""
    import numpy as np

    return np.memmap(file, np.int64, "r+").reshape(-1, 2)


def _rows_for(ids: int) -> int:
    return max(_SMALLEST, 1 << (4 * ids - 1).bit_length())


def _add(rows: Any, ids: Any, counts: Any) -> Any:
    """Add to the counts of different ids; return what they were."""
    import numpy as np

    keys, sums = rows[1:, _KEY], rows[1:, _COUNT]
    mask, bits = len(keys) - 1, (len(keys) - 1).bit_length()
    at = ((ids.astype(np.uint64) * np.uint64(_SPREAD)) >> np.uint64(_SPREAD_BITS - bits)).astype(np.int64)
    before, todo = np.zeros(len(ids), np.int64), np.arange(len(ids))
    while len(todo):
        here = at[todo]
        is_free = sums[here] == 0
        keys[here[is_free]] = ids[todo[is_free]]  # of several that want one row, the last gets it
        is_own = keys[here] == ids[todo]
        own = todo[is_own]
        before[own] = sums[at[own]]
        sums[at[own]] += counts[own]
        todo = todo[~is_own]
        at[todo] = (at[todo] + 1) & mask
    return before
