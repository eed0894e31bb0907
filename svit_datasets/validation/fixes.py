"""Safe mends: broken answers dropped, corners swapped, boxes clipped, edges trimmed. Each change is listed. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from svit_datasets import grounding
from svit_datasets.converters.llava_layout import IMAGE_TOKEN
from svit_datasets.findings import Finding
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.writing.writers import encode_ascii

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
        if fault.code in MENDED and (fault.code not in DROPPED or fault.severity == "error"):
            wanted.setdefault(fault.path, set()).add(fault.code)
    if not wanted or entry.fault is not None:
        return Mended(bytes(entry.raw), [])
    record = _OBJECT.decode(entry.raw)
    encode = encode_ascii if bytes(entry.raw).isascii() else msgspec.json.encode
    mender = _Mender(entry, wanted, encode)
    conversations = [dict(c) for c in _LIST.decode(record["conversations"])]
    if PROFILES[entry.layout].is_native:
        kept = mender.conversations(conversations)
    else:
        kept = mender.turns(conversations, "$.conversations")
    if not mender.changes:
        return Mended(bytes(entry.raw), [])
    raw = encode({**record, "conversations": kept})
    return Mended(raw if kept else None, mender.changes)


class _Mender:
    """Mends the turns of one record and takes down what it changes.

    Texts are written in ASCII where their record is, for LLaVA opens files without an encoding.
    """

    def __init__(self, entry: Entry, wanted: dict[str, set[str]], encode: Callable[[Any], bytes]) -> None:
        self._entry, self._wanted, self._encode = entry, wanted, encode
        self._question, _ = PROFILES[entry.layout].roles
        self.changes: list[Change] = []

    def conversations(self, conversations: list[_Object]) -> list[_Object]:
        """Return the conversations of a native record that are left."""
        kept = []
        for i, conversation in enumerate(conversations):
            turns = [dict(t) for t in _LIST.decode(conversation["content"])]
            left = self.turns(turns, PROFILES[self._entry.layout].path(i))
            if left or not turns:
                kept.append({**conversation, "content": left})
        return kept

    def turns(self, turns: list[_Object], path: str) -> list[_Object]:
        """Return the turns that are left, with their texts mended; a broken answer goes with its question."""
        values = [msgspec.json.decode(turn["value"], type=str) for turn in turns]
        roles = [msgspec.json.decode(turn["from"]) for turn in turns]
        dropped: dict[int, str] = {}
        for i in range(1, len(turns)):
            broken = next((code for code in DROPPED if code in self._wanted.get(f"{path}[{i}].value", ())), None)
            if broken and roles[i - 1] == self._question and i - 1 not in dropped:
                dropped |= {i - 1: broken, i: broken}
        kept, token = [], self._lost_token(values, dropped)
        for i, turn in enumerate(turns):
            place, value = f"{path}[{i}].value", values[i]
            if i in dropped:
                self._take(dropped[i], value, None, place)
                continue
            for code, after in _mend_text(value, self._wanted.get(place, set())):
                self._take(code, value, after, place)
                value = after
            if token and roles[i] == self._question:
                self._take(token, value, f"{_HEAD}{value}", place)
                value, token = f"{_HEAD}{value}", ""
            kept.append(turn if value == values[i] else {**turn, "value": Raw(self._encode(value))})
        return kept

    def _lost_token(self, values: list[str], dropped: dict[int, str]) -> str:
        """Return the code whose mend takes the record's only ``<image>`` away, '' where one is left or none was."""
        if PROFILES[self._entry.layout].is_native:
            return ""
        at = [i for i, value in enumerate(values) if IMAGE_TOKEN in value]
        return dropped[at[0]] if at and all(i in dropped for i in at) else ""

    def _take(self, code: str, before: str, after: str | None, path: str) -> None:
        entry = self._entry
        self.changes.append(Change(code, before, after, entry.file, entry.number, entry.id, path))


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
        return box if _is_pixels(box) else [x1, y1, x2, y2]

    return _rewrite(text, swap)


def clip_boxes(text: str) -> str:
    """Return a text with boxes cut at the image's edge.

    A box of which nothing would be left stays as it is, and so does one with numbers of 2 and more: those are pixels.

    >>> clip_boxes("<st>cat<ed> [0.5, 0.1, 1.2, 0.9] and [1.5, 0.1, 1.7, 0.9]")
    '<st>cat<ed> [0.5, 0.1, 1, 0.9] and [1.5, 0.1, 1.7, 0.9]'
    """

    def clip(box: list[str]) -> list[str]:
        inside = [c if float(c) <= 1 else "1" for c in box]
        is_lost = any(float(inside[i]) == float(inside[i + 2]) and float(box[i]) != float(box[i + 2]) for i in (0, 1))
        return box if is_lost or _is_pixels(box) else inside

    return _rewrite(text, clip)


def _is_pixels(box: list[str]) -> bool:
    """Tell whether a box has numbers of 2 and more: pixels, or a list that is no box at all."""
    return max(map(float, box)) >= _PIXELS


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
