"""The records of two inputs side by side: as they stand, put together from splits, or by image id."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import count, pairwise, zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from svit_datasets.errors import OutputError
from svit_datasets.reading.containers import fault_error, open_source
from svit_datasets.reading.readers import read_items
from svit_datasets.records import to_native
from svit_datasets.table_inputs.inputs import TableInput

MISSING = object()
_NO_ID = -1  # of what is no record; before all others
_ID = "image_id"


class Side(NamedTuple):
    """One of two inputs.

    Attributes:
        name: What the user called it; of a native file, its path.
        tables: Its tables; None for a native file.
    """

    name: str
    tables: list[TableInput] | None = None


class _Placed(NamedTuple):
    """A record and its number in its input, from 1."""

    number: int
    value: Any

    @property
    def image_id(self) -> int:
        image_id = self.value.get(_ID) if isinstance(self.value, dict) else None
        return image_id if isinstance(image_id, int) else _NO_ID


class _HugeInteger(str):
    """An integer beyond what Python converts, as its digits."""

    __slots__ = ()


def side_by_side(left: Side, right: Side) -> Iterator[tuple[int, Any, Any]]:
    """Yield the records of two inputs in pairs; ``MISSING`` where one of them has none.

    Native records are put into the order of the other's tables: by image id where each table is in that order, else as
    the splits have them.

    Args:
        left: An input.
        right: Another.

    Yields:
        The number of the record in ``left``, or where it would stand, and both.

    Raises:
        InputError: A file cannot be used.
        OutputError: There is no room for a temporary file.
        RecordError: A record is no JSON.
    """
    if left.tables is None and right.tables is not None:
        yield from ((n, x, y) for n, _, x, y in _native_and_tables(left.name, right.tables))
    elif left.tables is not None and right.tables is None:
        yield from ((n, y, x) for _, n, x, y in _native_and_tables(right.name, left.tables))
    else:
        sides = (_values(side.name) if side.tables is None else _table_values(side.tables) for side in (left, right))
        yield from ((n, x, y) for n, (x, y) in enumerate(zip_longest(*sides, fillvalue=MISSING), 1))


_Pair = tuple[int, int, Any, Any]


def _native_and_tables(file: str, tables: list[TableInput]) -> Iterator[_Pair]:
    """Yield native records with those of tables, both behind their numbers."""
    if Path(file).is_file() and all(map(_is_by_id, tables)):  # a pipe is read once
        numbers, rows = count(1), merge(*(map(_id_first, _table_values([table])) for table in tables), key=_first)
        native = _by_id(file) if _is_mixed(file) else map(_Placed, count(1), _values(file))
        yield from _merged(native, (_Placed(next(numbers), value) for _, value in rows))
    else:
        several = _in_order(_values(file), tables) if len(tables) > 1 else None
        pairs = several or zip_longest(_values(file), _table_values(tables), fillvalue=MISSING)
        yield from ((number, number, *pair) for number, pair in enumerate(pairs, 1))


def _id_first(value: Any) -> tuple[int, Any]:
    return value[_ID], value


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _merged(a: Iterable[_Placed], b: Iterable[_Placed]) -> Iterator[_Pair]:
    """Yield records of two inputs that are both in the order of image ids, those of one image as they follow."""
    lefts, rights = iter(a), iter(b)
    x, y = next(lefts, None), next(rights, None)
    for place in count(1):
        if x is None and y is None:
            return
        is_left = x is not None and (y is None or x.image_id <= y.image_id)
        is_right = y is not None and (x is None or y.image_id <= x.image_id)
        left = x if x is not None and is_left else _Placed(place, MISSING)
        right = y if y is not None and is_right else _Placed(place, MISSING)
        yield left.number, right.number, left.value, right.value
        x = next(lefts, None) if is_left else x
        y = next(rights, None) if is_right else y


def _is_by_id(table: TableInput) -> bool:
    if _ID not in table.columns:
        return False
    ids = (row[_ID] for row in table.rows([_ID]))
    return all(isinstance(a, int) and isinstance(b, int) and a <= b for a, b in pairwise(ids))


class _Head(msgspec.Struct):
    image_id: Any = None


def _is_mixed(file: str) -> bool:
    """Tell whether a native file's records are in another order than that of their image ids."""
    head = msgspec.json.Decoder(_Head)
    with open_source(Path(file)) as source:
        heads = (item.record for item in read_items(source, head.decode) if item.record is not None)
        ids = (record.image_id if isinstance(record.image_id, int) else _NO_ID for record in heads)
        return any(a > b for a, b in pairwise(ids))


