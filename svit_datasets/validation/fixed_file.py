"""The new file that holds an input with its safe mends."""

from __future__ import annotations

from collections.abc import Collection

from svit_datasets.findings import Finding
from svit_datasets.reading.entries import Entry
from svit_datasets.reading.readers import LINE_BREAK
from svit_datasets.validation.fixes import Change, mend
from svit_datasets.validation.results import Results
from svit_datasets.writing.writers import JsonList, OutputFile

_LINES = (".jsonl", ".ndjson")


class FixedFile:
    """Writes records with their mends: a JSON list, or JSON lines where the file's name ends so.

    Args:
        file: The new file.
        results: Takes every change, and every record that was left out.

    Attributes:
        count: Records written.
    """

    def __init__(self, file: OutputFile, results: Results) -> None:
        self._file, self._results = file, results
        self._list = None if file.name.endswith(_LINES) else JsonList(file)
        self.count = 0

    def write(self, entry: Entry, found: Collection[Finding]) -> None:
        """Write one record; one that cannot be read, or the rest of a file, is left out, which is a change too."""
        if entry.fault is not None:
            before = bytes(entry.raw[:200]).decode("utf-8", "replace") or entry.fault.found
            if entry.fault.severity == "error":
                place = entry.file, entry.number, entry.id, "$"
                self._results.left_out += 1
                self._results.change([Change(entry.fault.code, before, None, *place)])
            return
        raw, changes = mend(entry, found)
        self._results.change(changes)
        if raw is None:
            return
        self.count += 1
        if self._list is not None:
            self._list.append(raw)
        else:
            self._file.write(LINE_BREAK.sub(b" ", raw) + b"\n")

    def close(self) -> None:
        """Write the end of the list."""
        if self._list is not None:
            self._list.close()
