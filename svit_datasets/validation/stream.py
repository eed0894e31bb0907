"""The records of files and tables one after another, also where some of them are damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from svit_datasets.errors import InputError
from svit_datasets.findings import finding
from svit_datasets.reading.entries import Entry, Layout, Part

_UNUSABLE = "input-missing"


def read_all(parts: Iterable[Part]) -> Iterator[Entry]:
    """Yield the records of all files; one that is damaged ends with a fault, and the next is read all the same."""
    for part in parts:
        layout: Layout = "llava" if part.task is None else "native"
        count = 0
        try:
            for entry in part.entries:
                count += 1
                yield entry
            if not count:
                empty = finding("input-empty", "no record at all", file=part.name, expected="at least one record")
                yield Entry(part.name, 0, layout, fault=empty)
        except InputError as error:
            if error.finding is None or error.finding.code == _UNUSABLE:
                raise
            yield Entry(part.name, 0, layout, fault=error.finding)
