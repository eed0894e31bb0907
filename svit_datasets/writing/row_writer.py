"""Write rows of a target layout: to a file with its sidecar, or to memory; each held against its schema first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from svit_datasets.check import validator
from svit_datasets.converters.base import Format, Row, Rows
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding
from svit_datasets.writing.sidecar import SIDECAR_SUFFIX, sidecar_line
from svit_datasets.writing.writers import STDOUT, JsonList, Output, OutputFile, encode_ascii


class RowWriter:
    """The rows of a layout on their way out, and the sidecar where there is one.

    Args:
        rows: The list that takes them; None keeps them in memory.
        fmt: The layout.
        options: How to write it.
        sidecar: Takes their provenance.
        check: Whether every row is held against the schema.
    """

    def __init__(
        self, rows: JsonList | None, fmt: Format, options: Options, *, sidecar: Output | None = None, check: bool = True
    ) -> None:
        self.format, self.options = fmt, options
        self._rows, self._sidecar = rows, sidecar
        self.kept: list[dict[str, Any]] | None = [] if rows is None else None
        self._validate = validator(fmt.schema) if check else None
        self.sidecar_lines = 0

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
            self.sidecar_lines += 1
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

    def extend_rows(self, rows: Rows) -> None:
        """Write rows that a kernel wrote, whose room it takes again for the next."""
        has_file = self._rows is not None and isinstance(self._rows.file, OutputFile)
        data = cast(bytes, rows.data) if has_file else rows.data.tobytes()  # a file takes any bytes, and keeps none
        self.extend_joined([data], rows.count, rows.first.tobytes())

    def extend_joined(self, chunks: Iterable[bytes], count: int, first: bytes = b"") -> None:
        """Write rows that were encoded and joined elsewhere; ``first`` is one of them, held against the schema."""
        wrong = self._validate(json.loads(first)) if self._validate and first else []
        assert not wrong, wrong
        if self._rows is not None:
            self._rows.extend_joined(chunks, count)
        if self.kept is not None and count:
            self.kept.extend(json.loads(b"[%s]" % b"".join(chunks)))

    def extend_sidecar(self, chunks: Iterable[bytes], count: int) -> None:
        """Write lines of the sidecar that were encoded elsewhere."""
        assert self._sidecar is not None
        for chunk in chunks:
            self._sidecar.write(chunk)
        self.sidecar_lines += count

    def pass_over(self, rows: int, sidecar_lines: int = 0) -> None:
        """Count what others have written to the files."""
        assert self._rows is not None
        self._rows.pass_over(rows)
        self.sidecar_lines += sidecar_lines

    def close(self) -> None:
        """End the list."""
        if self._rows is not None:
            self._rows.close()

    @property
    def written(self) -> dict[str, int]:
        """Files written, with their numbers of records."""
        rows = {self._rows.file.name: self._rows.count} if self._rows else {}
        return {**rows, **({self._sidecar.name: self.sidecar_lines} if self._sidecar else {})}


def sidecar_name(output: str | None, options: Options) -> str | None:
    """Return where the sidecar of an output goes, None where the provenance goes elsewhere.

    Raises:
        UsageError: The output is no file.

    >>> sidecar_name("llava.json", Options(provenance="sidecar"))
    'llava.json.svit.jsonl'
    """
    if options.provenance != "sidecar":
        return None
    if output is None or output == STDOUT:
        raise UsageError("a sidecar needs a file to stand beside: name an output, or --provenance inline")
    return f"{output}{SIDECAR_SUFFIX}"
