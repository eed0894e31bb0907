"""A folder of parts, on a disk or in any store that ``fsspec`` knows, and the files that shards write there."""

from __future__ import annotations

import hashlib
import re
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from svit_datasets.errors import OutputError
from svit_datasets.reading.input_files import reason_of
from svit_datasets.remote.files import explained, open_store
from svit_datasets.remote.names import is_remote, path_of
from svit_datasets.writing.writers import output_error

PLAN, LOCK = "plan.json", "lock"
OF_SHARD = re.compile(r"[0-9]{8}\..+")
_OWN = re.compile(rf"{OF_SHARD.pattern}|{re.escape(PLAN)}(\.part)?")
_CHUNK_BYTES = 4 << 20


class Part(Struct, frozen=True):
    """A file that a shard wrote: name in the folder, size, digest, number of elements."""

    name: str
    bytes: int
    sha256: str
    count: int


class Folder:
    """A folder on a disk or in a store.

    Args:
        place: Path or URL.
    """

    def __init__(self, place: str) -> None:
        import fsspec

        self.place, self.is_local = place, not is_remote(place)
        self.fs: Any
        if self.is_local:
            self.fs, self.root = fsspec.filesystem("file"), str(path_of(place).absolute())
        else:
            self.fs, self.root = open_store(place)

    def path(self, name: str) -> str:
        """Return where a file of the folder lies, as its store calls it."""
        return f"{self.root}/{name}"

    def open(self, name: str, mode: str = "rb") -> IO[bytes]:
        """Open a file of the folder."""
        if not self.is_local:
            self.fs.invalidate_cache()  # another process may have written it
        file: IO[bytes] = self.fs.open(self.path(name), mode)
        return file

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None if there is none."""
        try:
            data: bytes = self.fs.cat_file(self.path(name))
        except FileNotFoundError:
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a small file; it appears whole.

        Raises:
            OutputError: The disk is full, or the store refuses it.
        """
        try:
            self._write(name, data)
        except OSError as error:
            raise output_error(f"{self.place}/{name}", error) from error

    def _write(self, name: str, data: bytes) -> None:
        if not self.is_local:
            with explained(self.place):
                self.fs.pipe_file(self.path(name), data)
            return
        part = Path(self.path(f"{name}.part"))
        part.write_bytes(data)
        part.replace(self.path(name))

    def names(self) -> list[str]:
        """Return the names of the files, sorted."""
        self.fs.invalidate_cache()
        try:
            return sorted(Path(found).name for found in self.fs.ls(self.root, detail=False))
        except FileNotFoundError:
            return []

    def clear(self) -> None:
        """Remove all files but the lock, the plan first: what a killed removal leaves is no run to go on with.

        Raises:
            OutputError: One cannot be removed.
        """
        names = [name for name in self.names() if _OWN.fullmatch(name)]
        for name in sorted(names, key=lambda name: name != PLAN):
            self.drop(name)

    def drop(self, name: str) -> None:
        """Remove a file.

        Raises:
            OutputError: It cannot be removed.
        """
        try:
            with nullcontext() if self.is_local else explained(self.place):
                self.fs.rm_file(self.path(name))
        except OSError as error:
            told = f"{self.place}/{name}: cannot be removed ({reason_of(error)})"
            raise OutputError(f"{told}; remove it yourself, or name another output") from error

    def remove(self) -> None:
        """Remove the folder with what is in it."""
        self.clear()
        if self.is_local:
            Path(self.path(LOCK)).unlink(missing_ok=True)
            with suppress(OSError):  # something of another's stands in it
                Path(self.root).rmdir()


class PartFile:
    """A file of a shard, counted and digested while it is written.

    Attributes:
        name: What messages call it.
        bytes: Its size so far.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self.name, self._short, self.bytes = f"{folder.place}/{name}", name, 0
        self._digest = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        try:
            self._stream = folder.open(name, "wb")
        except OSError as error:
            raise output_error(self.name, error) from error

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        self.bytes += len(data)
        if self._pending_bytes >= _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        self._digest.update(data)
        try:
            self._stream.write(data)
        except OSError as error:
            raise output_error(self.name, error) from error

    def close(self, count: int) -> Part:
        """End the file; return what it is."""
        self._flush()
        try:
            self._stream.close()
        except OSError as error:
            raise output_error(self.name, error) from error
        return Part(self._short, self.bytes, self._digest.hexdigest(), count)
