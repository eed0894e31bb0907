"""Safe mends: broken answers dropped, corners swapped, boxes clipped, edges trimmed. Each change is listed. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from svit_datasets import grounding
from svit_datasets.converters.llava_layout import IMAGE_TOKEN
from svit_datasets.entries import Entry
from svit_datasets.findings import Finding
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.writers import encode_ascii

DROPPED = ("answer-known-broken", "answer-message-empty")
_TRIMMED, _SWAPPED, _CLIPPED = "text-untrimmed", "box-inverted", "box-outside"
MENDED = frozenset((*DROPPED, _TRIMMED, _SWAPPED, _CLIPPED))
_PIXELS = 2
_HEAD, _TAIL = f"{IMAGE_TOKEN}\n", f"\n{IMAGE_TOKEN}"
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[dict[str, Raw]])

_Object = dict[str, Any]


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change to a record.

    Attributes:
        code: The finding that it mends.
        before: What stood there.
        after: What stands there now; None where it was dropped.
        file: The input as the user named it.
        record: Number of the record in it, from 1.
        id: Its id.
        path: JSON path in the record as it was.
    """

    code: str
    before: str
    after: str | None
    file: str
    record: int
    id: str
    path: str


class Mended(NamedTuple):
    """A record with its safe mends: its JSON text, None where nothing is left of it, and what was changed."""

    raw: bytes | None
    changes: list[Change]


def mend(entry: Entry, found: Collection[Finding]) -> Mended:
    """Mend what can safely be mended of a record.

    Args:
        entry: The record.
        found: What is wrong with it; only codes of ``MENDED`` are mended.

    Returns:
        The record; its JSON text is the same, byte for byte, where nothing is changed.

    >>> from svit_datasets.findings import finding
    >>> raw = b'{"image_id":5,"conversations":[{"content":[{"from":"user","value":" Why?"}],"n":1.50}]}'
    >>> wrong = finding("text-untrimmed", "' Why?'", path="$.conversations[0].content[0].value")
    >>> mend(Entry("a.json", 1, "native", "5", raw=raw), [wrong]).raw
    b'{"image_id":5,"conversations":[{"content":[{"from":"user","value":"Why?"}],"n":1.50}]}'
    """
    wanted: dict[str, set[str]] = {}
    for fault in found:
        if fault.code in MENDED:
            wanted.setdefault(fault.path, set()).add(fault.code)
    if not wanted or entry.fault is not None:
        return Mended(bytes(entry.raw), [])
    record = _OBJECT.decode(entry.raw)
    changes: list[Change] = []
    conversations = [dict(c) for c in _LIST.decode(record["conversations"])]
    kept = _native(conversations, entry, wanted, changes) if PROFILES[entry.layout].is_native else None
    if kept is None:
        kept = _turns(conversations, entry, "$.conversations", wanted, changes)
    if not changes:
        return Mended(bytes(entry.raw), [])
    raw = msgspec.json.encode({**record, "conversations": kept})
    return Mended(raw if kept else None, changes)


def _native(
    conversations: list[_Object], entry: Entry, wanted: dict[str, set[str]], changes: list[Change]
) -> list[_Object]:
    kept = []
    for i, conversation in enumerate(conversations):
        turns = [dict(t) for t in _LIST.decode(conversation["content"])]
        left = _turns(turns, entry, PROFILES[entry.layout].path(i), wanted, changes)
        if left or not turns:
            kept.append({**conversation, "content": left})
    return kept


