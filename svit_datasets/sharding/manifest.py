"""What is finished of a run, so that one that was killed goes on from there: a plan, and files with their digests.

The folder lies beside the output, on a disk or in any store that ``fsspec`` knows. Each finished shard has its files
and, written last, an entry with their digests; what has no entry, or another digest than that, is done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from svit_datasets.errors import SvitWarning, UsageError
from svit_datasets.sharding.folder import LOCK, OF_SHARD, PLAN, Folder, Part
from svit_datasets.writing.writers import encode_ascii, output_error

T = TypeVar("T")
_ENTRY = ".done.json"
_PLACE = re.compile(r"[0-9]{8}" + re.escape(_ENTRY))
_CHUNK_BYTES = 4 << 20


class _Plan(Struct, Generic[T], frozen=True):
    key: str
    plan: T


class Finished(Protocol):
    """What a shard gives back: its files, and whatever else."""

    @property
    def files(self) -> tuple[Part, ...]:
        """The files, which a run that goes on does not write again."""


F = TypeVar("F", bound=Finished)


def write_entry(folder: Folder, place: int, result: Finished) -> None:
    """Take down that the shard at a place is finished."""
    folder.write(f"{place:08}{_ENTRY}", encode_ascii(result))


class Manifest:
    """The plan and the entries of one run.

    Args:
        folder: Where they are.
        key: Digest of all that the result depends on.
    """

    def __init__(self, folder: Folder, key: str) -> None:
        self.folder, self.key = folder, key

    def read_plan(self, kind: type[T]) -> T | None:
        """Return the plan of an earlier run of the same key; None where there is none.

        What is kept of a run of another key is removed, with a warning.
        """
        data = self.folder.read(PLAN)
        try:
            kept: _Plan[T] | None = _decode(data or b"", _Plan[kind])  # type: ignore[valid-type]
        except ValueError:
            kept = None
        if kept is not None and kept.key == self.key:
            return kept.plan
        if data is not None:
            told = f"{self.folder.place}: parts of another run, by its options, inputs or version; starting over"
            warnings.warn(told, SvitWarning, stacklevel=2)
        self.folder.clear()
        return None

    @property
    def has_plan(self) -> bool:
        """Whether a run began here."""
        return self.folder.read(PLAN) is not None

    def write_plan(self, plan: object) -> None:
        """Keep the plan."""
        self.folder.write(PLAN, encode_ascii(_Plan(self.key, plan)))

    def finished(self, kind: type[F]) -> dict[int, F]:
        """Return the results of the shards whose files have the digests that were taken down, by their places."""
        found = {}
        for name in self._entries():
            try:
                result: F = _decode(self.folder.read(name) or b"", kind)
            except ValueError:
                continue  # it was being written when the process was killed
            if all(self._is_whole(part) for part in result.files):
                found[int(name[:8])] = result
        return found

    def count_finished(self) -> int:
        """Return the number of shards that were taken down as finished; their files are not looked at."""
        return len(self._entries())

    def drop_unfinished(self) -> None:
        """Remove the files of the shards that are not finished, so that they hold no room."""
        finished = {name[:8] for name in self._entries()}
        for name in self.folder.names():
            if OF_SHARD.fullmatch(name) and name[:8] not in finished:
                self.folder.drop(name)

    def _entries(self) -> list[str]:
        return [name for name in self.folder.names() if _PLACE.fullmatch(name)]

    def read_part(self, part: Part) -> Iterator[bytes]:
        """Yield the bytes of a file of a shard."""
        with self.folder.open(part.name) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk

    def _is_whole(self, part: Part) -> bool:
        digest = hashlib.sha256()
        try:
            for chunk in self.read_part(part):
                digest.update(chunk)
        except OSError:
            return False
        return digest.hexdigest() == part.sha256


def _decode(data: bytes, kind: Any) -> Any:
    return msgspec.convert(json.loads(data), kind)  # msgspec reads no names of files that are not UTF-8


@contextmanager
def open_manifest(place: str, target: str, key: str) -> Iterator[Manifest]:
    """Open the folder of a run; on a disk, for this process alone.

    Args:
        place: The folder, which is made.
        target: What the user called the output.
        key: Digest of all that the result depends on.

    Yields:
        The manifest. A folder without a plan is removed when the block ends.

    Raises:
        UsageError: Another process writes the same output.
        OutputError: The folder cannot be made.
    """
    folder = Folder(place)
    lock = _lock(folder, target) if folder.is_local else None
    try:
        manifest = Manifest(folder, key)
        try:
            yield manifest
        finally:
            if not manifest.has_plan:
                folder.remove()
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Folder, target: str) -> int:
    try:
        Path(folder.root).mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.path(LOCK), os.O_CREAT | os.O_WRONLY, 0o666)
    except OSError as error:
        raise output_error(target, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise UsageError(f"{target}: another process writes it; wait for it, or name another output") from None
    return lock
