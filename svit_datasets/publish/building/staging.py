"""The folder in which a build grows, beside the one that it becomes: what is finished in it outlives a kill."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding
from svit_datasets.publish.building.plan import Span
from svit_datasets.publish.building.recipe import Done
from svit_datasets.publish.layout import CROISSANT, DATA
from svit_datasets.writing.writers import encode_ascii, output_error, refuse_file

_PLAN, _JOURNAL, _LOCK, _BEFORE = "plan.json", "done.jsonl", "lock", "before"
T = TypeVar("T")


class Plan(msgspec.Struct, frozen=True):
    """What a build is to write, decided once.

    Attributes:
        key: Digest of the options and of the source.
        spans: The shards of all splits.
        counts: What was read, for the report.
        findings: What was wrong with it.
    """

    key: str
    spans: tuple[Span, ...]
    counts: dict[str, int]
    findings: tuple[Finding, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    """A line of the journal: a span that is finished."""

    place: int
    done: Done


class Staging:
    """The folder of one build.

    Attributes:
        path: The folder.
        records: In it, records and indexes.
        folder: In it, what becomes the output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records, self.folder = path / "records", path / "folder"

    @property
    def has_plan(self) -> bool:
        """Whether a build decided here what to write."""
        return (self.path / _PLAN).exists()

    def read_plan(self, key: str) -> Plan | None:
        """Return the plan that is there; None, with all else removed, where it is none of this build's."""
        try:
            plan = _decode((self.path / _PLAN).read_bytes(), Plan)
        except (OSError, ValueError):
            plan = None
        if plan is not None and plan.key == key:
            return plan
        self.clear()
        return None

    def clear(self) -> None:
        """Remove all but the lock, the plan first: what a killed removal leaves is no build to go on with."""
        self._forget_plan()
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
        self.records.mkdir()
        self.folder.mkdir()

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan, whole."""
        part = self.path / f"{_PLAN}.part"
        part.write_bytes(encode_ascii(plan))
        part.replace(self.path / _PLAN)

    def finished(self) -> dict[int, Done]:
        """Return what is written, by its place in the plan: shards whose files have the digest that was taken down."""
        found = {}
        journal = self.path / _JOURNAL
        for line in journal.read_bytes().splitlines() if journal.exists() else ():
            try:
                entry = _decode(line, _Line)
            except ValueError:
                continue  # the line that was being written when the process was killed
            if all(_is_whole(self.folder / s.path, s.sha256) for s in entry.done.shards):
                found[entry.place] = entry.done
        return found

    def note(self, place: int, done: Done) -> None:
        """Take down that a span is finished."""
        with (self.path / _JOURNAL).open("ab") as file:
            file.write(b"\n" + encode_ascii(_Line(place, done)))  # behind a line that was cut short, a line of its own
            file.flush()
            os.fsync(file.fileno())

    def _forget_plan(self) -> None:
        for name in (_PLAN, _JOURNAL):
            (self.path / name).unlink(missing_ok=True)

    def become(self, target: Path, *, overwrite: bool) -> None:
        """Give the output its name, in place of what is there, and remove the rest.

        Raises:
            UsageError: A folder that must not be replaced has appeared there meanwhile.
        """
        target = target.resolve()
        _refuse_existing(target, overwrite=overwrite)
        if target.exists():
            target.replace(self.path / _BEFORE)
        try:
            self.folder.replace(target)
        except OSError:
            self.restore(target)
            raise
        self._forget_plan()
        shutil.rmtree(self.path, ignore_errors=True)  # the output has its name; what stays here is rubbish

    def restore(self, target: Path) -> bool:
        """Give what was to be replaced its name back, where the process ended before another had it; tell whether."""
        before = self.path / _BEFORE
        if target.exists() or not before.exists():
            return False
        before.replace(target)
        return True

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._forget_plan()
        shutil.rmtree(self.path)


def refuse_output(target: Path, source: Path, *, overwrite: bool) -> None:
    """Raise ``UsageError`` where ``target`` must not be written: it holds the source, or is not an earlier build."""
    refuse_file(target)
    real = target.resolve()
    if source.resolve().is_relative_to(real):
        raise UsageError(f"{target}: holds the source; inputs are never modified, so name another folder")
    if Path.cwd().is_relative_to(real) or real.is_mount():
        kind = "a disk" if real.is_mount() else "the folder you are in"
        raise UsageError(f"{target}: is {kind}, which a finished folder cannot take the place of; name one in it")
    _refuse_existing(target, overwrite=overwrite)


def _refuse_existing(target: Path, *, overwrite: bool) -> None:
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not overwrite:
        raise UsageError(f"{target}: exists already; name another folder or pass --overwrite")
    if not (target / CROISSANT).is_file() or not (target / DATA).is_dir():
        raise UsageError(f"{target}: is not a folder that build made, so --overwrite leaves it alone; name another")


def _decode(data: bytes, kind: type[T]) -> T:
    return msgspec.convert(json.loads(data), kind)  # msgspec reads no names of files that are not UTF-8


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


@contextmanager
def open_staging(target: Path, *, overwrite: bool = False) -> Iterator[Staging]:
    """Open the folder in which ``target`` grows, ``.NAME.svit-build`` beside it, for one process alone.

    Args:
        target: The folder that it becomes.
        overwrite: Whether it may be replaced, should a killed process have left it without its name.

    Yields:
        The folder; what an earlier, interrupted build left is in it.

    Raises:
        UsageError: Another process builds there.
        OutputError: It cannot be made.
    """
    real = target.resolve()
    path = real.with_name(f".{real.name}.svit-build")
    with _open_lock(path, target) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"{target}: another process builds it; wait for it, or name another folder") from None
        staging = Staging(path)
        if staging.restore(real):
            _refuse_existing(target, overwrite=overwrite)
        try:
            yield staging
        finally:
            if path.exists() and not staging.has_plan:
                staging.remove()  # nothing in it is of use to a later build


def _open_lock(folder: Path, target: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / _LOCK).open("wb")
    except OSError as error:
        raise output_error(str(target), error) from error
