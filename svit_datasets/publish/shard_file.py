"""One shard of one configuration while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import IO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from svit_datasets.publish.layout import ShardName
from svit_datasets.publish.parquet import GROUP_BYTES, GROUP_ROWS, open_shard
from svit_datasets.publish.plan import Span
from svit_datasets.publish.recipe import ConfigRecipe, Recipe
from svit_datasets.publish.release import Counts, Shard
from svit_datasets.publish.survey import Index, read_raw
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import TASKS, NativeRecord
from svit_datasets.tables.columns import make_table
from svit_datasets.tables.parts import ImageRow, Part
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS, KNOWN_BROKEN_TASK, check_answer

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
        self._counts, self._broken = Counts(), set[int]()

    def add(self, rows: Mapping[int, ImageRow]) -> None:
        """Append the rows of some images, given in order, as a row group; as several where one would be too large."""
        for parts in self._groups(rows):
            table = make_table(parts, self._columns)
            self._counts += count(table, parts)
            self._writer.write_table(table, row_group_size=len(parts))

    def _groups(self, rows: Mapping[int, ImageRow]) -> Iterator[list[Part]]:
        group, group_bytes = list[Part](), 0
        for part, size in self._parts(rows):
            if group and (len(group) == GROUP_ROWS or group_bytes + size > _MOST_BYTES):
                yield group
                group, group_bytes = [], 0
            group.append(part)
            group_bytes += size
        if group:
            yield group

    def _parts(self, rows: Mapping[int, ImageRow]) -> Iterator[tuple[Part, int]]:
        """Yield each row with its bytes, about."""
        photos = {row.image_id: len(row.data or b"") * self.config.has_photos for row in rows.values()}
        if self._spool is None:
            yield from ((Part(row, NativeRecord(i, [])), photos[i]) for i, row in rows.items())
            return
        for image_id, row in rows.items():
            for i in self.places(image_id):
                record = decode_native(read_raw(self._spool, self.index, i))
                if is_known_broken(self.config.name, record):
                    self._broken.add(image_id)
                yield Part(row, record), photos[image_id] + int(self.index.length[i])

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


def is_known_broken(config: str, record: NativeRecord) -> bool:
    """Tell whether a record is one whose answer users of SVIT told to be broken, and still is.

    >>> is_known_broken("detail", NativeRecord(5, []))
    False
    """
    task = TASKS[KNOWN_BROKEN_TASK]
    if config != task.config or record.image_id not in KNOWN_BROKEN_IDS:
        return False
    texts = (turn.value for c in record.conversations for turn in c.content)
    found = (f for text in texts for f in check_answer(text, "", task=task.stem, image_id=record.image_id))
    return any(fault.code == "answer-known-broken" for fault in found)


def count(table: pa.Table, parts: Sequence[Part]) -> Counts:
    """Return what the rows of a table hold.

    >>> from svit_datasets.tables.columns import columns_of
    >>> part = Part(ImageRow(5, data=b"JPEG"), NativeRecord(5, []))
    >>> columns = columns_of("images", "image", has_captions=False, chosen=["image"])
    >>> counts = count(make_table([part], columns), [part])
    >>> counts.rows, counts.photos, counts.photo_bytes
    (1, 1, 4)
    """
    names = table.schema.names
    photos = [len(part.image.data) for part in parts if part.image.data is not None and "image" in names]
    conversations = [c for part in parts for c in part.record.conversations]
    phrases = boxes = 0
    if "objects" in names:
        found = pc.list_flatten(table.column("objects").combine_chunks())
        phrases, boxes = len(found), len(pc.list_flatten(found.field("boxes")))
    return Counts(
        rows=len(parts),
        photos=len(photos),
        conversations=len(conversations),
        pairs=sum(len(c.content) // 2 for c in conversations),
        phrases=phrases,
        boxes=boxes,
        photo_bytes=sum(photos),
        arrow_bytes=table.nbytes,
    )
