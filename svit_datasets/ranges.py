"""Cut a native file into ranges that can be read apart, with the records that reading it whole gives.

A range holds the records whose comma (in JSON lines, whose line break) stands from its first byte on and before the
next range's. Where the first of them begins has to be found: the guess is how the file's first record begins, the
proof that the decoder takes what follows. Where the last one ends, reading on shows. Faults are the same too, but for a
file that is damaged so that reading it whole would end early: ranges behind the damage are read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple, TypeVar

import msgspec

from svit_datasets.containers import Source, open_source
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB, Item, decode_native, read_items
from svit_datasets.split import FIRST_KEY, next_value
from svit_datasets.window import SPACE, Read, Window

T = TypeVar("T")
_SMALLEST_BYTES = 16 << 10
_PROOF_BYTES = 1 << 20
_EDGE_BYTES = 1 << 16  # white space around a comma, at most


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
    edge = _find_edge(name, member, max_record_mb << 20) if part != WHOLE else None
    if part.start and not edge:
        return  # nothing tells records apart, so the first range holds them all
    with open_source(name, member=member) as source:
        begin, read = _begin(source, part, edge, max_record_mb << 20) if edge and part.start else (0, source.read)
        if begin is None:
            return
        ends = partial(edge.is_end, part.stop) if edge and part.stop is not None else None
        is_lines = begin > 0 and edge is not None and not edge.is_array
        text = replace(source, read=read)
        before = cache(partial(count_before, name, part, member=member, max_record_mb=max_record_mb))
        for item in read_items(text, decode, max_record_mb=max_record_mb, base=begin, ends=ends, is_lines=is_lines):
            if item.fault is not None and begin and item.fault.record:
                fault = msgspec.structs.replace(item.fault, record=item.fault.record + before())
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

    def is_end(self, stop: int, window: Window, at: int) -> bool:
        """Tell whether the comma or line break at an index of the window is the first edge from ``stop`` on."""
        if window.base + at < stop:
            return False
        if not self.is_array:
            return True
        window.mark = at
        position = window.base + window.pos
        window.skip_space()
        window.more()  # so that the pattern is not cut off
        is_end = self.pattern.match(window.data, window.mark) is not None and self.is_proved(window)
        window.pos, window.mark = position - window.base, None
        return is_end

    def is_proved(self, window: Window) -> bool:
        """Tell whether whole records of the file follow the window's mark, and not some inside a key of a record.

        A list inside a record ends before the file does, so a megabyte is read on.
        """
        assert window.mark is not None
        enough = window.base + window.mark + _PROOF_BYTES
        window.pos = window.mark + 1
        is_first = True
        while True:
            window.skip_space()
            value = next_value(window, 1, decode_native)
            if value.fault is not None and (is_first or value.is_last or value.is_passed):
                return not is_first
            is_first = False
            window.pos += len(value.raw)
            separator = window.skip_space()
            window.pos += 1
            if separator == b"]":
                return not window.skip_space()
            if separator != b"," or window.base + window.pos > enough:
                return True


def _find_edge(name: str, member: str | None, limit: int) -> _Edge | None:
    """Return what stands between two records, by the file's first; None where it tells nothing, or too much."""
    with open_source(name, member=member) as source:
        window = Window(source.read, limit)
        while len(window.data) < 4 and window.more():
            pass
        window.pos = 3 if window.data.startswith(b"\xef\xbb\xbf") else 0
        first_byte = window.skip_space()
        if first_byte == b"{":
            return _Edge(re.compile(rb"\n"), False)
        if first_byte != b"[":
            return None
        window.pos += 1
        window.skip_space()
        first = FIRST_KEY.match(window.data, window.pos)
        value = next_value(window, 1, decode_native)
    if first is None:
        return None
    key = first[0].lstrip(b"{" + SPACE)
    pattern = re.compile(rb",[ \t\r\n]*+\{[ \t\r\n]*+" + re.escape(key))
    return None if value.fault is None and pattern.search(value.raw) else _Edge(pattern, True)


def _begin(source: Source, part: Range, edge: _Edge, limit: int) -> tuple[int | None, Read]:
    """Return where the range's first byte stands (None: no record begins in it), and what reads on from there.

    The comma before the first record is read as ``[``, so that what follows is an array again.
    """
    assert source.seek is not None
    source.seek(part.start)
    window = Window(source.read, limit, part.start)
    at = _find(window, edge)
    if at is None or (part.stop is not None and window.base + at >= part.stop):
        return None, source.read
    waiting = [(b"[" if edge.is_array else b"") + window.data[at + 1 :]]
    begin = window.base + at + (0 if edge.is_array else 1)
    return begin, lambda size: (waiting.pop() if waiting else b"") or source.read(size)


def _find(window: Window, edge: _Edge) -> int | None:
    """Return the index in the window at which the first edge stands; None if there is none."""
    while True:
        match = edge.pattern.search(window.data, window.pos)
        if match is None:
            window.pos = max(window.pos, len(window.data) - _EDGE_BYTES)  # an edge may be cut in two
            if not window.more():
                return None
            continue
        window.mark = match.start()
        if not edge.is_array or edge.is_proved(window):
            return window.mark
        window.pos, window.mark = max(window.pos, window.mark + 1), None  # what was read on is inside that record too
