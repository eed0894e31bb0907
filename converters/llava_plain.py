"""The LLaVA-v1.5 layout for records in which nothing is out of the ordinary: all texts of a record at once.

Nearly all records are such. Their texts are cut at their boxes in one go, coordinates are looked up in tables, and the
same rows come out as ``llava.to_row`` makes, at a third of its cost. Of a record in which anything is odd, ``to_rows``
says so, and ``to_row`` takes it conversation by conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from operator import le
from typing import TypeVar
from zlib import crc32

from svit_datasets.boxes import Size, pad_tables
from svit_datasets.check import ROLES
from svit_datasets.converters import provenance
from svit_datasets.converters.llava_layout import IMAGE_TOKEN, ROLE_OF, LlavaRow, LlavaTurn, Options, choose_sentence
from svit_datasets.converters.provenance import ADDED_LINE
from svit_datasets.converters.rendering import PACKED
from svit_datasets.records import TASKS, Conversation, HubRecord, NativeRecord, Turn

T = TypeVar("T")
_SPEAKERS = tuple(map(ROLE_OF.__getitem__, ROLES))
_SEPARATOR = "\0"
_NUMBER = r"([0-9.]++)"
# A marked phrase and its first box, or a box alone, in SVIT's own spelling; written so that the search can leap to the
# "<" or "[", which makes it three times as fast. Whether a number is one, its table says.
_BOX = re.compile(rf"(?:<st>([^<\[\]\0]++)<ed> \[|\[){_NUMBER}, {_NUMBER}, {_NUMBER}, {_NUMBER}\]")
_STRIDE = 6  # what a split gives for each box: the text before it, its phrase, its four numbers


def to_rows(hub: HubRecord, record: NativeRecord, options: Options) -> list[LlavaRow] | None:
    """Convert all conversations of a native record, if nothing about any of them is out of the ordinary.

    Args:
        hub: Where the record stands and what its image is; of its first conversation.
        record: The record.
        options: How to write it; the provenance goes into the rows, or nowhere.

    Returns:
        The rows that ``llava.to_row`` makes of each conversation; None where a closer look is needed: unknown keys, odd
        roles, an empty text, a faulty or unusual box, a character that texts are joined by.

    >>> turns = [Turn("user", "Who?"), Turn("gpt", "The <st>man<ed> [0.25, 0, 0.5, 1].")]
    >>> record = NativeRecord(2, [Conversation(turns)])
    >>> hub = HubRecord(task="referring_qa", image_id=2, record_index=0, conversation_index=0, image="vg/VG_100K/2.jpg",
    ...                 size_wh=(640, 480), conversation=record.conversations[0])
    >>> to_rows(hub, record, Options(provenance="none"))[0]["conversations"][1]["value"]
    'The man [0.25, 0.125, 0.5, 0.875].'
    """
    texts = None if options.provenance == "sidecar" else _texts(record)
    done = None if texts is None else _render(texts, hub.size_wh, options)
    if done is None:
        return None
    values, pieces = done
    copy = f".{hub.copy}" if hub.copy else ""
    head = f"{hub.task}-{hub.image_id}{copy}-"
    counts = [len(conversation.content) for conversation in record.conversations]
    if options.instruction and hub.task == "referring_qa":
        _ask_for_boxes(values, pieces, head, counts, options.seed)
    if options.provenance == "none":
        return [_row(f"{head}{i}", hub.image, turns) for i, turns in enumerate(_runs(values, counts))]
    try:
        crcs = list(map(crc32, map(str.encode, values)))
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    letter = TASKS[hub.task].letter
    rows: list[LlavaRow] = []
    runs = zip(record.conversations, *(_runs(part, counts) for part in (values, pieces, crcs)), strict=True)
    for i, (conversation, turns, marks, sums) in enumerate(runs):
        row = _row(f"{head}{i}", hub.image, turns)
        at = f"{letter}{hub.record_index}.{i}.{hub.image_id}"
        row["svit"] = provenance.make_plain(at, conversation.topic, "|".join(marks), sums)
        rows.append(row)
    return rows


def _runs(items: list[T], counts: Sequence[int]) -> Iterator[list[T]]:
    """Yield what belongs to each conversation."""
    begin = 0
    for count in counts:
        yield items[begin : begin + count]
        begin += count


def _ask_for_boxes(values: list[str], pieces: list[str], head: str, counts: Sequence[int], seed: int) -> None:
    """Put a formatting sentence behind every question, in place."""
    begin = 0
    for number, count in enumerate(counts):
        for turn in range(0, count, 2):
            sentence = choose_sentence(f"{head}{number}", turn, seed)
            values[begin + turn] = f"{values[begin + turn]}\n{sentence}"
            pieces[begin + turn] = ADDED_LINE + pieces[begin + turn]
        begin += count


def _row(row_id: str, image: str, values: list[str]) -> LlavaRow:
    turns: list[LlavaTurn] = [
        {"from": role, "value": value} for role, value in zip(cycle(_SPEAKERS), values, strict=False)
    ]
    turns[0]["value"] = f"{IMAGE_TOKEN}\n{values[0]}"
    return {"id": row_id, "image": image, "conversations": turns}


def _texts(record: NativeRecord) -> list[str] | None:
    """Return the texts of a record's turns; None where it has unknown keys, or roles that do not alternate."""
    if type(record) is not NativeRecord:
        return None
    texts: list[str] = []
    for conversation in record.conversations:
        content = conversation.content
        count = len(content)
        if type(conversation) is not Conversation or not count or count % 2:
            return None
        for i, turn in enumerate(content):
            if type(turn) is not Turn or turn.role != ROLES[i & 1]:
                return None
            texts.append(turn.value)
    return texts


