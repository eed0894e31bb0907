"""Where each conversation lies in a temporary file, and the order in which native files hold them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from svit_datasets.kernels.backward.block import TakenRows

UNKNOWN_INDEX = 1 << 40  # conversations without a number come behind all others


class Stretch(NamedTuple):
    """Some native records that follow each other.

    Attributes:
        is_ready: Whether nothing is out of the ordinary on them.
        entries: Numbers of their conversations in the index.
        firsts: For each record the number of its first conversation among these; behind them, the number of all.
        missing: For each record, how many conversations before its last are missing.
    """

    is_ready: bool
    entries: Any
    firsts: Any
    missing: Any


class SpoolIndex:
    """One line for each conversation, 46 bytes.

    A line has what it is sorted by: kind, record, image, conversation; where its head and its body lie; the number of
    its row in the input; and whether it is ready, that is proved to be ordinary JSON text in ASCII without a word.
    """

    def __init__(self) -> None:
        self._kinds, self._ready = array("b"), array("b")
        self._records, self._images, self._conversations = array("q"), array("q"), array("q")
        self._offsets, self._heads, self._numbers = array("q"), array("I"), array("q")
        self._end = 0

    def __len__(self) -> int:
        return len(self._kinds)

    def append(
        self, *, kind: int, record: int, image: int, conversation: int, number: int, head_bytes: int, body_bytes: int
    ) -> None:
        """Add a conversation that stands at the end of the file."""
        self._kinds.append(kind)
        self._ready.append(0)
        self._records.append(record)
        self._images.append(image)
        self._conversations.append(conversation)
        self._numbers.append(number)
        self._offsets.append(self._end)
        self._heads.append(head_bytes)
        self._end += head_bytes + body_bytes

    def extend(self, rows: TakenRows, kinds: Any, number: int) -> None:
        """Add rows that stand at the end of the file, the first of them as the ``number``th of its input."""
        count = len(rows.starts)
        for column, values in (
            (self._kinds, kinds),
            (self._ready, np.ones(count, np.int8)),
            (self._records, rows.records),
            (self._images, rows.images),
            (self._conversations, rows.conversations),
            (self._numbers, np.arange(number, number + count)),
            (self._offsets, rows.starts + self._end),
            (self._heads, rows.bodies - rows.starts),
        ):
            column.frombytes(values.astype(column.typecode).tobytes())
        self._end += len(rows.stored)

    def holds(self, kind: int) -> bool:
        """Tell whether there are conversations of a kind or the next."""
        kinds = np.asarray(self._kinds)
        return bool(((kinds == kind) | (kinds == kind + 1)).any())

    def dump(self) -> bytes:
        """Return the index as bytes."""
        return b"".join([self._end.to_bytes(8), *(column.tobytes() for column in self._columns)])

    def join(self, dumped: bytes, places: Any, before: int) -> None:
        """Add an index whose conversations stand at the end of the file.

        Args:
            dumped: What ``dump`` gave.
            places: What to put for each record number of those that have their place by appearance.
            before: What to add to numbers in the input.
        """
        count = (len(dumped) - 8) // sum(column.itemsize for column in self._columns)
        first, begin, columns = len(self), 8, []
        for column in self._columns:
            columns.append(np.frombuffer(dumped, column.typecode, count, begin).copy())
            begin += count * column.itemsize
        kinds, _, records, _, conversations, offsets, _, numbers = columns
        by_order = kinds % 2 == 1
        if len(places):
            records[by_order] = places[records[by_order]]
        conversations[by_order & (conversations >= UNKNOWN_INDEX)] += first
        offsets += self._end
        numbers += before
        for column, values in zip(self._columns, columns, strict=True):
            column.frombytes(values.tobytes())
        self._end += int.from_bytes(dumped[:8])

    @property
    def _columns(self) -> tuple[array[int], ...]:
        return (
            self._kinds, self._ready, self._records, self._images, self._conversations, self._offsets, self._heads,
            self._numbers,
        )  # fmt: skip

    def place(self, entry: int) -> tuple[int, int, int]:
        """Return where a conversation's head and body begin, and where the body ends."""
        begin = self._offsets[entry]
        end = self._offsets[entry + 1] if entry + 1 < len(self) else self._end
        return begin, begin + self._heads[entry], end

    def is_ready(self, entry: int) -> bool:
        """Tell whether a conversation has its id as its head."""
        return bool(self._ready[entry])

    def keys(self, entry: int) -> tuple[int, int, int]:
        """Return image, conversation, and number in the input."""
        return self._images[entry], self._conversations[entry], self._numbers[entry]

    def stretches(self, kind: int, most_bytes: int) -> Iterator[Stretch]:
        """Yield the records of a kind and the next, in order.

        Args:
            kind: The kind.
            most_bytes: Of the records of a stretch, but for a longer one alone.

        Yields:
            Stretches of records that are all ready, or are not.
        """
        entries = self._sorted(kind)
        if not len(entries):
            return
        keys = [np.asarray(c)[entries] for c in (self._kinds, self._records, self._images)]
        is_first = np.ones(len(entries), bool)
        is_first[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        conversations = np.asarray(self._conversations)[entries]
        is_odd = np.asarray(self._ready)[entries] == 0
        is_odd[1:] |= ~is_first[1:] & (conversations[1:] == conversations[:-1])
        firsts = np.append(np.flatnonzero(is_first), len(entries))
        missing = conversations[firsts[1:] - 1] + 1 - np.diff(firsts)
        ready = ~np.logical_or.reduceat(is_odd, firsts[:-1])
        sizes = np.add.reduceat(self._sizes(entries), firsts[:-1])
        for begin, end in _cuts(ready, sizes, most_bytes):
            part = firsts[begin : end + 1]
            yield Stretch(bool(ready[begin]), entries[part[0] : part[-1]], part - part[0], missing[begin:end])

    def _sizes(self, entries: Any) -> Any:
        offsets, behind = np.asarray(self._offsets), entries + 1
        ends = offsets[np.minimum(behind, len(offsets) - 1)]
        ends[behind == len(offsets)] = self._end
        return ends - offsets[entries]

    def bodies(self, entries: Any) -> tuple[Any, Any]:
        """Return where the bodies of some conversations begin and end."""
        begins = np.asarray(self._offsets)[entries]
        return begins + np.asarray(self._heads)[entries], begins + self._sizes(entries)

    def images(self, entries: Any) -> Any:
        """Return the images of some conversations."""
        return np.asarray(self._images)[entries]

    def _sorted(self, kind: int) -> Any:
        """Return the numbers of the conversations of a kind and the next, in order."""
        kinds = np.asarray(self._kinds)
        entries = np.flatnonzero((kinds == kind) | (kinds == kind + 1))
        keys = [np.asarray(c)[entries] for c in (self._kinds, self._records, self._images, self._conversations)]
        return entries if _is_sorted(keys) else entries[np.lexsort(keys[::-1])]


def _is_sorted(keys: list[Any]) -> bool:
    """Tell whether lines are in order, by their first key, where it is equal by the next, and so on."""
    in_order: Any = True
    for key in reversed(keys):
        in_order = (key[:-1] < key[1:]) | ((key[:-1] == key[1:]) & in_order)
    return bool(np.all(in_order))


def _cuts(ready: Any, sizes: Any, most_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where stretches begin and end: of records that are all ready or not, of about so many bytes."""
    places = np.cumsum(sizes) // most_bytes
    is_cut = (ready[1:] != ready[:-1]) | (places[1:] != places[:-1])
    begins = [0, *(np.flatnonzero(is_cut) + 1).tolist()]
    yield from zip(begins, [*begins[1:], len(ready)], strict=True)
