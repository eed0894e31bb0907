"""The checksums of a row as kernels work them out, and how their characters are written; see ``converters.sums``."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.crc import CRC_BEGIN, crc_add, crc_number, crc_run
from svit_datasets.kernels.text import as_bytes

TEXT_CHARACTERS, OWN_CHARACTERS = 6, 4  # of the sum over the texts, then of the provenance's own
_FACTOR_LOW, _FACTOR_HIGH, _MASK = 0x79B1, 0x9E37, 0xFFFFFFFF  # in halves, so that no product is too large
_ALPHABET = as_bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_ROLE_CRCS = np.array([crc32(b"human"), crc32(b"gpt")], np.int64)
_NULL_PART = as_bytes(f"{len(repr(None))}:{None!r}")
_COLON, _APOSTROPHE, _QUOTE = b":'\""


@compiled
def add_turn(total: int, turn: int, crc: int) -> int:
    """Return the sum over the texts of a row after one more turn; ``crc`` is the ended CRC-32 of its text.

    >>> add_turn(0, 0, crc32(b"Why?")) == (crc32(b"Why?") * 0x9E3779B1 + crc32(b"human")) % 2**32
    True
    """
    mixed = total ^ crc
    product = mixed * _FACTOR_LOW + ((mixed * _FACTOR_HIGH & 0xFFFF) << 16)
    role: int = _ROLE_CRCS[turn & 1]
    return product + role & _MASK


@compiled
def own_crc(
    place: Any, place_begin: int, place_end: int, has_topic: bool, topic: Any, topic_begin: int, topic_end: int,
    marks: Any, marks_begin: int, marks_end: int,
) -> int:  # fmt: skip
    """Return the checksum of the provenance itself, each part of it given by an array and where it stands in that.

    ``topic_end`` is -1 where the topic is null; otherwise the topic is printable ASCII without a backslash or quote.
    """
    crc = _crc_part(CRC_BEGIN, place, place_begin, place_end)
    if not has_topic:
        return crc_run(crc, marks, marks_begin, marks_end) ^ CRC_BEGIN
    if topic_end < 0:
        crc = crc_run(crc, _NULL_PART, 0, len(_NULL_PART))
    else:
        crc = _crc_repr(crc, topic, topic_begin, topic_end)
    return _crc_part(crc, marks, marks_begin, marks_end) ^ CRC_BEGIN


@compiled
def _crc_part(crc: int, data: Any, begin: int, end: int) -> int:
    """Return a running CRC-32 after a part with its length in front."""
    return crc_run(crc_add(crc_number(crc, end - begin), _COLON), data, begin, end)


@compiled
def _crc_repr(crc: int, data: Any, begin: int, end: int) -> int:
    """Return a running CRC-32 after a text as Python's ``repr`` gives it, with its length in front."""
    quote = _APOSTROPHE
    for i in range(begin, end):
        if data[i] == _APOSTROPHE:
            quote = _QUOTE
    crc = crc_add(crc_add(crc_number(crc, end - begin + 2), _COLON), quote)
    return crc_add(crc_run(crc, data, begin, end), quote)


@compiled
def character(number: int) -> int:
    """Return the character that six bits are written as.

    >>> chr(character(26))
    'a'
    """
    written: int = _ALPHABET[number & 63]
    return written


@compiled
def write_sum(out: Any, at: int, number: int, characters: int) -> int:
    """Write some characters of a checksum: twelve bits a pair, the higher six first; return where the next byte goes.

    >>> out = np.zeros(4, np.uint8)
    >>> write_sum(out, 0, 0x01A000, 4), bytes(out), has_sum(out, 0, 0x01A000, 4), has_sum(out, 0, 0x01A001, 4)
    (4, b'AAAa', True, False)
    """
    for i in range(characters):
        out[at + i] = character(number >> 6 * (i ^ 1))
    return at + characters


@compiled
def has_sum(data: Any, at: int, number: int, characters: int) -> bool:
    """Tell whether ``write_sum`` writes what stands at an index."""
    for i in range(characters):  # noqa: SIM110
        if data[at + i] != character(number >> 6 * (i ^ 1)):
            return False
    return True
