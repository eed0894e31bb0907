"""SVIT for training: tables for ``datasets``, the LLaVA-v1.5 layout and back, boxes in the right frame, nothing lost.

Importing this makes the name "svit" known to ``datasets.load_dataset``.

>>> import svit_datasets
>>> svit_datasets.find_task("referring")
'referring_qa'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

VERSION = __version__ = "0.1.0"

if TYPE_CHECKING:
    from svit_datasets.backward.files import from_llava
    from svit_datasets.comparison import Difference, compare
    from svit_datasets.converters import formats
    from svit_datasets.converters.base import Format
    from svit_datasets.converters.llava_layout import Options
    from svit_datasets.drawing import draw
    from svit_datasets.errors import (
        FindingsError,
        InputError,
        OutputError,
        RecordError,
        SvitError,
        SvitWarning,
        UsageError,
    )
    from svit_datasets.findings import Finding
    from svit_datasets.forward.files import to_llava
    from svit_datasets.images.known import Images
    from svit_datasets.images.visual_genome import is_held_out
    from svit_datasets.loading import load_dataset
    from svit_datasets.pipelines.llava import convert_table
    from svit_datasets.pipelines.native import restore_table
    from svit_datasets.pipelines.places import number_records
    from svit_datasets.pipelines.writing import write_llava
    from svit_datasets.publish.building.build import Built, build
    from svit_datasets.publish.fetching.download import Download, download
    from svit_datasets.publish.pushing.push import Pushed, push
    from svit_datasets.reading.readers import read
    from svit_datasets.records import Conversation, HubRecord, NativeRecord, Turn, extra_of, find_task
    from svit_datasets.report import Report
    from svit_datasets.running import run
    from svit_datasets.sample import write_sample
    from svit_datasets.statistics.gather import stats
    from svit_datasets.validation.results import Results
    from svit_datasets.validation.validate import Checks, validate

# Names load with their modules on first use, so that the command's --help need not wait for them.
_HOME = {
    "from_llava": "backward.files",
    "Difference": "comparison",
    "compare": "comparison",
    "formats": "converters",
    "Format": "converters.base",
    "Options": "converters.llava_layout",
    "draw": "drawing",
    "FindingsError": "errors",
    "InputError": "errors",
    "OutputError": "errors",
    "RecordError": "errors",
    "SvitError": "errors",
    "SvitWarning": "errors",
    "UsageError": "errors",
    "Finding": "findings",
    "to_llava": "forward.files",
    "Images": "images.known",
    "is_held_out": "images.visual_genome",
    "load_dataset": "loading",
    "Built": "publish.building.build",
    "build": "publish.building.build",
    "Download": "publish.fetching.download",
    "download": "publish.fetching.download",
    "Pushed": "publish.pushing.push",
    "push": "publish.pushing.push",
    "read": "reading.readers",
    "Conversation": "records",
    "HubRecord": "records",
    "NativeRecord": "records",
    "Turn": "records",
    "extra_of": "records",
    "find_task": "records",
    "Report": "report",
    "run": "running",
    "write_sample": "sample",
    "stats": "statistics.gather",
    "convert_table": "pipelines.llava",
    "restore_table": "pipelines.native",
    "number_records": "pipelines.places",
    "write_llava": "pipelines.writing",
    "Results": "validation.results",
    "Checks": "validation.validate",
    "validate": "validation.validate",
}

__all__ = [
    "Built",
    "Checks",
    "Conversation",
    "Difference",
    "Download",
    "Finding",
    "FindingsError",
    "Format",
    "HubRecord",
    "Images",
    "InputError",
    "NativeRecord",
    "Options",
    "OutputError",
    "Pushed",
    "RecordError",
    "Report",
    "Results",
    "SvitError",
    "SvitWarning",
    "Turn",
    "UsageError",
    "build",
    "compare",
    "convert_table",
    "download",
    "draw",
    "extra_of",
    "find_task",
    "formats",
    "from_llava",
    "is_held_out",
    "load_dataset",
    "number_records",
    "push",
    "read",
    "restore_table",
    "run",
    "stats",
    "to_llava",
    "validate",
    "write_llava",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


import_module(f"{__name__}.registration").register()
