"""Rows put together to tables of bounded number and size, whether they come one by one or as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa

from svit_datasets.tables.columns import Column, make_table
from svit_datasets.tables.parts import Part

Piece: TypeAlias = tuple[Part, int] | pa.Table  # one row with the size of its text, or several rows
ROWS_EACH, _BYTES_EACH = 1000, 32 << 20


def cut_batches(
    pieces: Iterable[Piece], columns: Sequence[Column], *, rows_each: int = ROWS_EACH
) -> Iterator[pa.Table]:
    """Yield the rows in tables of ``rows_each``; fewer in the last one, and where they are large.

    Args:
        pieces: The rows, in order.
        columns: The columns of rows that are no table yet.
        rows_each: Rows of a table.

    Yields:
        The tables.

    >>> pieces = [pa.table({"n": [0, 1, 2]}), pa.table({"n": [3, 4]})]
    >>> [table["n"].to_pylist() for table in cut_batches(pieces, [], rows_each=2)]
    [[0, 1], [2, 3], [4]]
    """
    batch = _Batch(columns)
    for piece in pieces:
        if isinstance(piece, pa.Table):
            while batch.rows + len(piece) >= rows_each:
                head, piece = piece.slice(0, rows_each - batch.rows), piece.slice(rows_each - batch.rows)
                batch.add_table(head)
                yield batch.take()
            batch.add_table(piece)
        else:
            batch.add_part(*piece)
        if batch.rows == rows_each or batch.size_bytes > _BYTES_EACH:
            yield batch.take()
    if batch.rows:
        yield batch.take()


class _Batch:
    """Rows that are not yielded yet; ``rows`` and ``size_bytes`` say how many and how large."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._tables: list[pa.Table] = []
        self._parts: list[Part] = []
        self.rows = self.size_bytes = 0

    def add_part(self, part: Part, text_bytes: int) -> None:
        self._parts.append(part)
        self.rows += 1
        self.size_bytes += len(part.image.data or b"") + text_bytes

    def add_table(self, table: pa.Table) -> None:
        if not len(table):
            return
        self._join_parts()
        self._tables.append(table)
        self.rows += len(table)
        self.size_bytes += table.nbytes

    def _join_parts(self) -> None:
        if self._parts:
            self._tables.append(make_table(self._parts, self._columns))
            self._parts = []

    def take(self) -> pa.Table:
        """Return all rows as one table, and begin anew."""
        self._join_parts()
        tables, self._tables, self.rows, self.size_bytes = self._tables, [], 0, 0
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).combine_chunks()
