"""The provenance of a row, and its end, as bytes; see ``converters.provenance``."""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.forward.plain_records import (
    ID_BEGIN,
    ID_END,
    NO_TOPIC,
    NULL_TOPIC,
    TEXTS,
    TOPIC_BEGIN,
    TOPIC_END,
)
from svit_datasets.kernels.json_text import QUOTE
from svit_datasets.kernels.sums import OWN_CHARACTERS, TEXT_CHARACTERS, own_crc, write_sum
from svit_datasets.kernels.text import as_bytes, write_bytes, write_number, write_part

_OPEN_SVIT, _OPEN_SUM = map(as_bytes, ('],"svit":{"at":"', '","sum":"'))
_NULL, _OPEN_TOPIC, _OPEN_MARKS = map(as_bytes, ('","topic":null', '","topic":"', ',"marks":"'))
_CLOSE_ALL = as_bytes("}}")


@compiled
def write_svit(
    data: Any,
    record: Any,
    conversation: Any,
    index: int,
    i: int,
    letter: int,
    total: int,
    out: Any,
    at: int,
    marks: Any,
    mark_end: int,
    sums: Any,
) -> int:
    """Write the provenance of a row and its end.

    Args:
        data: The bytes that the tables are of.
        record: The record's row of its table; see ``native_run``.
        conversation: Likewise.
        index: Number of the record among those of its task.
        i: Number of the conversation in it.
        letter: The task's letter.
        total: The sum over its texts.
        out: Where the row goes.
        at: Index there.
        marks: Its marks.
        mark_end: Index behind them.
        sums: A character for each turn.

    Returns:
        The index behind what was written; -1 where the topic is not plain.
    """
    topic_at, topic_end = conversation[TOPIC_BEGIN], conversation[TOPIC_END]
    if topic_at >= 0 and not _is_word(data, topic_at, topic_end):
        return -1
    place_at = write_bytes(out, at, _OPEN_SVIT)
    place_end = _write_place(data, record, index, i, letter, out, place_at)
    mark_end = mark_end if _has_marks(marks, mark_end) else 0
    own = own_crc(
        out, place_at, place_end, topic_at != NO_TOPIC, data, topic_at, topic_end if topic_at >= 0 else -1,
        marks, 0, mark_end,
    )  # fmt: skip
    at = write_sum(out, write_bytes(out, place_end, _OPEN_SUM), total, TEXT_CHARACTERS)
    at = write_part(out, write_sum(out, at, own, OWN_CHARACTERS), sums, 0, conversation[TEXTS])
    if topic_at == NULL_TOPIC:
        at = write_bytes(out, at, _NULL)
    else:
        if topic_at != NO_TOPIC:
            at = write_part(out, write_bytes(out, at, _OPEN_TOPIC), data, topic_at, topic_end)
        out[at] = QUOTE
        at += 1
    if mark_end:
        at = write_part(out, write_bytes(out, at, _OPEN_MARKS), marks, 0, mark_end)
        out[at] = QUOTE
        at += 1
    return write_bytes(out, at, _CLOSE_ALL)


@compiled
def _write_place(data: Any, record: Any, index: int, i: int, letter: int, out: Any, at: int) -> int:
    """Write what names a conversation: task, record, conversation, image."""
    out[at] = letter
    at = write_number(out, at + 1, index)
    out[at] = 46
    at = write_number(out, at + 1, i)
    out[at] = 46
    return write_part(out, at + 1, data, record[ID_BEGIN], record[ID_END])


@compiled
def _has_marks(marks: Any, end: int) -> bool:
    at = 0
    while at < end and marks[at] == 124:
        at += 1
    return at < end


@compiled
def _is_word(data: Any, begin: int, end: int) -> bool:
    """Tell whether a string is printable ASCII without escapes, so that its ``repr`` is itself in quotes."""
    for i in range(begin, end):  # noqa: SIM110
        if not 0x20 <= data[i] < 0x7F or data[i] == 92:
            return False
    return True
