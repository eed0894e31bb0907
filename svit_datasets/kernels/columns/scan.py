"""Native records that are surely ordinary, as the buffers of Arrow columns: one pass over the JSON text.

Ordinary is what ``readers.decode_native`` takes without unknown keys, in the order of keys that SVIT has: ``image_id``,
``conversations``; ``topic``, if any, on either side of ``content``; ``from``, ``value``.
"""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels.columns.buffers import CONVERSATIONS, RECORDS, TURNS, Texts
from svit_datasets.kernels.columns.json_values import ODD, read_string, read_whole
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.json_tokens import skip_byte, skip_key, skip_space
from svit_datasets.kernels.text import as_bytes, stands

_ID, _CONVERSATIONS, _TOPIC, _CONTENT = map(as_bytes, ('"image_id"', '"conversations"', '"topic"', '"content"'))
_FROM, _VALUE, _USER, _GPT = map(as_bytes, ('"from"', '"value"', "user", "gpt"))


@compiled
def scan_records(
    data: Any, at: int, stop: int, most: int, most_bytes: int, held_out: Any, is_test: bool, is_paired: bool,
    out: Texts,
) -> tuple[int, int]:  # fmt: skip
    """Take records, each with the comma behind it, as long as they are ordinary and begin with the same bytes.

    Args:
        data: JSON text.
        at: Where a record begins.
        stop: Index that no comma reaches.
        most: Records to keep at most.
        most_bytes: Largest record.
        held_out: For each image id from 0 whether it is held out; ids beyond are not.
        is_test: Whether records of images that are held out are kept, or all others.
        is_paired: Whether only records of pairs of user and gpt, at least one a conversation, are ordinary.
        out: Takes what is kept.

    Returns:
        The index where the next record begins, and how many were taken, kept or not.
    """
    # Its arrays are handed on one by one: a tuple of them costs more at each step than the step.
    filled, ids, places, begins, sizes = out.filled, out.ids, out.places, out.begins, out.sizes
    record_ends, content_ends, has_topic = out.record_ends, out.content_ends, out.has_topic
    topics, topic_ends = out.topics, out.topic_ends
    roles, role_ends, values, value_ends = out.roles, out.role_ends, out.values, out.value_ends
    taken = records = conversations = 0
    first = begin = skip_space(data, at, stop)
    while records < most and _begins_alike(data, first, begin, stop):
        end, image_id, more = _read_record(
            data, begin, stop, is_paired, conversations,
            topics, topic_ends, has_topic, content_ends, roles, role_ends, values, value_ends,
        )  # fmt: skip
        comma = skip_byte(data, end, stop, 44)
        if comma == ODD or end - begin > most_bytes:
            break
        if (image_id < len(held_out) and held_out[image_id]) == is_test:
            ids[records], places[records], begins[records], sizes[records] = image_id, taken, begin, end - begin
            records, conversations = records + 1, more
            record_ends[records] = more
        taken, begin = taken + 1, skip_space(data, comma, stop)
    filled[RECORDS], filled[CONVERSATIONS], filled[TURNS] = records, conversations, content_ends[conversations]
    return begin, taken


@compiled
def _begins_alike(data: Any, first: int, begin: int, stop: int) -> bool:
    """Tell whether a record begins as the first one does, up to the first quote."""
    while begin < stop and data[begin] == data[first]:
        if data[begin] == 34:
            return True
        first, begin = first + 1, begin + 1
    return False


@compiled
def _read_record(
    data: Any, at: int, stop: int, is_paired: bool, number: int, topics: Any, topic_ends: Any, has_topic: Any,
    content_ends: Any, roles: Any, role_ends: Any, values: Any, value_ends: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Take ``{"image_id": .., "conversations": [..]}``, one conversation at least, as number ``number`` and on.

    Returns:
        Where it ends, the id, and how many conversations there are then.
    """
    at, image_id = read_whole(data, skip_key(data, skip_byte(data, at, stop, 123), stop, _ID), stop)
    at = skip_key(data, skip_byte(data, at, stop, 44), stop, _CONVERSATIONS)
    comma = skip_byte(data, at, stop, 91)
    while comma != ODD:
        at, topic = _read_topic(data, skip_byte(data, comma, stop, 123), stop, number, topics, topic_ends, has_topic)
        at = skip_byte(data, at, stop, 44) if topic else at
        at = skip_byte(data, skip_key(data, at, stop, _CONTENT), stop, 91)
        at, turns = _read_turns(
            data, at, stop, content_ends[number], is_paired, roles, role_ends, values, value_ends
        )  # fmt: skip
        at = skip_byte(data, at, stop, 93)
        comma = skip_byte(data, at, stop, 44)
        if comma != ODD and not topic:
            at, topic = _read_topic(data, comma, stop, number, topics, topic_ends, has_topic)
        at = skip_byte(data, at, stop, 125) if comma == ODD or topic else ODD
        number += 1
        content_ends[number] = turns
        comma = skip_byte(data, at, stop, 44)
    return skip_byte(data, skip_byte(data, at, stop, 93), stop, 125), image_id, number


@compiled
def _read_topic(
    data: Any, at: int, stop: int, number: int, topics: Any, topic_ends: Any, has_topic: Any
) -> tuple[int, bool]:
    """Take a conversation's ``"topic": ".."`` if it stands there; also tell whether it does."""
    value = skip_key(data, at, stop, _TOPIC)
    has_topic[number], topic_ends[number + 1] = value != ODD, topic_ends[number]
    if value == ODD:
        return at, False
    at, topic_ends[number + 1] = read_string(data, value, stop, topics, topic_ends[number])
    return at, True


@compiled
def _read_turns(
    data: Any, at: int, stop: int, first: int, is_paired: bool, roles: Any, role_ends: Any, values: Any, value_ends: Any
) -> tuple[int, int]:
    """Take the turns of a conversation, one at least, from number ``first`` on; also return how many there are then."""
    number, comma = first, at
    while comma != ODD:
        at = skip_key(data, skip_byte(data, comma, stop, 123), stop, _FROM)
        at, role_end = read_string(data, at, stop, roles, role_ends[number])
        at = skip_key(data, skip_byte(data, at, stop, 44), stop, _VALUE)
        at, value_end = read_string(data, at, stop, values, value_ends[number])
        at = skip_byte(data, at, stop, 125)
        if is_paired and not _is_text(roles, role_ends[number], role_end, _GPT if (number - first) % 2 else _USER):
            return ODD, number
        number += 1
        role_ends[number], value_ends[number] = role_end, value_end
        comma = skip_byte(data, at, stop, 44)
    return ODD if is_paired and (number - first) % 2 else at, number


@compiled
def _is_text(text: Any, begin: int, end: int, wanted: Any) -> bool:
    return end - begin == len(wanted) and stands(text, begin, end, wanted)
