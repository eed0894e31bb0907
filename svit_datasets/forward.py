"""Native files to one file of a target layout, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack, overload

import msgspec

from svit_datasets.containers import check_exists, fault_error, open_source, path_names
from svit_datasets.conversion import Conversion, Numbered
from svit_datasets.converters import formats
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding
from svit_datasets.images import Images
from svit_datasets.progress import progress
from svit_datasets.readers import DEFAULT_MAX_RECORD_MB, decode_native, read_items, task_of
from svit_datasets.records import TaskName
from svit_datasets.report import OnError, Report, refuse_report
from svit_datasets.row_writer import RowWriter
from svit_datasets.sidecar import SIDECAR_SUFFIX
from svit_datasets.table_inputs import TableInput, is_dataset, open_tables
from svit_datasets.table_records import TableItem


class _Keywords(TypedDict, total=False):
    images: Iterable[str | Path] | str | Path
    task: str | None
    options: Options | None
    on_error: OnError
    report: str | Path | None
    check: bool
    overwrite: bool
    max_record_mb: int


@overload
def to_llava(inputs: Any, output: str | Path, **keywords: Unpack[_Keywords]) -> Report: ...


@overload
def to_llava(inputs: Any, output: None = None, **keywords: Unpack[_Keywords]) -> list[dict[str, Any]]: ...


def to_llava(
    inputs: Any,
    output: str | Path | None = None,
    *,
    images: Iterable[str | Path] | str | Path = (),
    task: str | None = None,
    options: Options | None = None,
    on_error: OnError = "raise",
    report: str | Path | None = None,
    check: bool = True,
    overwrite: bool = False,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
) -> Report | list[dict[str, Any]]:
    """Convert SVIT's native files, or tables of ``load_dataset``, to the JSON list that LLaVA-v1.5's trainer reads.

    One record comes from each native conversation, in input order. The output appears whole or not at all.

    Args:
        inputs: One input or a list: native files (JSON array or JSON lines, plain, ``.gz`` or ``.zip``; ``-`` is
            standard input); a ``Dataset`` or ``DatasetDict``, a folder written by ``save_to_disk``, a Parquet file or a
            folder of them, with the columns of ``load_dataset("svit", ...)``.
        output: The JSON file to write; ``-`` is standard output; None returns the records instead.
        images: Folders, zips or ``image_data.json``: see ``Images``. A table's rows tell the sizes themselves.
        task: The task of all inputs, where their file names do not say it.
        options: How to write the layout.
        on_error: ``raise`` stops at the first faulty record; ``skip`` leaves faulty conversations out and counts
            them; ``collect`` reads to the end and fails with all faults, writing nothing.
        report: Where to write the report as JSON.
        check: Whether every written record is checked against the schema.
        overwrite: Whether existing files may be replaced.
        max_record_mb: Largest native record, in MiB.

    Returns:
        The report; without ``output``, the records as plain objects, all in memory, and what was left out as a
        ``SvitWarning``.

    Raises:
        UsageError: The options do not fit together.
        InputError: A file cannot be used.
        RecordError: A record is at fault and ``on_error`` is ``raise``.
        FindingsError: Faults were found and ``on_error`` is ``collect``.
        OutputError: The output cannot be written.
    """
    options = options or Options()
    is_one = isinstance(inputs, str | Path) or is_dataset(inputs) or not isinstance(inputs, Iterable)
    given = [inputs] if is_one else list(inputs)
    found = [(one, open_tables(one, task)) for one in given]
    names = [name for one, tables in found for name in _names(one, tables)]
    roots = path_names(images)
    kept = [*names, *roots, *(file for _, tables in found for table in tables or () for file in table.files)]
    made = Report("to-llava", inputs=names, options=asdict(options), on_error=on_error, keep_all=report is not None)
    if report is not None:
        sidecar = None if output is None else f"{output}{SIDECAR_SUFFIX}"
        refuse_report(report, kept, [output, sidecar], overwrite=overwrite)
    with ExitStack() as stack:
        outputs = stack.enter_context(made.open_outputs(report, inputs=kept, overwrite=overwrite))
        opened: list[_File | TableInput] = []
        for one, tables in found:
            opened += [_open_file(str(one), task)] if tables is None else tables
        writer = RowWriter(outputs, None if output is None else str(output), formats()["llava"], options, check=check)
        pictures = stack.enter_context(Images(roots, add=made.add))
        conversion = Conversion(pictures, writer, made)
        for numbered in _read_all(opened, made, max_record_mb):
            conversion.add(numbered)
        writer.close()
        made.outputs = writer.written
    if writer.kept is None:
        return made
    made.warn()
    return writer.kept


class _File(NamedTuple):
    """A native file."""

    name: str
    task: TaskName

    def place(self, number: int) -> tuple[str, int]:
        return self.name, number


def _open_file(name: str, task: str | None) -> _File:
    return _File(name, task_of(check_exists(name), task))


def _names(given: Any, tables: list[TableInput] | None) -> list[str]:
    if tables is None and not isinstance(given, str | Path):
        raise UsageError(f"inputs: expected paths, a Dataset or a DatasetDict, got {type(given).__name__}")
    return [str(given)] if isinstance(given, str | Path) else [table.name for table in tables or ()]


def _read_all(inputs: list[_File | TableInput], made: Report, max_record_mb: int) -> Iterator[Numbered]:
    """Yield the records of all inputs; those of one task are numbered through, across inputs."""
    next_index: dict[str, int] = {}
    for given in inputs:
        items = _read_file(given, max_record_mb) if isinstance(given, _File) else given.items()
        for item in items:
            if item.fault is not None:
                file, number = given.place(item.number)
                fault = msgspec.structs.replace(item.fault, record=number) if number else item.fault
                _note(made, fault.at(file=file), is_whole_file=not item.number)
            if item.record is not None:
                index = next_index.get(given.task, 0)
                next_index[given.task] = index + 1
                made.counts["records_read"] += 1
                yield Numbered(*given.place(item.number), index, given.task, item.record, item.image)


def _read_file(file: _File, max_record_mb: int) -> Iterator[TableItem]:
    with open_source(file.name) as source, progress(file.name, source.total_bytes) as advance:
        for item in read_items(source, decode_native, max_record_mb=max_record_mb):
            yield TableItem(item.number, item.record, fault=item.fault)
            advance(source.tell)


def _note(made: Report, fault: Finding, *, is_whole_file: bool) -> None:
    if fault.severity == "error" and is_whole_file:
        raise fault_error(fault)  # no policy makes something of a file of which nothing can be read
    made.add(fault)
    if fault.severity == "error":
        made.counts["records_read"] += 1
        made.counts["records_skipped"] += 1
