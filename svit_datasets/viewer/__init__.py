"""A local page to look through a dataset: records with their photos, boxes drawn over them.

>>> from svit_datasets import viewer
>>> viewer.Filter(text="dog").to_query()
{'text': 'dog'}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svit_datasets.viewer.data import Data, Source, open_data
    from svit_datasets.viewer.exporting import Written, export, export_data
    from svit_datasets.viewer.filters import Filter
    from svit_datasets.viewer.server import serve, serve_data

# Names load with their modules on first use, so that the command's --help need not wait for them.
_HOME = {
    "Data": "data",
    "Source": "data",
    "open_data": "data",
    "Written": "exporting",
    "export": "exporting",
    "export_data": "exporting",
    "Filter": "filters",
    "serve": "server",
    "serve_data": "server",
}

__all__ = [
    "Data",
    "Filter",
    "Source",
    "Written",
    "export",
    "export_data",
    "open_data",
    "serve",
    "serve_data",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
