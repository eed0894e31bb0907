"""Provenance beside a LLaVA file: JSON lines of ``{"id": ..., "svit": {...}}``, found again by id."""

from __future__ import annotations

import shutil
import tempfile
from array import array
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from svit_datasets.findings import finding
from svit_datasets.reading.input_files import input_error, open_file_of, unreadable
from svit_datasets.remote.names import is_remote
from svit_datasets.writing.writers import encode_ascii

SIDECAR_SUFFIX = ".svit.jsonl"


class _Line(Struct):
    id: str
    svit: Raw


_DECODE = msgspec.json.Decoder(_Line).decode


def sidecar_line(row_id: str, svit: Mapping[str, Any]) -> bytes:
    """Return the line of one record.

    >>> sidecar_line("detail_description-5-0", {"at": "d0.0.5"})
    b'{"id":"detail_description-5-0","svit":{"at":"d0.0.5"}}\\n'
    """
    return encode_ascii({"id": row_id, "svit": svit}) + b"\n"


def _key(row_id: str) -> int:
    return int.from_bytes(blake2b(row_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def _open(name: str) -> IO[bytes]:
    """Open a sidecar; one in a store is copied to a temporary file first, for its lines are asked for in any order."""
    file, _ = open_file_of(name)
    if not is_remote(name):
        return file
    spool = tempfile.TemporaryFile()
    try:
        with file:
            shutil.copyfileobj(file, spool, 1 << 20)
        spool.seek(0)
    except OSError as error:
        spool.close()
        raise unreadable(name, error) from error
    return spool


class Sidecar:
    """A sidecar file, looked up by id; in memory are 16 bytes a record.

    Args:
        path: The file.

    Raises:
        InputError: It is missing, or a line is not what ``to_llava`` writes.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._file = _open(self.name)
        keys, offsets, offset = array("q"), array("q"), 0
        for number, line in enumerate(self._file, 1):
            if line.isspace():
                offset += len(line)
                continue
            try:
                keys.append(_key(_DECODE(line).id))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._file.close()
                fault = finding("input-not-json", str(error), file=self.name, record=number)
                raise input_error(fault) from error
            offsets.append(offset)
            offset += len(line)
        key_array, offset_array = np.array(keys, dtype=np.int64), np.array(offsets, dtype=np.int64)
        order = np.argsort(key_array, kind="stable")
        self._keys, self._offsets = key_array[order], offset_array[order]

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def get(self, row_id: str) -> bytes | None:
        """Return the provenance of a record as JSON text, None if the file has none for its id."""
        key = _key(row_id)
        at = int(np.searchsorted(self._keys, key))
        while at < len(self._keys) and self._keys[at] == key:
            self._file.seek(int(self._offsets[at]))
            line = _DECODE(self._file.readline())
            if line.id == row_id:
                return bytes(line.svit)
            at += 1
        return None
