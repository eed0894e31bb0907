"""Tables out of blocks of ordinary records, which kernels take out of a native file at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from svit_datasets.kernels.available import use_kernels
from svit_datasets.reading.containers import open_source
from svit_datasets.records import NativeRecord
from svit_datasets.tables.parts import ImageRow, Part
from svit_datasets.tables.spec import TableSpec

if TYPE_CHECKING:
    from svit_datasets.kernels.columns.blocks import Block
    from svit_datasets.reading.runs import Take

_NO_RECORD = NativeRecord(0, [])


def find_taker(spec: TableSpec, name: str, member: str | None) -> Take | None:
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
    from svit_datasets.kernels.columns.blocks import block_taker

    return block_taker(
        is_test=spec.is_test,
        is_paired=spec.granularity == "qa",
        is_grounded=any(column.name == "objects" for column in spec.make_columns()),
        limit_bytes=spec.max_record_mb << 20,
    )


def records_of(block: Block) -> list[tuple[int, int]]:
    """Return the records that a block keeps: number in the block, those passed over counted too, and image id."""
    count = block.kept
    return list(zip(block.texts.places[:count].tolist(), block.texts.ids[:count].tolist(), strict=True))


def make_block_table(block: Block, images: Sequence[ImageRow | None], spec: TableSpec) -> pa.Table:
    """Return the rows of a block's records.

    Args:
        block: The block; it must be the last one taken.
        images: The image of each record; None leaves its rows out.
        spec: What the table is made of.

    Returns:
        The table, as ``columns.make_table`` makes it of the same records.
    """
    from svit_datasets.kernels.columns.arrow import TEXT_COLUMNS, rows_of

    rows = rows_of(block, spec.granularity)
    owners = pa.array(rows.records)
    parts = [Part(image or ImageRow(0), _NO_RECORD) for image in images]
    columns = spec.make_columns()
    arrays = []
    for column in columns:
        make = TEXT_COLUMNS.get(column.name)
        array = make(rows) if make else column.make(parts)
        arrays.append(array if make or len(array) == len(owners) else array.take(owners))
    table = pa.Table.from_arrays(arrays, schema=pa.schema([(c.name, c.type) for c in columns]))
    if all(images):
        return table
    return table.filter(pa.array([image is not None for image in images], pa.bool_()).take(owners))
