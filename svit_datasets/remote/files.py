"""Files in the stores that ``fsspec`` knows: what is there, its bytes, and in words what went wrong."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from svit_datasets.remote.names import hide_user, local_path, protocol_of

BLOCK_BYTES = 8 << 20
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_EXTRAS = {"s3": "s3", "s3a": "s3"}
_AWS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and what they are allowed to do"
_LOGINS = {
    "s3": _AWS,
    "s3a": _AWS,
    "hf": "log in with `hf auth login` after accepting the terms on the repository's page",
}
_OF_STORES = (OSError, ImportError, ValueError, NotImplementedError)
_SEEK = {"hf": "check the address; a repository that is private or gated is there for those alone who log in"}
_REFUSALS, _ABSENT = (401, 403), 404
_LOGIN = "check the credentials, as the store's fsspec package takes them"
_AGAIN = "check the network and the address of the store's server, then run this again"


class StoreError(OSError):
    """What a store or its client refused, in words.

    Args:
        number: One of ``errno``.
        reason: What was found.
        mend: What the user can do.
    """

    def __init__(self, number: int, reason: str, mend: str) -> None:
        super().__init__(number, reason, mend)
        self.mend = mend

    def __str__(self) -> str:
        return str(self.strerror)

    @property
    def is_missing(self) -> bool:
        """Whether there is no such file."""
        return self.errno in (errno.ENOENT, errno.EISDIR)


def open_store(name: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it.

    Raises:
        StoreError: Its package is not installed, or the address is of another form.
    """
    from fsspec.core import url_to_fs

    with explained(name):
        fs, path = url_to_fs(name)
        return fs, path


def place_of(name: str) -> str:
    """Return the one spelling of all names of a file: its absolute path, or the store's own address.

    >>> place_of("memory://a.json")
    'memory:///a.json'
    """
    path = local_path(name)
    if path is not None:
        return str(path.resolve())
    fs, inside = open_store(name)
    return str(fs.unstrip_protocol(inside))


class Status(NamedTuple):
    """What stands under a name in a store; ``size_bytes`` is None where the store does not tell."""

    is_folder: bool
    size_bytes: int | None


def look(name: str) -> Status | None:
    """Return what stands under a name in a store, None if nothing does.

    Raises:
        StoreError: There is no such bucket, or the store does not say.
    """
    fs, path = open_store(name)
    try:
        with explained(name):
            fs.invalidate_cache()
            told = fs.info(path)
    except StoreError as error:
        if error.errno == errno.ENOENT and not _lacks_bucket(error.__cause__):
            return None
        raise
    return Status(told.get("type") == "directory", told.get("size"))


def stamp_of(name: str) -> str:
    """Return a digest of what a store tells of a file: another one means that something changed.

    Raises:
        StoreError: There is no such file, or the store does not say.
    """
    fs, path = open_store(name)
    with explained(name):
        fs.invalidate_cache()
        return str(fs.ukey(path))


def open_file(name: str) -> tuple[io.BufferedReader, int | None]:
    """Open a file in a store for reading, in blocks, the next while one is worked on.

    Args:
        name: Its URL.

    Returns:
        The file, and its size if the store tells.

    Raises:
        StoreError: It is missing, a folder, or not given.
    """
    from fsspec.implementations.memory import MemoryFile

    status = look(name)
    if status is None:
        raise missing(protocol_of(name) or "")
    if status.is_folder:
        raise StoreError(errno.EISDIR, "is a directory", "name a file in it")
    fs, path = open_store(name)
    with explained(name):
        file = fs.open(path, "rb", block_size=BLOCK_BYTES, **_CACHE)
    if isinstance(file, MemoryFile):  # all readers would share one position
        file = io.BytesIO(file.getvalue())
    return io.BufferedReader(_Raw(file, name, status.size_bytes), 1 << 20), status.size_bytes


_CACHE: dict[str, Any] = {"cache_type": "background", "cache_options": {"maxblocks": 3}}


class _Raw(io.RawIOBase):
    """A file of ``fsspec``, its faults in words."""

    def __init__(self, file: Any, name: str, size_bytes: int | None) -> None:
        self._file, self._name, self._size_bytes, self._at = file, name, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def tell(self) -> int:
        return self._at

    def seek(self, at: int, whence: int = 0) -> int:
        with explained(self._name):
            self._at = int(self._file.seek(at, whence))
        return self._at

    def readinto(self, room: Any) -> int:
        with explained(self._name):
            data = self._file.read(len(room))
        if not data and self._size_bytes is not None and self._at < self._size_bytes:
            ended = f"the connection ended at byte {self._at:,} of {self._size_bytes:,}"
            raise StoreError(errno.ECONNRESET, ended, _AGAIN)
        room[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what a client raises in the block into a ``StoreError``; a fault of the program stays what it is."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, _OF_STORES):
            raise
        raise _explain(error, protocol_of(name) or "") from error


def _explain(error: Exception, protocol: str) -> StoreError:
    told = _told(error)
    if isinstance(error, ImportError):
        extra = _EXTRAS.get(protocol)
        mend = f"pip install 'svit-datasets[{extra}]'" if extra else "install the package that it names"
        return StoreError(errno.ENOPKG, f"{protocol}:// needs a package that is missing ({told})", mend)
    if isinstance(error, NotImplementedError):
        return StoreError(errno.ENOSYS, f"{protocol}:// cannot do this", "name another place")
    if _lacks_bucket(error):
        return StoreError(errno.ENOENT, "no such bucket", "check the address, or make the bucket")
    if isinstance(error, FileNotFoundError) or _status(error) == _ABSENT:
        return missing(protocol)
    lacks_login = "credentials" in type(error).__name__.lower()
    if lacks_login or isinstance(error, PermissionError) or _status(error) in _REFUSALS:
        return StoreError(errno.EACCES, f"access was refused ({told})", _LOGINS.get(protocol, _LOGIN))
    return StoreError(getattr(error, "errno", None) or errno.EIO, f"the store failed ({told})", _AGAIN)


def missing(protocol: str) -> StoreError:
    """Return the error for a file that is not in a store.

    >>> missing("s3").mend
    'check the address'
    """
    return StoreError(errno.ENOENT, "no such file", _SEEK.get(protocol, "check the address"))


def _status(error: Exception) -> int | None:
    """Return the status of HTTP that a store answered with; None where the client does not tell."""
    return getattr(getattr(error, "response", None), "status_code", getattr(error, "status", None))


def _lacks_bucket(error: BaseException | None) -> bool:
    """Tell whether a store's answer, or what is behind it, says that there is no such bucket."""
    while error is not None:
        answer = getattr(error, "response", None)
        if isinstance(answer, dict) and answer.get("Error", {}).get("Code") == "NoSuchBucket":
            return True
        error = error.__cause__
    return False


def _told(error: Exception) -> str:
    """Return the first line of what a client says, without secrets."""
    from svit_datasets.remote.redaction import redact

    text = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
    for name in _SECRETS:
        secret = os.environ.get(name)
        text = text.replace(secret, "***") if secret else text
    return redact(hide_user(text))
