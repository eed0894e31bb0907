"""The sets of records in ``croissant.json``: a field for each column that Croissant's reader can follow. No I/O.

It takes one step into a list of structs, not two. So a conversation is told as its topic, first question and first
answer, which is all of it in three of the four tasks; the further pairs of ``conversation`` are in the column alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from svit_datasets.publish.card.text import ABOUT, meaning_text
from svit_datasets.publish.layout import DATA
from svit_datasets.publish.release import Config
from svit_datasets.tables.arrays import IMAGE_TYPE
from svit_datasets.tables.columns import Column

_TYPES = {"int32": "cr:Int32", "int64": "cr:Int64", "double": "cr:Float64", "string": "sc:Text"}


def shards_id(config_name: str) -> str:
    """Return the name of a configuration's shards, which its fields are read from.

    >>> shards_id("detail")
    'detail-shards'
    """
    return f"{config_name}-shards"


def record_set(config: Config, *, is_svit: bool = True) -> Mapping[str, object]:
    """Return the set of records of a configuration.

    Args:
        config: The configuration.
        is_svit: Whether it is SVIT's.

    Returns:
        The set, as JSON-LD.

    >>> record_set(Config("images", (), {}, {}))["description"]
    'A row is an image. The photos with their sizes and ids, without text.'
    """
    return {
        "@type": "cr:RecordSet",
        "@id": config.name,
        "name": config.name,
        "description": f"A row is an image. {ABOUT[config.name]}",
        "field": [_split_field(config), *(_column_field(config, column, is_svit=is_svit) for column in config.columns)],
    }


def _split_field(config: Config) -> Mapping[str, object]:
    """Return the field with a row's split, which its file's name tells.

    It does not reference the set of splits: that would be a join, for which all shards would be read at once.
    """
    place = f"{DATA}/{config.name}/({'|'.join(config.splits)})-.+\\.parquet"
    extract, transform = {"fileProperty": "fullpath"}, {"regex": place}
    return {
        "@type": "cr:Field",
        "@id": f"{config.name}/split",
        "name": "split",
        "description": "The split of the row.",
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": shards_id(config.name)}, "extract": extract, "transform": transform},
    }


def _column_field(config: Config, column: Column, *, is_svit: bool) -> Mapping[str, object]:
    """Return the field of a column; one of a list of structs has a field for each of their parts."""
    place = f"{config.name}/{column.name}"
    meaning = meaning_text(column, is_svit=is_svit)
    described = {"@type": "cr:Field", "@id": place, "name": column.name, "description": meaning}
    if not _holds_structs(column.type):
        path = "bytes" if column.type == IMAGE_TYPE else None
        return {**described, **_typed(column.type), "source": _source(config, column, path)}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{place}/{part.name}",
            "name": part.name,
            **_typed(part.type),
            "source": _source(config, column, part.path),
        }
        for part in _parts(column.type.value_type)
    ]
    return {**described, **_shape(column.type), "subField": parts}


class _Part(NamedTuple):
    """A part of a struct: its name as a field, where it stands in the struct, its type."""

    name: str
    path: str
    type: pa.DataType


_OF_TURNS = (_Part("first_question", "[0].value", pa.string()), _Part("first_answer", "[1].value", pa.string()))


def _parts(struct: pa.DataType) -> list[_Part]:
    """Return the parts of a struct that Croissant's reader can reach.

    >>> from svit_datasets.tables.arrays import CONVERSATION_TYPE
    >>> [part.path for part in _parts(CONVERSATION_TYPE)]
    ['topic', 'content[0].value', 'content[1].value']
    """
    parts = []
    for field in struct:
        if _holds_structs(field.type):
            parts += [_Part(part.name, field.name + part.path, part.type) for part in _OF_TURNS]
        else:
            parts.append(_Part(field.name, field.name, field.type))
    return parts


def _holds_structs(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def _source(config: Config, column: Column, path: str | None) -> Mapping[str, object]:
    transform = {"transform": {"jsonPath": path}} if path else {}
    return {"fileSet": {"@id": shards_id(config.name)}, "extract": {"column": column.name}, **transform}


def _typed(kind: pa.DataType) -> Mapping[str, object]:
    """Return type and shape of a value or of lists of values.

    >>> _typed(pa.list_(pa.list_(pa.float64())))
    {'dataType': 'cr:Float64', 'isArray': True, 'arrayShape': '-1,-1'}
    """
    inner = kind
    while pa.types.is_list(inner):
        inner = inner.value_type
    return {"dataType": "sc:ImageObject" if inner == IMAGE_TYPE else _TYPES[str(inner)], **_shape(kind)}


def _shape(kind: pa.DataType) -> Mapping[str, object]:
    depth = 0
    while pa.types.is_list(kind):
        depth, kind = depth + 1, kind.value_type
    return {"isArray": True, "arrayShape": ",".join(["-1"] * depth)} if depth else {}
