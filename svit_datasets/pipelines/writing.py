"""Write tables of ``convert_table`` as the JSON list that LLaVA's trainer reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from svit_datasets.converters import formats
from svit_datasets.converters.base import Row
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.reading.containers import fault_error
from svit_datasets.table_inputs.files import ROWS_EACH
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import JsonList, OutputSet

_COLUMNS = ("id", "image", "conversations", "svit")
_SPELLED = "extra"  # its numbers stay as the native file spells them
_DECODE = msgspec.json.Decoder(dict[str, Raw]).decode


def write_llava(
    tables: Iterable[pa.Table | pa.RecordBatch] | pa.Table,
    output: str | Path,
    *,
    check: bool = True,
    overwrite: bool = False,
) -> int:
    """Write the rows of ``convert_table`` as the JSON list that LLaVA's trainer and ``from_llava`` read.

    Args:
        tables: One table or several, such as ``dataset.with_format("arrow").iter(1000)`` or
            ``dataset.iter_batches(batch_format="pyarrow")`` of ``ray.data``. They are read one after the other.
        output: The JSON file; ``-`` is standard output. It appears whole or not at all.
        check: Whether every row is checked against the schema.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The number of records written.

    Raises:
        UsageError: A column is missing, or the output exists.
        RecordError: A row does not fit the schema; its number counts from 1 over all tables.
        OutputError: The output cannot be written.
    """
    given = [tables] if isinstance(tables, pa.Table | pa.RecordBatch) else tables
    with OutputSet(overwrite=overwrite) as outputs:
        rows = JsonList(outputs.open(output))
        writer = RowWriter(rows, formats()["llava"], Options(), check=check)
        count = 0
        for count, row in enumerate(_rows(given), 1):
            try:
                wrong = writer.write(Row(_record(row), []))
            except ValueError as error:
                wrong = [finding("provenance-damaged", str(error), path="$.svit")]
            if wrong:
                _refuse(wrong[0], count, row)
        writer.close()
    return count


def _rows(tables: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for table in tables:
        names = getattr(getattr(table, "schema", None), "names", None)
        if names is None:
            raise UsageError(f"write_llava: expected pyarrow tables, got {type(table).__name__}")
        missing = [name for name in _COLUMNS if name not in names]
        if missing and table.num_rows:
            raise UsageError(f"write_llava: no column {', '.join(missing)}; convert_table makes {', '.join(_COLUMNS)}")
        for start in range(0, table.num_rows, ROWS_EACH):
            yield from table.select(list(_COLUMNS)).slice(start, ROWS_EACH).to_pylist()


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a record of the layout; unknown keys of the native file stay as spelled.

    >>> row = {"id": "a", "image": "b", "conversations": [], "svit": '{"at": "c0.0.1", "extra": {"n": 1.50}}'}
    >>> bytes(_record(row)["svit"]["extra"])
    b'{"n": 1.50}'
    """
    text = row["svit"]
    own = {name: row[name] for name in _COLUMNS[:-1]}
    if text is None:
        return own
    svit = {key: raw if key == _SPELLED else msgspec.json.decode(raw) for key, raw in _DECODE(text).items()}
    return {**own, "svit": svit}


def _refuse(fault: Finding, number: int, row: Mapping[str, Any]) -> None:
    raise fault_error(fault.at(file="table", record=number, id=row["id"] or ""))
