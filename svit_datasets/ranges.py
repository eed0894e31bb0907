"""Cut a native file into ranges that can be read apart, with the records and faults that reading it whole gives.

A range is told by the byte that it may begin at. Its records really begin behind the first comma after that byte that
stands between two records (or, in JSON lines, the first line break): the guess is how the file's first record
begins, the proof that the decoder takes what follows. Every range works its two ends out by the same rule, so that
none needs to know what its neighbours found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar
from uuid import uuid4

import msgspec

from svit_datasets.containers import Source, open_source
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB, Item, decode_native, read_items
from svit_datasets.split import FIRST_KEY, next_value
from svit_datasets.window import CHUNK_BYTES, SPACE, Window

T = TypeVar("T")
_SMALLEST_BYTES = 16 << 10
_PROOF_RECORDS, _PROOF_BYTES = 32, 1 << 20
_EDGE_BYTES = 4096  # white space around a comma, at most


class Range(NamedTuple):
    """A part of a file's JSON text, by where its first record may begin; ``stop`` None is the end of the file."""

    start: int
    stop: int | None


WHOLE = Range(0, None)


def cut_ranges(name: str, *, member: str | None = None, most: int) -> list[Range]:
    """Return up to ``most`` ranges of about the same size that hold all of a file.

    Args:
        name: The file.
        member: Stem of the file to take out of a zip that holds several.
        most: Number of ranges at most; a small file, or one that cannot be read from its middle, has fewer.

    Returns:
        The ranges, in order.

    Raises:
        InputError: The file cannot be opened.
    """
    with open_source(name, member=member) as source:
        size = source.text_bytes if source.seek else None
    if size is None:
        return [WHOLE]
    count = max(1, min(most, size // _SMALLEST_BYTES))
    starts = [size * i // count for i in range(count)]
    return [Range(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]


def join_ranges(ranges: list[Range]) -> list[Range]:
    """Return the ranges with neighbours put together.

    >>> join_ranges([Range(0, 10), Range(10, 20), Range(30, None)])
    [Range(start=0, stop=20), Range(start=30, stop=None)]
    """
    joined: list[Range] = []
    for part in ranges:
        if joined and joined[-1].stop == part.start:
            joined[-1] = Range(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return joined


def read_range(
    name: str,
    part: Range,
    decode: Callable[[bytes | memoryview], T],
    *,
    member: str | None = None,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Iterator[Item[T]]:
    """Yield the elements of one range of a native file; the numbers of those at fault count from the file's first.

    Args:
        name: The file.
        part: The range.
        decode: Decodes one element.
        member: Stem of the file to take out of a zip that holds several.
        max_record_mb: Largest element, in MiB.

    Yields:
        The elements, in order. ``number`` counts from the first of the range; see ``count_before``.

    Raises:
        InputError: The file cannot be opened.
    """
    edge = _find_edge(name, member) if part != WHOLE else None
    if part.start and not edge:
        return  # nothing tells records apart, so the first range holds them all
    with open_source(name, member=member) as source:
        cut = _Cut(source, part, edge, max_record_mb << 20) if edge else None
        if cut and cut.is_empty:
            return
        text, base = (replace(source, read=cut.read), cut.base) if cut else (source, 0)
        for item in read_items(text, decode, max_record_mb=max_record_mb, base=base):
            if cut and item.raw == cut.sentinel:
                return
            if item.fault is not None and base and item.fault.record:
                before = count_before(name, part, member=member, max_record_mb=max_record_mb)
                fault = msgspec.structs.replace(item.fault, record=item.fault.record + before)
                yield Item(item.number, item.raw, item.record, fault)
            else:
                yield item


def count_before(
    name: str, part: Range, *, member: str | None = None, max_record_mb: int = DEFAULT_MAX_RECORD_MB
) -> int:
    """Return how many elements of a file stand before a range; reads all of them."""
    if not part.start:
        return 0
    items = read_range(name, Range(0, part.start), decode_native, member=member, max_record_mb=max_record_mb)
    return max((item.number for item in items), default=0)


class _Edge(NamedTuple):
    """What stands between two records of a file."""

    pattern: re.Pattern[bytes]
    is_array: bool
    key: bytes = b""


def _find_edge(name: str, member: str | None) -> _Edge | None:
    """Return what stands between two records, by the file's first bytes; None where they tell nothing."""
    with open_source(name, member=member) as source:
        window = Window(source.read, CHUNK_BYTES)
        while len(window.data) < CHUNK_BYTES and window.more():
            pass
    window.pos = 3 if window.data.startswith(b"\xef\xbb\xbf") else 0
    if window.skip_space() == b"{":
        return _Edge(re.compile(rb"\n"), False)
    window.pos += 1
    window.skip_space()
    first = FIRST_KEY.match(window.data, window.pos)
    if first is None:
        return None
    key = first[0].lstrip(b"{" + SPACE)
    return _Edge(re.compile(rb",[ \t\r\n]*+\{[ \t\r\n]*+" + re.escape(key)), True, key)


class _Cut:
    """Reads the bytes of one range as a file of their own: the comma before it becomes ``[``.

    A sentinel is given out in place of the first record of the next range, for where the last record of this one is
    broken, only what follows tells where it ends.

    Attributes:
        base: Where in the file the first byte stands.
        is_empty: Whether no record begins in the range.
        sentinel: What stands for the first record of the next range; nothing that a file holds.
    """

    def __init__(self, source: Source, part: Range, edge: _Edge, limit: int) -> None:
        self._source, self._edge, self._limit = source, edge, limit
        self._stop = part.stop
        self._held = b""  # read, and not given out yet
        self._at = self.base = part.start
        self._is_done = self.is_empty = False
        self.sentinel = b'{%b: 0, "%b": 0}' % (edge.key, uuid4().hex.encode())
        if part.start:
            self._begin(part)

    def _begin(self, part: Range) -> None:
        assert self._source.seek is not None
        self._source.seek(part.start)
        seen, edge = self._find(part.start)
        self.is_empty = edge is None or (part.stop is not None and edge >= part.stop)
        if edge is not None:
            self._at = self.base = edge if self._edge.is_array else edge + 1
            rest = seen[edge + 1 - part.start :]
            self._held = b"[" + rest if self._edge.is_array else rest

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, b"" at the end."""
        if self._is_done:
            return b""
        room = size if self._stop is None else min(size, self._stop - self._at)
        if room > 0:
            data = self._take(room)
            self._at += len(data)
            return data
        assert self._stop is not None
        self._is_done = True
        seen, edge = self._find(self._stop)
        if edge is None:
            return seen
        before = seen[: edge - self._stop]
        return before + b"," + self.sentinel + b"]" if self._edge.is_array else before

    def _take(self, size: int) -> bytes:
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
            return data
        return self._source.read(size)

    def _find(self, start: int) -> tuple[bytes, int | None]:
        """Return all that was read, and where the first edge from ``start`` on stands; None at the end."""
        seen: list[bytes] = []

        def read(size: int) -> bytes:
            seen.append(self._take(size))
            return seen[-1]

        window = Window(read, self._limit, start)
        while True:
            match = self._edge.pattern.search(window.data, window.pos)
            if match is None:
                window.pos = max(window.pos, len(window.data) - _EDGE_BYTES)  # an edge may be cut in two
                if not window.more():
                    return b"".join(seen), None
                continue
            at = window.base + match.start()
            if not self._edge.is_array or _are_records(window, match.start()):
                return b"".join(seen), at
            window.pos = max(0, at + 1 - window.base)


def _are_records(window: Window, comma: int) -> bool:
    """Tell whether whole records of the file follow the comma, and not some inside a key of a record.

    A list inside a record ends before the file does, so a few elements are read on. The window may let go of what is
    before the comma.
    """
    enough = window.base + comma + _PROOF_BYTES
    window.pos = comma + 1
    for number in range(_PROOF_RECORDS):
        window.skip_space()
        value = next_value(window, 1, decode_native)
        if value.fault is not None:
            return number > 0
        window.pos += len(value.raw)
        separator = window.skip_space()
        window.pos += 1
        if separator == b"]":
            return not window.skip_space()
        if separator != b"," or window.base + window.pos > enough:
            return True
    return True
