"""The parts of an exchange with the loopback Hub: the request with its body, and the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qs, urlsplit

from hub_store import CHUNK_BYTES, Blob


class Refused(Exception):  # noqa: N818
    """An answer that is a refusal."""

    def __init__(self, status: int, code: str | None = None, message: str = "", **more: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message, self.more = status, code, message, more


class Cut(ConnectionError):  # noqa: N818
    """The connection ends here."""


class Body:
    """The body of a request, read once and counted.

    Args:
        file: Where it comes from.
        length: Its size in bytes; None for a chunked body.
        at: After how many bytes to call what.
    """

    def __init__(self, file: BinaryIO, length: int | None, at: tuple[int, Callable[[], object]] | None = None) -> None:
        self._file, self._length, self._at = file, length, at
        self.read_bytes = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left of it; raise ConnectionError where it breaks off."""
        pieces = self._piece_sizes() if self._length is not None else self._chunk_sizes()
        for size in pieces:
            left = size
            while left:
                self._act()
                step = min(left, CHUNK_BYTES, *([self._at[0] - self.read_bytes] if self._at else []))
                piece = self._file.read(step)
                self.read_bytes += len(piece)
                left -= len(piece)
                if len(piece) < step:
                    raise ConnectionError("the body breaks off")
                yield piece
        self._act(at_end=True)

    def _act(self, *, at_end: bool = False) -> None:
        if self._at and (at_end or self.read_bytes >= self._at[0]):
            action, self._at = self._at[1], None
            action()

    def _piece_sizes(self) -> Iterator[int]:
        yield (self._length or 0) - self.read_bytes

    def _chunk_sizes(self) -> Iterator[int]:
        while size := int(self._file.readline().split(b";")[0], 16):
            yield size
            self._file.readline()
        self._file.readline()
        self._length = self.read_bytes

    def read(self) -> bytes:
        """Return what is left of it."""
        return b"".join(self.chunks())

    def drain(self) -> None:
        """Read what is left of it, so that the next request can be read."""
        for _ in self.chunks():
            pass


class Request(NamedTuple):
    """A request that is being answered. ``query`` has all values of each name."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: Body

    def json(self) -> Any:
        """Return the JSON that it carries; an empty object for none."""
        return json.loads(self.body.read() or b"{}")

    def is_true(self, name: str) -> bool:
        """Return whether a part of the query says yes."""
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")

    def form(self) -> dict[str, list[str]]:
        """Return the values that it carries, as a form or as JSON."""
        text = self.body.read()
        if "json" not in (self.headers["Content-Type"] or ""):
            return parse_qs(text.decode())
        return {k: v if isinstance(v, list) else [str(v)] for k, v in json.loads(text).items()}


def to_request(method: str, target: str, headers: Any, body: Body) -> Request:
    """Split a request's target into path and query, the path still quoted."""
    parts = urlsplit(target)
    return Request(method, parts.path, parse_qs(parts.query), headers, body)


class Answer(NamedTuple):
    """What is sent back: ``content`` from ``first`` on, ``size_bytes`` of it. ``name`` is the file that it is."""

    status: int
    headers: dict[str, str]
    content: bytes | Path
    first: int
    size_bytes: int
    name: str = ""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes to send."""
        if isinstance(self.content, bytes):
            yield self.content[self.first : self.first + self.size_bytes]
            return
        with self.content.open("rb") as file:
            file.seek(self.first)
            left = self.size_bytes
            while left and (piece := file.read(min(left, CHUNK_BYTES))):
                left -= len(piece)
                yield piece


def to_json(value: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer of JSON; underscores in the names of headers become hyphens."""
    text = json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"Content-Type": "application/json", **named}, text, 0, len(text))


def to_refusal(status: int, code: str | None = None, message: str = "", more: dict[str, str] | None = None) -> Answer:
    """Return the answer of a refusal, as the Hub words it."""
    answer = to_json({"error": message or f"refused with {status}", **(more or {})}, status)
    told = {"X-Error-Code": code, "X-Error-Message": message}
    return answer._replace(headers={**answer.headers, **{k: v for k, v in told.items() if v}})


def to_file_answer(blob: Blob, wanted: str | None, name: str, headers: dict[str, str]) -> Answer:
    """Return a file, or the range of it that is wanted."""
    size = blob.size_bytes
    told = {"Accept-Ranges": "bytes", "ETag": f'"{blob.etag}"', **headers}
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", wanted or "")
    if match is None or not (match[1] or match[2]):
        return Answer(200, told, blob.content, 0, size, name)
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(size, int(match[2]) + 1) if match[1] and match[2] else size
    if first >= end:
        return Answer(416, {**told, "Content-Range": f"bytes */{size}"}, b"", 0, 0)
    return Answer(
        206, {**told, "Content-Range": f"bytes {first}-{end - 1}/{size}"}, blob.content, first, end - first, name
    )
