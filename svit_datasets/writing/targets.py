"""Where an output goes: a file of this machine, standard output, a store. Written out of sight, then made to appear."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import IO, Protocol

from svit_datasets.errors import OutputError, SvitWarning
from svit_datasets.reading.input_files import STDIN, reason_of
from svit_datasets.remote.files import StoreError, explained, look
from svit_datasets.remote.names import shown_name
from svit_datasets.remote.uploads import Upload, open_upload

STDOUT = STDIN
_BUFFER_BYTES = 1 << 20
_MEND = "Make room or name another place"


def output_error(name: str, error: OSError) -> OutputError:
    """Return the exception for a file that could not be written."""
    mend = getattr(error, "mend", _MEND)
    return OutputError(
        f"{shown_name(name)}: {reason_of(error)}; nothing was written under this name. {mend[:1].upper()}{mend[1:]}"
    )


def close_quietly(stream: IO[bytes]) -> None:
    """Close a file that is thrown away; what it still buffers may not fit on a full disk."""
    try:
        stream.close()
    except OSError:
        stream.close()


class Target(Protocol):
    """An output that is being written.

    Attributes:
        name: The output as the user named it; '' for a temporary file.
    """

    name: str

    def write(self, data: bytes) -> object:
        """Append ``data``, out of sight."""

    def finish(self) -> None:
        """Bring all of it where it goes, still out of sight; what can fail should fail here."""

    def send(self) -> None:
        """Do what cannot be taken back."""

    def publish(self) -> None:
        """Make it appear under its name."""

    def settle(self) -> None:
        """Forget what it replaced."""

    def discard(self) -> None:
        """Leave nothing of it, and under its name what was there before."""


class Folders:
    """The folders that were made for outputs, to take away those that stay empty."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def make(self, folder: Path) -> None:
        """Make a folder with those above it."""
        self._made += [p for p in (folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=True)

    def remove_empty(self) -> None:
        """Remove those that were made and hold nothing."""
        for folder in sorted(set(self._made), key=lambda f: len(f.parts), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


class Spool:
    """A temporary file without a name."""

    def __init__(self, folder: Path | None = None, name: str = "") -> None:
        self.name = name
        self.stream: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=_BUFFER_BYTES)

    def write(self, data: bytes) -> object:
        """See ``Target.write``."""
        return self.stream.write(data)

    def finish(self) -> None:
        """See ``Target.finish``."""
        self.stream.flush()

    def send(self) -> None:
        """See ``Target.send``."""

    def publish(self) -> None:
        """See ``Target.publish``."""

    def settle(self) -> None:
        """See ``Target.settle``."""

    def discard(self) -> None:
        """See ``Target.discard``."""
        close_quietly(self.stream)


class StdoutTarget(Spool):
    """Standard output: a temporary file, sent at the end."""

    def __init__(self) -> None:
        super().__init__(name=STDOUT)

    def send(self) -> None:
        """See ``Target.send``."""
        self.stream.seek(0)
        while chunk := self.stream.read(_BUFFER_BYTES):
            rest = memoryview(chunk)
            while rest:  # an unbuffered standard output may take a part at a time
                rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()


class LocalTarget:
    """A temporary file in the folder of its target, renamed at the end.

    Args:
        name: The output as the user named it.
        path: Where it goes.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path
        self._stream: IO[bytes] | None = None
        self._part: Path | None = None
        self._before: Path | None = None
        self._is_there = False

    def begin(self, folders: Folders) -> None:
        """Make the temporary file."""
        folders.make(self._path.parent)
        handle, part = tempfile.mkstemp(prefix=".svit-", suffix=".part", dir=self._path.parent)
        self._part = Path(part)
        self._stream = os.fdopen(handle, "wb", buffering=_BUFFER_BYTES)
        self.write = self._stream.write

    @property
    def part(self) -> Path:
        """The temporary file."""
        assert self._part is not None
        return self._part

    def go_to(self, byte: int) -> None:
        """Go on writing at a place of the temporary file, to which others write too."""
        assert self._stream is not None
        self._stream.seek(byte)

    def finish(self) -> None:
        """See ``Target.finish``."""
        assert self._stream is not None
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def send(self) -> None:
        """See ``Target.send``."""

    def publish(self) -> None:
        """See ``Target.publish``; what was there keeps a second name until all is well."""
        assert self._stream is not None
        assert self._part is not None
        self._stream.close()
        self._part.chmod(0o666 & ~_umask())
        if self._path.is_file():
            self._before = self._path.with_name(f".svit-{os.urandom(6).hex()}.part")
            os.link(self._path, self._before)
        self._part.replace(self._path)
        self._is_there = True

    def settle(self) -> None:
        """See ``Target.settle``."""
        if self._before is not None:
            self._before.unlink()

    def discard(self) -> None:
        """See ``Target.discard``."""
        if self._stream is not None:
            close_quietly(self._stream)
        if self._is_there:
            self._path.unlink() if self._before is None else self._before.replace(self._path)
        for part in (self._part, self._before):
            if part is not None:
                part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class StoreTarget:
    """A file in a store. What it replaced cannot be brought back, so the new one stays where another output fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._replaces = look(name) is not None
        self._upload: Upload = open_upload(name)
        self.write = self._upload.write
        self._is_there = False

    def finish(self) -> None:
        """See ``Target.finish``."""
        self._upload.finish()

    def send(self) -> None:
        """See ``Target.send``."""

    def publish(self) -> None:
        """See ``Target.publish``."""
        self._upload.commit()
        self._is_there = True

    def settle(self) -> None:
        """See ``Target.settle``."""

    def discard(self) -> None:
        """See ``Target.discard``."""
        try:
            with explained(self.name):
                self._upload.discard(keep_committed=self._replaces)
            told = "was replaced already, and what was there is gone" if self._replaces and self._is_there else ""
        except StoreError as error:  # the run has failed for another reason, which is the one to tell
            told = f"what was sent could not be thrown away: {error}; look for unfinished uploads"
        if told:
            warnings.warn(f"{shown_name(self.name)}: {told}", SvitWarning, stacklevel=2)
