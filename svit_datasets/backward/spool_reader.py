"""Pieces of a temporary file, by where they begin and end."""

from __future__ import annotations

import os
from typing import IO, Any, NamedTuple

import numpy as np

_SPARSE = 2  # a span that holds more than so many times what is wanted of it is read piece by piece


class Pieces(NamedTuple):
    """Pieces in memory: the bytes that hold them, and where each begins and ends there."""

    stored: Any
    begins: Any
    ends: Any


class SpoolReader:
    """Reads a temporary file that was written before, at any place, without moving in it.

    Args:
        spool: The file, flushed.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._file = spool.fileno()

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes between two places."""
        data = os.pread(self._file, end - begin, begin)
        while len(data) < end - begin:
            more = os.pread(self._file, end - begin - len(data), begin + len(data))
            if not more:
                raise EOFError(f"the temporary file ends before byte {end}")
            data += more
        return data

    def read_all(self, begins: Any, ends: Any) -> Pieces:
        """Return some pieces, in the order given; at once where they lie close together."""
        first, last, wanted = int(begins.min()), int(ends.max()), int((ends - begins).sum())
        if last - first <= _SPARSE * wanted:
            return Pieces(np.frombuffer(self.read(first, last), np.uint8), begins - first, ends - first)
        data = b"".join(self.read(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True))
        behind = np.cumsum(ends - begins)
        return Pieces(np.frombuffer(data, np.uint8), behind - (ends - begins), behind)