def _render(texts: list[str], size_wh: Size | None, options: Options) -> tuple[list[str], list[str]] | None:
    """Return texts as the trainer reads them and the pieces that restore them; None where one is not plain.

    What is plain is said in ``rendering.Renderer.turn``; the same holds here for all texts together.
    """
    native = _SEPARATOR.join(texts)
    if native.count(_SEPARATOR) != len(texts) - 1:
        return None
    if "[" not in native and "<" not in native:  # no marks at all
        return (texts, [""] * len(texts)) if "ASSISTANT:" not in native and _has_words(texts) else None
    parts = _BOX.split(native)
    between, phrases = parts[0::_STRIDE], parts[1::_STRIDE]
    x1, y1, x2, y2 = (parts[i::_STRIDE] for i in range(2, _STRIDE))
    count = len(phrases)
    marked = count - phrases.count(None)
    is_padded = options.coordinates == "padded"
    if native.count("[") != count or native.count("<") != 2 * marked or (is_padded and size_wh is None):
        return None
    if not (all(map(le, x1, x2)) and all(map(le, y1, y2))):  # ordinary numbers sort as text
        return None
    pack = PACKED.__getitem__
    try:
        packed = list(map(" ".join, zip(map(pack, x1), map(pack, y1), map(pack, x2), map(pack, y2), strict=True)))
    except ValueError:
        return None
    pieces = _pieces(between, phrases, packed)
    if pieces is None:
        return None
    moved = zip(between, phrases, *_moved((x1, y1, x2, y2), size_wh if is_padded else None, options), strict=False)
    made = [
        f"{text}{phrase} [{a}, {b}, {c}, {d}]" if phrase else f"{text}[{a}, {b}, {c}, {d}]"
        for text, phrase, a, b, c, d in moved
    ]
    joined = "".join([*made, between[-1]])
    rendered = joined.split(_SEPARATOR)
    return (rendered, pieces) if "ASSISTANT:" not in joined and _has_words(rendered) else None  # marks may have cut it


def _moved(corners: Sequence[Sequence[str]], size_wh: Size | None, options: Options) -> Iterable[Iterable[str]]:
    """Return x1, y1, x2 and y2 of all boxes on the padded image; as they are where there is no size."""
    if size_wh is None:
        return corners
    x, y = (table.__getitem__ for table in pad_tables(size_wh, options.box_rounding))
    return [map(axis, values) for axis, values in zip((x, y, x, y), corners, strict=True)]


def _has_words(texts: Sequence[str]) -> bool:
    return all(texts) and not any(map(str.isspace, texts))


def _pieces(between: Sequence[str], phrases: Sequence[str | None], packed: Sequence[str]) -> list[str] | None:
    """Return the piece of each text, see ``provenance``; None where boxes follow each other in an unusual spelling."""
    made: list[str] = []
    for text, phrase, numbers in zip(between, phrases, packed, strict=False):
        if _SEPARATOR in text:
            made.append(_SEPARATOR * text.count(_SEPARATOR))
        elif phrase is None and text == ", " and made:
            made.append(f" {numbers}")  # a further box of the same phrase
            continue
        elif made:
            if phrase is None and text[:1] == "," and not text[1:].strip():
                return None
            made.append(";")
        if phrase is None:
            made.append(numbers)
        elif phrase[0].isalnum():
            made.append(f"{len(phrase)}:{numbers}")
        else:
            return None
    made.append(_SEPARATOR * between[-1].count(_SEPARATOR))
    return "".join(made).split(_SEPARATOR)