def _by_id(file: str) -> Iterator[_Placed]:
    """Yield a native file's records in the order of their image ids; their text waits on disk, not in memory."""
    index: list[tuple[int, int, int, int]] = []
    with tempfile.TemporaryFile() as spool, open_source(Path(file)) as source:
        for item in read_items(source, _decode_with_text):
            if item.fault is not None and item.fault.severity == "error":
                raise fault_error(item.fault)
            if item.record is not None:
                value, text = item.record
                index.append((_Placed(0, value).image_id, len(index) + 1, spool.tell(), len(text)))
                _keep(spool, text)
        _keep(spool, b"", is_last=True)
        for _, number, start, size in sorted(index):
            spool.seek(start)
            yield _Placed(number, decode(spool.read(size))[0])


def _keep(spool: IO[bytes], text: bytes, *, is_last: bool = False) -> None:
    try:
        spool.write(text)
        if is_last:
            spool.flush()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        mend = "make room, or set TMPDIR to a larger folder"
        raise OutputError(f"{tempfile.gettempdir()}: {reason}, while records are sorted; {mend}") from error


def _in_order(values: Iterator[Any], tables: list[TableInput]) -> Iterator[tuple[Any, Any]]:
    """Yield each value with the next record of the table whose next record is of the same image."""
    rows = [_table_values([table]) for table in tables]
    heads: list[Any] = [next(row, MISSING) for row in rows]
    for value in values:
        image_id = value.get(_ID) if isinstance(value, dict) else None
        there = [i for i, head in enumerate(heads) if head is not MISSING]
        at = next((i for i in there if heads[i][_ID] == image_id), there[0] if there else None)
        if at is None:
            yield value, MISSING
            continue
        yield value, heads[at]
        heads[at] = next(rows[at], MISSING)
    for head, row in zip(heads, rows, strict=True):
        for left in [head, *row] if head is not MISSING else []:
            yield MISSING, left


def _values(file: str) -> Iterator[Any]:
    with open_source(Path(file)) as source:
        for item in read_items(source, decode):
            if item.fault is not None and item.fault.severity == "error":
                raise fault_error(item.fault)
            if item.record is not None:
                yield item.record[0]


def _table_values(tables: list[TableInput]) -> Iterator[Any]:
    for table in tables:
        for item in table.items():
            if item.fault is not None:
                file, number = table.place(item.number)
                raise fault_error(msgspec.structs.replace(item.fault, file=file, record=number))
            assert item.record is not None
            yield decode(msgspec.json.encode(to_native(item.record)))[0]


def _refuse(name: str) -> None:
    raise ValueError(name)


def _decode_with_text(raw: bytes | memoryview) -> tuple[Any, bytes]:
    return decode(raw)[0], bytes(raw)


def decode(raw: bytes | memoryview) -> tuple[Any]:
    """Return a JSON value, in a tuple so that null is told from nothing; integers of any length.

    >>> decode(b"[1, 2.0, null]")
    ([1, 2.0, None],)
    """

    def integer(digits: str) -> int | _HugeInteger:
        return int(digits) if len(digits) < 4000 else _HugeInteger(digits)

    return (json.loads(bytes(raw), parse_int=integer, parse_constant=_refuse),)
