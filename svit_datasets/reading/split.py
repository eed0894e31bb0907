"""A stream of bytes as a stream of JSON values, with memory bounded by the largest value.

No JSON parser of our own: where a value ends is *guessed* and the decoder *proves* the guess. Records of one
file begin alike (``{"image_id"``), so the next such beginning ends the present record; when the slice decodes
as one whole JSON value the guess was right, for no JSON object is the beginning of another. When it does not
decode, Python's own ``json`` finds the end, or the fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from svit_datasets.findings import finding, quote
from svit_datasets.reading.diagnosis import TOO_DEEP, diagnose
from svit_datasets.reading.runs import Take, Taking, Value
from svit_datasets.reading.split_faults import (
    broken_record,
    find_next,
    last_fault,
    separator_fault,
    syntax_fault,
    too_large,
)
from svit_datasets.reading.window import FIRST_KEY as FIRST_KEY
from svit_datasets.reading.window import SPACE, Read, Window

T = TypeVar("T")
Ends = Callable[[Window, int], bool]
_BOUNDARY = re.compile(rb"\}\s*+,\s*+\{")
_NUMBER_GOES_ON = re.compile(r"[-+.eE0-9]*")
_SCANNER = json.JSONDecoder(parse_constant=float, parse_int=str)
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
_GUESS_BYTES = 8 << 20
_SCAN_BYTES = 1 << 16
_CUT_CHARACTERS = 16  # a cut literal, number or escape is at fault this far from the end at most
_TAKE_BYTES = 2 << 20  # what is read at once where runs are taken: little enough to stay in a processor's cache


def split(
    read: Read,
    decode: Callable[[bytes | memoryview], T],
    *,
    limit: int,
    base: int = 0,
    ends: Ends | None = None,
    is_lines: bool = False,
    take: Take | None = None,
    stop: int | None = None,
) -> Iterator[Value[T]]:
    """Yield the elements of a JSON array, or the lines of JSON lines, decoded.

    Args:
        read: Gives up to n further bytes, b"" at the end.
        decode: Decodes one element whole; may raise any ``ValueError`` (``msgspec.DecodeError``,
            ``json.JSONDecodeError``, ``UnicodeDecodeError``) or ``RecursionError``.
        limit: Largest element in bytes.
        base: Where in the file the first byte stands.
        ends: Tells whether to end at the comma or line break that stands there in the window.
        is_lines: Whether these are JSON lines whatever their first byte says: a part of a file of them.
        take: Takes several elements at once wherever it can.
        stop: Where in the file ``ends`` may first say so; what stands behind is not taken at once.

    Yields:
        One ``Value`` for each element, for each run of them, and for each fault, in order.

    >>> import io
    >>> stream = io.BytesIO(b'[{"a": 1}, {"a": 2 3}, {"a": 4}')
    >>> for v in split(stream.read, msgspec.json.decode, limit=1000):
    ...     print(v.number, v.value, v.fault and v.fault.code)
    1 {'a': 1} None
    2 None record-syntax
    3 {'a': 4} None
    3 None input-truncated
    """
    window = Window(read if take is None else lambda size: read(max(size, _TAKE_BYTES)), limit, base)
    taking = Taking(take, stop)
    if is_lines:
        yield from _split_lines(window, decode, ends, taking)
        return
    while len(window.data) < 4 and window.more():
        pass
    encoding = _other_encoding(window.data[:4])
    if encoding:
        found, mend = encoding, f"convert it first, e.g. iconv -f {encoding.split()[1]} -t UTF-8"
        yield last_fault(0, finding("input-encoding", found, mend=mend))
        return
    if window.data.startswith(b"\xef\xbb\xbf"):
        window.pos = 3
        yield Value(0, b"", fault=finding("input-bom", "a UTF-8 byte-order mark"))
    first = window.skip_space()
    if first == b"[":
        window.pos += 1
        yield from _split_array(window, decode, ends, taking)
    elif first == b"{":
        yield from _split_lines(window, decode, ends, taking)
    elif not first:
        yield last_fault(0, finding("input-empty", "nothing"))
    else:
        head = window.data[window.pos : window.pos + 40].decode("utf-8", "replace")
        yield last_fault(0, finding("input-not-json", quote(head)))


def _other_encoding(head: bytes) -> str:
    """Return which encoding other than UTF-8 a file begins in, '' if none shows."""
    if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "a UTF-32 byte-order mark"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "a UTF-16 byte-order mark"
    return {3: "bare UTF-32", 2: "bare UTF-16"}.get(head.count(0), "")


def _split_lines(
    window: Window, decode: Callable[[bytes | memoryview], T], ends: Ends | None, taking: Taking
) -> Iterator[Value[T]]:
    number = 0
    while window.skip_lines():
        if ends and ends(window, window.line_break - window.base):
            return
        run = taking.run(window, b"\n")
        if run is not None:
            yield Value(number + 1, b"", run=run)
            number += run.count
            window.pos = run.end - 1
            continue
        number += 1
        length = window.find(b"\n", 0, window.limit)
        if length < 0 and window.is_full:
            fault = finding("record-too-large", f"a record of over {window.limit >> 20} MB")
            yield Value(number, window.data[window.pos : window.pos + 10_000], fault=fault)
            window.skip_to(b"\n")
            continue
        end = window.pos + length if length >= 0 else len(window.data)
        raw = memoryview(window.data)[window.pos : end]
        yield _decoded(window, number, raw, decode)
        window.pos = end


def _split_array(
    window: Window, decode: Callable[[bytes | memoryview], T], ends: Ends | None, taking: Taking
) -> Iterator[Value[T]]:
    number = 0
    if window.skip_space() == b"]":
        window.pos += 1
        yield from _after_array(window, number)
        return
    while True:
        run = taking.run(window, b",")
        if run is not None:
            yield Value(number + 1, b"", run=run)
            number += run.count
            window.pos = run.end
            window.skip_space()
            continue
        number += 1
        value = next_value(window, number, decode)
        yield value
        if value.is_last:
            may_follow = _BOUNDARY.search(window.data, window.pos)
            if may_follow and value.fault and value.fault.code.startswith("record-"):
                begin = window.base + window.pos + 1
                yield last_fault(
                    number, finding("input-rest", f"no further record behind byte {begin} could be told apart")
                )
            return
        if value.is_passed:
            if ends and ends(window, window.data.rfind(b",", 0, window.pos)):
                return
            continue
        window.pos += len(value.raw)
        del value
        separator = window.skip_space()
        window.pos += 1
        if separator == b"]":
            yield from _after_array(window, number)
            return
        if ends and separator == b"," and ends(window, window.pos - 1):
            return
        if separator != b",":
            window.pos -= 1
            length = 0 if separator == b"{" else find_next(window) if separator else -1
            yield Value(number, b"", fault=separator_fault(window, separator), is_last=length < 0)
            if length < 0:
                return
            window.pos += length
        window.skip_space()


def _after_array(window: Window, number: int) -> Iterator[Value[T]]:
    if window.skip_space():
        rest = window.data[window.pos : window.pos + 40].decode("utf-8", "replace")
        found = f"{quote(rest)} behind the closing ']', at byte {window.base + window.pos + 1}"
        yield last_fault(number, finding("input-syntax", found))


def next_value(window: Window, number: int, decode: Callable[[bytes | memoryview], T]) -> Value[T]:
    """Return the value at ``window.pos``, its end guessed from the beginning of the next.

    Args:
        window: The part of the stream that is in memory.
        number: The value's number, from 1.
        decode: Decodes one element whole.

    Returns:
        The value, or its fault.
    """
    length = _guess_length(window)
    if length:
        raw = memoryview(window.data)[window.pos : window.pos + length]
        value = _decoded(window, number, raw, decode)
        if value.fault is None or _is_whole(raw):
            return value
    return _scan_value(window, number, decode)


def _decoded(window: Window, number: int, raw: memoryview, decode: Callable[[bytes | memoryview], T]) -> Value[T]:
    if len(raw) > window.limit:
        return Value(number, raw, fault=finding("record-too-large", f"a record of over {window.limit >> 20} MB"))
    try:
        value = decode(raw)
    except (ValueError, RecursionError) as error:
        return Value(number, raw, fault=diagnose(bytes(raw), error))
    window.remember_key(raw)
    return Value(number, raw, value)


def _guess_length(window: Window) -> int:
    """Return the length of the value at ``window.pos`` if the next record or the array's end shows it; else 0."""
    marker = FIRST_KEY.match(window.data, window.pos)
    if not marker:
        return 0
    begin = marker[0]
    length = window.find(begin, len(begin), _GUESS_BYTES)
    if length < 0 and not window.at_end:
        return 0
    end = window.pos + length if length >= 0 else len(window.data)
    closer = b"," if length >= 0 else b"]"
    comma = window.data.rfind(closer, window.pos, end)
    if comma < 0 or window.data[comma + 1 : end].strip(SPACE):
        return 0
    return len(window.data[window.pos : comma].rstrip(SPACE))


def _is_whole(raw: bytes | memoryview) -> bool:
    try:
        _WHOLE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _scan_value(window: Window, number: int, decode: Callable[[bytes | memoryview], T]) -> Value[T]:
    """Return the value at ``window.pos``, its end found by Python's ``json``; slow, and exact about faults."""
    size = _SCAN_BYTES
    while True:
        data = window.data[window.pos : window.pos + size]
        text = data.decode("utf-8", "surrogateescape")
        can_grow = len(data) == size or window.more()
        size *= 2
        try:
            _, end = _SCANNER.raw_decode(text)
        except RecursionError:
            return broken_record(window, number, finding("record-depth", TOO_DEEP))
        except json.JSONDecodeError as error:
            if len(data) > window.limit:
                return too_large(window, number)
            is_cut = error.pos > len(text) - _CUT_CHARACTERS or error.msg.startswith("Unterminated string")
            if can_grow and is_cut:
                continue
            return syntax_fault(window, number, text, error, is_whole=not can_grow)
        if can_grow and _NUMBER_GOES_ON.fullmatch(text, end):
            continue
        raw = memoryview(data)[: len(text[:end].encode("utf-8", "surrogateescape"))]
        return _decoded(window, number, raw, decode)
