"""What becomes of each thousandth on the padded image, for all boxes of images of a size at once."""

from __future__ import annotations

from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np

from svit_datasets.boxes import Axis, Rounding, Size, pad, padded_axes
from svit_datasets.kernels.forward.plain_records import MOST_RECORDS

_THOUSANDTHS = np.array([float(repr(number / 1000)) for number in range(1001)])
_NEAR_HALF = 1e-6  # nearer to the middle of two thousandths, ``pad`` itself is asked
_MOST, _ROOM = 1 << 13, 2 * MOST_RECORDS


def pad_thousandths(axis: Axis, rounding: Rounding) -> Any:
    """Return the thousandths that ``boxes.pad`` gives for 0.0, 0.001 .. 1.0.

    The same arithmetic on the same floats; where rounding to 3 decimals hangs on the last bits, ``pad`` does it.

    >>> pad_thousandths(padded_axes((640, 480))[1], "pixel")[[0, 471, 1000]]
    array([125, 478, 875], dtype=uint16)
    """
    positions_px = _THOUSANDTHS * axis.length_px
    if rounding == "pixel":
        positions_px = np.rint(positions_px)
    exact = (positions_px + axis.offset_px) / axis.side_px * 1000
    padded = np.rint(exact)
    for number in np.flatnonzero(np.abs(np.abs(exact - padded) - 0.5) < _NEAR_HALF).tolist():
        padded[number] = round(float(pad(repr(number / 1000), axis, rounding=rounding)) * 1000)
    return padded.astype(np.uint16)


def axis_tables(rounding: Rounding) -> AxisTables:
    """Return the tables of this thread, which are made once and not for every shard.

    >>> axis_tables("pixel") is axis_tables("pixel")
    True
    """
    return _tables_of(rounding, get_ident())


@lru_cache(maxsize=4)
def _tables_of(rounding: Rounding, _thread: int) -> AxisTables:
    return AxisTables(rounding)


class AxisTables:
    """The tables of the axes seen so far, as rows of one array; a bounded number of them.

    >>> tables = AxisTables("pixel")
    >>> tables.rows((640, 480)), tables.rows((480, 640)), tables.rows((640, 480))
    ((0, 1), (1, 0), (0, 1))
    """

    def __init__(self, rounding: Rounding) -> None:
        self._rounding: Rounding = rounding
        self.array = np.zeros((_MOST, len(_THOUSANDTHS)), np.uint16)
        self._rows: dict[Axis, int] = {}
        self._sizes: dict[Size, tuple[int, int]] = {}

    @property
    def is_full(self) -> bool:
        """Whether there may be no room for the sizes of another run; then ``clear``."""
        return len(self._rows) + _ROOM > _MOST

    def clear(self) -> None:
        """Forget all rows."""
        self._rows.clear()
        self._sizes.clear()

    def rows(self, size_wh: Size) -> tuple[int, int]:
        """Return the rows for x and y of images of a size."""
        found = self._sizes.get(size_wh)
        if found is None:
            x, y = padded_axes(size_wh)
            found = self._sizes[size_wh] = self._row(x), self._row(y)
        return found

    def _row(self, axis: Axis) -> int:
        row = self._rows.get(axis)
        if row is None:
            row = self._rows[axis] = len(self._rows)
            self.array[row] = pad_thousandths(axis, self._rounding)
        return row
