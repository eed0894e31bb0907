"""Rows of a table back to native records: the reverse of ``columns``. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.reading.diagnosis import MAX_DIGITS, refuse_duplicate_keys
from svit_datasets.reading.readers import LINE_BREAK
from svit_datasets.records import (
    Conversation,
    ConversationWithExtra,
    Extra,
    NativeRecord,
    NativeRecordWithExtra,
    Turn,
    TurnWithExtra,
)
from svit_datasets.tables.parts import GRANULARITIES, Granularity, ImageRow

_NEEDED: dict[Granularity, tuple[str, ...]] = {
    "image": ("image_id", "conversations"),
    "conversation": ("image_id", "conversation_index", "topic", "content"),
    "qa": ("image_id", "conversation_index", "pair_index", "topic", "question", "answer"),
}
_HELPFUL = ("image", "width", "height", "url", "extra")
_INTEGERS = ("image_id", "conversation_index", "pair_index", "width", "height")
_PATH = re.compile(r"\$(\.conversations\[[0-9]+\](\.content\[[0-9]+\])?)?")
_TAKEN = (("image_id", "conversations"), ("topic", "content"), ("from", "value"))
_Index = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
_Side = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
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
    conversation_index: _Index = 0
    pair_index: _Index = 0
    topic: str | None = None
    content: list[_Content] = []
    question: str = ""
    answer: str = ""
    image: _Image | None = None
    width: _Side | None = None
    height: _Side | None = None
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
    pending: list[_Numbered] = []
    for number, raw in enumerate(rows, 1):
        row = _check_row(number, raw)
        if pending and (isinstance(row, Finding) or not _continues(pending[-1], row, granularity)):
            yield _item(pending, granularity)
            pending = []
        if isinstance(row, Finding):
            yield TableItem(number, fault=row)
        else:
            pending.append(row)
    if pending:
        yield _item(pending, granularity)


class _Numbered(NamedTuple):
    """A row with its number and its further keys."""

    number: int
    row: _Row
    extras: dict[str, dict[str, Raw]]


def _check_row(number: int, raw: Mapping[str, Any]) -> _Numbered | Finding:
    image_id = raw.get("image_id")
    where = {"record": number, "id": "" if image_id is None else str(image_id)}
    try:
        row = msgspec.convert(raw, _Row)
    except msgspec.ValidationError:
        try:
            row = msgspec.convert({name: _whole(name, value) for name, value in raw.items()}, _Row)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `")
            return finding("record-shape", message, path=path.rstrip("`"), **where)  # type: ignore[arg-type]
    try:
        extras = decode_extra(row.extra) if row.extra else {}
    except (ValueError, RecursionError) as error:
        return finding("extra-damaged", str(error), path="$.extra", **where)  # type: ignore[arg-type]
    return _Numbered(number, row, extras)


def _whole(name: str, value: Any) -> Any:
    """Return a whole float as an integer where the column is of integers: pandas stores those with gaps as floats."""
    return int(value) if name in _INTEGERS and isinstance(value, float) and value.is_integer() else value


def decode_extra(text: str) -> dict[str, dict[str, Raw]]:
    """Return the further keys of a record's parts by JSON path.

    Args:
        text: What the column ``extra`` holds.

    Returns:
        From ``$``, ``$.conversations[i]`` or ``$.conversations[i].content[j]`` to keys and their JSON text.

    Raises:
        ValueError: The text is no such object, or a key stands twice, or is one that a column holds.

    >>> {path: list(keys) for path, keys in decode_extra('{"$": {"split": "a"}}').items()}
    {'$': ['split']}
    """
    raw = LINE_BREAK.sub(b" ", text.encode())  # without them a record fits a line wherever it goes
    extras = _EXTRA.decode(raw)
    refuse_duplicate_keys(raw, max_digits=MAX_DIGITS)
    for path, keys in extras.items():
        kind = _PATH.fullmatch(path)
        if kind is None:
            raise ValueError(f"{path!r} is no path of a record, conversation or turn")
        taken = [k for k in keys if k in _TAKEN[len([g for g in kind.groups() if g])]]
        if taken and not (taken == ["topic"] and bytes(keys["topic"]) == b"null"):
            raise ValueError(f"{taken[0]!r} of {path} has a column of its own")
    return extras


def _continues(last: _Numbered, row: _Numbered, granularity: Granularity) -> bool:
    """Tell whether a row belongs to the record of the row before it: the same image and record, further on."""
    a, b = last.row, row.row
    if granularity == "image" or a.image_id != b.image_id or last.extras.get("$") != row.extras.get("$"):
        return False
    if a.conversation_index != b.conversation_index:
        return a.conversation_index < b.conversation_index
    own = f"$.conversations[{a.conversation_index}]"
    return a.pair_index < b.pair_index and a.topic == b.topic and last.extras.get(own) == row.extras.get(own)


def _item(rows: list[_Numbered], granularity: Granularity) -> TableItem:
    number, first, _ = rows[0]
    image = _image_row(first)
    extras = {path: keys for row in rows for path, keys in row.extras.items()}
    found = list(_conversations([row.row for row in rows], granularity))
    paths = {"$", *(f"$.conversations[{i}]" for i, _, _ in found)}
    paths |= {f"$.conversations[{i}].content[{j}]" for i, _, turns in found for j, _, _ in turns}
    astray = [path for path in extras if path not in paths]
    if astray:
        text = f"keys of {astray[0]}, which the row does not have"
        fault = finding("extra-damaged", text, record=number, id=first.image_id, path="$.extra")
        return TableItem(number, image=image, fault=fault)
    conversations = [_conversation(index, topic, content, extras) for index, topic, content in found]
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
