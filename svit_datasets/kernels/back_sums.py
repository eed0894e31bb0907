"""The checksums of a row, worked out by the kernels of the way back; see ``converters.sums``."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.kernels.back_bytes import copy, put
from svit_datasets.kernels.back_read import AT, MARKS, TOPIC, as_array
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import crc_run, write_number

_FACTOR_LOW, _FACTOR_HIGH, _ALL_BITS = 0x79B1, 0x9E37, 0xFFFFFFFF  # in halves, so that no product is too large
_ALPHABET = as_array(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_ROLE_CRCS = np.array([crc32(b"human"), crc32(b"gpt")], np.int64)
_NULL_PART = as_array(f"{len(repr(None))}:{None!r}".encode())
_COLON, _APOSTROPHE, _QUOTE = b":'\""


@compiled
def _crc(data: Any, begin: int, end: int) -> int:
    return crc_run(_ALL_BITS, data, begin, end) ^ _ALL_BITS


@compiled
def fits(data: Any, at: int, number: int, characters: int) -> bool:
    """Tell whether some characters of ``sum`` are what a checksum gives: twelve bits a pair, the higher six first."""
    for i in range(characters):  # noqa: SIM110
        if data[at + i] != _ALPHABET[number >> 6 * (i ^ 1) & 63]:
            return False
    return True


@compiled
def text_crc(text: Any, turns: Any, count: int) -> int:
    """Return the checksum of roles and texts, see ``sums.text_sum``."""
    total = 0
    for turn in range(count):
        mixed = total ^ _crc(text, turns[turn], turns[turn + 1])
        product = mixed * _FACTOR_LOW + ((mixed * _FACTOR_HIGH & 0xFFFF) << 16)
        total = product + _ROLE_CRCS[turn & 1] & _ALL_BITS
    return total


@compiled
def _put_part(data: Any, begin: int, end: int, quote: int, out: Any, to: int) -> int:
    """Write a part of what the provenance's own sum is over: its length and itself, in quotes if it has some."""
    size = end - begin
    to = write_number(out, to, size + 2 if quote else size)
    out[to] = _COLON
    to = to + 1
    if quote:
        out[to] = quote
        to += 1
    to = copy(data, begin, end, out, to)
    if quote:
        out[to] = quote
        to += 1
    return to


@compiled
def own_crc(data: Any, place: Any, out: Any, to: int) -> int:
    """Return the checksum of the provenance itself, see ``sums.own_sum``; ``place`` has where its parts stand."""
    begin = to
    to = _put_part(data, place[AT], place[AT + 1], 0, out, to)
    if place[TOPIC] < 0:
        return _crc(out, begin, copy(data, place[MARKS], place[MARKS + 1], out, to))
    if place[TOPIC + 1] < 0:
        to = put(_NULL_PART, out, to)
    else:
        quote = _APOSTROPHE
        for i in range(place[TOPIC], place[TOPIC + 1]):
            if data[i] == _APOSTROPHE:
                quote = _QUOTE
        to = _put_part(data, place[TOPIC], place[TOPIC + 1], quote, out, to)
    to = _put_part(data, place[MARKS], place[MARKS + 1], 0, out, to)
    return _crc(out, begin, to)
