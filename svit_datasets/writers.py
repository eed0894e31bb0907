"""Write files that appear whole or not at all: temporary files beside their targets, renamed together."""

from __future__ import annotations

import codecs
import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from svit_datasets.containers import STDIN
from svit_datasets.errors import OutputError, SvitError, UsageError

STDOUT = STDIN
_ENCODER = msgspec.json.Encoder()


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    utf16 = error.object[error.start : error.end].encode("utf-16-be")
    pairs = (utf16[i : i + 2].hex() for i in range(0, len(utf16), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error("svit_json_escape", _escape)


def encode_ascii(value: Any) -> bytes:
    """Return ``value`` as JSON in ASCII, other characters as ``\\uXXXX``; LLaVA opens files without an encoding.

    Args:
        value: Anything msgspec encodes; ``msgspec.Raw`` goes out as it is.

    Returns:
        Compact JSON, one line unless raw parts hold line breaks.

    >>> encode_ascii({"a": "caf\\u00e9 \\U0001f600"})
    b'{"a":"caf\\\\u00e9 \\\\ud83d\\\\ude00"}'
    """
    try:
        data = _ENCODER.encode(value)
    except UnicodeEncodeError:  # a file name that is not UTF-8 stands in a finding
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()
    return data if data.isascii() else data.decode().encode("ascii", "svit_json_escape")


def is_same(left: str | Path, right: str | Path) -> bool:
    """Tell whether two paths mean the same file, there or not.

    >>> is_same("a/../b.json", "./b.json")
    True
    """
    return Path(left).resolve() == Path(right).resolve()


def refuse_file(folder: str | Path, purpose: str = "") -> None:
    """Raise where ``folder`` cannot be a folder: it is a file, or the system refuses the name."""
    try:
        if Path(folder).exists() and not Path(folder).is_dir():
            raise UsageError(f"{folder}: is a file; name a folder{purpose}")
    except OSError as error:
        raise output_error(str(folder), error) from error


def refuse_target(path: str | Path, *, inputs: Iterable[str | Path] = (), overwrite: bool = False) -> None:
    """Raise ``UsageError`` where ``path`` must not be written: a folder, an input, or a file that exists."""
    target = Path(path)
    try:
        if str(path) == STDOUT or not target.exists():
            return
    except OSError as error:
        raise output_error(str(path), error) from error
    if target.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it")
    if not target.is_file():
        raise UsageError(f"{path}: is a pipe or a device; write to - and redirect")
    if any(str(i) != STDIN and _holds(Path(i), target) for i in inputs):
        raise UsageError(f"{path}: is an input; inputs are never modified, so name another output")
    if not overwrite:
        raise UsageError(f"{path}: exists already; name another output or pass --overwrite")


def _holds(source: Path, target: Path) -> bool:
    """Tell whether ``target`` is the input ``source``, or an image, archive or size table in that folder."""
    if not source.is_dir():
        return source.exists() and source.samefile(target)
    is_data = target.suffix in (".jpg", ".zip") or target.name.startswith("image_data")
    return is_data and target.resolve().is_relative_to(source.resolve())


class OutputSet:
    """Files that are written together: all appear under their names when the block ends well, else none.

    Each is written to a temporary file in the folder of its target and renamed at the end. Standard output is
    spooled and sent at the end.

    Args:
        inputs: Paths that must not be written over.
        overwrite: Whether an existing file may be replaced.

    Raises:
        UsageError: A target exists and ``overwrite`` is false, or is one of the inputs.
        OutputError: A file cannot be written.
    """

    def __init__(self, *, inputs: Iterable[str | Path] = (), overwrite: bool = False) -> None:
        self._inputs = list(inputs)
        self._overwrite = overwrite
        self._open: list[tuple[str, IO[bytes], Path | None]] = []
        self._parts: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> OutputSet:
        return self

    def open(self, target: str | Path) -> OutputFile:
        """Begin a file that will appear as ``target``; ``-`` is standard output."""
        name = str(target)
        if name == STDOUT:
            if sys.stdout is None:
                raise output_error(name, OSError(errno.EBADF, "standard output is closed"))
            stream: IO[bytes] = tempfile.TemporaryFile()
            self._open.append((name, stream, None))
            return OutputFile(name, stream)
        path = Path(name)
        if any(opened and opened != STDOUT and is_same(opened, path) for opened, _, _ in self._open):
            raise UsageError(f"{name}: is named for two outputs; name another")
        refuse_target(path, inputs=self._inputs, overwrite=self._overwrite)
        try:
            self._make_folder(path.parent)
            handle, temporary = tempfile.mkstemp(prefix=".svit-", suffix=".part", dir=path.parent)
            self._parts.append(Path(temporary))
        except OSError as error:
            raise output_error(name, error) from error
        stream = os.fdopen(handle, "wb", buffering=1 << 20)
        self._open.append((name, stream, Path(temporary)))
        return OutputFile(name, stream)

    def spool(self, folder: str | Path) -> IO[bytes]:
        """Return an unnamed temporary file on the disk of ``folder``, which is made if needed."""
        try:
            self._make_folder(Path(folder))
            stream = tempfile.TemporaryFile(dir=folder, buffering=1 << 20)
        except OSError as error:
            raise output_error(str(folder), error) from error
        self._open.append(("", stream, None))
        return stream

    def _make_folder(self, folder: Path) -> None:
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        self._made += missing
        folder.mkdir(parents=True, exist_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._publish()
            except BaseException:
                self._discard()
                raise
            return
        self._discard()
        if isinstance(error, OSError) and not isinstance(error, SvitError):
            raise output_error(self._name(), error) from error

    def _name(self) -> str:
        """Return the name of an output, for a fault of the temporary files that stand for it."""
        return next((name for name, _, _ in self._open if name), "temporary file")

    def _publish(self) -> None:
        for name, stream, temporary in self._open:
            if not name:
                continue
            try:
                stream.flush()
                if temporary is not None:
                    os.fsync(stream.fileno())
            except OSError as error:
                raise output_error(name, error) from error
        mode = 0o666 & ~_umask()
        for name, stream, _ in self._open:
            if name == STDOUT:
                _send(stream)
        done: list[tuple[Path, Path | None]] = []
        try:
            for name, stream, temporary in self._open:
                stream.close()
                if temporary is not None:
                    temporary.chmod(mode)
                    before = self._keep(Path(name))
                    temporary.replace(name)
                    done.append((Path(name), before))
        except BaseException as error:
            for target, before in done:
                target.unlink(missing_ok=True) if before is None else before.replace(target)
            if isinstance(error, OSError):
                raise output_error(name, error) from error
            raise
        for _, before in done:
            if before is not None:
                before.unlink()

    def _keep(self, target: Path) -> Path | None:
        """Return a second name for a file that is about to be replaced, to take it back; None if there is none."""
        if not target.is_file():
            return None
        before = target.with_name(f".svit-{os.urandom(6).hex()}.part")
        self._parts.append(before)
        os.link(target, before)
        return before

    def _discard(self) -> None:
        for _, stream, _ in self._open:
            close_quietly(stream)
        for part in self._parts:
            part.unlink(missing_ok=True)
        for folder in sorted(set(self._made), key=lambda f: len(f.parts), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def close_quietly(stream: IO[bytes]) -> None:
    """Close a file that is thrown away; what it still buffers may not fit on a full disk."""
    try:
        stream.close()
    except OSError:
        stream.close()


def _send(stream: IO[bytes]) -> None:
    try:
        stream.seek(0)
        while chunk := stream.read(1 << 20):
            _write_all(sys.stdout.buffer, chunk)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise output_error(STDOUT, error) from error


def _write_all(target: IO[bytes], data: bytes) -> None:
    """Write all of ``data``; an unbuffered standard output may take a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) :]


def output_error(name: str, error: OSError) -> OutputError:
    """Return the exception for a file that could not be written."""
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"{name}: {reason}; nothing was written under this name. Make room or name another place")


class OutputFile:
    """One file of an ``OutputSet``, with the system's faults named."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self.name, self._stream = name, stream
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        try:
            self._stream.write(data)
        except OSError as error:
            raise output_error(self.name, error) from error
        self.bytes += len(data)


class JsonList:
    """A JSON list, written one element a line."""

    def __init__(self, file: OutputFile) -> None:
        self.file, self.count = file, 0

    def append(self, element: bytes) -> None:
        """Append one element, already encoded."""
        self.file.write((b",\n" if self.count else b"[\n") + element)
        self.count += 1

    def extend(self, elements: Sequence[bytes]) -> None:
        """Append some elements, already encoded."""
        if elements:
            self.file.write((b",\n" if self.count else b"[\n") + b",\n".join(elements))
            self.count += len(elements)

    def close(self) -> None:
        """Write the list's end."""
        self.file.write(b"\n]\n" if self.count else b"[]\n")
