"""The conversion to LLaVA's layout as a function of Arrow tables, for ``Dataset.map``, ``ray.data`` and the like."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa

from svit_datasets.converters import formats
from svit_datasets.converters.base import Row
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import SvitWarning, UsageError, choose
from svit_datasets.findings import Finding, finding
from svit_datasets.forward.conversion import Conversion, Numbered
from svit_datasets.images.known import Images
from svit_datasets.pipelines.places import RECORD_INDEX, Placed, as_table, read_placed
from svit_datasets.reading.containers import path_names
from svit_datasets.records import HubRecord, NativeRecord, TaskName
from svit_datasets.report import Report
from svit_datasets.table_inputs.files import tell_task
from svit_datasets.tables.arrays import CONTENT_TYPE
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import encode_ascii

LLAVA_SCHEMA = pa.schema(
    [("id", pa.string()), ("image", pa.string()), ("conversations", CONTENT_TYPE), ("svit", pa.string())]
)
_SOURCE = "convert_table"
_ROWS_EACH = 500


def convert_table(
    table: pa.Table,
    *,
    task: str,
    options: Options | None = None,
    images: Iterable[str | Path] | str | Path = (),
    on_error: Literal["raise", "skip"] = "raise",
    check: bool = True,
) -> pa.Table:
    """Convert rows of a table to LLaVA's layout, one row a conversation: ``to_llava`` for a part of a table.

    A row of the result depends on its own rows alone, so that it is the same however a table is cut into parts. It
    equals what ``to_llava`` writes, but for what only the whole table tells: the number of the record in ``svit``
    (in ``at``, and so in ``sum``), which is 0, and the ids of a second record of one image, which are those of the
    first. ``from_llava`` brings the same records back in the order of image ids; it refuses a second record of one
    image. With the columns ``record_index`` and ``record_copy`` of ``number_records`` the rows are ``to_llava``'s.

    Where rows were left out, a conversation keeps its number; ``to_llava`` numbers those that are left. Where one
    row is a question-answer pair, all pairs of a conversation must be in one part, else it becomes two.

    Args:
        table: Rows in the columns of ``load_dataset("svit", ...)``, of any granularity, or of the native layout
            (``image_id``, ``conversations``). Other columns are passed over.
        task: The task of all rows.
        options: How to write the layout; a sidecar is not possible.
        images: As in ``to_llava``; needed where the rows do not tell the sizes. Read once a process.
        on_error: ``raise`` stops at the first fault; ``skip`` leaves faulty conversations out and says so in a
            ``SvitWarning``.
        check: Whether every row is checked against the schema.

    Returns:
        The columns ``id``, ``image``, ``conversations`` (a list of ``from`` and ``value``) and ``svit`` (JSON text,
        null without provenance). ``write_llava`` writes them as a file.

    Raises:
        UsageError: The options do not fit together, or the columns are none of these.
        InputError: A file of ``images`` cannot be used.
        RecordError: A row is at fault and ``on_error`` is ``raise``; its number counts from 1 in ``table``.

    >>> turns = [{"from": "user", "value": "Who?"}, {"from": "gpt", "value": "The <st>man<ed> [0.25, 0, 0.5, 1]."}]
    >>> rows = {"image_id": [2], "width": [640], "height": [480], "conversations": [[{"content": turns}]]}
    >>> converted = convert_table(pa.table(rows), task="referring").to_pylist()[0]
    >>> converted["id"], converted["image"], converted["conversations"][1]["value"]
    ('referring_qa-2-0', 'vg/VG_100K/2.jpg', 'The man [0.25, 0.125, 0.5, 0.875].')
    """
    options = options or Options()
    choose("on_error", on_error, ("raise", "skip"))
    if options.provenance == "sidecar":
        raise UsageError("provenance='sidecar': a table has no file to stand beside; pass 'inline' or 'none'")
    name = tell_task(task, "", None, _SOURCE)
    table = as_table(table, _SOURCE)
    if not table.num_rows:
        return LLAVA_SCHEMA.empty_table()
    made = Report(_SOURCE, inputs=[], options=asdict(options), on_error=on_error)
    rows = _Rows(options, check=check)
    conversion = Conversion(open_images(path_names(images), made), rows, made)
    batches = list(_convert(table, name, conversion, rows, made))
    made.command = _title(made)
    made.warn()
    _warn_of_cut(table)
    return pa.Table.from_batches(batches, LLAVA_SCHEMA)


class _Rows(RowWriter):
    """Keeps rows in memory, and numbers the conversations of a record that stands in the table in part.

    Attributes:
        numbers: The conversations' numbers; None for a whole record.
    """

    def __init__(self, options: Options, *, check: bool) -> None:
        self._own = formats()["llava"]
        placed = replace(self._own, to_row=self._to_row, to_rows=self._to_rows)
        super().__init__(None, placed, options, check=check)
        self.kept = None  # what it would keep has gone through JSON
        self.numbers: list[int] | None = None
        self._rows_kept: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows_kept)

    def _to_rows(self, hub: HubRecord, record: NativeRecord, options: Options) -> Sequence[Mapping[str, Any]] | None:
        return self._own.to_rows(hub, record, options) if self.numbers is None else None

    def _to_row(self, hub: HubRecord, options: Options) -> Row:
        if self.numbers is not None:
            hub = msgspec.structs.replace(hub, conversation_index=self.numbers[hub.conversation_index])
        return self._own.to_row(hub, options)

    def write(self, made: Row) -> list[Finding]:
        """Keep a row; return why not, if it does not fit its schema."""
        found = super().write(made)
        self._rows_kept += [] if found or made.row is None else [made.row]
        return found

    def write_all(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Keep rows; keep none where one does not fit its schema."""
        is_written = super().write_all(rows)
        self._rows_kept += rows if is_written else ()
        return is_written

    def take(self) -> pa.RecordBatch:
        """Return the rows, and begin anew."""
        rows, self._rows_kept = self._rows_kept, []
        told = [{**row, "svit": encode_ascii(row["svit"]).decode()} if "svit" in row else row for row in rows]
        return pa.RecordBatch.from_pylist(told, schema=LLAVA_SCHEMA)


