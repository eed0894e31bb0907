"""Look for this machine's paths in Parquet files: in every text and in the metadata, which are packed on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from svit_datasets.errors import InputError
from svit_datasets.publish.pushing.leaks import fault_of_image_path, find_place, needles

PHOTO, PHOTO_PATH = "image.bytes", "image.path"
_MEND = "take it out of the source and build again; nothing was sent"


def check_shard(file: Path, name: str, places: Sequence[str]) -> None:
    """Raise where a text of a Parquet file tells a path of this machine, or a photo's path is not relative and plain.

    It reads one column of one row group at a time. Photos are not made objects of Python; where they are not packed,
    they are not read at all, since a look at the file's bytes sees what is in them.

    Args:
        file: The file.
        name: What messages call it.
        places: Folders of this machine.

    Raises:
        InputError: It does; the message names row and column.
    """
    with pq.ParquetFile(file) as parquet:
        for where, text in metadata_texts(parquet):
            place = find_place(text, places)
            if place is not None:
                raise InputError(f"{name}: {where} tells {place}, a folder of this machine; {_MEND}")
        first_row = 0
        for group in range(parquet.num_row_groups):
            for leaf in _leaves(parquet.metadata, group):
                _check_leaf(parquet.read_row_group(group, columns=[leaf]), leaf, first_row, name, places)
            first_row += parquet.metadata.row_group(group).num_rows


def metadata_texts(parquet: pq.ParquetFile) -> Iterator[tuple[str, str]]:
    """Yield the texts of a file's own metadata, each with where it stands."""
    schema = parquet.schema_arrow
    yield "its maker's name", str(parquet.metadata.created_by)
    for key, value in {**(parquet.metadata.metadata or {}), **(schema.metadata or {})}.items():
        yield f"metadata {_text(key)!r}", f"{_text(key)} {_text(value)}"
    for field in _fields(schema):
        for key, value in (field.metadata or {}).items():
            yield f"metadata {_text(key)!r} of column {field.name}", f"{_text(key)} {_text(value)}"
        yield "a column's name", field.name


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _fields(parent: Any) -> Iterator[pa.Field]:
    fields = list(parent) if isinstance(parent, pa.Schema) else [parent.field(i) for i in range(parent.num_fields)]
    for field in fields:
        yield field
        yield from _fields(field.type)


def _leaves(metadata: Any, group: int) -> list[str]:
    """Return the columns whose values may hold text and are not to be seen on disk as they are."""
    chunks = [metadata.row_group(group).column(i) for i in range(metadata.num_columns)]
    held = [c for c in chunks if c.physical_type == "BYTE_ARRAY"]
    return [c.path_in_schema for c in held if c.path_in_schema != PHOTO or c.compression != "UNCOMPRESSED"]


def _check_leaf(table: pa.Table, leaf: str, first_row: int, name: str, places: Sequence[str]) -> None:
    column = table.column(0).combine_chunks()
    values = leaf_values(column)
    if leaf != PHOTO_PATH and not any(_holds(values, form) for place in places for form in needles(place)):
        return
    for row, value in enumerate(_rows(column, leaf)):
        for text in strings_of(value):
            fault = fault_of_image_path(text) if leaf == PHOTO_PATH else ""
            place = find_place(text, places)
            if fault or place:
                told = f"tells {place}, a folder of this machine"
                if fault:
                    told = f"{text[:200]!r} {fault}; expected a relative, plain path"
                raise InputError(f"{name}: row {first_row + row}, column {leaf}: {told}; {_MEND}")


def _rows(column: Any, leaf: str) -> Iterator[Any]:
    """Yield the values one by one; packed photos as what they say in bytes that are text."""
    for scalar in column:
        yield scalar.as_py() if leaf != PHOTO else scalar["bytes"].as_buffer()


def leaf_values(array: Any) -> Any:
    """Return the values of a nested column that has one leaf, in one array.

    >>> leaf_values(pa.array([[{"a": "x"}], None, [{"a": "y"}, {"a": None}]])).to_pylist()
    ['x', 'y', None]
    """
    while not isinstance(array, pa.BinaryArray | pa.StringArray | pa.LargeStringArray | pa.LargeBinaryArray):
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        elif isinstance(array, pa.StructArray):
            array = array.field(0)
        elif isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray | pa.MapArray):
            array = array.flatten()
        else:
            array = array.cast(pa.string())
    return array


def _holds(values: Any, form: str) -> bool:
    return bool(pc.any(pc.match_substring(values, form)).as_py())


def strings_of(value: Any) -> Iterator[str]:
    """Yield all texts in a value, however deep.

    >>> list(strings_of([{"a": "x", "b": None}, {"a": b"y"}]))
    ['x', 'y']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray | pa.Buffer):
        yield bytes(value).decode("utf-8", "replace")
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_of(inner)
