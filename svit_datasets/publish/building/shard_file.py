"""One shard of one configuration while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import IO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from svit_datasets.publish.building.parquet import GROUP_BYTES, GROUP_ROWS, open_shard
from svit_datasets.publish.building.plan import Span
from svit_datasets.publish.building.recipe import ConfigRecipe, Recipe
from svit_datasets.publish.building.shard_rows import find_taker, make_rows
from svit_datasets.publish.building.survey import Index, read_raw
from svit_datasets.publish.layout import ShardName
from svit_datasets.publish.release import Counts, Shard
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import TASKS, NativeRecord
from svit_datasets.tables.columns import make_table
from svit_datasets.tables.parts import ImageRow, Part
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS, KNOWN_BROKEN_TASK, check_answer

_COUNTED = ("image", "conversations", "objects")
_MOST_BYTES = 2 * GROUP_BYTES  # of a row group, where several records are about one image


class ShardFile:
    """A shard that takes its rows in groups, by image id.

    Args:
        recipe: What it is made of.
        config: Its configuration.
        span: Its images.
        stack: Closes its files.
    """

    def __init__(self, recipe: Recipe, config: ConfigRecipe, span: Span, stack: ExitStack) -> None:
        self.config, self._span = config, span
        self.name = ShardName(config.name, span.split, span.number, span.of).path
        self.index = _index(recipe, config, span)
        self._columns = recipe.columns(config)
        self._path = recipe.output / self.name
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # what a killed process leaves, or one that is about to end still writes
        self._file = stack.enter_context(self._path.open("wb"))
        self._writer = stack.enter_context(open_shard(self._file, self._columns))
        self._spool: IO[bytes] | None = None
        if config.has_text:
            self._spool = stack.enter_context(recipe.spool_of(config.name).open("rb"))
        self._take = find_taker(recipe, config, self._columns)
        self._counts, self._broken = Counts(), set[int]()

    def add(self, rows: Mapping[int, ImageRow]) -> None:
        """Append the rows of some images, given in order, as a row group; as several where one would be too large."""
        for group in self._groups(rows):
            images = [image for image, _ in group]
            if self._spool is None:
                table = make_table([Part(image, NativeRecord(image.image_id, [])) for image in images], self._columns)
            else:
                table = make_rows([raw for _, raw in group], images, self._columns, self._take)
            self._counts += count(table)
            self._writer.write_table(table, row_group_size=len(table))

    def _groups(self, rows: Mapping[int, ImageRow]) -> Iterator[list[tuple[ImageRow, bytes]]]:
        """Yield the image and the record of each row, those of one group after another."""
        group, group_bytes = list[tuple[ImageRow, bytes]](), 0
        for image, raw in self._pairs(rows):
            size = len(image.data or b"") * self.config.has_photos + len(raw)
            if group and (len(group) == GROUP_ROWS or group_bytes + size > _MOST_BYTES):
                yield group
                group, group_bytes = [], 0
            group.append((image, raw))
            group_bytes += size
        if group:
            yield group

    def _pairs(self, rows: Mapping[int, ImageRow]) -> Iterator[tuple[ImageRow, bytes]]:
        """Yield the image of each row with its record's text, "" where it has none."""
        if self._spool is None:
            yield from ((row, b"") for row in rows.values())
            return
        ids = np.fromiter(rows, np.int64, len(rows))
        ends = (np.searchsorted(self.index.image_id, ids, side).tolist() for side in ("left", "right"))
        for (image_id, row), begin, end in zip(rows.items(), *ends, strict=True):
            for i in range(begin, end):
                raw = read_raw(self._spool, int(self.index.offset[i]), int(self.index.length[i]))
                if is_known_broken(self.config.name, image_id, raw):
                    self._broken.add(image_id)
                yield row, raw

    def places(self, image_id: int) -> range:
        """Return where an image's records stand in the index."""
        ends = (np.searchsorted(self.index.image_id, image_id, side) for side in ("left", "right"))
        return range(*map(int, ends))

    def close(self) -> Shard:
        """Finish the file and tell what it is."""
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        counts = msgspec.structs.replace(self._counts, shard_bytes=self._path.stat().st_size)
        return Shard(self.name, self.config.name, self._span.split, digest, counts, tuple(sorted(self._broken)))


def _index(recipe: Recipe, config: ConfigRecipe, span: Span) -> Index:
    if not config.has_text:
        return Index(*(np.zeros(0, np.int64) for _ in Index._fields))
    index = Index.load(recipe.index_of(config.name, span.split))
    begin, end = np.searchsorted(index.image_id, span.first), np.searchsorted(index.image_id, span.last, "right")
    return index.take(slice(int(begin), int(end)))


def is_known_broken(config: str, image_id: int, raw: bytes) -> bool:
    """Tell whether a record is one whose answer users of SVIT told to be broken, and still is.

    >>> is_known_broken("detail", 5, b"")
    False
    """
    task = TASKS[KNOWN_BROKEN_TASK]
    if config != task.config or image_id not in KNOWN_BROKEN_IDS:
        return False
    texts = (turn.value for c in decode_native(raw).conversations for turn in c.content)
    found = (f for text in texts for f in check_answer(text, "", task=task.stem, image_id=image_id))
    return any(fault.code == "answer-known-broken" for fault in found)


def count(table: pa.Table) -> Counts:
    """Return what the rows of a table hold.

    >>> from svit_datasets.tables.columns import columns_of
    >>> columns = columns_of("images", "image", has_captions=False, chosen=["image"])
    >>> counts = count(make_table([Part(ImageRow(5, data=b"JPEG"), NativeRecord(5, []))], columns))
    >>> counts.rows, counts.photos, counts.photo_bytes
    (1, 1, 4)
    """
    conversations = pairs = phrases = boxes = photos = photo_bytes = 0
    columns = {name: table.column(name).combine_chunks() for name in _COUNTED if name in table.schema.names}
    if "image" in columns:
        data = columns["image"].field("bytes")
        photos, photo_bytes = len(data) - data.null_count, pc.sum(pc.binary_length(data)).as_py() or 0
    if "conversations" in columns:
        found = pc.list_flatten(columns["conversations"])
        turns = pc.list_value_length(found.field("content"))
        conversations, pairs = len(found), pc.sum(pc.divide(turns, 2)).as_py() or 0
    if "objects" in columns:
        found = pc.list_flatten(columns["objects"])
        phrases, boxes = len(found), len(pc.list_flatten(found.field("boxes")))
    return Counts(
        rows=len(table),
        photos=photos,
        conversations=conversations,
        pairs=pairs,
        phrases=phrases,
        boxes=boxes,
        photo_bytes=photo_bytes,
        arrow_bytes=sum(held_bytes(column.combine_chunks()) for column in table.columns),
    )


def held_bytes(array: pa.Array) -> int:
    """Return the bytes that the values of an array take; what Arrow tells depends on how it was made.

    >>> held_bytes(pa.array(["ab", None])), held_bytes(pa.array([[1, 2], []], pa.list_(pa.int16())))
    (11, 12)
    """
    own = (len(array) + 7) // 8 if array.null_count else 0  # a bit each, where there is a null
    if pa.types.is_struct(array.type):
        return own + sum(map(held_bytes, array.flatten()))
    if pa.types.is_list(array.type):
        return own + 4 * len(array) + held_bytes(pc.list_flatten(array))
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        return own + 4 * len(array) + (pc.sum(pc.binary_length(array)).as_py() or 0)
    return own + (len(array) * int(array.type.bit_width) + 7) // 8
