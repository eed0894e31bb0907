"""One record in full, ready for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from svit_datasets.boxes import Size
from svit_datasets.converters.llava_rows import decode_row
from svit_datasets.findings import Finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Entry, Layout
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import Conversation
from svit_datasets.rules import Severity
from svit_datasets.validation.record_rules import frame_of
from svit_datasets.viewer.framing import Frame, to_boxes, to_frames
from svit_datasets.viewer.index import Stored
from svit_datasets.viewer.photo import look_at_photo
from svit_datasets.viewer.segments import Groups, cut
from svit_datasets.viewer.shapes import ConversationShown, Group, RecordShown, TurnShown

# A browser freezes on a page of many megabytes; genuine records are far below these.
MOST_TURNS, MOST_CHARACTERS, MOST_RAW_BYTES, MOST_FINDINGS = 400, 300_000, 300_000, 200
_RANKS: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


def _native_conversations(raw: bytes) -> Sequence[Conversation]:
    return decode_native(raw).conversations


def _llava_conversations(raw: bytes) -> Sequence[Conversation]:
    turns = decode_row(raw).turns
    return () if turns is None else (Conversation(turns),)


_CONVERSATIONS: dict[Layout, Callable[[bytes], Sequence[Conversation]]] = {
    "native": _native_conversations,
    "llava": _llava_conversations,
}


def present(stored: Stored, photos: Photos, *, coordinates: Frame) -> RecordShown:
    """Return one record as the page shows it.

    Args:
        stored: The record as the index holds it.
        photos: Where its photo is looked for.
        coordinates: The frame of LLaVA records' boxes; native ones are in the original frame.

    Returns:
        The record, its photo looked at, its boxes in both frames.
    """
    photo, size_wh = look_at_photo(stored, photos)
    size_wh = size_wh or stored.size_wh or photos.told_size(stored.image_id)
    written, is_assumed = frame_as_told(stored, coordinates)
    conversations = _CONVERSATIONS[stored.layout](stored.raw) if stored.is_readable else ()
    groups = Groups()
    shown = list(_show(conversations, groups))
    return RecordShown(
        number=stored.number,
        file=stored.file,
        place=stored.place,
        layout=stored.layout,
        task=stored.task,
        id=stored.id,
        image_id="" if stored.image_id is None else str(stored.image_id),
        image=stored.image or "",
        is_readable=stored.is_readable,
        photo=photo,
        frames=to_frames(size_wh, written, is_assumed=is_assumed) if size_wh else None,
        groups=_groups(groups, size_wh, written),
        conversations=shown,
        turns_left_out=sum(len(c.content) for c in conversations) - sum(len(c.turns) for c in shown),
        findings=worst_first(stored.findings)[:MOST_FINDINGS],
        findings_left_out=max(0, len(stored.findings) - MOST_FINDINGS),
        raw=indent(stored.raw),
        raw_bytes=len(stored.raw),
    )


class Told(NamedTuple):
    """The frame that boxes are drawn in as written, and whether it is a guess."""

    written: Frame
    is_assumed: bool


def frame_as_told(stored: Stored, coordinates: Frame) -> Told:
    """Return the frame of a record's boxes.

    Args:
        stored: The record.
        coordinates: The frame of LLaVA records' boxes.

    Returns:
        The frame. Nobody knows that of LLaVA records that ``to-llava`` did not make: it is taken to be the padded one,
        unless ``coordinates`` says otherwise.
    """
    entry = Entry(stored.file, stored.place, stored.layout, id=stored.id, raw=stored.raw)
    frames: dict[Layout, Frame] = {"native": "original", "llava": coordinates}
    is_assumed = coordinates == "padded" and frame_of(entry, coordinates) == "unknown"
    return Told(frames[stored.layout], is_assumed)


def worst_first(found: list[Finding]) -> list[Finding]:
    """Return findings with the errors first, then warnings, then notes; else in order.

    >>> from svit_datasets.findings import finding
    >>> [one.code for one in worst_first([finding("duplicate-id", ""), finding("turn-empty", "")])]
    ['turn-empty', 'duplicate-id']
    """
    return sorted(found, key=lambda one: _RANKS[one.severity])


def _groups(groups: Groups, size_wh: Size | None, written: Frame) -> list[Group]:
    return groups.show([to_boxes(coordinates, size_wh, written) for coordinates in groups.coordinates])


def _show(conversations: Sequence[Conversation], groups: Groups) -> Iterator[ConversationShown]:
    turns_left, characters_left = MOST_TURNS, MOST_CHARACTERS
    for number, conversation in enumerate(conversations):
        turns: list[TurnShown] = []
        for turn in conversation.content:
            if turns_left <= 0 or characters_left <= 0:
                break
            text = turn.value[:characters_left]
            turns.append(TurnShown(turn.role, cut(text, groups, conversation=number), len(turn.value) - len(text)))
            turns_left, characters_left = turns_left - 1, characters_left - len(text)
        topic = conversation.topic if isinstance(conversation.topic, str) else None
        if turns or turns_left > 0:
            yield ConversationShown(topic, turns)


def indent(raw: bytes) -> str:
    """Return JSON text with line breaks and spaces; text that is no JSON, or very long, as it is, cut off.

    >>> print(indent(b'{"a":[1]}'))
    {
      "a": [
        1
      ]
    }
    >>> indent(b'{"a":')
    '{"a":'
    """
    if len(raw) <= MOST_RAW_BYTES:
        try:
            return msgspec.json.format(raw, indent=2).decode("utf-8", "replace")
        except msgspec.DecodeError:
            pass  # the page shows it as it stands, beside the fault that says why
    return raw[:MOST_RAW_BYTES].decode("utf-8", "replace")
