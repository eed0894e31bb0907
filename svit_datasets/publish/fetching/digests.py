"""Tell whether a file on disk is the one that the Hub has, by its size and digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

from svit_datasets.publish.fetching.wanted import RemoteFile

_CHUNK_BYTES = 1 << 20
_SHA256_LETTERS = 64


def is_same_file(path: Path, remote: RemoteFile) -> bool:
    """Tell whether a file on disk is the one on the Hub; reads it whole where the sizes are equal."""
    if not path.is_file() or path.stat().st_size != remote.size_bytes:
        return False
    with path.open("rb") as stream:
        return digest_of(stream, remote) == remote.digest


def digest_of(stream: IO[bytes], remote: RemoteFile) -> str:
    """Return the digest of some bytes in the way that the Hub tells it of a file.

    >>> from io import BytesIO
    >>> digest_of(BytesIO(b"hello\\n"), RemoteFile("a.txt", 6, "ce013625030ba8dba906f756967f9e9ca394464a"))
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    is_large = len(remote.digest) == _SHA256_LETTERS
    digest = hashlib.sha256() if is_large else hashlib.sha1(b"blob %d\0" % remote.size_bytes, usedforsecurity=False)
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
