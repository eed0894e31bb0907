"""Rows of a table back to native records: the reverse of ``columns``. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.parts import GRANULARITIES, Granularity, ImageRow
from svit_datasets.records import (
    Conversation,
    ConversationWithExtra,
    Extra,
    NativeRecord,
    NativeRecordWithExtra,
    Turn,
    TurnWithExtra,
)

_NEEDED: dict[Granularity, tuple[str, ...]] = {
    "image": ("image_id", "conversations"),
    "conversation": ("image_id", "conversation_index", "topic", "content"),
    "qa": ("image_id", "conversation_index", "pair_index", "topic", "question", "answer"),
}
_HELPFUL = ("image", "width", "height", "url", "extra")
_EXTRA = msgspec.json.Decoder(dict[str, dict[str, Raw]])


class _Content(msgspec.Struct):
    role: str = msgspec.field(name="from")
    value: str


class _Conversation(msgspec.Struct):
    content: list[_Content]
    topic: str | None = None


class _Image(msgspec.Struct):
    path: str | None = None


class _Row(msgspec.Struct):
    """One row of any granularity, checked; columns that are not needed are passed over."""

    image_id: int
    conversations: list[_Conversation] = []
    conversation_index: int = 0
    pair_index: int = 0
    topic: str | None = None
    content: list[_Content] = []
    question: str = ""
    answer: str = ""
    image: _Image | None = None
    width: int | None = None
    height: int | None = None
    url: str | None = None
    extra: str | None = None


class TableItem(NamedTuple):
    """One native record of a table, or a faulty row: the number of its first row from 1, and its image."""

    number: int
    record: NativeRecord | None = None
    image: ImageRow | None = None
    fault: Finding | None = None


def granularity_of(names: Iterable[str], *, source: str) -> Granularity:
    """Return what one row of a table is about, by its columns.

    Args:
        names: The columns.
        source: The table's name, for the error.

    Returns:
        The granularity.

    Raises:
        UsageError: The columns are not those of these tables.

    >>> granularity_of(["image_id", "conversations", "split"], source="x.parquet")
    'image'
    """
    there = set(names)
    for granularity in GRANULARITIES:
        if there.issuperset(_NEEDED[granularity]):
            return granularity
    wanted = ", or ".join(" and ".join(_NEEDED[g]) for g in GRANULARITIES)
    raise UsageError(f"{source}: expected columns {wanted}; it has {', '.join(sorted(there)) or 'none'}")


def wanted_columns(names: Iterable[str], granularity: Granularity) -> list[str]:
    """Return the columns that the way back reads, of those that are there.

    >>> wanted_columns(["image_id", "url", "objects", "conversations"], "image")
    ['image_id', 'conversations', 'url']
    """
    there = set(names)
    return [name for name in (*_NEEDED[granularity], *_HELPFUL) if name in there]


def read_rows(rows: Iterable[Mapping[str, Any]], granularity: Granularity) -> Iterator[TableItem]:
    """Yield the native records that rows hold; rows of one record that follow each other make one.

    Args:
        rows: Rows as plain objects.
        granularity: What one row is about.

    Yields:
        Records and faults, in order.

    >>> turns = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    >>> rows = [{"image_id": 5, "conversation_index": i, "topic": None, "content": turns} for i in (0, 1, 0)]
    >>> [(i.number, len(i.record.conversations)) for i in read_rows(rows, "conversation")]
    [(1, 2), (3, 1)]
    """
    pending: list[tuple[int, _Row]] = []
    for number, raw in enumerate(rows, 1):
        try:
            row = msgspec.convert(raw, _Row)
        except msgspec.ValidationError as error:
            if pending:
                yield _item(pending, granularity)
                pending = []
            message, _, path = str(error).partition(" - at `")
            image_id = raw.get("image_id")
            fault = finding("record-shape", message, record=number, path=path.rstrip("`"), id=str(image_id or ""))
            yield TableItem(number, fault=fault)
            continue
        if pending and not _continues(pending[-1][1], row, granularity):
            yield _item(pending, granularity)
            pending = []
        pending.append((number, row))
    if pending:
        yield _item(pending, granularity)


def _continues(last: _Row, row: _Row, granularity: Granularity) -> bool:
    """Tell whether a row belongs to the record of the row before it: the same image, further on."""
    places = [(r.conversation_index, r.pair_index) for r in (last, row)]
    return granularity != "image" and row.image_id == last.image_id and places[0] < places[1]


def _item(rows: list[tuple[int, _Row]], granularity: Granularity) -> TableItem:
    number, first = rows[0]
    image = _image_row(first)
    try:
        extras: dict[str, dict[str, Raw]] = {}
        for _, row in rows:
            extras |= _EXTRA.decode(row.extra) if row.extra else {}
    except (msgspec.DecodeError, RecursionError) as error:
        fault = finding("extra-damaged", str(error), record=number, id=first.image_id, path="$.extra")
        return TableItem(number, image=image, fault=fault)
    conversations = [
        _conversation(index, topic, content, extras)
        for index, topic, content in _conversations([row for _, row in rows], granularity)
    ]
    extra = extras.get("$")
    if extra:
        return TableItem(number, NativeRecordWithExtra(first.image_id, conversations, extra), image)
    return TableItem(number, NativeRecord(first.image_id, conversations), image)


def _conversations(
    rows: list[_Row], granularity: Granularity
) -> Iterator[tuple[int, str | None, list[tuple[int, str, str]]]]:
    """Yield number, topic and numbered turns of each conversation, the numbers as in the native record."""
    if granularity == "image":
        for i, conversation in enumerate(rows[0].conversations):
            yield i, conversation.topic, [(j, t.role, t.value) for j, t in enumerate(conversation.content)]
    elif granularity == "conversation":
        for row in rows:
            yield row.conversation_index, row.topic, [(j, t.role, t.value) for j, t in enumerate(row.content)]
    else:
        pairs: dict[int, list[_Row]] = {}
        for row in rows:
            pairs.setdefault(row.conversation_index, []).append(row)
        for i, same in pairs.items():
            texts = ((2 * r.pair_index, "user", r.question, r.answer) for r in same)
            turns = [turn for j, role, q, a in texts for turn in ((j, role, q), (j + 1, "gpt", a))]
            yield i, same[0].topic, turns


def _conversation(
    index: int, topic: str | None, turns: list[tuple[int, str, str]], extras: Mapping[str, dict[str, Raw]]
) -> Conversation:
    path = f"$.conversations[{index}]"
    content = [_turn(role, value, extras.get(f"{path}.content[{j}]")) for j, role, value in turns]
    extra = dict(extras.get(path, {}))
    is_null = "topic" in extra  # null rather than absent
    extra.pop("topic", None)
    shown = topic if topic is not None or is_null else UNSET
    return ConversationWithExtra(content, shown, extra) if extra else Conversation(content, shown)


def _turn(role: str, value: str, extra: Extra | None) -> Turn:
    return TurnWithExtra(role, value, extra) if extra else Turn(role, value)


def _image_row(row: _Row) -> ImageRow:
    path = row.image.path if row.image else None
    return ImageRow(row.image_id, row.width, row.height, row.url, path=path)
