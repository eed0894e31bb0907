"""Read rows of a target layout and send each where it belongs: to the native files of its task, or to the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from svit_datasets.backward.regroup import Origin, Regrouping
from svit_datasets.boxes import Size
from svit_datasets.check import Validator, validator
from svit_datasets.converters import formats
from svit_datasets.converters.base import Back
from svit_datasets.converters.llava_layout import Options
from svit_datasets.converters.llava_rows import known_keys
from svit_datasets.findings import finding
from svit_datasets.images.known import Images
from svit_datasets.kernels.available import use_kernels
from svit_datasets.reading.containers import Source, fault_error
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, Item
from svit_datasets.report import OnError, Report
from svit_datasets.writing.sidecar import Sidecar
from svit_datasets.writing.writers import JsonList

if TYPE_CHECKING:
    from svit_datasets.kernels.backward.block import RowTaker, TakenRows

Decode = Callable[[bytes | memoryview], Back]


class Rules(NamedTuple):
    """How everything is converted: see ``from_llava``."""

    roots: tuple[str, ...] = ()
    options: Options = Options()
    on_error: OnError = "raise"
    check: bool = True
    max_record_mb: int = DEFAULT_MAX_RECORD_MB


def make_decoder(sidecar: Sidecar | None, pictures: Images, options: Options) -> Decode:
    """Return what converts one row.

    Args:
        sidecar: Provenance beside the file, if there is some.
        pictures: Images and their sizes.
        options: How the file was written.
    """
    from_row = formats()["llava"].from_row
    find = sidecar.get if sidecar else None

    def size_of(image_id: int) -> Size | None:
        return pictures.resolve(image_id).size_wh

    return lambda raw: from_row(raw, find, size_of, options)


def row_taker(source: Source, max_record_mb: int) -> RowTaker | None:
    """Return what takes plain rows in runs, None where that is not worth its start or cannot be done."""
    if not use_kernels(source.text_bytes or source.total_bytes):
        return None
    from svit_datasets.kernels.backward.block import RowTaker

    return RowTaker(max_record_mb << 20)


def pass_over(items: Iterable[Item[Back]], count: int) -> Iterator[Item[Back]]:
    """Yield elements but for the first ``count``.

    >>> [item.number for item in pass_over([Item(1, b"5"), Item(2, b"6")], 1)]
    [2]
    """
    for item in items:
        size = 1 if item.run is None else item.run.count
        if count >= size:
            count -= size
        elif count:
            rows = cast("TakenRows", item.run).since(count)
            yield msgspec.structs.replace(item, number=item.number + count, run=rows)
            count = 0
        else:
            yield item


class Sorter:
    """Sends every row where it belongs, and counts what became of it.

    Args:
        regrouping: Gives what takes native conversations, when the first of them comes.
        rest: Takes foreign rows; None leaves them out.
        made: Takes counts and findings.
        check: Whether foreign rows are held against their schema.
    """

    def __init__(
        self, regrouping: Callable[[], Regrouping], rest: JsonList | None, made: Report, *, check: bool
    ) -> None:
        self._open, self._rest, self._made = regrouping, rest, made
        self.regrouping: Regrouping | None = None
        self._lenient: Validator | None = validator("llava-lenient") if check else None

    def add(self, file: str, item: Item[Back]) -> None:
        """Take in an element of the input, or a run of rows that a kernel restored."""
        if item.run is not None:
            self._add_rows(file, item.number, cast("TakenRows", item.run))
            return
        counts = self._made.counts
        if item.fault is not None:
            if item.fault.severity == "error" and not item.number:
                raise fault_error(item.fault)  # nothing can be read of the file
            self._made.add(item.fault)
            if item.fault.severity == "error":
                counts["records_read"] += 1
                counts["records_skipped"] += 1
        if item.record is not None:
            self._add_back(file, item, item.record)

    def _add_back(self, file: str, item: Item[Back], back: Back) -> None:
        counts = self._made.counts
        counts["records_read"] += 1
        for fault in back.findings:
            self._made.add(fault.at(file=file, record=item.number, id=back.row_id))
        if back.outcome == "foreign":
            self._add_foreign(file, item, back.row_id)
            return
        if back.record is None:
            counts["records_skipped"] += 1
            return
        counts[f"records_{back.outcome}"] += 1
        counts[f"records_{back.outcome}.{back.record.task}"] += 1
        self._made.infer(back.inferred)
        self.found().add(back.record, Origin(file, item.number, back.row_id))

    def found(self) -> Regrouping:
        """Return what takes native conversations."""
        if self.regrouping is None:
            self.regrouping = self._open()
        return self.regrouping

    def _add_rows(self, file: str, number: int, rows: TakenRows) -> None:
        counts = self._made.counts
        counts["records_read"] += rows.count
        counts["records_restored"] += rows.count
        for task, count in rows.by_task.items():
            counts[f"records_restored.{task}"] += count
        self.found().add_rows(rows, file, number)

    def _add_foreign(self, file: str, item: Item[Back], row_id: str) -> None:
        raw = bytes(item.raw).strip()
        self._made.counts["records_foreign"] += 1
        if self._lenient:
            known = known_keys(raw)
            wrong = self._lenient(known) if known is not None else [("$", "values that cannot be decoded")]
            for path, message in wrong:
                fault = finding("row-lenient", message, path=path)
                self._made.add(fault.at(file=file, record=item.number, id=row_id))
        if self._rest:
            self._rest.append(raw)
