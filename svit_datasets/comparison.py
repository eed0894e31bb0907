"""Compare native files value for value: order, types and unknown keys count; spacing and key order do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets.errors import UsageError
from svit_datasets.findings import finding
from svit_datasets.reading.containers import input_error
from svit_datasets.record_order import MISSING, Side, side_by_side
from svit_datasets.records import TASKS
from svit_datasets.table_inputs.files import TaskUntoldError
from svit_datasets.table_inputs.inputs import open_tables
from svit_datasets.table_inputs.remote import is_address

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

    A table in the order of image ids, as ``svit-convert build`` makes it, is compared with the native file's records in
    that order, those of one image as they follow each other; any other in the order in which they stand.

    Args:
        left: A file, a table of ``load_dataset`` (as Parquet, or as ``save_to_disk`` writes it), a folder with the
            published stems (or ``data/`` with them), a built folder, or ``hf://datasets/ORG/NAME``.
        right: Another; a folder of native files and one of tables are compared task by task.

    Yields:
        The differences, in order; none means equal value for value. Memory does not grow with the files.

    Raises:
        InputError: A file cannot be used.
        OutputError: There is no room for a temporary file, where records are to be brought into order.
        RecordError: A record is no JSON.
        UsageError: One is a file and the other a folder, a folder holds no native file, or a task is in one only.
    """
    for a, b in _pairs(left, right):
        for number, x, y in side_by_side(a, b):
            place = find_difference(x, y)
            if place is not None:
                yield Difference(a.name, number, *place)


def _pairs(left: str | Path, right: str | Path) -> list[tuple[Side, Side]]:
    places = _named(left), _named(right)
    are_folders = [not is_address(place) and _is_folder(Path(place)) for place in places]
    are_native = [is_folder and _has_native(Path(p)) for p, is_folder in zip(places, are_folders, strict=True)]
    if any(are_native) and not all(are_native):
        by_task = [
            _native_sides(p) if native else _table_sides(p) for p, native in zip(places, are_native, strict=True)
        ]
        if all(by_task):
            return _paired(by_task, places)
    tables = [None, None] if all(are_native) else [open_tables(place, _ANY_TASK) for place in places]
    if any(part is not None for part in tables) or not any(are_folders):
        a, b = (Side(place, part) for place, part in zip(places, tables, strict=True))
        return [(a, b)]
    if not all(are_folders):
        raise UsageError(f"{left} and {right}: one is a file and the other a folder; pass two of a kind")
    return _paired([_native_sides(place) for place in places], places)


def _named(given: str | Path) -> str:
    """Return a place as it was given; a ``Path`` has lost a slash of an address."""
    return re.sub("^hf:/+", "hf://", str(given))


def _paired(by_task: Sequence[dict[str, Side]], places: tuple[str, str]) -> list[tuple[Side, Side]]:
    left, right = by_task
    alone = sorted(left.keys() ^ right.keys())
    if alone:
        raise UsageError(f"{', '.join(alone)}: in one of the folders only ({places[0]} and {places[1]})")
    return [(left[stem], right[stem]) for stem in TASKS if stem in left]


def _is_folder(path: Path) -> bool:
    try:
        path.stat()
        return path.is_dir()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise input_error(finding("input-missing", reason, file=str(path))) from error


def _has_native(folder: Path) -> bool:
    return any(p.name.split(".")[0] in TASKS for base in (folder / "data", folder) for p in base.glob("*.*"))


def _native_sides(place: str) -> dict[str, Side]:
    folder = Path(place)
    files = (folder / "data" if (folder / "data").is_dir() else folder).iterdir()
    sides = {p.name.split(".")[0]: Side(str(p)) for p in sorted(files) if p.name.split(".")[0] in TASKS}
    if not sides:
        raise UsageError(f"{folder}: no {', '.join(TASKS)} in it; pass a folder of native files")
    return sides


def _table_sides(place: str) -> dict[str, Side]:
    """Return the tables by task; none where there are no tables."""
    try:
        tables = open_tables(place, None) or []
    except TaskUntoldError as error:
        raise UsageError(f"{error.place}: nothing says the task; compare it with one native file") from error
    tasks = dict.fromkeys(table.task for table in tables)
    return {task: Side(f"{place} ({task})", [table for table in tables if table.task == task]) for task in tasks}


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
            waiting += [(f"{path}.{k}", a.get(k, MISSING), b.get(k, MISSING)) for k in reversed(keys)]
        elif type(a) is type(b) and isinstance(a, list):
            pairs = list(enumerate(zip_longest(a, b, fillvalue=MISSING)))
            waiting += [(f"{path}[{i}]", x, y) for i, (x, y) in reversed(pairs)]
        elif type(a) is not type(b) or a != b:
            return path, _shown(a), _shown(b)
    return None


def _shown(value: Any) -> str:
    try:
        return "" if value is MISSING else json.dumps(value)
    except RecursionError:
        return "deeply nested"
