"""Read images out of ``images.zip`` by ``svit-zip:///PATH/images.zip/MEMBER``, wherever ``fsspec`` opens a path.

``fsspec``'s own ``zip://`` reads the archive's table anew for every file: 0.7 s an image for a zip of 64,000. Here the
table is read once a process. The protocol is known to ``fsspec`` through the entry point group ``fsspec.specs``.
"""

from __future__ import annotations

import errno
import os
import zipfile
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO, Any
from urllib.parse import unquote

from fsspec.spec import AbstractFileSystem

from svit_datasets.images.stores import ZIP_PROTOCOL

_END = ".zip/"


def _take_apart(path: str) -> tuple[str, str]:
    """Return the zip and the member that a path names: the zip is the first part of it that is a file."""
    parts = path.split(_END)
    for i in range(1, len(parts)):
        archive = _END.join(parts[:i]) + _END.rstrip("/")
        if Path(archive).is_file():
            return archive, _END.join(parts[i:])
    archive = path.rpartition(_END)[0] + _END.rstrip("/")
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), archive)


class ZipImages(AbstractFileSystem):  # type: ignore[misc]
    """The members of zips; each zip is opened once a process and thread."""

    protocol = ZIP_PROTOCOL

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._zips: dict[str, tuple[tuple[int, ...], zipfile.ZipFile]] = {}
        self._process, self._lock = os.getpid(), Lock()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix(f"{ZIP_PROTOCOL}://").lstrip("/")  # datasets takes one of three slashes away

    def _member(self, path: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        archive, name = _take_apart(unquote(self._strip_protocol(path), errors="surrogateescape"))
        status = Path(archive).stat()
        state = status.st_ino, status.st_size, status.st_mtime_ns  # another file under the name is opened anew
        if self._zips.get(archive, (None,))[0] != state:
            self._zips[archive] = state, zipfile.ZipFile(archive)
        opened = self._zips[archive][1]
        try:
            return opened, opened.getinfo(name)
        except KeyError as error:
            raise FileNotFoundError(f"{name} in {archive}") from error

    def _open(self, path: str, mode: str = "rb", **_: Any) -> IO[bytes]:
        if mode != "rb":
            raise NotImplementedError("images in a zip are read only")
        with self._own_lock():  # members that threads read at once share a count that is not safe
            archive, member = self._member(path)
            return BytesIO(archive.read(member))

    def _own_lock(self) -> Lock:
        """Return the lock; in a process that was forked a new one, and no zip whose handle both would share."""
        if self._process != os.getpid():
            self._process, self._lock, self._zips = os.getpid(), Lock(), {}
        return self._lock

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size and type of a member, as ``fsspec`` wants it."""
        with self._own_lock():
            return {"name": self._strip_protocol(path), "size": self._member(path)[1].file_size, "type": "file"}
