"""The columns of every configuration's table: type, meaning, and how each is made. The one place that knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from svit_datasets.configs import IMAGES_CONFIG
from svit_datasets.errors import UsageError
from svit_datasets.tables import arrays
from svit_datasets.tables.arrays import CONTENT_TYPE, CONVERSATION_TYPE, IMAGE_TYPE, OBJECT_TYPE
from svit_datasets.tables.parts import Granularity, Part, extra_text


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: Its Arrow type.
        meaning: What it holds, in a sentence, with units and frame.
        make: Makes it for some rows.
    """

    name: str
    type: pa.DataType
    meaning: str
    make: Callable[[Sequence[Part]], pa.Array]


def columns_of(
    config: str, granularity: Granularity, *, has_captions: bool, chosen: Iterable[str] | None = None
) -> list[Column]:
    """Return the columns of a configuration's table, in order.

    Args:
        config: One of ``configs.CONFIGS``.
        granularity: One row an image, a conversation, or a question-answer pair.
        has_captions: Whether COCO's captions are joined.
        chosen: Names of the columns wanted, in this order; None is all.

    Returns:
        The columns.

    Raises:
        UsageError: A column is not there.

    >>> [c.name for c in columns_of("detail", "qa", has_captions=False)][-6:]
    ['conversation_index', 'pair_index', 'topic', 'question', 'answer', 'extra']
    """
    columns = [*_IMAGE_COLUMNS, *([_CAPTIONS] if has_captions else [])]
    if config != IMAGES_CONFIG:
        grounded = [_OBJECTS] if config == "referring" else []
        columns += [*_TEXT_COLUMNS[granularity], *grounded, _EXTRA]
    if chosen is None:
        return columns
    by_name = {c.name: c for c in columns}
    missing = [name for name in chosen if name not in by_name]
    if missing:
        raise UsageError(f"columns: no {', '.join(missing)} in {config!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in chosen]


def make_table(parts: Sequence[Part], columns: Iterable[Column]) -> pa.Table:
    """Return a table with a row for each part.

    Args:
        parts: What the rows are about.
        columns: The columns.

    Returns:
        The table; its schema is the same for any parts.

    >>> from svit_datasets.tables.parts import ImageRow
    >>> from svit_datasets.records import Conversation, NativeRecord, Turn
    >>> record = NativeRecord(5, [Conversation([Turn("user", "Why?"), Turn("gpt", "So.")])])
    >>> columns = columns_of("detail", "image", has_captions=False, chosen=["image_id", "conversations"])
    >>> make_table([Part(ImageRow(5), record)], columns).to_pylist()
    [{'image_id': 5, 'conversations': [{'topic': None, 'content': [{'from': 'user', 'value': 'Why?'}, \
{'from': 'gpt', 'value': 'So.'}]}]}]
    """
    columns = list(columns)
    schema = pa.schema([(c.name, c.type) for c in columns])
    return pa.Table.from_arrays([c.make(parts) for c in columns], schema=schema)


def describe(config: str, columns: Iterable[Column]) -> str:
    """Return what a configuration's table holds, column by column, as Markdown.

    >>> print(describe("detail", columns_of("detail", "qa", has_captions=False, chosen=["image_id", "answer"])))
    SVIT, detail. Columns:
    <BLANKLINE>
    - `image_id`: Visual Genome's id of the image.
    - `answer`: The answer, in SVIT's own markup.
    """
    return "\n".join([f"SVIT, {config}. Columns:\n", *(f"- `{c.name}`: {c.meaning}" for c in columns)])


def features_of(columns: Iterable[Column]) -> Any:
    """Return the columns as ``datasets.Features``."""
    from datasets import Features

    return Features({c.name: _feature(c.type) for c in columns})


def _feature(kind: pa.DataType) -> Any:
    from datasets import Image, Value

    if kind == IMAGE_TYPE:
        return Image()
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    return Value(str(kind))


def _image_column(name: str, kind: pa.DataType, meaning: str) -> Column:
    return Column(name, kind, meaning, arrays.of_image(name, kind))


_IMAGE_COLUMNS = (
    Column("image", IMAGE_TYPE, "The photo; null with images=\"none\", and where it is missing and on_missing_image=\"null\".", arrays.images),
    _image_column("image_id", pa.int64(), "Visual Genome's id of the image."),
    _image_column("width", pa.int32(), "Width in stored pixels, EXIF orientation ignored, from image_data.json, or else from the file where files are read; null where neither tells."),
    _image_column("height", pa.int32(), "Height in stored pixels, likewise."),
    _image_column("url", pa.string(), "Where Visual Genome has the image, from image_data.json."),
    _image_column("coco_id", pa.int64(), "The image's id in COCO; null for an image that is not of COCO."),
    _image_column("flickr_id", pa.int64(), "The image's id on Flickr, from image_data.json."),
)  # fmt: skip
_CAPTIONS = _image_column(
    "captions",
    pa.list_(pa.string()),
    "With coco_captions: COCO's captions of the image, none where the files have none; null for an image that is not of COCO.",
)
_TOPIC = Column("topic", pa.string(), "The conversation's topic; null where it has none.", arrays.topics)
_INDEX = Column("conversation_index", pa.int32(), "Number of the conversation among the image's, from 0.", lambda parts: pa.array([p.conversation for p in parts], pa.int32()))  # fmt: skip
_TEXT_COLUMNS: dict[Granularity, tuple[Column, ...]] = {
    "image": (
        Column("conversations", pa.list_(CONVERSATION_TYPE), "The image's conversations: topic (null where there is none) and content, the turns, each with from (user or gpt) and value, the text in SVIT's own markup, all as in the native file.", arrays.conversations),
    ),
    "conversation": (
        _INDEX,
        _TOPIC,
        Column("content", CONTENT_TYPE, "The turns, each with from (user or gpt) and value, the text in SVIT's own markup, as in the native file.", arrays.one_content),
    ),
    "qa": (
        _INDEX,
        Column("pair_index", pa.int32(), "Number of the pair in its conversation, from 0.", lambda parts: pa.array([p.pair for p in parts], pa.int32())),
        _TOPIC,
        Column("question", pa.string(), "The user's text, in SVIT's own markup.", arrays.one_value(0)),
        Column("answer", pa.string(), "The answer, in SVIT's own markup.", arrays.one_value(1)),
    ),
}  # fmt: skip
_OBJECTS = Column(
    "objects",
    pa.list_(OBJECT_TYPE),
    "Every phrase that the text marks: numbers of its conversation and turn in the record, from 0; start and end, so "
    "that value[start:end] is the phrase; its boxes, each x1, y1, x2, y2 as fractions of the original image's width and "
    "height, equal to the text; no boxes where none follow. Boxes without a phrase stand in the text alone. With granularity "
    "qa, an even turn is the question and an odd one the answer.",
    arrays.objects,
)
_EXTRA = Column(
    "extra",
    pa.string(),
    "Null, but where the native record has keys of its own: then a JSON object from the JSON path of the record, "
    "conversation or turn to its further keys, spelled as in the source.",
    lambda parts: pa.array([extra_text(part) for part in parts], pa.string()),
)
