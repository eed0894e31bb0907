"""Native records out of a part of a table, each with its place: what a part does not know, two columns tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from svit_datasets.errors import UsageError
from svit_datasets.forward.seen import SeenIds
from svit_datasets.table_inputs.files import ROWS_EACH, plain
from svit_datasets.table_inputs.records import TableItem, granularity_of, read_rows, wanted_columns
from svit_datasets.tables.parts import Granularity

RECORD_INDEX, RECORD_COPY = "record_index", "record_copy"
_LIMITS = {RECORD_INDEX: 10**18, RECORD_COPY: 10**9}  # what the way back reads
_INDEX = "conversation_index"
_SOURCE = "number_records"


class Placed(NamedTuple):
    """A native record of a table, or a faulty row, with its place.

    Attributes:
        item: The record, and the number of its first row from 1.
        record_index: Number of the record among those of its task, from 0; 0 where no column tells it.
        copy: How many earlier records of the task are of the same image; 0 where no column tells it.
        conversations: Number of each of its conversations in the native record; None where they are 0, 1, 2 and so on.
    """

    item: TableItem
    record_index: int
    copy: int
    conversations: list[int] | None


def as_table(table: Any, source: str) -> pa.Table:
    """Return a table or record batch as a table.

    Args:
        table: What was given.
        source: The function it was given to, for the error.

    Raises:
        UsageError: It is neither.

    >>> as_table([], "convert_table")
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: convert_table: expected a pyarrow Table or RecordBatch, got list; \
with_format("arrow") in datasets and batch_format="pyarrow" in ray.data give tables
    """
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if not isinstance(table, pa.Table):
        mend = 'with_format("arrow") in datasets and batch_format="pyarrow" in ray.data give tables'
        raise UsageError(f"{source}: expected a pyarrow Table or RecordBatch, got {type(table).__name__}; {mend}")
    return table


def number_records(table: pa.Table) -> pa.Table:
    """Return a whole table with two more columns, which tell its parts where their records stand in the whole.

    Args:
        table: All rows of a task, in the columns of ``load_dataset("svit", ...)``; the photos are not needed.

    Returns:
        The same rows with ``record_index``, the number of the row's record from 0, and ``record_copy``, how many
        earlier records are of the same image. Rows may then be left out, and their order may change.

    Raises:
        UsageError: It is no table, or its columns are not those of these tables.

    >>> table = pa.table({"image_id": [5, 7, 5], "conversations": [[{"topic": None, "content": []}]] * 3})
    >>> number_records(table).select(["record_index", "record_copy"]).to_pylist()[-1]
    {'record_index': 2, 'record_copy': 1}
    """
    table = as_table(table, _SOURCE)
    granularity = granularity_of(table.column_names, source=_SOURCE)
    seen, starts, indices, copies, position = SeenIds(), [], [], [], 0
    for item in read_rows(_rows(table, wanted_columns(table.column_names, granularity)), granularity):
        starts.append(item.number - 1)
        indices.append(position)
        copies.append(seen.add(item.record.image_id) if item.record and item.record.conversations else 0)
        position += item.record is not None
    for name, values in ((RECORD_INDEX, indices), (RECORD_COPY, copies)):
        table = _with_column(table, name, _spread(values, starts, len(table)))
    return table


def _spread(values: list[int], starts: list[int], count: int) -> pa.Array:
    """Return a column of ``count`` rows in which each value stands from its start to the next."""
    lengths = [end - start for start, end in zip(starts, [*starts[1:], count], strict=False)]
    return pa.array([value for value, length in zip(values, lengths, strict=True) for _ in range(length)], pa.int64())


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def read_placed(table: pa.Table, *, source: str) -> Iterator[Placed]:
    """Yield the native records of a part of a table, each with its place.

    Args:
        table: Rows in the columns of ``load_dataset("svit", ...)``, ``number_records`` or the native layout.
        source: The table's name, for errors.

    Yields:
        Records and faulty rows, in order.

    Raises:
        UsageError: The columns are not those of these tables.

    >>> turns = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    >>> rows = {"image_id": [5, 5], "conversation_index": [3, 4], "topic": ["", ""], "content": [turns, turns]}
    >>> [(placed.item.number, placed.conversations) for placed in read_placed(pa.table(rows), source="table")]
    [(1, [3, 4])]
    """
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{source}: {', '.join(twice)} stands twice among its columns; keep one")
    granularity = granularity_of(names, source=source)
    places = zip(*(_told(table, name, source) for name in _LIMITS), strict=True)
    rows = _rows(table, wanted_columns(names, granularity))
    numbers = None if granularity == "image" else table.column(_INDEX).to_pylist()
    first = 0
    for (record_index, copy), run in groupby(places):
        count = sum(1 for _ in run)
        for one in read_rows(islice(rows, count), granularity):
            item = _further(one, first)
            yield Placed(item, record_index, copy, _conversations(item, granularity, numbers))
        first += count


def _further(item: TableItem, rows: int) -> TableItem:
    """Return an item with its number counted from so many rows before."""
    number = item.number + rows
    fault = item.fault and msgspec.structs.replace(item.fault, record=number)
    return item._replace(number=number, fault=fault)


def _rows(table: pa.Table, wanted: list[str]) -> Iterator[Mapping[str, Any]]:
    for batch in table.select(wanted).to_batches(max_chunksize=ROWS_EACH):
        yield from plain(batch)


def _told(table: pa.Table, name: str, source: str) -> list[int]:
    if name not in table.column_names:
        return [0] * len(table)
    column = table.column(name)
    try:
        told = column.cast(pa.int64())
    except pa.ArrowInvalid:
        told = pa.nulls(1, pa.int64())
    low_high = pc.min_max(told)
    is_whole = not told.null_count and (not len(told) or low_high["min"].as_py() >= 0)
    if not is_whole or (len(told) and low_high["max"].as_py() >= _LIMITS[name]):
        raise UsageError(f"{source}: column {name}: expected whole numbers of 0 or more, as number_records gives them")
    numbers: list[int] = told.to_pylist()
    return numbers


def _conversations(item: TableItem, granularity: Granularity, numbers: list[Any] | None) -> list[int] | None:
    """Return the numbers of a record's conversations where they are not those of a whole record."""
    if item.record is None or numbers is None:
        return None
    found = item.record.conversations
    rows = len(found) if granularity == "conversation" else sum(len(c.content) // 2 for c in found)
    told = list(dict.fromkeys(map(int, numbers[item.number - 1 : item.number - 1 + rows])))
    return None if told == list(range(len(found))) else told
