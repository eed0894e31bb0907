"""What stands between two records of a native file, by which they are told apart from its middle, and the proof."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import decode_native
from svit_datasets.reading.split import next_value
from svit_datasets.reading.window import FIRST_KEY, SPACE, Window

_PROOF_BYTES = 1 << 20
_EDGE_BYTES = 1 << 16  # white space around a comma, at most


@dataclass
class Borders:
    """What shows that the records of a range follow those of the range before it, as they do in the whole file.

    A range that begins where the one before it ended gives what reading on would have given; but for a broken record,
    whose end is told by every first key that came before it.

    Attributes:
        begin: Where in the file its first record begins, 0 for the file's first range; None where none begins in it.
        end: Where the record behind its last begins; None where it was read to the end of the file.
        first_keys: How its records begin.
    """

    begin: int | None = None
    end: int | None = None
    first_keys: set[bytes] = field(default_factory=set)


class Proof(NamedTuple):
    """What proves that records of the file begin somewhere.

    Attributes:
        decode: Decodes a record, and no other JSON.
        bytes_on: How much is read on; little is enough where borders are compared.
    """

    decode: Callable[[bytes | memoryview], object] = decode_native
    bytes_on: int = _PROOF_BYTES


NATIVE = Proof()


class Edge(NamedTuple):
    """What stands between two records of a file."""

    pattern: re.Pattern[bytes]
    is_array: bool
    proof: Proof

    def is_end(self, stop: int, borders: Borders, window: Window, at: int) -> bool:
        """Tell whether the comma or line break at an index of the window is the first edge from ``stop`` on."""
        if window.base + at < stop:
            return False
        if not self.is_array:
            borders.end = window.base + window.pos
            return True
        window.mark = at
        position = window.base + window.pos
        window.skip_space()
        first = window.base + window.pos
        window.more()  # so that the pattern is not cut off
        is_end = self.pattern.match(window.data, window.mark) is not None and self.is_proved(window)
        borders.end = first if is_end else None
        window.pos, window.mark = position - window.base, None
        return is_end

    def is_proved(self, window: Window) -> bool:
        """Tell whether whole records of the file follow the window's mark, and not some inside a key of a record.

        A list inside a record ends before the file does, so a megabyte is read on.
        """
        assert window.mark is not None
        enough = window.base + window.mark + self.proof.bytes_on
        window.pos = window.mark + 1
        is_first = True
        while True:
            window.skip_space()
            value = next_value(window, 1, self.proof.decode)
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


def find_edge(name: str, member: str | None, limit: int, proof: Proof) -> Edge | None:
    """Return what stands between two records, by the file's first; None where it tells nothing, or too much."""
    with open_source(name, member=member) as source:
        window = Window(source.read, limit)
        while len(window.data) < 4 and window.more():
            pass
        window.pos = 3 if window.data.startswith(b"\xef\xbb\xbf") else 0
        first_byte = window.skip_space()
        if first_byte == b"{":
            return Edge(re.compile(rb"\n"), False, proof)
        if first_byte != b"[":
            return None
        window.pos += 1
        window.skip_space()
        first = FIRST_KEY.match(window.data, window.pos)
        value = next_value(window, 1, proof.decode)
    if first is None:
        return None
    key = first[0].lstrip(b"{" + SPACE)
    pattern = re.compile(rb",[ \t\r\n]*+\{[ \t\r\n]*+" + re.escape(key))
    return None if value.fault is None and pattern.search(value.raw) else Edge(pattern, True, proof)


def find_next_edge(window: Window, edge: Edge) -> int | None:
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
