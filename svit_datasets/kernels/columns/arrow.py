"""The columns of a block of records as Arrow arrays, equal to what ``arrays`` makes of the same records. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from svit_datasets.kernels.columns.blocks import Block
from svit_datasets.kernels.columns.buffers import CONVERSATIONS, RECORDS, TURNS
from svit_datasets.tables.arrays import BOXES_TYPE, CONTENT_TYPE, CONVERSATION_TYPE, OBJECT_TYPE, TURN_TYPE
from svit_datasets.tables.parts import Granularity

Ends = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """The rows of a block.

    Attributes:
        block: The block.
        record_ends: Conversations up to the end of each record, behind a 0.
        content_ends: Turns up to the end of each conversation, behind a 0.
        turn_ends: Turns up to the end of each row, behind a 0.
        conversations: Number of each row's conversation in the block; of its first, where a row holds several.
        records: Number of each row's record in the block.
    """

    block: Block
    record_ends: Ends
    content_ends: Ends
    turn_ends: Ends
    conversations: Numbers
    records: Numbers


def rows_of(block: Block, granularity: Granularity) -> Rows:
    """Return the rows of a block: one a record, a conversation, or a pair of turns."""
    texts = block.texts
    record_ends = texts.record_ends[: texts.filled[RECORDS] + 1]
    content_ends = texts.content_ends[: texts.filled[CONVERSATIONS] + 1]
    return Rows(block, record_ends, content_ends, *_ROWS[granularity](record_ends, content_ends))


def _rows_of_records(record_ends: Ends, content_ends: Ends) -> tuple[Ends, Numbers, Numbers]:
    return content_ends[record_ends], record_ends[:-1].astype(np.int64), np.arange(len(record_ends) - 1)


def _rows_of_conversations(record_ends: Ends, content_ends: Ends) -> tuple[Ends, Numbers, Numbers]:
    return content_ends, np.arange(len(content_ends) - 1), _owners(record_ends)


def _rows_of_pairs(record_ends: Ends, content_ends: Ends) -> tuple[Ends, Numbers, Numbers]:
    turn_ends = np.arange(0, content_ends[-1] + 1, 2, dtype=np.int32)
    conversations = _owners(content_ends)[::2]
    return turn_ends, conversations, _owners(record_ends)[conversations]


_ROWS: dict[Granularity, Callable[[Ends, Ends], tuple[Ends, Numbers, Numbers]]] = {
    "image": _rows_of_records,
    "conversation": _rows_of_conversations,
    "qa": _rows_of_pairs,
}


def _owners(ends: Ends) -> Numbers:
    """Return the number of the list that each element is in.

    >>> _owners(np.array([0, 2, 3], np.int32)).tolist()
    [0, 0, 1]
    """
    return np.repeat(np.arange(len(ends) - 1), np.diff(ends))


def _integers(numbers: npt.NDArray[Any]) -> pa.Array:
    return pa.array(numbers.astype(np.int32), pa.int32())


def _text(text: Any, ends: Any, count: int, bitmap: pa.Buffer | None = None) -> pa.Array:
    offsets, data = ends[: count + 1].copy(), text[: ends[count]].copy()
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data), bitmap)


def _lists(ends: Ends, values: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(ends.copy()), values, type=kind)  # the buffers are filled again


def _structs(arrays: list[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _topics(rows: Rows) -> pa.Array:
    texts = rows.block.texts
    count = int(texts.filled[CONVERSATIONS])
    bitmap = pa.py_buffer(np.packbits(texts.has_topic[:count], bitorder="little"))
    return _text(texts.topics, texts.topic_ends, count, bitmap)


def _values(rows: Rows) -> pa.Array:
    texts = rows.block.texts
    return _text(texts.values, texts.value_ends, int(texts.filled[TURNS]))


def _contents(rows: Rows) -> pa.Array:
    texts = rows.block.texts
    roles = _text(texts.roles, texts.role_ends, int(texts.filled[TURNS]))
    return _lists(rows.content_ends, _structs([roles, _values(rows)], TURN_TYPE), CONTENT_TYPE)


def _conversations(rows: Rows) -> pa.Array:
    structs = _structs([_topics(rows), _contents(rows)], CONVERSATION_TYPE)
    return _lists(rows.record_ends, structs, pa.list_(CONVERSATION_TYPE))


def _conversation_index(rows: Rows) -> pa.Array:
    return _integers(rows.conversations - rows.record_ends[rows.records])


def _pair_index(rows: Rows) -> pa.Array:
    return _integers((rows.turn_ends[:-1] - rows.content_ends[rows.conversations]) // 2)


def _objects(rows: Rows) -> pa.Array:
    found, turns = rows.block.objects, int(rows.block.texts.filled[TURNS])
    count = int(found.text_ends[turns])
    text = found.objects[0, :count]
    conversation = _owners(rows.content_ends)[text]
    in_record = conversation - rows.record_ends[_owners(rows.record_ends)[conversation]]
    places = (in_record, text - rows.content_ends[conversation], found.objects[1, :count], found.objects[2, :count])
    box_ends = found.box_ends[: count + 1]
    boxes = int(box_ends[-1])
    numbers = pa.array(found.numbers[: 4 * boxes].copy(), pa.float64())
    each = _lists(np.arange(0, 4 * boxes + 1, 4, dtype=np.int32), numbers, BOXES_TYPE.value_type)
    phrases = _text(found.phrases, found.phrase_ends, count)
    arrays = [*map(_integers, places), phrases, _lists(box_ends, each, BOXES_TYPE)]
    return _lists(found.text_ends[rows.turn_ends], _structs(arrays, OBJECT_TYPE), pa.list_(OBJECT_TYPE))


# The columns that are made of a record's text; all others are made of its image alone.
TEXT_COLUMNS: dict[str, Callable[[Rows], pa.Array]] = {
    "conversations": _conversations,
    "conversation_index": _conversation_index,
    "pair_index": _pair_index,
    "topic": lambda rows: _topics(rows).take(pa.array(rows.conversations)),
    "content": _contents,
    "question": lambda rows: _values(rows).take(pa.array(rows.turn_ends[:-1])),
    "answer": lambda rows: _values(rows).take(pa.array(rows.turn_ends[:-1] + 1)),
    "objects": _objects,
    "extra": lambda rows: pa.nulls(len(rows.records), pa.string()),
}
