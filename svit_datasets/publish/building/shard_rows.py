"""Tables out of the records of a spool: ordinary ones at once, by kernels, all others one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import pyarrow as pa

from svit_datasets.kernels.available import use_kernels
from svit_datasets.publish.building.recipe import ConfigRecipe, Recipe
from svit_datasets.reading.readers import decode_native
from svit_datasets.tables.batches import Piece, cut_batches
from svit_datasets.tables.blocks import TakeText, make_block_table, text_taker
from svit_datasets.tables.columns import Column
from svit_datasets.tables.parts import ImageRow, Part

_LIMIT_BYTES = 1 << 40  # records in a spool were found to be small enough


def find_taker(recipe: Recipe, config: ConfigRecipe, columns: Sequence[Column]) -> TakeText | None:
    """Return what takes ordinary records at once; None where there are few, or none, or kernels are not to be had."""
    if not config.has_text or not use_kernels(recipe.spool_of(config.name).stat().st_size):
        return None
    return text_taker(columns, "image", is_test=None, limit_bytes=_LIMIT_BYTES)


def make_rows(
    raws: Sequence[bytes], images: Sequence[ImageRow], columns: Sequence[Column], take: TakeText | None
) -> pa.Table:
    """Return a table with a row for each record.

    Args:
        raws: The JSON text of each.
        images: The image of each.
        columns: The columns.
        take: Takes ordinary records at once; None is the plain way for all. The table is the same.

    Returns:
        The table.

    >>> from svit_datasets.tables.columns import columns_of
    >>> columns = columns_of("detail", "image", has_captions=False, chosen=["image_id", "extra"])
    >>> make_rows([b'{"image_id": 5, "conversations": [], "n": 1}'], [ImageRow(5)], columns, None).to_pylist()
    [{'image_id': 5, 'extra': '{"$":{"n":1}}'}]
    """
    tables = list(cut_batches(_pieces(raws, images, columns, take), columns, rows_each=len(raws)))
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables).combine_chunks()


def _pieces(
    raws: Sequence[bytes], images: Sequence[ImageRow], columns: Sequence[Column], take: TakeText | None
) -> Iterator[Piece]:
    """Yield rows one by one, and tables of those that were taken at once."""
    text = b"".join(part for raw in raws for part in (raw, b",")) if take else b""
    begins = list(accumulate((len(raw) + 1 for raw in raws), initial=0))
    at = 0
    while at < len(raws):
        taken = take(text, begins[at], len(text), b",") if take else None
        if taken is None:
            yield Part(images[at], decode_native(raws[at])), len(raws[at])
            at += 1
        else:
            yield make_block_table(taken, images[at : at + taken.count], columns)
            at += taken.count
