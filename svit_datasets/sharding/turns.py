"""What shards that run at the same time tell each other, in order: where each ends, so that the next can begin.

A small file of this machine holds a row for each shard and stage. Who writes a row and who waits for it are forks of
one process or strangers, and either may be killed at any moment, so nothing is locked.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence
from types import TracebackType

VALUES = 8  # of a row
STAGES = 2
_ROW = struct.Struct(f"<{VALUES}q")
_ROW_BYTES = 8 + _ROW.size  # its mark stands before it
_TOLD, _STOPPED = b"\1", b"\2"
_PAUSE_S = 0.0005


class StoppedError(Exception):
    """A shard before this one has stopped, so its turn will not come."""


class Turns:
    """The turns of one shard; those that it has not told when the block ends stop the shards behind it.

    Args:
        file: The file that the shards share; an empty one is made before they start.
        place: The shard's number, from 0. All before it must have begun.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     with Turns(file.name, 0) as first:
    ...         first.tell(0, [5, 7])
    ...     with Turns(file.name, 1) as second:
    ...         second.wait(0)
    (5, 7, 0, 0, 0, 0, 0, 0)
    """

    def __init__(self, file: str, place: int) -> None:
        self._place = place
        self._file = os.open(file, os.O_RDWR)
        self._told: set[int] = set()

    def __enter__(self) -> Turns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for stage in set(range(STAGES)) - self._told:
                os.pwrite(self._file, _STOPPED, self._at(self._place, stage))
        finally:
            os.close(self._file)

    def _at(self, place: int, stage: int) -> int:
        return (place * STAGES + stage) * _ROW_BYTES

    def wait(self, stage: int) -> tuple[int, ...]:
        """Return what the shard before told at a stage, zeros for the first shard; wait until it has.

        Raises:
            StoppedError: It will not tell any more.
        """
        if not self._place:
            return (0,) * VALUES
        at = self._at(self._place - 1, stage)
        while (mark := os.pread(self._file, 1, at)) != _TOLD:
            if mark == _STOPPED:
                raise StoppedError
            time.sleep(_PAUSE_S)
        return _ROW.unpack(os.pread(self._file, _ROW.size, at + 8))

    def tell(self, stage: int, values: Sequence[int]) -> None:
        """Tell up to ``VALUES`` numbers to the shard behind."""
        at = self._at(self._place, stage)
        os.pwrite(self._file, _ROW.pack(*values, *[0] * (VALUES - len(values))), at + 8)
        os.pwrite(self._file, _TOLD, at)  # last, so that no row is read before it is whole
        self._told.add(stage)
