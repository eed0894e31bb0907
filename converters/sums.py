"""The checksums that notice edits: of texts, of single turns, of the provenance itself. CRC-32, six bits a character.

They tell that something changed by accident or by hand; they are no protection against forgery.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PAIRS = tuple(map("".join, product(_ALPHABET, repeat=2)))
_SPEAKERS = ("human", "gpt")
_FACTOR, _MASK = 0x9E3779B1, 0xFFFFFFFF  # odd, so that a change of any turn stays a change


def _crc(value: str) -> int:
    try:
        return crc32(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair, as JSON may spell it
        return crc32(value.encode("utf-8", "surrogatepass"))


@cache
def _role(role: str) -> int:
    return _crc(role)


def text_sum(roles: Sequence[str], values: Sequence[str]) -> str:
    """Return the part of ``sum`` that notices edits of roles and texts.

    >>> text_sum(["human", "gpt"], ["Why?", "So."]) == text_sum(["human", "gpt"], ["Why? ", "So."])
    False
    """
    return _texts(roles, map(_crc, values))


def _texts(roles: Iterable[str], crcs: Iterable[int]) -> str:
    total = 0
    for role, crc in zip(roles, crcs, strict=True):
        total = ((total ^ crc) * _FACTOR + _role(role)) & _MASK
    return _PAIRS[total & 4095] + _PAIRS[total >> 12 & 4095] + _PAIRS[total >> 24]


def turn_sum(value: str) -> str:
    """Return the character of ``sum`` that tells which turn was edited.

    >>> len(turn_sum("Why?"))
    1
    """
    return _ALPHABET[_crc(value) & 63]


def own_sum(at: str, topic: str | UnsetType | None, marks: str, text: Mapping[str, str], extra: object = None) -> str:
    """Return the part of ``sum`` that notices damage of the provenance itself.

    >>> len(own_sum("c0.0.1", None, "", {}))
    4
    """
    if topic is UNSET and not text and not extra:
        crc = _crc(f"{len(at)}:{at}{marks}")
    else:
        topics = ["" if topic is UNSET else repr(topic)]
        extras = [json.dumps(json.loads(msgspec.json.encode(extra)), sort_keys=True)] if extra else []
        parts = [at, *topics, marks, *(f"{k} {text[k]}" for k in sorted(text)), *extras]
        crc = _crc("".join([f"{len(part)}:{part}" for part in parts]))
    return _PAIRS[crc & 4095] + _PAIRS[crc >> 12 & 4095]


def plain_sum(at: str, topic: str | UnsetType | None, marks: str, crcs: Sequence[int]) -> str:
    """Return ``sum`` of a conversation of human and gpt in turn, from the CRC-32 of each text.

    >>> crcs = list(map(crc32, (b"Why?", b"So.")))
    >>> plain_sum("c0.0.1", UNSET, "", crcs) == whole_sum("c0.0.1", UNSET, "", ["human", "gpt"], ["Why?", "So."], {})
    True
    """
    turns = "".join([_ALPHABET[crc & 63] for crc in crcs])
    return f"{_texts(_SPEAKERS * (len(crcs) // 2), crcs)}{own_sum(at, topic, marks, {})}{turns}"


def whole_sum(
    at: str,
    topic: str | UnsetType | None,
    marks: str,
    roles: Sequence[str],
    values: Sequence[str],
    text: Mapping[str, str],
    extra: object = None,
) -> str:
    """Return ``sum``: ``text_sum``, ``own_sum``, and ``turn_sum`` of each turn.

    >>> made = whole_sum("c0.0.1", None, "", ["human", "gpt"], ["Why?", "So."], {})
    >>> made == text_sum(["human", "gpt"], ["Why?", "So."]) + own_sum("c0.0.1", None, "", {}) + turn_sum("Why?") + \\
    ...     turn_sum("So.")
    True
    """
    turns = "".join(map(turn_sum, values))
    return f"{text_sum(roles, values)}{own_sum(at, topic, marks, text, extra)}{turns}"
