"""What the way back needs: compact, beside the converted text, and proved when it is written.

The key ``svit`` of a LLaVA record::

    {"at": "r12345.3.2315353", "sum": "Ab3dE6gHijKl", "marks": "~|13:.472 .432 .962 .696", "topic": "..."}

``at`` is the task's letter, the number of the native record, of the conversation in it, and the image id. ``sum``
notices edits of roles and texts (6 characters), damage of the provenance itself (4), and which turns were edited (1
for each). ``marks`` has a piece for each turn, separated by ``|``: ``~`` when a formatting sentence was added behind
the last line break, then for each group of boxes the length of its marked phrase and ``:`` (nothing for bare boxes)
and the original coordinates, ``0.5`` as ``.5``; groups are separated by ``;``. A turn that this does not restore
character by character has its native text under ``text`` instead. ``topic`` and ``extra`` hold the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from svit_datasets import grounding
from svit_datasets.converters.llava_layout import SENTENCES
from svit_datasets.converters.rendering import Rendered
from svit_datasets.converters.sums import own_sum, plain_sum, whole_sum
from svit_datasets.grounding import ED, ST
from svit_datasets.records import (
    TASKS,
    Conversation,
    ConversationWithExtra,
    HubRecord,
    TaskName,
    Turn,
    TurnWithExtra,
    extra_of,
)

ADDED_LINE = "~"
_AT = re.compile(r"([cxrd])([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,400})")
_RECORD_KEYS = {"image_id", "conversations"}
_CONVERSATION_KEYS = {"topic", "content"}
_TURN_KEYS = {"from", "value"}
_BY_LETTER: dict[str, TaskName] = {task.letter: task.stem for task in TASKS.values()}


class Extra(Struct, forbid_unknown_fields=True):
    """Unknown keys of the native file, as raw JSON text."""

    record: dict[str, Raw] = {}
    conversation: dict[str, Raw] = {}
    turns: dict[str, dict[str, Raw]] = {}


class Provenance(Struct, forbid_unknown_fields=True, frozen=True):
    """The ``svit`` key, decoded."""

    at: str
    sum: str
    topic: str | UnsetType | None = UNSET
    marks: str = ""
    text: dict[str, str] = {}
    extra: Extra = msgspec.field(default_factory=Extra)


class Place(NamedTuple):
    """Where a conversation stood: task, record, conversation in it, image."""

    task: TaskName
    record_index: int
    conversation_index: int
    image_id: int


def strip_added_line(value: str) -> str:
    r"""Return a question without the formatting sentence behind its last line break.

    Raises:
        ValueError: No such sentence stands there.

    >>> strip_added_line("Who?\nLocate the objects with their coordinates.")
    'Who?'
    """
    question, line_break, sentence = value.rpartition("\n")
    if not line_break or sentence not in SENTENCES:
        raise ValueError("the formatting sentence is gone")
    return question


def restore_turn(value: str, piece: str) -> str:
    """Return the native text of a converted turn.

    Args:
        value: The converted text, without ``<image>``.
        piece: Its piece of ``marks``.

    Returns:
        The native text.

    Raises:
        ValueError: The piece does not fit the text.

    >>> restore_turn("Is a man [0.25, 0.125, 0.5, 0.875] there?", "3:.25 0 .5 1")
    'Is a <st>man<ed> [0.25, 0, 0.5, 1] there?'
    """
    if piece.startswith(ADDED_LINE):
        value, piece = strip_added_line(value), piece[1:]
    if not piece:
        return value
    parts, end = [], 0
    for group, packed in zip(grounding.find(value), piece.split(";"), strict=True):
        length, marked, coordinates = packed.rpartition(":")
        if len(coordinates.split(" ")) != len(group.coordinates):
            raise ValueError(f"{coordinates!r} for {group.boxes}")
        if marked:
            start = group.start - 1 - int(length)
            if start < end:
                raise ValueError(f"no room for a phrase of {length} characters")
            parts += [value[end:start], ST, value[start : group.start - 1], ED, " "]
        else:
            parts.append(value[end : group.start])
        parts.append(grounding.write_boxes([f"0{c}" if c[:1] == "." else c for c in coordinates.split(" ")]))
        end = group.end
    parts.append(value[end:])
    return "".join(parts)


def make(hub: HubRecord, roles: Sequence[str], rendered: Sequence[Rendered]) -> dict[str, Any]:
    """Return the provenance of a converted conversation.

    Every turn that is not plain is restored and compared here; what fails keeps its native text.

    Args:
        hub: The conversation.
        roles: Roles as written.
        rendered: Turns as written, without ``<image>``.

    Returns:
        The ``svit`` object.
    """
    kept, texts = [r.piece for r in rendered], {}
    for i, (text, piece, is_plain) in enumerate(rendered):
        native = hub.conversation.content[i].value
        if not is_plain and not _restores(text, piece, native):
            texts[str(i)], kept[i] = native, piece[:1] if piece[:1] == ADDED_LINE else ""
    marks = "|".join(kept) if any(kept) else ""
    letter, topic = TASKS[hub.task].letter, hub.conversation.topic
    at = f"{letter}{hub.record_index}.{hub.conversation_index}.{hub.image_id}"
    values = [r.text for r in rendered]
    extra = _extra(hub)
    total = whole_sum(at, topic, marks, roles, values, texts, extra)
    made: dict[str, Any] = {"at": at, "sum": total}
    if topic is not UNSET:
        made["topic"] = topic
    if marks:
        made["marks"] = marks
    if texts:
        made["text"] = texts
    if extra:
        made["extra"] = extra
    return made


def make_plain(at: str, topic: str | UnsetType | None, marks: str, crcs: Sequence[int]) -> dict[str, Any]:
    """Return the provenance of a conversation that its pieces surely restore, without unknown keys.

    Args:
        at: Its place.
        topic: Its topic.
        marks: Its pieces, joined.
        crcs: CRC-32 of each turn as written; the turns are human's and gpt's in turn.

    Returns:
        The ``svit`` object.

    >>> make_plain("c0.0.1", UNSET, "|", [1, 2])
    {'at': 'c0.0.1', 'sum': ...}
    """
    marks = marks if marks.strip("|") else ""
    made: dict[str, Any] = {"at": at, "sum": plain_sum(at, topic, marks, crcs)}
    if topic is not UNSET:
        made["topic"] = topic
    if marks:
        made["marks"] = marks
    return made


def _restores(value: str, piece: str, native: str) -> bool:
    try:
        return restore_turn(value, piece) == native
    except ValueError:
        return False


def _extra(hub: HubRecord) -> dict[str, Any]:
    """Return the unknown keys by where they stand."""
    turns = {str(i): extra_of(t) for i, t in enumerate(hub.conversation.content) if extra_of(t)}
    parts = {"record": hub.record_extra, "conversation": extra_of(hub.conversation), "turns": turns}
    return {name: part for name, part in parts.items() if part}


def parse_place(at: str) -> Place | None:
    """Return the place that ``at`` names, None if it is none.

    >>> parse_place("r12345.3.2315353")
    Place(task='referring_qa', record_index=12345, conversation_index=3, image_id=2315353)
    """
    match = _AT.fullmatch(at)
    if not match:
        return None
    return Place(_BY_LETTER[match[1]], int(match[2]), int(match[3]), int(match[4]))


def pieces_of(provenance: Provenance, turns: int) -> list[str] | None:
    """Return the piece of ``marks`` for every turn, None if their number does not fit.

    >>> pieces_of(Provenance("c0.0.1", "", marks="~|"), 2), pieces_of(Provenance("c0.0.1", ""), 2)
    (['~', ''], ['', ''])
    """
    if not provenance.marks:
        return [""] * turns
    pieces = provenance.marks.split("|")
    return pieces if len(pieces) == turns else None


def rebuild(
    provenance: Provenance, roles: Sequence[str], texts: Sequence[str], *, has_turns: bool = True
) -> Conversation:
    """Return the native conversation: texts, topic and unknown keys; those of turns only if ``has_turns`` still fits.

    >>> rebuild(Provenance("c0.0.1", "", topic="T"), ["user", "gpt"], ["Why?", "So."]).topic
    'T'
    """
    extra = provenance.extra
    content = [
        TurnWithExtra(role, text, extra.turns[str(i)]) if has_turns and str(i) in extra.turns else Turn(role, text)
        for i, (role, text) in enumerate(zip(roles, texts, strict=True))
    ]
    if extra.conversation:
        return ConversationWithExtra(content, provenance.topic, extra.conversation)
    return Conversation(content, provenance.topic)


def decode(svit: bytes) -> Provenance:
    """Return provenance from the JSON text of the ``svit`` object.

    Raises:
        ValueError: It is no such object.

    >>> decode(b'{"at": "c0.0.1", "sum": "AAAAAAXX"}').at
    'c0.0.1'
    """
    return msgspec.json.decode(svit, type=Provenance)


def find_damage(kept: Provenance) -> str:
    """Return what shows that provenance is not as ``make`` wrote it; '' for nothing.

    >>> find_damage(Provenance("c0.0.1", "AAAAAAXX"))
    'a sum that does not fit the rest'
    """
    extra = kept.extra
    parts = {"record": extra.record, "conversation": extra.conversation, "turns": extra.turns}
    held = {name: part for name, part in parts.items() if part}
    if kept.sum[6:10] != own_sum(kept.at, kept.topic, kept.marks, kept.text, held):
        return "a sum that does not fit the rest"
    known = _RECORD_KEYS & extra.record.keys() | _CONVERSATION_KEYS & extra.conversation.keys()
    known |= {key for turn in extra.turns.values() for key in _TURN_KEYS & turn.keys()}
    return f"{', '.join(sorted(known))} among unknown keys" if known else ""
