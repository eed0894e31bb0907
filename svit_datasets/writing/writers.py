"""Write files that appear whole or not at all, together."""

from __future__ import annotations

import codecs
import errno
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

import msgspec

from svit_datasets.errors import SvitError, UsageError
from svit_datasets.remote.names import local_path, shown_name
from svit_datasets.writing.output_names import is_same as is_same
from svit_datasets.writing.output_names import refuse_address
from svit_datasets.writing.output_names import refuse_file as refuse_file
from svit_datasets.writing.output_names import refuse_target as refuse_target
from svit_datasets.writing.targets import STDOUT as STDOUT
from svit_datasets.writing.targets import Folders, LocalTarget, Spool, StdoutTarget, StoreTarget, Target
from svit_datasets.writing.targets import close_quietly as close_quietly
from svit_datasets.writing.targets import output_error as output_error

LIST_BEGIN, BETWEEN = b"[\n", b",\n"
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


_STEPS = tuple(map(methodcaller, ("finish", "send", "publish", "settle")))  # of every target, before the next


class OutputSet:
    """Files that are written together: all appear under their names when the block ends well, else none.

    Each is written to a temporary file in the folder of its target and renamed at the end; one in a store is sent
    there while it is written, and made to appear at the end. Standard output is spooled and sent at the end.

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
        self._targets: list[Target] = []
        self._folders = Folders()

    def __enter__(self) -> OutputSet:
        return self

    def open(self, target: str | Path) -> OutputFile:
        """Begin a file that will appear as ``target``; ``-`` is standard output."""
        name = str(target)
        if name == STDOUT:
            if sys.stdout is None:
                raise output_error(name, OSError(errno.EBADF, "standard output is closed"))
            return self._added(StdoutTarget())
        if any(t.name and t.name != STDOUT and is_same(t.name, target) for t in self._targets):
            raise UsageError(f"{shown_name(name)}: is named for two outputs; name another")
        refuse_target(target, inputs=self._inputs, overwrite=self._overwrite)
        try:
            path = local_path(name)
            if path is None:
                return self._added(StoreTarget(name))
            begun = LocalTarget(name, path)
            self._targets.append(begun)
            begun.begin(self._folders)
        except OSError as error:
            raise output_error(name, error) from error
        return OutputFile(name, begun.write, begun)

    def _added(self, target: Target) -> OutputFile:
        self._targets.append(target)
        return OutputFile(target.name, target.write)

    def spool(self, folder: str | Path) -> IO[bytes]:
        """Return an unnamed temporary file on the disk of ``folder``, which is made if needed, or of the system."""
        refuse_address(str(folder))
        path = local_path(str(folder))
        try:
            if path is not None:
                self._folders.make(path)
            spool = Spool(path)
        except OSError as error:
            raise output_error(str(folder), error) from error
        self._targets.append(spool)
        return spool.stream

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
            name = next((t.name for t in self._targets if t.name), "temporary file")
            raise output_error(name, error) from error

    def _publish(self) -> None:
        named = [target for target in self._targets if target.name]
        for step in _STEPS:
            for target in named:
                try:
                    step(target)
                except OSError as error:
                    raise output_error(target.name, error) from error
        for target in self._targets:
            if isinstance(target, Spool):
                target.discard()

    def _discard(self) -> None:
        for target in self._targets:
            target.discard()
        self._folders.remove_empty()


class OutputFile:
    """One file of an ``OutputSet``, with the system's faults named.

    Attributes:
        local: The file of this machine that it grows in, which others may write too; None elsewhere.
        bytes: Its size so far.
    """

    def __init__(self, name: str, write: Callable[[bytes], object], local: LocalTarget | None = None) -> None:
        self.name, self._write, self.local = name, write, local
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        try:
            self._write(data)
        except OSError as error:
            raise output_error(self.name, error) from error
        self.bytes += len(data)

    def pass_over(self, end_byte: int) -> None:
        """Go on behind what others have written to the file, to which nothing was written here."""
        assert self.local is not None
        self.local.go_to(end_byte)
        self.bytes = end_byte


class Output(Protocol):
    """What bytes are appended to."""

    name: str

    def write(self, data: bytes) -> None:
        """Append ``data``."""


class JsonList:
    """A JSON list, written one element a line.

    Args:
        file: Takes it.
        is_part: Whether only elements and what stands between them are written, a part of a list.
    """

    def __init__(self, file: Output, *, is_part: bool = False) -> None:
        self.file, self.count = file, 0
        self._begin, self._end, self._nothing = (b"", b"", b"") if is_part else (LIST_BEGIN, b"\n]\n", b"[]\n")

    def append(self, element: bytes) -> None:
        """Append one element, already encoded."""
        self.file.write((BETWEEN if self.count else self._begin) + element)
        self.count += 1

    def extend(self, elements: Sequence[bytes]) -> None:
        """Append some elements, already encoded."""
        if elements:
            self.file.write((BETWEEN if self.count else self._begin) + BETWEEN.join(elements))
            self.count += len(elements)

    def extend_joined(self, chunks: Iterable[bytes], count: int) -> None:
        """Append ``count`` elements that are encoded and joined already, in pieces cut anywhere."""
        if count:
            self.file.write(BETWEEN if self.count else self._begin)
            for chunk in chunks:
                self.file.write(chunk)
            self.count += count

    def pass_over(self, count: int) -> None:
        """Count elements that others have written to the file."""
        self.count += count

    def close(self) -> None:
        """Write the list's end."""
        self.file.write(self._end if self.count else self._nothing)
