"""The JSON Schemas (2020-12), one for each layout and one for reports."""

from __future__ import annotations

if __name__ == "schemas":
    raise ImportError("import svit_datasets.schemas; under its bare name a second copy would load")

import json
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("native", "llava", "llava-lenient", "image_data", "report", "statistics")


@cache
def load(name: str) -> dict[str, Any]:
    """Return the schema ``name``, one of ``NAMES``.

    Raises:
        KeyError: There is no schema of that name.

    >>> load("native")["title"]
    'Native SVIT file'
    """
    if name not in NAMES:
        raise KeyError(name)
    schema: dict[str, Any] = json.loads((files(__name__) / f"{name}.schema.json").read_text("utf-8"))
    return schema


def record_schema(name: str) -> dict[str, Any]:
    """Return the schema of one record of the layout ``name``: the ``$defs/record`` of its file's schema.

    A report and statistics are one record each, so their schema is the whole.

    >>> record_schema("native")["$ref"]
    '#/$defs/record'
    """
    whole = load(name)
    if "record" not in whole.get("$defs", {}):
        return whole
    return {"$schema": whole["$schema"], "$ref": "#/$defs/record", "$defs": whole["$defs"]}
