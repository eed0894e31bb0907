"""Converted turns back to native markup, by the pieces that ``converters.provenance`` keeps; only ordinary spelling.

What ``grounding.find`` and ``provenance.restore_turn`` do with a text is done here for boxes written ``[a, b, c, d]``
and runs of them written ``[a, b, c, d], [e, f, g, h]``; a text in which a bracket could be a box in another spelling is
left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.json_text import write_string
from svit_datasets.kernels.text import as_bytes, read_digits, write_bytes

_ST, _ED = as_bytes("<st>"), as_bytes("<ed> ")
_OPEN, _CLOSE, _COMMA, _POINT, _BLANK, _LESS, _COLON, _SEMICOLON = (int(c) for c in b"[],. <:;")

_IS_MARK = np.zeros(256, np.uint8)
_IS_MARK[[_OPEN, _LESS]] = 1


@compiled
def _is_digit(byte: Any) -> Any:
    return 48 <= byte <= 57


@compiled
def _next_mark(data: Any, at: int, end: int) -> int:
    """Return where the next bracket or ``<`` stands, else ``end``."""
    while at + 8 <= end:
        mark = 0
        for i in range(8):  # no branch in it, so that eight bytes are one step
            mark |= _IS_MARK[data[at + i]]
        if mark:
            break
        at += 8
    while at < end and not _IS_MARK[data[at]]:
        at += 1
    return at


@compiled
def _end_of_number(data: Any, at: int, end: int) -> int:
    """Return the place behind a coordinate: digits with a point or without, or a point and digits; -1 for none."""
    begin = at
    while at < end and _is_digit(data[at]):
        at += 1
    if at < end and data[at] == _POINT:
        at += 1
        while at < end and _is_digit(data[at]):
            at += 1
        return -1 if at == begin + 1 else at
    return -1 if at == begin else at


@compiled
def _end_of_box(data: Any, at: int, end: int) -> int:
    """Return the place behind a box that begins at ``at``; -1 if it is no box in the ordinary spelling."""
    at += 1
    for corner in range(4):
        at = _end_of_number(data, at, end)
        if at < 0 or at + 1 >= end + (corner == 3):
            return -1
        if corner == 3:
            return at + 1 if data[at] == _CLOSE else -1
        if data[at] != _COMMA or data[at + 1] != _BLANK:
            return -1
        at += 2
    return -1


@compiled
def _may_be_box(data: Any, at: int, end: int) -> Any:
    """Tell whether the bracket at a place may open a box in some spelling."""
    if at + 1 >= end:
        return False
    byte = data[at + 1]
    return _is_digit(byte) or byte == _POINT or byte <= _BLANK or byte >= 0x7F


@compiled
def read_group(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the place behind the run of boxes that begins at a bracket, and how many they are.

    Returns:
        -1 and 0 where the run may be spelled in an unusual way; the place behind the bracket and 0 where it is no box.

    >>> data = np.frombuffer(b"[0, 0, 1, 1], [.5, 0, 1, 1], [a] [ 0]", np.uint8)
    >>> read_group(data, 0, len(data)), read_group(data, 29, len(data)), read_group(data, 33, len(data))
    ((27, 2), (30, 0), (-1, 0))
    """
    if not _may_be_box(data, at, end):
        return at + 1, 0
    boxes = 0
    while True:
        at = _end_of_box(data, at, end)
        if at < 0:
            return -1, 0
        boxes += 1
        if at >= end or data[at] != _COMMA:
            return at, boxes
        after = at + 1
        while after < end and data[after] == _BLANK:
            after += 1
        if after >= end:
            return at, boxes
        if data[after] < _BLANK or data[after] >= 0x7F:
            return -1, 0  # white space of another kind may stand here
        if data[after] != _OPEN or not _may_be_box(data, after, end):
            return at, boxes
        if after != at + 2:
            return -1, 0
        at = after


@compiled
def _write_box(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    """Write a box from its packed numbers, ``.5`` as ``0.5``; return the places behind both, -1 if they are no box."""
    out[to] = _OPEN
    to += 1
    for corner in range(4):
        if corner:
            if at >= end or data[at] != _BLANK:
                return -1, to
            at += 1
            out[to], out[to + 1] = _COMMA, _BLANK
            to += 2
        begin = at
        if at < end and data[at] == _POINT:
            out[to] = 48
            to += 1
        while at < end and (_is_digit(data[at]) or data[at] == _POINT):
            out[to] = data[at]
            at += 1
            to += 1
        if at == begin:
            return -1, to
    out[to] = _CLOSE
    return at, to + 1


@compiled
def _read_length(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the length of a marked phrase, -1 for bare boxes, and the place behind its colon."""
    length, behind = read_digits(data, at, end)
    if at < behind < end and data[behind] == _COLON:
        return length, behind + 1
    return -1, at


@compiled
def _step_back(text: Any, at: int, begin: int, length: int) -> int:
    """Return the place ``length`` characters before another; -1 where that is before ``begin``."""
    while length > 0:
        at -= 1
        if at < begin:
            return -1
        if text[at] >> 6 != 2:
            length -= 1
    return at


@compiled
def restore_turn(text: Any, begin: int, end: int, pieces: Any, piece: int, piece_end: int, out: Any, to: int) -> int:
    """Write the native text of a converted turn, as the inside of a JSON string.

    Args:
        text: Holds the converted text, as UTF-8.
        begin: Where it begins.
        end: Where it ends; the formatting sentence is behind that.
        pieces: Holds its piece of ``marks``.
        piece: Where that begins, behind its ``~``.
        piece_end: Where it ends.
        out: Where to write.
        to: Place to write at.

    Returns:
        The place behind what was written; -1 where text and piece are not plain, or do not fit.

    >>> text, piece = (np.frombuffer(t, np.uint8) for t in (b"A man [0.25, 0.125, 0.5, 0.875]", b"3:.25 0 .5 1"))
    >>> out = np.zeros(99, np.uint8)
    >>> bytes(out[: restore_turn(text, 0, len(text), piece, 0, len(piece), out, 0)])
    b'A <st>man<ed> [0.25, 0, 0.5, 1]'
    """
    if piece == piece_end:
        return write_string(text, begin, end, out, to)
    at, done, is_left = begin, begin, True
    while True:
        at = _next_mark(text, at, end)
        if at >= end:
            break
        if text[at] == _LESS:
            return -1  # may be a mark
        group, boxes = at, 0
        at, boxes = read_group(text, at, end)
        if at < 0:
            return -1
        if not boxes:
            continue
        if not is_left:
            return -1
        length, piece = _read_length(pieces, piece, piece_end)
        if length < 0:
            to = write_string(text, done, group, out, to)
        else:
            if group <= done or text[group - 1] != _BLANK:
                return -1
            phrase = _step_back(text, group - 1, done, length)
            if phrase < 0:
                return -1
            to = write_string(text, done, phrase, out, to)
            to = write_bytes(out, to, _ST)
            to = write_string(text, phrase, group - 1, out, to)
            to = write_bytes(out, to, _ED)
        for box in range(boxes):
            if box:
                if piece >= piece_end or pieces[piece] != _BLANK:
                    return -1
                piece += 1
                out[to], out[to + 1] = _COMMA, _BLANK
                to += 2
            piece, to = _write_box(pieces, piece, piece_end, out, to)
            if piece < 0:
                return -1
        done = at
        is_left = piece < piece_end
        if is_left:
            if pieces[piece] != _SEMICOLON:
                return -1
            piece += 1
    if is_left:
        return -1
    return write_string(text, done, end, out, to)
