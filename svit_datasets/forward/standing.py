"""What stands before a shard, told from each to the next: numbers, and whether ranges give what reading whole gives."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from svit_datasets.forward.pieces import Piece, Scanned
from svit_datasets.records import TASKS, TaskName

_NO_END = -1
_TASKS = list(TASKS)


class Standing(NamedTuple):
    """What stands before a shard.

    Attributes:
        positions: Number of records before it, of each task.
        elements: Number of elements before it in its file.
        end: Where the range before it ended; -1 at the end of the file.
        key: Digest of the first key of all records before it in the file, 0 where there is none.
        is_mixed: Whether they have several.
    """

    positions: tuple[int, ...] = (0,) * len(_TASKS)
    elements: int = 0
    end: int = 0
    key: int = 0
    is_mixed: int = 0

    @property
    def values(self) -> tuple[int, ...]:
        """The same as plain numbers."""
        return (*self.positions, *self[1:])

    def at(self, piece: Piece) -> Standing:
        """Return the same as a shard sees it: those of another file do not count."""
        return self if piece.start else Standing(self.positions)

    def position(self, task: TaskName) -> int:
        """Return the number of records of a task."""
        return self.positions[_TASKS.index(task)]


def standing_of(values: Sequence[int]) -> Standing:
    """Return what ``values`` told.

    >>> standing_of(Standing((1, 2, 3, 4), 5, 6).values)
    Standing(positions=(1, 2, 3, 4), elements=5, end=6, key=0, is_mixed=0)
    """
    count = len(_TASKS)
    elements, end, key, is_mixed = values[count : count + 4]
    return Standing(tuple(values[:count]), elements, end, key, is_mixed)


def stand_behind(before: Standing, piece: Piece, found: Scanned) -> Standing | None:
    """Return what stands behind a shard; None where its file must be read whole.

    Ranges give what reading the file whole gives where each begins as the one before it ended. Where a broken record
    ends is told by every first key that came before it, so with one, all records must begin alike.

    Args:
        before: What stands before it.
        piece: The shard.
        found: What stands in it.

    >>> piece = Piece(0, "a.json", "conversation", 100, 200)
    >>> stand_behind(Standing(end=120), piece, Scanned(9, 9, [], 120, 210))
    Standing(positions=(9, 0, 0, 0), elements=9, end=210, key=0, is_mixed=0)
    >>> stand_behind(Standing(end=125), piece, Scanned(9, 9, [], 120, 210))
    >>> stand_behind(Standing(end=120), Piece(0, "a.json", "conversation", 100, None), Scanned(9, 9, [], 120, 210))
    """
    before = before.at(piece)
    elements, task = before.elements + found.elements, _TASKS.index(piece.task)
    positions = [count + found.records * (number == task) for number, count in enumerate(before.positions)]
    end, key, is_mixed = before.end, before.key, before.is_mixed
    if (piece.start or piece.stop is not None) and found.begin is not None:
        keys = {_digest(one) for one in found.first_keys} | ({key} if key else set())
        key, is_mixed = max(keys, default=0), int(is_mixed or len(keys) > 1)
        if found.begin != end or (found.begin and found.is_broken and is_mixed):
            return None
        end = _NO_END if found.end is None else found.end
    if piece.start and piece.stop is None and end != _NO_END:
        return None
    return Standing(tuple(positions), elements, end, key, is_mixed)


def _digest(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=7).digest()) + 1
