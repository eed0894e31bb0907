"""Compare native files value for value: order, types and unknown keys count; spacing and key order do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from svit_datasets.containers import fault_error, input_error, open_source
from svit_datasets.errors import UsageError
from svit_datasets.findings import finding
from svit_datasets.readers import read_items
from svit_datasets.records import TASKS, to_native
from svit_datasets.remote_tables import is_address
from svit_datasets.table_inputs import TableInput, open_tables

_MISSING = object()
_ANY_TASK = "conversation"  # tables are compared whatever their task


class Difference(NamedTuple):
    """One place where two files differ.

    Attributes:
        file: The first file.
        record: Number of the record, from 1.
        path: JSON path inside it.
        left: What the first file has, as JSON; '' where it ends before.
        right: What the second has.
    """

    file: str
    record: int
    path: str
    left: str
    right: str

    def __str__(self) -> str:
        left, right = _around_difference(self.left, self.right)
        return f"{self.file}:{self.record} {self.path}: {left or 'nothing'}, in the other {right or 'nothing'}"


def _around_difference(left: str, right: str) -> tuple[str, str]:
    """Return two texts shortened to where they begin to differ."""
    same = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = max(0, same - 20) if same > 60 else 0
    head = "..." if start else ""
    texts = ((text, f"{head}{text[start : start + 100]}") for text in (left, right))
    first, second = (shown + ("..." if len(text) > start + 100 else "") for text, shown in texts)
    return first, second


def compare(left: str | Path, right: str | Path) -> Iterator[Difference]:
    """Yield the records in which two native files, or two folders of them, differ; the first place of each.

    Args:
        left: A file, a table of ``load_dataset`` (as Parquet, or as ``save_to_disk`` writes it), or a folder with the
            published stems (or ``data/`` with them).
        right: Another.

    Yields:
        The differences, in order; none means equal value for value. Memory does not grow with the files.

    Raises:
        InputError: A file cannot be used.
        RecordError: A record is no JSON.
        UsageError: One is a file and the other a folder, or a folder holds no native file.
    """
    for a, b in _pairs(Path(left), Path(right)):
        for number, (x, y) in enumerate(_matched(a, b), 1):
            place = find_difference(x, y)
            if place is not None:
                yield Difference(str(a), number, *place)


def _pairs(left: Path, right: Path) -> list[tuple[Path, Path]]:
    if is_address(left) or is_address(right):
        return [(left, right)]
    is_folder = _is_folder(left)
    if not (is_folder and _is_folder(right) and _has_native(left) and _has_native(right)) and any(
        open_tables(path, _ANY_TASK) is not None for path in (left, right)
    ):
        return [(left, right)]
    if is_folder != _is_folder(right):
        raise UsageError(f"{left} and {right}: one is a file and the other a folder; pass two of a kind")
    if not is_folder:
        return [(left, right)]
    a, b = _native_files(left), _native_files(right)
    alone = sorted(a.keys() ^ b.keys())
    if alone:
        raise UsageError(f"{', '.join(alone)}: in one of the folders only ({left} and {right})")
    return [(a[stem], b[stem]) for stem in TASKS if stem in a]


def _is_folder(path: Path) -> bool:
    try:
        path.stat()
        return path.is_dir()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise input_error(finding("input-missing", reason, file=str(path))) from error


def _has_native(folder: Path) -> bool:
    return any(p.name.split(".")[0] in TASKS for base in (folder / "data", folder) for p in base.glob("*.*"))


def _native_files(folder: Path) -> dict[str, Path]:
    data = folder / "data" if (folder / "data").is_dir() else folder
    files = {p.name.split(".")[0]: p for p in sorted(data.iterdir()) if p.name.split(".")[0] in TASKS}
    if not files:
        raise UsageError(f"{folder}: no {', '.join(TASKS)} in it; pass a folder of native files")
    return files


class _HugeInteger(str):
    """An integer beyond what Python converts, as its digits."""

    __slots__ = ()


def _refuse(name: str) -> None:
    raise ValueError(name)


def _decode(raw: bytes | memoryview) -> tuple[Any]:
    def integer(digits: str) -> int | _HugeInteger:
        return int(digits) if len(digits) < 4000 else _HugeInteger(digits)

    return (json.loads(bytes(raw), parse_int=integer, parse_constant=_refuse),)


def _matched(left: Path, right: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the records of two inputs side by side; the splits of a table are put together in the other's order."""
    a, b = (open_tables(path, _ANY_TASK) for path in (left, right))
    if a is not None and len(a) > 1 and b is None:
        yield from ((x, y) for y, x in _in_order(_values(right), a))
    elif b is not None and len(b) > 1 and a is None:
        yield from _in_order(_values(left), b)
    else:
        sides = (_values(path) if tables is None else _table_values(tables) for path, tables in ((left, a), (right, b)))
        yield from zip_longest(*sides, fillvalue=_MISSING)


def _in_order(values: Iterator[Any], tables: list[TableInput]) -> Iterator[tuple[Any, Any]]:
    """Yield each value with the next record of the table whose next record is of the same image."""
    rows = [_table_values([table]) for table in tables]
    heads: list[Any] = [next(row, _MISSING) for row in rows]
    for value in values:
        image_id = value.get("image_id") if isinstance(value, dict) else None
        there = [i for i, head in enumerate(heads) if head is not _MISSING]
        at = next((i for i in there if heads[i]["image_id"] == image_id), there[0] if there else None)
        if at is None:
            yield value, _MISSING
            continue
        yield value, heads[at]
        heads[at] = next(rows[at], _MISSING)
    for head, row in zip(heads, rows, strict=True):
        for left in [head, *row] if head is not _MISSING else []:
            yield _MISSING, left


def _values(path: Path) -> Iterator[Any]:
    with open_source(path) as source:
        for item in read_items(source, _decode):
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
            yield _decode(msgspec.json.encode(to_native(item.record)))[0]


def find_difference(left: Any, right: Any) -> tuple[str, str, str] | None:
    """Return the first place where two JSON values differ, with both sides as JSON; None when they are equal.

    >>> find_difference({"a": [1, 2.0]}, {"a": [1, 2]})
    ('$.a[1]', '2.0', '2')
    """
    waiting = [("$", left, right)]  # a stack, for values may nest deeper than calls can
    while waiting:
        path, a, b = waiting.pop()
        if type(a) is type(b) and isinstance(a, dict):
            keys = [*a, *(k for k in b if k not in a)]
            waiting += [(f"{path}.{k}", a.get(k, _MISSING), b.get(k, _MISSING)) for k in reversed(keys)]
        elif type(a) is type(b) and isinstance(a, list):
            pairs = list(enumerate(zip_longest(a, b, fillvalue=_MISSING)))
            waiting += [(f"{path}[{i}]", x, y) for i, (x, y) in reversed(pairs)]
        elif type(a) is not type(b) or a != b:
            return path, _shown(a), _shown(b)
    return None


def _shown(value: Any) -> str:
    try:
        return "" if value is _MISSING else json.dumps(value)
    except RecursionError:
        return "deeply nested"
