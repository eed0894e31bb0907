"""Cut a native file into ranges that can be read apart, with the records that reading it whole gives.

A range holds the records whose comma (in JSON lines, whose line break) stands from its first byte on and before the
next range's. Where the first of them begins has to be found: the guess is how the file's first record begins, the
proof that the decoder takes what follows. Where the last one ends, reading on shows. Faults are the same too, but for a
file that is damaged so that reading it whole would end early: ranges behind the damage are read all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple, TypeVar

import msgspec

from svit_datasets.reading.containers import Source, open_source
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, Item, decode_native, read_items
from svit_datasets.reading.runs import Take
from svit_datasets.reading.window import Read, Window
from svit_datasets.sharding.range_edges import NATIVE, Edge, find_edge, find_next_edge
from svit_datasets.sharding.range_edges import Borders as Borders
from svit_datasets.sharding.range_edges import Proof as Proof

T = TypeVar("T")
_SMALLEST_BYTES = 16 << 10


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
    take: Take | None = None,
) -> Iterator[Item[T]]:
    """Yield the elements of one range of a native file; the numbers of those at fault count from the file's first.

    Args:
        name: The file.
        part: The range.
        decode: Decodes one element.
        member: Stem of the file to take out of a zip that holds several.
        max_record_mb: Largest element, in MiB.
        take: Takes several elements at once wherever it can; see ``split``.

    Yields:
        The elements, in order. ``number`` counts from the first of the range; see ``count_before``.

    Raises:
        InputError: The file cannot be opened.
    """
    before = cache(partial(count_before, name, part, member=member, max_record_mb=max_record_mb))
    for item in read_part(name, part, decode, member=member, max_record_mb=max_record_mb, take=take):
        if item.fault is not None and part.start and item.fault.record:
            fault = msgspec.structs.replace(item.fault, record=item.fault.record + before())
            yield msgspec.structs.replace(item, fault=fault)
        else:
            yield item


def read_part(
    name: str,
    part: Range,
    decode: Callable[[bytes | memoryview], T],
    *,
    member: str | None = None,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    borders: Borders | None = None,
    proof: Proof | None = None,
    take: Take | None = None,
) -> Iterator[Item[T]]:
    """Yield the elements of one range of a native file; all numbers count from the first of the range.

    Args:
        name: The file.
        part: The range.
        decode: Decodes one element.
        member: Stem of the file to take out of a zip that holds several.
        max_record_mb: Largest element, in MiB.
        borders: Is filled in with where the range's records begin and, when all were yielded, end.
        proof: What proves a border; native records by default.
        take: Takes several elements at once wherever it can; see ``split``.

    Yields:
        The elements, in order.

    Raises:
        InputError: The file cannot be opened.
    """
    borders = borders or Borders()
    edge = find_edge(name, member, max_record_mb << 20, proof or NATIVE) if part != WHOLE else None
    if part.start and not edge:
        return  # nothing tells records apart, so the first range holds them all
    borders.begin = 0
    with open_source(name, member=member) as source:
        begin, read = 0, source.read
        if edge and part.start:
            begin, borders.begin, read = _begin(source, part, edge, max_record_mb << 20)
        if borders.begin is None:
            return
        ends = partial(edge.is_end, part.stop, borders) if edge and part.stop is not None else None
        is_lines = begin > 0 and edge is not None and not edge.is_array
        text = replace(source, read=read)
        yield from read_items(
            text,
            decode,
            max_record_mb=max_record_mb,
            base=begin,
            ends=ends,
            is_lines=is_lines,
            take=take,
            stop=part.stop if ends else None,
        )


def count_before(
    name: str, part: Range, *, member: str | None = None, max_record_mb: int = DEFAULT_MAX_RECORD_MB
) -> int:
    """Return how many elements of a file stand before a range; reads all of them."""
    if not part.start:
        return 0
    items = read_range(name, Range(0, part.start), decode_native, member=member, max_record_mb=max_record_mb)
    return max((item.number for item in items), default=0)


def _begin(source: Source, part: Range, edge: Edge, limit: int) -> tuple[int, int | None, Read]:
    """Return where the range's text begins, where its first record does, and what reads on from there.

    No record begins in it where that is None. The comma before the first record is read as ``[``, so that what follows
    is an array again.
    """
    assert source.seek is not None
    source.seek(part.start)
    window = Window(source.read, limit, part.start)
    at = find_next_edge(window, edge)
    if at is None or (part.stop is not None and window.base + at >= part.stop):
        return 0, None, source.read
    window.mark, window.pos = at, at + 1
    has_record = window.skip_space()
    waiting = [(b"[" if edge.is_array else b"") + window.data[window.mark + 1 :]]
    begin = window.base + window.mark + (0 if edge.is_array else 1)
    first = window.base + window.pos if has_record else None
    return begin, first, lambda size: (waiting.pop() if waiting else b"") or source.read(size)
