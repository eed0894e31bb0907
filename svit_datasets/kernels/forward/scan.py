"""Plain native records in bytes: found, and proved sound, without decoding them.

Plain is what ``json.dumps`` writes of a record with the layout's own keys in their usual order: one space or none
behind "," and ":", user and gpt in turn, an image id of up to 18 digits, strings without rare escapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.borrowed import borrow_bytes, borrow_table
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.forward.plain_records import (
    BEGIN,
    COUNT,
    END,
    FIRST,
    FIRST_TEXT,
    ID_BEGIN,
    ID_END,
    IMAGE_ID,
    MOST_RECORDS,
    NO_TOPIC,
    NULL_TOPIC,
    TEXTS,
    TOPIC_BEGIN,
    TOPIC_END,
    NativeRun,
)
from svit_datasets.kernels.json_text import skip_string
from svit_datasets.kernels.json_tokens import skip_mark
from svit_datasets.kernels.text import as_bytes, read_digits, skip_text
from svit_datasets.reading.runs import Take

_COMMA, _COLON = 44, 58
_IMAGE_ID, _CONVERSATIONS = as_bytes('{"image_id"'), as_bytes('"conversations"')
_TOPIC, _NULL, _CONTENT = as_bytes('"topic"'), as_bytes("null"), as_bytes('"content"')
_FROM, _USER, _GPT, _VALUE = as_bytes('{"from"'), as_bytes('"user"'), as_bytes('"gpt"'), as_bytes('"value"')
_OPEN, _CLOSE, _BRACE, _END_BRACE, _QUOTE = map(as_bytes, ("[", "]}", "{", "}", '"'))
_MOST_CONVERSATIONS, _MOST_TEXTS = 1 << 15, 1 << 16


def native_scanner(limit_bytes: int) -> Take:
    """Return what takes the plain records at a place, as ``NativeRun``, for ``split``.

    Args:
        limit_bytes: Largest record.

    >>> turns = b'[{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]'
    >>> data = b'[{"image_id": 5, "conversations": [{"content": ' + turns + b'}]}, {"image_id": 6}]'
    >>> run = native_scanner(1000)(data, 1, len(data), b",")
    >>> run.count, bytes(run.raw(0))[:15], int(run.records[0, IMAGE_ID]), data[run.end :]
    (1, b'{"image_id": 5,', 5, b' {"image_id": 6}]')
    """
    records = np.zeros((MOST_RECORDS, COUNT + 1), np.int64)
    conversations = np.zeros((_MOST_CONVERSATIONS, TEXTS + 1), np.int64)
    texts = np.zeros((_MOST_TEXTS, 2), np.int64)

    def scan(data: bytes, begin: int, stop: int, separator: bytes) -> NativeRun | None:
        array = np.frombuffer(data, np.uint8)
        count, end = scan_records(
            array, begin, min(stop, len(data)), separator[0], limit_bytes, records, conversations, texts
        )
        return NativeRun(count, end, data, array, records, conversations, texts) if count else None

    return scan


@compiled
def scan_records(
    data: Any, at: int, stop: int, separator: int, limit_bytes: int, records: Any, conversations: Any, texts: Any
) -> tuple[int, int]:
    """Fill the tables with the plain records from ``at`` on; return their number and the index behind the last."""
    data, records = borrow_bytes(data), borrow_table(records)
    conversations, texts = borrow_table(conversations), borrow_table(texts)
    count, used, used_texts, done = 0, 0, 0, at
    while count < len(records):
        begin = at
        end, more, more_texts = _scan_record(data, begin, records[count], used, conversations, used_texts, texts)
        at = _skip_space(data, end, separator)
        if not 0 <= at < stop or data[at] != separator or end - begin > limit_bytes:
            break
        records[count, BEGIN], records[count, END] = begin, end
        records[count, FIRST], records[count, COUNT] = used, more - used
        count, used, used_texts, done = count + 1, more, more_texts, at + 1
        at = _skip_space(data, done, separator)
    return count, done


@compiled
def _skip_space(data: Any, at: int, separator: int) -> int:
    """Return the index of the next byte that is no white space, or is a line break that sets records apart."""
    while 0 <= at < len(data):
        byte = data[at]
        if byte == separator or not (byte == 32 or byte == 10 or byte == 13 or byte == 9):
            break
        at += 1
    return at


@compiled
def _scan_record(
    data: Any, begin: int, record: Any, used: int, conversations: Any, used_texts: int, texts: Any
) -> tuple[int, int, int]:
    """Return the index behind a record, and how many rows of the tables are used then; -1 where it is not plain."""
    at = _scan_id(data, skip_mark(data, skip_text(data, begin, _IMAGE_ID), _COLON), record)
    at = skip_mark(data, skip_text(data, skip_mark(data, at, _COMMA), _CONVERSATIONS), _COLON)
    at = skip_text(data, at, _OPEN)
    while at >= 0 and used < len(conversations):
        at, used_texts = _scan_conversation(data, at, conversations[used], used_texts, texts)
        used += 1
        end = skip_text(data, at, _CLOSE)
        if end >= 0:
            return end, used, used_texts
        at = skip_mark(data, at, _COMMA)
    return -1, used, used_texts


@compiled
def _scan_id(data: Any, at: int, record: Any) -> int:
    """Return the index behind an image id that is spelt as it will be written; -1 where it is not."""
    number, end = read_digits(data, at, len(data))
    record[IMAGE_ID], record[ID_BEGIN], record[ID_END] = number, at, end
    return end if end > at and (data[at] != 48 or end == at + 1) else -1


@compiled
def _scan_conversation(data: Any, at: int, conversation: Any, used_texts: int, texts: Any) -> tuple[int, int]:
    """Return the index behind a conversation, and how many rows of ``texts`` are used; -1 where it is not plain."""
    at = skip_text(data, at, _BRACE)
    topic = skip_mark(data, skip_text(data, at, _TOPIC), _COLON)
    conversation[TOPIC_BEGIN] = NO_TOPIC
    if topic >= 0:
        at = _scan_topic(data, topic, conversation)
    at = skip_text(data, skip_mark(data, skip_text(data, at, _CONTENT), _COLON), _OPEN)
    conversation[FIRST_TEXT] = used_texts
    while at >= 0 and used_texts + 1 < len(texts):
        at = skip_mark(data, _scan_turn(data, at, _USER, texts[used_texts]), _COMMA)
        at = _scan_turn(data, at, _GPT, texts[used_texts + 1])
        used_texts += 2
        conversation[TEXTS] = used_texts - conversation[FIRST_TEXT]
        end = skip_text(data, at, _CLOSE)
        if end >= 0:
            return end, used_texts
        at = skip_mark(data, at, _COMMA)
    return -1, used_texts


@compiled
def _scan_topic(data: Any, at: int, conversation: Any) -> int:
    """Return the index where the next key begins; -1 where the topic is not plain."""
    end, begin = skip_text(data, at, _NULL), skip_text(data, at, _QUOTE)
    conversation[TOPIC_BEGIN] = NULL_TOPIC
    if end < 0:
        end = skip_string(data, begin)
        conversation[TOPIC_BEGIN], conversation[TOPIC_END] = begin, end - 1
    return skip_mark(data, end, _COMMA)


@compiled
def _scan_turn(data: Any, at: int, role: Any, text: Any) -> int:
    """Return the index behind a turn; -1 where it is not plain."""
    at = skip_mark(data, skip_text(data, skip_mark(data, skip_text(data, at, _FROM), _COLON), role), _COMMA)
    at = skip_text(data, skip_mark(data, skip_text(data, at, _VALUE), _COLON), _QUOTE)
    end = skip_string(data, at)
    text[0], text[1] = at, end - 1
    return skip_text(data, end, _END_BRACE)
