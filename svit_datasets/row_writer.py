"""Write rows of a target layout: to a file with its sidecar, or to memory; each held against its schema first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from svit_datasets.check import validator
from svit_datasets.converters.base import Format, Row
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.sidecar import SIDECAR_SUFFIX, sidecar_line
from svit_datasets.writers import STDOUT, JsonList, OutputFile, OutputSet, encode_ascii


class RowWriter:
    """The output file, and the sidecar where there is one."""

    def __init__(self, outputs: OutputSet, output: str | None, fmt: Format, options: Options, *, check: bool) -> None:
        self.format, self.options = fmt, options
        self._rows = None if output is None else JsonList(outputs.open(output))
        self.kept: list[dict[str, Any]] | None = [] if output is None else None
        self._validate = validator(fmt.schema) if check else None
        self._sidecar: OutputFile | None = None
        if options.provenance == "sidecar":
            if output is None or output == STDOUT:
                raise UsageError("a sidecar needs a file to stand beside: name an output, or --provenance inline")
            self._sidecar = outputs.open(f"{output}{SIDECAR_SUFFIX}")
        self._lines = 0

    def write(self, made: Row) -> list[Finding]:
        """Write a row; return why not, if it does not fit its schema."""
        assert made.row is not None
        data = encode_ascii(made.row)
        if self._validate:
            svit = made.provenance or made.row.get("svit")
            row = {**made.row, "svit": {k: svit[k] for k in svit if k != "extra"}} if svit else made.row
            wrong = self._validate(row)
            if wrong:
                return [finding("row-check", message, path=path) for path, message in wrong]
        if self._rows is not None:
            self._rows.append(data)
        if self.kept is not None:
            self.kept.append(json.loads(data))
        if self._sidecar and made.provenance is not None:
            self._sidecar.write(sidecar_line(made.row["id"], made.provenance))
            self._lines += 1
        return []

    def write_all(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Write rows with all that they need in themselves; write none where one does not fit its schema."""
        if self._sidecar or self._is_odd(rows):
            return False
        data = [encode_ascii(row) for row in rows]
        if self._rows is not None:
            self._rows.extend(data)
        if self.kept is not None:
            self.kept.extend(map(json.loads, data))
        return True

    def _is_odd(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return self._validate is not None and any(map(self._validate, rows))

    def close(self) -> None:
        """End the list."""
        if self._rows is not None:
            self._rows.close()

    @property
    def written(self) -> dict[str, int]:
        """Files written, with their numbers of records."""
        rows = {self._rows.file.name: self._rows.count} if self._rows else {}
        return {**rows, **({self._sidecar.name: self._lines} if self._sidecar else {})}
