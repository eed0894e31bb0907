"""Prove a record good without the rules, but for its texts: schema, roles, numbers of turns, where ``<image>`` is."""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq

import msgspec
from msgspec import UNSET

from svit_datasets.boxes import Size
from svit_datasets.check import validator
from svit_datasets.converters.llava_layout import IMAGE_TOKEN, strip_sentence
from svit_datasets.images.photos import is_safe_path
from svit_datasets.reading.diagnosis import has_more_keys
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.answers import repeats
from svit_datasets.validation.layouts import PROFILES, Profile, without_image
from svit_datasets.validation.record_rules import DESIGN, Coordinates, frame_of
from svit_datasets.validation.screen import Texts, join_texts

_decode = msgspec.json.Decoder().decode
_LARGEST_BYTES = 4 << 20  # the screen takes up to 160 bytes of memory a byte of text
_DESIGN_TURNS = {task: [2 * pairs] * conversations for task, (conversations, pairs) in DESIGN.items()}


def values_in_turn(entry: Entry) -> list[str] | None:
    """Return a record's texts where its turns are question and answer in turn, as its layout has them; else None.

    The texts are those that ``texts_of`` yields, question and answer in turn. A native record must have as many as
    SVIT's design says.

    >>> from svit_datasets.records import Conversation, Turn
    >>> conversation = Conversation([Turn("user", "Why?"), Turn("gpt", "So.")])
    >>> values_in_turn(Entry("a.json", 1, "native", conversations=[conversation]))
    ['Why?', 'So.']
    >>> values_in_turn(Entry("a.json", 1, "native", "5", "referring_qa", conversations=[conversation]))
    """
    profile = PROFILES[entry.layout]
    counts = [len(c.content) for c in entry.conversations]
    if entry.task is not None and profile.is_native:
        if counts != _DESIGN_TURNS[entry.task]:
            return None
    elif not counts or any(not n or n % 2 for n in counts):
        return None
    turns = [turn for c in entry.conversations for turn in c.content]
    if [turn.role for turn in turns] != list(profile.roles) * (len(turns) // 2):
        return None
    values = [turn.value for turn in turns]
    if not profile.is_native:
        values[0] = without_image(values[0])
    return values


def texts_to_screen(
    entry: Entry, values: list[str] | None, size_wh: Size | None, coordinates: Coordinates
) -> Texts | None:
    """Return what is left to be screened of a record whose rest is certainly good; None where it may not be.

    Args:
        entry: The record.
        values: What ``values_in_turn`` gives for it.
        size_wh: Size of its image in stored pixels.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.

    Returns:
        Its texts.

    >>> raw = b'{"image_id": 5, "conversations": []}'
    >>> entry = Entry("a.json", 1, "native", raw=raw)
    >>> texts_to_screen(entry, ["Why?", "So."], None, "padded").joined
    '\\x00Why?\\x00So.\\x00'
    >>> texts_to_screen(entry._replace(raw=b"{}"), ["Why?", "So."], None, "padded")
    """
    profile = PROFILES[entry.layout]
    if entry.fault is not None or values is None or len(entry.raw) > _LARGEST_BYTES:
        return None
    if not _is_plain(entry) and not _fits_schema(entry, profile):
        return None
    if not profile.is_native and not _is_image_in_place(entry, values):
        return None
    questions, answers = [q if q[-1:] == "?" else _asked(q) for q in values[::2]], values[1::2]
    if any(map(eq, map(len, questions), map(len, answers))) and any(map(repeats, questions, answers)):
        return None
    return join_texts(values, size_wh, frame_of(entry, coordinates))


def _asked(question: str) -> str:
    """Return a question without its formatting sentence and the white space in front of that."""
    stripped = strip_sentence(question)
    return question if stripped == question else stripped.strip()


def _is_plain(entry: Entry) -> bool:
    """Tell whether a record with roles in turn surely fits the native schema: typed decoding proves it but for ids.

    That is so where there is no room for a key that the schema does not name.
    """
    if not PROFILES[entry.layout].is_native or entry.image_id is None or entry.image_id < 0:
        return False
    keys = sum([(1 if c.topic is UNSET else 2) + 2 * len(c.content) for c in entry.conversations])
    return not has_more_keys(entry.raw, 2 + keys)


def _fits_schema(entry: Entry, profile: Profile) -> bool:
    try:
        return not validator(profile.schema)(_decode(entry.raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _is_image_in_place(entry: Entry, values: Sequence[str]) -> bool:
    """Tell whether a record with an image has its token at an edge of the first question; others the screen finds."""
    first = entry.conversations[0].content[0].value
    if entry.image is None:
        return b'"image"' not in entry.raw and len(first) == len(values[0])
    return len(first) > len(values[0]) and IMAGE_TOKEN in first and is_safe_path(entry.image)
