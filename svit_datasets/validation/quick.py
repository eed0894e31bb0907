"""Prove a record good without the rules, but for its texts: schema, roles, numbers of turns, where ``<image>`` is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from svit_datasets.boxes import Size
from svit_datasets.check import validator
from svit_datasets.converters.llava_layout import IMAGE_TOKEN, strip_sentence
from svit_datasets.entries import Entry
from svit_datasets.photos import is_safe_path
from svit_datasets.records import Conversation
from svit_datasets.validation.answers import repeats
from svit_datasets.validation.layouts import PROFILES, Profile, values_of
from svit_datasets.validation.record_rules import DESIGN, Coordinates, frame_of
from svit_datasets.validation.screen import Texts, join_texts

_decode = msgspec.json.Decoder().decode


def texts_to_screen(entry: Entry, size_wh: Size | None, coordinates: Coordinates) -> Texts | None:
    """Return what is left to be screened of a record whose rest is certainly good; None where it may not be.

    Args:
        entry: The record.
        size_wh: Size of its image in stored pixels.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.

    Returns:
        Its texts.

    >>> from svit_datasets.records import Turn
    >>> raw = b'{"image_id": 5, "conversations": []}'
    >>> conversation = Conversation([Turn("user", "Why?"), Turn("gpt", "So.")])
    >>> entry = Entry("a.json", 1, "native", conversations=[conversation], raw=raw)
    >>> texts_to_screen(entry, None, "padded").joined, texts_to_screen(entry._replace(raw=b"{}"), None, "padded")
    ('\\x00Why?\\x00So.\\x00', None)
    """
    profile = PROFILES[entry.layout]
    if entry.fault is not None or not entry.conversations or not _fits_schema(entry, profile):
        return None
    if not all(_is_in_turn(c, profile.roles) for c in entry.conversations) or not _is_as_designed(entry):
        return None
    values = [value for c in entry.conversations for value in values_of(entry, c)]
    if not profile.is_native and not _is_image_in_place(entry, values):
        return None
    if any(len(q) == len(a) and repeats(strip_sentence(q), a) for q, a in zip(values[::2], values[1::2], strict=True)):
        return None
    return join_texts(values, size_wh, frame_of(entry, coordinates))


def _fits_schema(entry: Entry, profile: Profile) -> bool:
    try:
        return not validator(profile.schema)(_decode(entry.raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _is_in_turn(conversation: Conversation, roles: tuple[str, str]) -> bool:
    content = conversation.content
    if not content or len(content) % 2:
        return False
    question, answer = roles
    return all(t.role == question for t in content[::2]) and all(t.role == answer for t in content[1::2])


def _is_as_designed(entry: Entry) -> bool:
    if entry.task is None or not PROFILES[entry.layout].is_native:
        return True
    conversations, pairs = DESIGN[entry.task]
    return len(entry.conversations) == conversations and all(len(c.content) == 2 * pairs for c in entry.conversations)


def _is_image_in_place(entry: Entry, values: Sequence[str]) -> bool:
    """Tell whether a record with an image has its token at an edge of the first question; others the screen finds."""
    if entry.image is None:
        return b'"image"' not in entry.raw
    first = entry.conversations[0].content[0].value
    return len(first) > len(values[0]) and IMAGE_TOKEN in first and is_safe_path(entry.image)
