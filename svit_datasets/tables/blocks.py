"""Tables out of blocks of ordinary records, which kernels take out of a native file at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from svit_datasets.kernels.available import use_kernels
from svit_datasets.reading.containers import open_source
from svit_datasets.records import NativeRecord
from svit_datasets.tables.columns import Column
from svit_datasets.tables.parts import Granularity, ImageRow, Part
from svit_datasets.tables.spec import TableSpec

_NO_RECORD = NativeRecord(0, [])


@dataclass(frozen=True)
class TextColumns:
    """The columns that are made of the text of some records; what is made of their images is to be added.

    Attributes:
        count: How many records they were taken from, of which some may be passed over.
        end: Index in the text at which the next record begins.
        records: Number of each record among those, from 0, and its image id.
        owners: Number of each row's record in ``records``.
        arrays: The columns, by name.
    """

    count: int
    end: int
    records: list[tuple[int, int]]
    owners: pa.Array
    arrays: dict[str, pa.Array]


class TakeText(Protocol):
    """What takes records at once; see ``reading.runs.Take``."""

    def __call__(self, data: bytes, begin: int, stop: int, separator: bytes) -> TextColumns | None:
        """Return the columns of the ordinary records from the index ``begin`` on, None where the first is not."""


def find_taker(spec: TableSpec, name: str, member: str | None) -> TakeText | None:
    """Return what takes blocks out of a native file, for ``read_range``.

    Args:
        spec: What the table is made of.
        name: The file.
        member: Stem of the file to take out of a zip that holds several.

    Returns:
        The function; None where the input is small, kernels are switched off or cannot be compiled, or the rows are
        given their image's bytes, which are far more than their text.
    """
    with open_source(name, member=member) as source:
        size = source.text_bytes or source.total_bytes
    if (spec.with_files and spec.images == "embed") or not use_kernels(size):
        return None
    return text_taker(spec.make_columns(), spec.granularity, is_test=spec.is_test, limit_bytes=spec.max_record_mb << 20)


def text_taker(
    columns: Sequence[Column], granularity: Granularity, *, is_test: bool | None, limit_bytes: int
) -> TakeText:
    """Return a function that takes ordinary records out of JSON text.

    Args:
        columns: The columns wanted.
        granularity: One row an image, a conversation, or a question-answer pair.
        is_test: Whether records of images that are held out are kept, or all others; None keeps all.
        limit_bytes: Largest record.

    Returns:
        The function, as ``block_taker`` returns it.
    """
    from svit_datasets.kernels.columns.arrow import TEXT_COLUMNS, rows_of
    from svit_datasets.kernels.columns.blocks import block_taker

    names = [column.name for column in columns]
    take_block = block_taker(
        is_test=is_test, is_paired=granularity == "qa", is_grounded="objects" in names, limit_bytes=limit_bytes
    )

    def take(data: bytes, begin: int, stop: int, separator: bytes) -> TextColumns | None:
        block = take_block(data, begin, stop, separator)
        if block is None:
            return None
        rows, kept, texts = rows_of(block, granularity), block.kept, block.texts
        records = list(zip(texts.places[:kept].tolist(), texts.ids[:kept].tolist(), strict=True))
        arrays = {name: TEXT_COLUMNS[name](rows) for name in names if name in TEXT_COLUMNS}
        return TextColumns(block.count, block.end, records, pa.array(rows.records), arrays)

    return take


def make_block_table(text: TextColumns, images: Sequence[ImageRow | None], columns: Sequence[Column]) -> pa.Table:
    """Return the rows of some records.

    Args:
        text: What is made of their text.
        images: The image of each record; None leaves its rows out.
        columns: The columns.

    Returns:
        The table, as ``columns.make_table`` makes it of the same records.
    """
    parts = [Part(image or ImageRow(0), _NO_RECORD) for image in images]
    arrays = []
    for column in columns:
        array = text.arrays.get(column.name)
        if array is None:
            array = column.make(parts)
            array = array if len(array) == len(text.owners) else array.take(text.owners)
        arrays.append(array)
    table = pa.Table.from_arrays(arrays, schema=pa.schema([(c.name, c.type) for c in columns]))
    if all(images):
        return table
    return table.filter(pa.array([image is not None for image in images], pa.bool_()).take(text.owners))
