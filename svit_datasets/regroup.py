"""Conversations in any order to native records in the order of their file, on disk but for a small index."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw, Struct

from svit_datasets.records import HubRecord, to_native_conversation

_KNOWN, _INFERRED = 0, 1


class Origin(NamedTuple):
    """Where a conversation stands in the LLaVA input: file, record number from 1, id."""

    file: str
    number: int
    id: str


class _Stored(Struct, array_like=True, gc=False):
    image_id: int
    conversation_index: int
    extra: Raw
    conversation: Raw
    file: str
    number: int
    id: str


class Part(NamedTuple):
    """One conversation of a regrouped record: its number in the record, native JSON text, and where it came from."""

    conversation_index: int
    conversation: Raw
    origin: Origin


class Group(NamedTuple):
    """One native record: image, unknown keys as JSON text, conversations in order, copies among them."""

    image_id: int
    extra: Raw
    parts: list[Part]


_ENCODER = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(_Stored).decode


class Regrouping:
    """Collects the conversations of one task and gives them back as native records.

    Conversations with a known place come first, in the order of their native file; those without follow in the order
    in which their images first appear. In memory are 40 bytes a conversation.

    Args:
        spool: A temporary file.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._offset = 0
        self._first_seen: dict[tuple[int, int], int] = {}
        self._records, self._images, self._offsets = array("q"), array("q"), array("q")
        self._conversations, self._kinds = array("q"), array("b")

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, hub: HubRecord, origin: Origin) -> None:
        """Take in a conversation."""
        number = len(self._offsets)
        is_known = hub.record_index >= 0
        record = hub.record_index if is_known else self._appearance(hub)
        conversation = hub.conversation_index if hub.conversation_index >= 0 else (1 << 40) + number
        stored = _Stored(
            hub.image_id,
            conversation,
            Raw(_ENCODER.encode(hub.record_extra)),
            Raw(_ENCODER.encode(to_native_conversation(hub.conversation))),
            *origin,
        )
        data = _ENCODER.encode(stored)
        self._spool.write(data)
        self._records.append(record)
        self._images.append(hash(hub.image_id) if is_known else 0)
        self._conversations.append(conversation)
        self._kinds.append(_KNOWN if is_known else _INFERRED)
        self._offsets.append(self._offset)
        self._offset += len(data)

    def _appearance(self, hub: HubRecord) -> int:
        return self._first_seen.setdefault((hub.image_id, hub.copy), len(self._first_seen))

    def groups(self) -> Iterator[Group]:
        """Yield the native records."""
        order = self._order()
        for _, numbers in groupby(self._numbers(order), key=self._group_key):
            stored = [self._load(n) for n in numbers]
            parts = [Part(s.conversation_index, s.conversation, Origin(s.file, s.number, s.id)) for s in stored]
            yield Group(stored[0].image_id, stored[0].extra, parts)

    def _numbers(self, order: Any) -> Iterator[int]:
        return iter(range(len(self))) if order is None else map(int, order)

    def _group_key(self, number: int) -> tuple[int, int, int]:
        return self._kinds[number], self._records[number], self._images[number]

    def _order(self) -> Any:
        """Return the sorted order of the conversations, None if they already are in it."""
        records, images, conversations = (
            np.frombuffer(c, dtype=np.int64) for c in (self._records, self._images, self._conversations)
        )
        order = np.lexsort((conversations, images, records, np.frombuffer(self._kinds, dtype=np.int8)))
        return None if bool((order[1:] > order[:-1]).all()) else order

    def _load(self, number: int) -> _Stored:
        end = self._offsets[number + 1] if number + 1 < len(self) else self._offset
        self._spool.seek(self._offsets[number])
        return _DECODE(self._spool.read(end - self._offsets[number]))
