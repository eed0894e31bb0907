"""Arrow arrays out of the parts that rows are made from: one function for each kind of column. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import attrgetter

import numpy as np
import pyarrow as pa

from svit_datasets import grounding
from svit_datasets.records import Turn
from svit_datasets.tables.objects import find_all_marked, parse_numbers
from svit_datasets.tables.parts import Part

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TURN_TYPE = pa.struct([("from", pa.string()), ("value", pa.string())])
CONTENT_TYPE = pa.list_(TURN_TYPE)
CONVERSATION_TYPE = pa.struct([("topic", pa.string()), ("content", CONTENT_TYPE)])
BOXES_TYPE = pa.list_(pa.list_(pa.float64()))
OBJECT_TYPE = pa.struct(
    [
        ("conversation", pa.int32()),
        ("turn", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("phrase", pa.string()),
        ("boxes", BOXES_TYPE),
    ]
)


def of_image(field: str, kind: pa.DataType) -> Callable[[Sequence[Part]], pa.Array]:
    """Return a function that makes the column of one attribute of ``ImageRow``."""
    pick = attrgetter(f"image.{field}")
    return lambda parts: pa.array(list(map(pick, parts)), kind)


def images(parts: Sequence[Part]) -> pa.Array:
    """Make the column ``image``: bytes and path of each, null where there is neither."""
    missing = [part.image.path is None and part.image.data is None for part in parts]
    data = pa.array([part.image.data for part in parts], pa.binary())
    paths = pa.array([part.image.path for part in parts], pa.string())
    return pa.StructArray.from_arrays([data, paths], fields=list(IMAGE_TYPE), mask=pa.array(missing, pa.bool_()))


def _lists(lengths: Iterable[int], values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return lists of the given lengths out of ``values``."""
    return pa.ListArray.from_arrays(pa.array(accumulate(lengths, initial=0), pa.int32()), values, type=kind)


def _structs(arrays: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.StructArray.from_arrays(list(arrays), fields=list(kind))


def _contents(contents: Sequence[Sequence[Turn]]) -> pa.Array:
    turns = [turn for content in contents for turn in content]
    roles, values = pa.array([t.role for t in turns], pa.string()), pa.array([t.value for t in turns], pa.string())
    return _lists(map(len, contents), _structs([roles, values], TURN_TYPE), CONTENT_TYPE)


def conversations(parts: Sequence[Part]) -> pa.Array:
    """Make the column ``conversations``: all of each record."""
    everything = [c for part in parts for c in part.record.conversations]
    topics = pa.array([c.topic if isinstance(c.topic, str) else None for c in everything], pa.string())
    structs = _structs([topics, _contents([c.content for c in everything])], CONVERSATION_TYPE)
    return _lists((len(part.record.conversations) for part in parts), structs, pa.list_(CONVERSATION_TYPE))


def topics(parts: Sequence[Part]) -> pa.Array:
    """Make the column ``topic`` of rows that hold one conversation or a part of it."""
    topics = (part.conversations()[0][1].topic for part in parts)
    return pa.array([topic if isinstance(topic, str) else None for topic in topics], pa.string())


def one_content(parts: Sequence[Part]) -> pa.Array:
    """Make the column ``content`` of rows that hold one conversation."""
    return _contents([part.conversations()[0][1].content for part in parts])


def one_value(place: int) -> Callable[[Sequence[Part]], pa.Array]:
    """Return a function that makes the column of the question (0) or the answer (1) of rows that hold a pair."""
    return lambda parts: pa.array([list(part.turns())[place][2].value for part in parts], pa.string())


def objects(parts: Sequence[Part]) -> pa.Array:
    """Return the marked phrases of each row, found and their numbers parsed for all rows together."""
    rows, conversations, turns, texts = [], [], [], []
    for number, part in enumerate(parts):
        for i, j, turn in part.turns():
            if grounding.ST in turn.value:
                rows.append(number)
                conversations.append(i)
                turns.append(j)
                texts.append(turn.value)
    found = find_all_marked(texts)
    counts = np.bincount(np.array(rows, np.int64)[found.text], minlength=len(parts))
    conversation, turn_number = (np.array(place, np.int64)[found.text] for place in (conversations, turns))
    boxes_each = [run.count("[") for run in found.boxes]
    boxes = _lists([4] * sum(boxes_each), parse_numbers(found.boxes), BOXES_TYPE.value_type)
    numbers = [pa.array(a.astype(np.int32)) for a in (conversation, turn_number, found.start, found.end)]
    arrays = [*numbers, pa.array(found.phrase, pa.string()), _lists(boxes_each, boxes, BOXES_TYPE)]
    return _lists(counts.tolist(), _structs(arrays, OBJECT_TYPE), pa.list_(OBJECT_TYPE))