def _convert(
    table: pa.Table, task: TaskName, conversion: Conversion, rows: _Rows, made: Report
) -> Iterator[pa.RecordBatch]:
    """Yield the converted rows, some at a time, so that few are held as objects."""
    seen = None if RECORD_INDEX in table.column_names else _Seen(made)
    for placed in read_placed(table, source=_SOURCE):
        item = placed.item
        if item.fault is not None:
            made.counts["rows_skipped"] += 1
            made.add(item.fault.at(file="table"))
        if item.record is not None:
            if seen:
                seen.add(item.record, placed)
            rows.numbers = placed.conversations
            place = ("table", item.number, placed.record_index)
            conversion.add(Numbered(*place, task, item.record, item.image), placed.copy)
        if len(rows) >= _ROWS_EACH:
            yield rows.take()
    yield rows.take()


class _Seen:
    """Notes a second conversation of the same image and number: its ids are those of the first."""

    def __init__(self, made: Report) -> None:
        self._made, self._places = made, set[tuple[int, int]]()

    def add(self, record: NativeRecord, placed: Placed) -> None:
        """Take in a record's conversations."""
        numbers = range(len(record.conversations)) if placed.conversations is None else placed.conversations
        places = {(record.image_id, number) for number in numbers}
        if places & self._places:
            found = f"image_id {record.image_id}, seen before; its ids are used again"
            mend = "number_records tells them apart, from_llava refuses them as they are"
            fault = finding("duplicate-id", found, path="$.image_id", mend=mend)
            self._made.add(fault.at(file="table", record=placed.item.number, id=record.image_id))
        self._places |= places


def open_images(roots: Sequence[str], made: Report) -> Images:
    """Return the images under some roots, opened once a process.

    Args:
        roots: As in ``Images``.
        made: Takes the faults of image_data.json: once, or each time where its policy is to stop.
    """
    images, faults = _cached_images(os.getpid(), tuple(roots))
    for fault in faults:
        made.add(fault)
    faults.clear()
    return images


@lru_cache(maxsize=2)
def _cached_images(_process: int, roots: tuple[str, ...]) -> tuple[Images, list[Finding]]:
    """A zip that two processes read through one handle mixes its bytes up, hence the process in the key."""
    faults: list[Finding] = []
    return Images(roots, add=faults.append), faults


def _title(made: Report) -> str:
    """Return the head of the warning: how much is left out."""
    rows = made.counts["rows_skipped"] + made.by_code["no-conversations"]
    out = {"conversation": made.counts["conversations_skipped"], "row": rows}
    told = " and ".join(f"{count:,} {name}{'s' * (count > 1)}" for name, count in out.items() if count)
    return f"{_SOURCE} (left out: {told})" if told else _SOURCE


def _warn_of_cut(table: pa.Table) -> None:
    if "pair_index" not in table.column_names or "conversations" in table.column_names:
        return
    pair, index, image_id = (table.column(name)[0].as_py() for name in ("pair_index", "conversation_index", "image_id"))
    if pair:
        place = f"pair {pair} of conversation {index} of image_id {image_id}"
        text = f"the first row is {place}; where the pairs before it are in another part, they make two records"
        warnings.warn(f"{_SOURCE}: {text}: keep the pairs of a conversation together", SvitWarning, stacklevel=3)