def _turns(
    turns: list[_Object], entry: Entry, path: str, wanted: dict[str, set[str]], changes: list[Change]
) -> list[_Object]:
    """Return the turns that are left, with their texts mended; a pair goes with its broken answer."""
    kept: list[_Object] = []
    has_lost_image = ""
    for i, turn in enumerate(turns):
        place = f"{path}[{i}].value"
        codes, value = wanted.get(place, set()), msgspec.json.decode(turn["value"], type=str)
        broken = next((code for code in DROPPED if code in codes), None)
        if broken and kept:
            question = kept.pop()
            if not PROFILES[entry.layout].is_native and IMAGE_TOKEN in msgspec.json.decode(question["value"], type=str):
                has_lost_image = broken
            changes.append(_change(entry, broken, value, None, place))
            continue
        for code, after in _mend_text(value, codes):
            changes.append(_change(entry, code, value, after, place))
            value = after
        if has_lost_image and not kept and IMAGE_TOKEN not in value:
            changes.append(_change(entry, has_lost_image, value, f"{_HEAD}{value}", place))
            value, codes = f"{_HEAD}{value}", {has_lost_image}
        kept.append({**turn, "value": _encode(value, entry)} if codes else turn)
    return kept


def _encode(value: str, entry: Entry) -> Raw:
    """Return a text as JSON, in ASCII where its record is: LLaVA opens files without an encoding."""
    return Raw(encode_ascii(value) if bytes(entry.raw).isascii() else msgspec.json.encode(value))


def _change(entry: Entry, code: str, before: str, after: str | None, path: str) -> Change:
    return Change(code, before, after, entry.file, entry.number, entry.id, path)


def _mend_text(value: str, codes: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each code that could be mended and the text after it."""
    steps = ((_SWAPPED, swap_corners), (_CLIPPED, clip_boxes), (_TRIMMED, trim))
    for code, step in steps:
        after = step(value) if code in codes else value
        if after != value:
            yield code, after
            value = after


def trim(value: str) -> str:
    """Return a text without white space at its edges; ``<image>`` and its line break stay.

    >>> trim("<image>\\n Why? "), trim(" So.\\n")
    ('<image>\\nWhy?', 'So.')
    """
    head, tail = value.removeprefix(_HEAD).strip(), value.removesuffix(_TAIL).strip()
    if value.startswith(_HEAD) and head:
        return _HEAD + head
    return tail + _TAIL if value.endswith(_TAIL) and tail else value.strip()


def swap_corners(text: str) -> str:
    """Return a text with the corners of inverted boxes in order; numbers keep their spelling.

    >>> swap_corners("<st>cat<ed> [0.50, 0.1, 0.2, 0.9], [0, 0, 1, 1]")
    '<st>cat<ed> [0.2, 0.1, 0.50, 0.9], [0, 0, 1, 1]'
    """

    def swap(box: list[str]) -> list[str]:
        (x1, x2), (y1, y2) = (sorted(box[i::2], key=float) for i in (0, 1))
        return [x1, y1, x2, y2]

    return _rewrite(text, swap)


def clip_boxes(text: str) -> str:
    """Return a text with boxes cut at the image's edge.

    A box of which nothing would be left stays as it is, and so does one with numbers of 2 and more: those are pixels.

    >>> clip_boxes("<st>cat<ed> [0.5, 0.1, 1.2, 0.9] and [1.5, 0.1, 1.7, 0.9]")
    '<st>cat<ed> [0.5, 0.1, 1, 0.9] and [1.5, 0.1, 1.7, 0.9]'
    """

    def clip(box: list[str]) -> list[str]:
        inside = [c if float(c) <= 1 else "1" for c in box]
        is_lost = any(inside[i] == inside[i + 2] and float(box[i]) != float(box[i + 2]) for i in (0, 1))
        return box if is_lost or max(map(float, box)) >= _PIXELS else inside

    return _rewrite(text, clip)


def _rewrite(text: str, change: Any) -> str:
    """Return a text with every run of boxes rewritten in which a box changes."""
    parts, end = [], 0
    for group in grounding.find(text):
        numbers = group.coordinates
        after = [c for i in range(0, len(numbers), 4) for c in change(numbers[i : i + 4])]
        if after != numbers:
            parts += [text[end : group.end - len(group.boxes)], grounding.write_boxes(after)]
            end = group.end
    return "".join([*parts, text[end:]])
