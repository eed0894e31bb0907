"""Write a file into a store so that nothing is there under its name before all of it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, Protocol

from svit_datasets.errors import UsageError
from svit_datasets.remote.files import explained, open_store
from svit_datasets.remote.names import protocol_of, shown_name

PART_BYTES, LARGE_PART_BYTES = 8 << 20, 64 << 20
_SMALL_PARTS = 1000  # S3 takes 10,000 parts: 8 GB in small ones, which need little memory, 576 GB in large ones
_COPY_BYTES = 1 << 20


class Upload(Protocol):
    """A file on its way into a store."""

    def write(self, data: bytes) -> object:
        """Append ``data``."""

    def finish(self) -> None:
        """Send what is left; nothing is there under the name yet."""

    def commit(self) -> None:
        """Make it appear."""

    def discard(self, *, keep_committed: bool) -> None:
        """Throw away what was sent; where it has appeared already, that too unless it is to be kept."""


def open_upload(name: str) -> Upload:
    """Begin a file in a store.

    Args:
        name: Its URL.

    Returns:
        The upload; S3 gets it in parts while it is written, other stores under another name, or at the end.

    Raises:
        StoreError: The store refuses.
        UsageError: The URL is put together from several protocols.
    """
    if "::" in name:
        raise UsageError(f"{shown_name(name)}: is several protocols in one; name the store alone")
    fs, path = open_store(name)
    return _KINDS.get(protocol_of(name) or "", _Renamed)(name, fs, path)


class _InParts:
    """An S3 multipart upload: completed it is the object, aborted it is nothing.

    A thread sends a part while the next is made. An interruption hits the caller alone, so that each request ends,
    and what it began is known and can be aborted.
    """

    def __init__(self, name: str, fs: Any, path: str) -> None:
        self._name, self._fs, self._path = name, fs, path
        self._file: Any = None
        self._is_there = False
        self._pending = bytearray()
        self._parts = 0
        self._sending: Future[None] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="svit-upload")

    def write(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= self._part_bytes:
            self._send()

    @property
    def _part_bytes(self) -> int:
        return PART_BYTES if self._parts < _SMALL_PARTS else LARGE_PART_BYTES

    def _send(self) -> None:
        self._wait()
        part, self._pending = self._pending, bytearray()
        self._sending = self._worker.submit(self._put, part)

    def _put(self, part: bytearray) -> None:
        if self._file is None:
            self._file = self._fs.open(self._path, "wb", block_size=PART_BYTES, autocommit=False)
        self._file.blocksize = self._part_bytes
        self._parts += 1
        self._file.write(part)

    def _wait(self) -> None:
        if self._sending is not None:
            with explained(self._name):
                self._sending.result()
            self._sending = None

    def finish(self) -> None:
        self._send()
        self._wait()
        with explained(self._name):
            self._worker.submit(self._file.close).result()

    def commit(self) -> None:
        with explained(self._name):
            self._worker.submit(self._commit).result()
        self._worker.shutdown(wait=False)

    def _commit(self) -> None:
        self._file.commit()
        self._is_there = True

    def discard(self, *, keep_committed: bool) -> None:
        self._worker.shutdown()  # what was asked for ends first
        if not self._is_there:
            _give_up(self._file)
        elif not keep_committed:
            self._fs.rm_file(self._path)


class _Renamed:
    """A file that is written beside its name, and gets it at the end."""

    def __init__(self, name: str, fs: Any, path: str) -> None:
        self._name, self._fs, self._path = name, fs, path
        self._is_there = False
        folder = path.rpartition("/")[0]
        self._part = f"{folder}{'/' * bool(folder)}.svit-{os.urandom(6).hex()}.part"
        with explained(name):
            if folder:
                fs.makedirs(folder, exist_ok=True)
            self._file: Any = fs.open(self._part, "wb")

    def write(self, data: bytes) -> None:
        with explained(self._name):
            self._file.write(data)

    def finish(self) -> None:
        with explained(self._name):
            self._file.close()

    def commit(self) -> None:
        with explained(self._name):
            self._fs.mv(self._part, self._path)
        self._is_there = True

    def discard(self, *, keep_committed: bool) -> None:
        self._file.close()
        if self._fs.exists(self._part):
            self._fs.rm_file(self._part)
        if self._is_there and not keep_committed:
            self._fs.rm_file(self._path)


class _AtOnce:
    """A temporary file that is sent at the end, to a store that shows a file when all of it is there."""

    def __init__(self, name: str, fs: Any, path: str) -> None:
        self._name, self._fs, self._path = name, fs, path
        self._is_there = False
        resolve = getattr(fs, "resolve_path", None)  # the Hub's: says before the run that a repository is not there
        if resolve is not None:
            with explained(name):
                resolve(path)
        self._spool: IO[bytes] = tempfile.TemporaryFile()

    def write(self, data: bytes) -> None:
        self._spool.write(data)

    def finish(self) -> None:
        self._spool.seek(0)

    def commit(self) -> None:
        with explained(self._name):
            file = self._fs.open(self._path, "wb")
            try:
                shutil.copyfileobj(self._spool, file, _COPY_BYTES)
            except BaseException:
                _give_up(file)
                raise
            file.close()
        self._is_there = True

    def discard(self, *, keep_committed: bool) -> None:
        self._spool.close()
        if self._is_there and not keep_committed:
            self._fs.rm_file(self._path)


def _give_up(file: Any) -> None:
    """Throw a file away that is being written; closing it would send what there is."""
    if file is not None:
        try:
            file.discard()
        finally:
            file.closed = True


_KINDS: dict[str, Callable[[str, Any, str], Upload]] = {
    **dict.fromkeys(("s3", "s3a"), _InParts),
    **dict.fromkeys(("gs", "gcs", "az", "abfs", "abfss", "hf"), _AtOnce),
}
