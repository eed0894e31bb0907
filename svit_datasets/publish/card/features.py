"""A table's columns as ``datasets`` features, in the spelling that every version from 2.21 on reads. No I/O.

Files written by ``datasets`` 5 name lists by a class that older versions do not know. A list in brackets (JSON) or
under ``list:`` (YAML) is understood by all of them, so the shards and the card are spelled here and not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from svit_datasets.tables.arrays import IMAGE_TYPE
from svit_datasets.tables.columns import Column

_ARROW_NAMES = {"double": "float64"}


def features_json(columns: Iterable[Column]) -> str:
    """Return the features of a table as the value of the key ``huggingface`` in a Parquet file's metadata.

    >>> from svit_datasets.tables.columns import columns_of
    >>> features_json(columns_of("images", "image", has_captions=True, chosen=["image_id", "captions"]))
    '{"info":{"features":{"image_id":{"dtype":"int64","_type":"Value"},"captions":[{"dtype":"string","_type":"Value"}]}}}'
    """
    features = {column.name: _json_feature(column.type) for column in columns}
    return json.dumps({"info": {"features": features}}, separators=(",", ":"))


def features_yaml(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """Return the features of a table as ``dataset_info.features`` of a card's YAML.

    >>> from svit_datasets.tables.columns import columns_of
    >>> features_yaml(columns_of("images", "image", has_captions=True, chosen=["image", "captions"]))
    [{'name': 'image', 'dtype': 'image'}, {'name': 'captions', 'list': 'string'}]
    """
    return [{"name": column.name, **_yaml_feature(column.type)} for column in columns]


def _name(kind: pa.DataType) -> str:
    return _ARROW_NAMES.get(str(kind), str(kind))


def _json_feature(kind: pa.DataType) -> Any:
    if kind == IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        return {field.name: _json_feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_json_feature(kind.value_type)]
    return {"dtype": _name(kind), "_type": "Value"}


def _yaml_feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE_TYPE:
        return {"dtype": "image"}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_yaml_feature(field.type)} for field in kind]}
    if pa.types.is_list(kind):
        inner = _yaml_feature(kind.value_type)
        only = inner.get("dtype") if list(inner) == ["dtype"] else inner.get("struct")
        return {"list": only if only is not None else inner}
    return {"dtype": _name(kind)}
