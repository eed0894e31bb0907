"""What one row of a table is made from: an image, and the record, conversation or pair it is about. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from svit_datasets.check import ROLES
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.records import Conversation, NativeRecord, Turn, extra_of

Granularity = Literal["image", "conversation", "qa"]
GRANULARITIES: tuple[Granularity, ...] = ("image", "conversation", "qa")


class ImageRow(NamedTuple):
    """An image as a row knows it.

    Attributes:
        image_id: Its id.
        width: Width in stored pixels; None where nothing tells.
        height: Height in stored pixels.
        url: Where Visual Genome has it.
        coco_id: Its id in COCO, None for an image that is not of COCO.
        flickr_id: Its id on Flickr.
        path: Where the file lies, or its name where ``data`` holds its bytes.
        data: The file's bytes, unchanged.
        captions: COCO's captions; None for an image that is not of COCO.
    """

    image_id: int
    width: int | None = None
    height: int | None = None
    url: str | None = None
    coco_id: int | None = None
    flickr_id: int | None = None
    path: str | None = None
    data: bytes | None = None
    captions: list[str] | None = None


class Part(NamedTuple):
    """What one row is about; ``conversation`` and ``pair`` are None where the row holds all of them."""

    image: ImageRow
    record: NativeRecord
    conversation: int | None = None
    pair: int | None = None

    def turns(self) -> Iterator[tuple[int, int, Turn]]:
        """Yield the row's turns, each with the numbers of its conversation and turn, from 0."""
        for i, conversation in self.conversations():
            content = conversation.content
            numbers = range(len(content)) if self.pair is None else (2 * self.pair, 2 * self.pair + 1)
            for j in numbers:
                yield i, j, content[j]

    def conversations(self) -> list[tuple[int, Conversation]]:
        """Return the row's conversations, each with its number from 0."""
        everything = self.record.conversations
        if self.conversation is None:
            return list(enumerate(everything))
        return [(self.conversation, everything[self.conversation])]


def parts_of(image: ImageRow, record: NativeRecord, granularity: Granularity) -> list[Part] | list[Finding]:
    """Return the rows that a record gives, or what is against it.

    Args:
        image: Its image.
        record: The record.
        granularity: One row an image, a conversation, or a question-answer pair.

    Returns:
        Parts; or findings, with JSON paths, where rows of this granularity cannot hold the record.

    >>> turns = [Turn("user", "Why?"), Turn("gpt", "So."), Turn("user", "And?"), Turn("gpt", "Yes.")]
    >>> record = NativeRecord(5, [Conversation(turns)])
    >>> [(p.conversation, p.pair) for p in parts_of(ImageRow(5), record, "qa")]
    [(0, 0), (0, 1)]
    """
    if granularity == "image":
        return [Part(image, record)]
    conversations = record.conversations
    if not conversations:
        return [finding("no-conversations", "an empty list", path="$.conversations")]
    if granularity == "conversation":
        return [Part(image, record, i) for i in range(len(conversations))]
    found = [fault for i, c in enumerate(conversations) for fault in _check_pairs(c, f"$.conversations[{i}]")]
    if found:
        return found
    return [Part(image, record, i, j) for i, c in enumerate(conversations) for j in range(len(c.content) // 2)]


def _check_pairs(conversation: Conversation, path: str) -> list[Finding]:
    content = conversation.content
    if not content:
        return [finding("no-turns", "an empty list", path=f"{path}.content")]
    if len(content) % 2:
        return [finding("turn-odd", f"{len(content)} turns", path=f"{path}.content")]
    for i, turn in enumerate(content):
        if turn.role != ROLES[i % 2]:
            place = f"{path}.content[{i}].from"
            return [finding("turn-role", quote(turn.role), expected=f"'{ROLES[i % 2]}'", path=place)]
    return []


def _is_plain(part: Part) -> bool:
    """Tell whether a row has no further keys at all, without looking at it twice."""
    if type(part.record) is not NativeRecord:
        return False
    conversations = part.record.conversations
    if any(type(c) is not Conversation or c.topic is None for c in conversations):
        return False
    return all(type(turn) is Turn for c in conversations for turn in c.content)


def extra_text(part: Part) -> str | None:
    """Return the keys of a row that its columns have no place for, as JSON text; None is the rule.

    Args:
        part: The row's part of its record.

    Returns:
        An object from the JSON path of a record, conversation or turn to its unknown keys, their values spelled as in
        the source; a ``topic`` that is null rather than absent stands here too.

    >>> turn = Turn("user", "Why?")
    >>> extra_text(Part(ImageRow(5), NativeRecord(5, [Conversation([turn], topic=None)])))
    '{"$.conversations[0]":{"topic":null}}'
    """
    if _is_plain(part):
        return None
    found: dict[str, Any] = {}
    record_extra = extra_of(part.record)
    if record_extra:
        found["$"] = record_extra
    for i, conversation in part.conversations():
        extra = extra_of(conversation)
        if conversation.topic is None:
            extra = {"topic": Raw(b"null"), **extra}
        if extra:
            found[f"$.conversations[{i}]"] = extra
    for i, j, turn in part.turns():
        extra = extra_of(turn)
        if extra:
            found[f"$.conversations[{i}].content[{j}]"] = extra
    return msgspec.json.encode(found).decode() if found else None
