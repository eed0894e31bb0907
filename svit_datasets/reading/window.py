"""The part of a stream of bytes that is in memory."""

from __future__ import annotations

import re
from collections.abc import Callable

Read = Callable[[int], bytes]

SPACE = b" \t\r\n"
FIRST_KEY = re.compile(rb'\{\s*+"[^"\\]*+"')
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
CHUNK_BYTES = 1 << 20
_KEYS_KEPT = 16


class Window:
    """The part of a stream that is in memory: ``data[pos:]`` is not consumed yet.

    Args:
        read: Gives up to n further bytes, b"" at the end.
        limit: Bytes from which the unconsumed part counts as full.
        base: Where in the file the first byte stands.
    """

    def __init__(self, read: Read, limit: int, base: int = 0) -> None:
        self._read, self.limit = read, limit
        self.keys: set[bytes] = set()  # first keys of the records so far
        self.data, self.pos, self.base, self.at_end = b"", 0, base, False
        self.mark: int | None = None  # what is behind it is kept in memory, so that one can go back there
        self.line_break = -1  # where in the file the last one that skip_lines passed stands

    def more(self) -> bool:
        """Read on; a long value doubles the window, so the work stays linear. False at the end."""
        if self.at_end:
            return False
        start = self.pos if self.mark is None else min(self.pos, self.mark)
        rest = self.data[start:]
        chunk = self._read(max(CHUNK_BYTES, len(rest)))
        self.base += start
        self.data, self.pos, self.at_end = rest + chunk, self.pos - start, not chunk
        self.mark = None if self.mark is None else self.mark - start
        return bool(chunk)

    @property
    def is_full(self) -> bool:
        """Whether a value that has not ended yet is beyond the limit."""
        return len(self.data) - self.pos > self.limit

    def skip_space(self) -> bytes:
        """Move to the next byte that is no white space and return it; b"" at the end."""
        while True:
            match = _NOT_SPACE.search(self.data, self.pos)
            self.pos = match.start() if match else len(self.data)
            if match:
                return match[0]
            if not self.more():
                return b""

    def skip_lines(self) -> bytes:
        """Move to the next byte that is no white space and return it, b"" at the end; note the last line break."""
        while True:
            match = _NOT_SPACE.search(self.data, self.pos)
            end = match.start() if match else len(self.data)
            at = self.data.rfind(b"\n", self.pos, end)
            self.line_break = self.base + at if at >= 0 else self.line_break
            self.pos = end
            if match:
                return match[0]
            if not self.more():
                return b""

    def skip_to(self, needle: bytes) -> bool:
        """Move to where ``needle`` next stands, holding no more than a chunk; False at the end."""
        while True:
            at = self.data.find(needle, self.pos)
            if at >= 0:
                self.pos = at
                return True
            self.pos = max(self.pos, len(self.data) - len(needle) + 1)
            if not self.more():
                self.pos = len(self.data)
                return False

    def find(self, needle: bytes, start: int, within: int) -> int:
        """Return where ``needle`` next stands, as an index from ``pos``; -1 if not ``within`` so many bytes."""
        while True:
            at = self.data.find(needle, self.pos + start)
            if at >= 0:
                return at - self.pos
            start = max(start, len(self.data) - self.pos - len(needle))
            if start > within or not self.more():
                return -1

    def remember_key(self, text: bytes | memoryview, at: int = 0) -> None:
        """Note how a good record begins, for faults later."""
        if len(self.keys) < _KEYS_KEPT and (key := FIRST_KEY.match(text, at)):
            self.keys.add(key[0])
