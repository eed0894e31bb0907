"""The target layouts, one file each, and their registry."""

from __future__ import annotations

if __name__ == "converters":
    raise ImportError("import svit_datasets.converters; under its bare name a second copy would load")

from functools import cache
from importlib.metadata import entry_points

from svit_datasets.converters import llava
from svit_datasets.converters.base import Format

ENTRY_POINT_GROUP = "svit_datasets.formats"


@cache
def formats() -> dict[str, Format]:
    """Return every layout by name: this package's, and those that other packages register.

    A package adds its own through the entry point group ``svit_datasets.formats``, each entry a ``Format``.

    >>> list(formats())[:1]
    ['llava']
    """
    own = (llava.FORMAT,)
    foreign = (entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP))
    return {f.name: f for f in (*own, *foreign)}
