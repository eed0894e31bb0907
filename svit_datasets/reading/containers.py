"""Open a JSON file wherever it lies, here or in a store: plain, gzip, a zip with one member, or standard input."""

from __future__ import annotations

import gzip
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from svit_datasets.errors import InputError
from svit_datasets.findings import finding
from svit_datasets.reading.input_files import STDIN as STDIN
from svit_datasets.reading.input_files import check_exists as check_exists
from svit_datasets.reading.input_files import exists as exists
from svit_datasets.reading.input_files import fault_error as fault_error
from svit_datasets.reading.input_files import input_error as input_error
from svit_datasets.reading.input_files import open_file_of, unreadable
from svit_datasets.reading.input_files import path_names as path_names
from svit_datasets.reading.window import Read
from svit_datasets.records import find_task
from svit_datasets.remote.names import shown_name

_GZIP, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_BOMB_BYTES, _BOMB_RATIO = 256 << 20, 300  # JSON text packs 4 to 30 times; a bomb packs 1000 times
_ARCHIVE_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


@dataclass(frozen=True)
class Source:
    """An open input.

    Attributes:
        name: The input as the user named it.
        read: Gives up to n further bytes of JSON text, b"" at the end.
        tell: Tells how many bytes of the file itself were read, for progress.
        total_bytes: Size of the file itself; None for a pipe.
        text_bytes: Size of its JSON text; None where only reading to the end tells.
        seek: Moves to a byte of the JSON text; None where that cannot be done.
    """

    name: str
    read: Read
    tell: Callable[[], int]
    total_bytes: int | None
    text_bytes: int | None = None
    seek: Callable[[int], object] | None = None


@contextmanager
def open_source(name: str | Path, *, member: str | None = None) -> Iterator[Source]:
    """Open ``name`` for reading; what it is shows in its first bytes, not in its ending.

    Args:
        name: A path, a URL that ``fsspec`` knows, or ``-`` for standard input.
        member: The task whose file to take out of a zip that holds several.

    Yields:
        The source. Nothing is unpacked to disk, but for a zip that comes through a pipe.

    Raises:
        InputError: It is missing, no file, not readable, or a zip without exactly one JSON inside.
    """
    name = str(name)
    with ExitStack() as stack:
        raw, total = _open_raw(name, stack)
        text = _open_text(name, raw, total, member, stack)
        yield Source(
            shown_name(name), text.read, raw.tell if raw.seekable() else lambda: 0, total, text.size, text.seek
        )


def _open_raw(name: str, stack: ExitStack) -> tuple[IO[bytes], int | None]:
    if name == STDIN:
        if sys.stdin is None:
            raise input_error(finding("input-missing", "standard input is closed", file=name))
        return sys.stdin.buffer, None
    raw, total = open_file_of(name)
    return stack.enter_context(raw), total


class _Text(NamedTuple):
    """The JSON text in a file: how to read it, its size if it is known, how to move in it."""

    read: Read
    size: int | None = None
    seek: Callable[[int], object] | None = None


def _open_text(name: str, raw: IO[bytes], total: int | None, member: str | None, stack: ExitStack) -> _Text:
    peek = getattr(raw, "peek", None)
    try:
        head = bytes(peek(4))[:4] if peek else b""
    except OSError as error:
        raise unreadable(name, error) from error
    if head.startswith(_GZIP):
        packed = stack.enter_context(gzip.open(raw, "rb"))
        return _Text(_guarded(name, packed.read, raw.tell if raw.seekable() else None))
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        if not raw.seekable():
            raw = _spool(name, raw, stack)
        return _open_zip(name, raw, member, stack)
    return _Text(_guarded(name, raw.read, None), total, raw.seek if raw.seekable() else None)


def _spool(name: str, raw: IO[bytes], stack: ExitStack) -> IO[bytes]:
    """Return a zip that comes through a pipe as a temporary file, for its table stands at its end."""
    spool = stack.enter_context(tempfile.TemporaryFile())
    try:
        shutil.copyfileobj(raw, spool)
        spool.flush()
    except OSError as error:
        raise unreadable(name, error) from error
    return spool


def _open_zip(name: str, raw: IO[bytes], stem: str | None, stack: ExitStack) -> _Text:
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
        members = [m for m in archive.infolist() if _is_json(m.filename)]
        there = members
        if stem is not None:
            members = [m for m in members if stem in (Path(m.filename).stem, find_task(Path(m.filename).stem))]
        if len(members) != 1 and stem is not None:
            found = f"{len(members)} of {stem} (in it: {', '.join(m.filename for m in there[:8]) or 'nothing'})"
            expected = f"one {stem}.json inside the zip"
            raise input_error(finding("input-members", found, file=name, expected=expected))
        if len(members) != 1:
            names = ", ".join(m.filename for m in members[:5]) or "none"
            raise input_error(finding("input-members", f"{len(members)} ({names})", file=name))
        text = stack.enter_context(archive.open(members[0]))
    except InputError:
        raise
    except OSError as error:
        raise unreadable(name, error) from error
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise input_error(finding("input-damaged", str(error), file=name)) from error
    read = _guarded(name, text.read, lambda: members[0].compress_size)
    return _Text(read, members[0].file_size, _guarded_seek(name, text.seek))


def _is_json(member: str) -> bool:
    return member.endswith((".json", ".jsonl")) and not member.startswith("__MACOSX/")


def _guarded(name: str, read: Read, packed: Callable[[], int] | None) -> Read:
    """Return ``read`` with the archive's own faults named, and with a stop where it expands without end."""
    done = 0

    def guarded(size: int) -> bytes:
        nonlocal done
        try:
            data = read(size)
        except OSError as error:
            if not isinstance(error, gzip.BadGzipFile) and error.errno is not None:
                raise unreadable(name, error) from error
            raise input_error(finding("input-damaged", str(error), file=name)) from error
        except _ARCHIVE_FAULTS as error:
            raise input_error(finding("input-damaged", str(error), file=name)) from error
        done += len(data)
        if packed and done > _BOMB_BYTES and done > _BOMB_RATIO * max(1, packed()):
            found = f"{done >> 20} MB from {packed():,} bytes, and no end"
            raise input_error(finding("input-bomb", found, file=name))
        return data

    return guarded


def _guarded_seek(name: str, seek: Callable[[int], object]) -> Callable[[int], object]:
    """Return ``seek``, which unpacks all before the place, with the archive's own faults named."""

    def guarded(at: int) -> None:
        try:
            seek(at)
        except OSError as error:
            raise unreadable(name, error) from error
        except _ARCHIVE_FAULTS as error:
            raise input_error(finding("input-damaged", str(error), file=name)) from error

    return guarded
