"""Records of LLaVA files, decoded as far as they fit."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from svit_datasets.reading.diagnosis import has_more_keys, refuse_duplicate_keys
from svit_datasets.records import Turn


class _Row(Struct, forbid_unknown_fields=True):
    """A record with the keys that ``to_llava`` writes and no others."""

    conversations: list[Turn]
    id: str | int | UnsetType = UNSET
    image: str | UnsetType = UNSET
    svit: Raw | UnsetType = UNSET


class Loose(NamedTuple):
    """A record of a LLaVA file: what of it could be read.

    Attributes:
        id: Its id as text, '' if it has none.
        image: Its image path; None if absent or no string.
        turns: Its turns; None if they are not of the layout's shape.
        svit: The JSON text of its key ``svit``.
        other_keys: Keys that the layout does not name.
    """

    id: str
    image: str | None
    turns: list[Turn] | None
    svit: bytes | None
    other_keys: tuple[str, ...] = ()


T = TypeVar("T")
_ROW = msgspec.json.Decoder(_Row)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def decode_row(raw: bytes | memoryview) -> Loose:
    """Decode a record of a LLaVA file, as much of it as fits.

    Raises:
        msgspec.DecodeError: It is no JSON object.
        UnicodeDecodeError: It is not UTF-8.
        DuplicateKeyError: A key stands twice in one object.

    >>> decode_row(b'{"id": 7, "conversations": [{"from": "human", "value": "Hi"}], "model": ""}')
    Loose(id='7', image=None, turns=[Turn(role='human', value='Hi')], svit=None, other_keys=('model',))
    """
    try:
        row = _ROW.decode(raw)
    except msgspec.ValidationError:
        return _loose(raw)
    own = sum(part is not UNSET for part in (row.id, row.image, row.svit)) + 1 + 2 * len(row.conversations)
    svit = None if row.svit is UNSET else bytes(row.svit)
    if has_more_keys(raw, own, svit or b""):
        refuse_duplicate_keys(raw)
    row_id = "" if row.id is UNSET else str(row.id)
    return Loose(
        row_id,
        None if row.image is UNSET else row.image,
        row.conversations,
        svit,
    )


def _loose(raw: bytes | memoryview) -> Loose:
    parts = _OBJECT.decode(raw)
    str(raw, "utf-8")
    refuse_duplicate_keys(raw)
    if "image_id" in parts and "image" not in parts:
        raise msgspec.ValidationError("Expected a LLaVA record, got a native one (svit-convert to-llava converts it)")
    known = {name: parts.pop(name, None) for name in ("id", "image", "conversations", "svit")}
    row_id = _as(known["id"], str) or _as(known["id"], int)
    svit = known["svit"]
    return Loose(
        "" if row_id is None else str(row_id),
        _as(known["image"], str),
        _as(known["conversations"], list[Turn]),
        None if svit is None else bytes(svit),
        tuple(parts),
    )


def _as(raw: Raw | None, kind: type[T]) -> T | None:
    """Return ``raw`` decoded as ``kind``, None where it is another shape."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def known_keys(raw: bytes) -> dict[str, Any] | None:
    """Return what a record has under the layout's own keys, to hold against the schema; None if it does not decode.

    >>> known_keys(b'{"id": 7, "n": 1e999}'), known_keys(b'{"id": 1e999}')
    ({'id': 7}, None)
    """
    parts = _OBJECT.decode(raw)
    try:
        return {k: msgspec.json.decode(parts[k]) for k in ("id", "image", "model", "conversations") if k in parts}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
