"""The inputs of a conversion: native files and tables, opened, and their records numbered through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding
from svit_datasets.forward.conversion import Numbered, NumberedRun
from svit_datasets.kernels.forward.plain_records import NativeRun
from svit_datasets.progress import progress
from svit_datasets.reading.containers import check_exists, fault_error, open_source
from svit_datasets.reading.readers import Item, decode_native, plain_taker, read_items, task_of
from svit_datasets.records import NativeRecord, TaskName
from svit_datasets.remote.names import shown_name
from svit_datasets.report import Report
from svit_datasets.table_inputs.inputs import TableInput, is_dataset, open_tables
from svit_datasets.table_inputs.records import TableItem


class NativeFile(NamedTuple):
    """A native file."""

    name: str
    task: TaskName

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is read from, which no output may replace."""
        return (self.name,)

    def place(self, number: int) -> tuple[str, int]:
        """Return file and number in it of the file's element ``number``, from 1."""
        return shown_name(self.name), number


class Given(NamedTuple):
    """An opened input.

    Attributes:
        source: The file or the table.
        name: The path or address that was given; None for an object.
        part: Which of the tables that lie there it is.
    """

    source: NativeFile | TableInput
    name: str | None
    part: int = 0


class Found(NamedTuple):
    """What was given as an input: its path or address, if it is one, and the tables that it is or holds."""

    name: str | None
    tables: list[TableInput] | None

    @property
    def names(self) -> list[str]:
        """What the user called it."""
        return [self.name] if self.name is not None else [table.name for table in self.tables or ()]

    @property
    def files(self) -> list[str]:
        """The files that it is read from, which no output may replace."""
        return [*self.names, *(file for table in self.tables or () for file in table.files)]


def find_inputs(inputs: Any, task: str | None) -> list[Found]:
    """Tell what was given to a conversion: tables, or else files.

    Args:
        inputs: One input or several: paths of native files and tables, objects of ``datasets``.
        task: The task of all, where their names do not say it.

    Returns:
        The inputs, in order.

    Raises:
        UsageError: The task of a table is not told, or something is no input.
        InputError: A table is damaged.
    """
    is_one = isinstance(inputs, str | Path) or is_dataset(inputs) or not isinstance(inputs, Iterable)
    found = []
    for one in [inputs] if is_one else list(inputs):
        tables = open_tables(one, task)
        if tables is None and not isinstance(one, str | Path):
            raise UsageError(f"inputs: expected paths, a Dataset or a DatasetDict, got {type(one).__name__}")
        found.append(Found(str(one) if isinstance(one, str | Path) else None, tables))
    return found


def open_inputs(found: Iterable[Found], task: str | None) -> list[Given]:
    """Return files and tables to read, of a folder of tables each.

    Raises:
        UsageError: The task of a file is not told.
        InputError: A file is missing.
    """
    opened: list[Given] = []
    for name, tables in found:
        if tables is not None:
            opened += [Given(table, name, i) for i, table in enumerate(tables)]
        elif name is not None:
            opened.append(Given(NativeFile(name, task_of(shown_name(check_exists(name)), task)), name))
    return opened


def read_all(
    opened: Iterable[Given], made: Report, max_record_mb: int, *, takes_runs: bool = False
) -> Iterator[Numbered | NumberedRun]:
    """Yield the records of all inputs, in runs where ``takes_runs``; those of one task are numbered through."""
    next_position: dict[str, int] = {}
    for source, _, _ in opened:
        first = next_position.get(source.task, 0)
        for numbered in number_records(_items(source, max_record_mb, takes_runs), source, made, position=first):
            count = numbered.run.count if isinstance(numbered, NumberedRun) else 1
            next_position[source.task] = numbered.position + count
            yield numbered


def _items(
    source: NativeFile | TableInput, max_record_mb: int, takes_runs: bool
) -> Iterable[TableItem] | Iterable[TableItem | RunItem]:
    if isinstance(source, NativeFile):
        return read_file(source, max_record_mb, takes_runs=takes_runs)
    return source.items()


def read_file(file: NativeFile, max_record_mb: int, *, takes_runs: bool = False) -> Iterator[TableItem | RunItem]:
    """Yield the elements of a native file, whole; plain ones in runs where ``takes_runs``."""
    with open_source(file.name) as source, progress(file.name, source.total_bytes) as advance:
        take = plain_taker(source, max_record_mb=max_record_mb) if takes_runs else None
        for item in read_items(source, decode_native, max_record_mb=max_record_mb, take=take):
            yield as_item(item)
            advance(source.tell)


class RunItem(NamedTuple):
    """Elements of a file that were taken at once; ``number`` is that of the first."""

    number: int
    run: NativeRun


def as_item(item: Item[NativeRecord]) -> TableItem | RunItem:
    """Return what was read of a native file as ``number_records`` takes it."""
    if isinstance(item.run, NativeRun):
        return RunItem(item.number, item.run)
    return TableItem(item.number, item.record, fault=item.fault)


def number_records(
    items: Iterable[TableItem] | Iterable[TableItem | RunItem],
    source: NativeFile | TableInput,
    made: Report,
    *,
    position: int,
    before: int = 0,
) -> Iterator[Numbered | NumberedRun]:
    """Yield the records among some elements, and take down the faults of the others.

    Args:
        items: The elements.
        source: Where they come from.
        made: Takes the faults.
        position: Position of the first record among those of its task.
        before: Number of elements that stand before the first.

    Yields:
        The records with their places; those of a run are not counted as read yet.

    Raises:
        RecordError: An element is at fault and the report's policy is to stop.
        InputError: Nothing can be read of the input.
    """
    for item in items:
        place = source.place(item.number + before) if item.number else source.place(0)
        if isinstance(item, RunItem):
            yield NumberedRun(*place, position, source.task, item.run)
            position += item.run.count
            continue
        if item.fault is not None:
            fault = msgspec.structs.replace(item.fault, record=place[1]) if place[1] else item.fault
            _note(made, fault.at(file=place[0]), is_whole_file=not item.number)
        if item.record is not None:
            made.counts["records_read"] += 1
            yield Numbered(*place, position, source.task, item.record, item.image)
            position += 1


def _note(made: Report, fault: Finding, *, is_whole_file: bool) -> None:
    if fault.severity == "error" and is_whole_file:
        raise fault_error(fault)  # no policy makes something of a file of which nothing can be read
    made.add(fault)
    if fault.severity == "error":
        made.counts["records_read"] += 1
        made.counts["records_skipped"] += 1
