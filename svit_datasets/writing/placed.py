"""A part of a file whose other parts other processes write at the same time: kept until its place is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from svit_datasets.writing.targets import output_error

_CHUNK_BYTES = 1 << 20
_MOST_HELD_BYTES = 64 << 20
_STEP_BYTES = 1 << 20  # of one call to the system, for which other processes that write the same file must wait


class Begin(NamedTuple):
    """Where a part begins, and what sets it off from the one before."""

    byte: int
    lead: bytes = b""


class PlacedFile:
    """A part of a file of this machine. One that grows large waits for its place early, and writes from there on.

    Args:
        name: The file as the user named it.
        path: The file, which is there.
        begin: Tells the place; may wait for it.

    Attributes:
        bytes: Size so far.
    """

    def __init__(self, name: str, path: Path, begin: Callable[[], Begin]) -> None:
        self.name, self._path, self._tell = name, path, begin
        self.bytes = 0
        self._pending: list[bytes] = []
        self._chunks: list[bytes] = []
        self._pending_bytes = self._held_bytes = 0
        self._file: int | None = None
        self._at = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        self.bytes += len(data)
        if self._pending_bytes >= _CHUNK_BYTES:
            self._gather()
        if self._held_bytes >= _MOST_HELD_BYTES:
            self.send()

    @property
    def end(self) -> int:
        """Where the part ends; a part without bytes has no lead either."""
        begin = self._tell()
        return begin.byte + (len(begin.lead) + self.bytes if self.bytes else 0)

    def send(self) -> None:
        """Write what is kept.

        Raises:
            OutputError: The file cannot be written.
        """
        self._gather()
        if not self._chunks:
            return
        try:
            self._write_out()
        except OSError as error:
            raise output_error(self.name, error) from error
        self._held_bytes = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _gather(self) -> None:
        data = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        if data:
            self._chunks.append(data)
            self._held_bytes += len(data)

    def _write_out(self) -> None:
        if self._file is None:
            begin = self._tell()
            self._file, self._at = os.open(self._path, os.O_WRONLY), begin.byte
            self._chunks.insert(0, begin.lead)
        for chunk in self._chunks:
            rest = memoryview(chunk)
            while rest:
                written = os.pwrite(self._file, rest[:_STEP_BYTES], self._at)
                self._at += written
                rest = rest[written:]
        self._chunks = []
