"""The way back as a function of Arrow tables: rows of LLaVA's layout to native conversations."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import Raw

from svit_datasets.boxes import Size
from svit_datasets.converters import formats
from svit_datasets.converters.base import Back
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import SvitWarning, UsageError, choose
from svit_datasets.findings import finding
from svit_datasets.images.known import Images
from svit_datasets.pipelines.llava import open_images
from svit_datasets.pipelines.places import as_table
from svit_datasets.reading.containers import path_names
from svit_datasets.records import HubRecord, NativeRecordWithExtra
from svit_datasets.report import Report
from svit_datasets.tables.columns import columns_of, make_table
from svit_datasets.tables.parts import ImageRow, Part, extra_text
from svit_datasets.writing.writers import encode_ascii

_SOURCE = "restore_table"
_ROWS_EACH = 500
_FIRST = "$.conversations[0]"
_COLUMNS = columns_of(
    "detail", "conversation", has_captions=False, chosen=["image_id", "width", "height", "topic", "content"]
)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
NATIVE_SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("record_index", pa.int64()),
        ("conversation_index", pa.int64()),
        *((column.name, column.type) for column in _COLUMNS),
        ("extra", pa.string()),
        ("outcome", pa.string()),
    ]
)


def restore_table(
    table: pa.Table,
    *,
    images: Iterable[str | Path] | str | Path = (),
    options: Options | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> pa.Table:
    """Convert rows of LLaVA's layout back to native conversations: ``from_llava`` for a part of a table.

    Rows with ``svit`` come back value for value; others that look like SVIT's by best effort. Rows that are not SVIT's
    are left out and counted in a ``SvitWarning``.

    Args:
        table: The columns ``id``, ``image``, ``conversations`` and ``svit`` of ``convert_table``; all but
            ``conversations`` may be missing. Other columns are passed over.
        images: As in ``to_llava``; needed where boxes must be moved back without ``svit``, and to tell sizes. Read
            once a process.
        options: How the rows were made; ``coordinates`` counts where ``svit`` is missing.
        on_error: ``raise`` stops at the first fault; ``skip`` leaves faulty rows out and says so in a
            ``SvitWarning``.

    Returns:
        One row a conversation: ``task``, ``record_index`` and ``conversation_index`` (0 where nothing tells them), then
        ``image_id``, ``width``, ``height``, ``topic``, ``content`` and ``extra`` as in ``load_dataset("svit", ...,
        granularity="conversation")``, and ``outcome``: ``restored``, ``edited`` or ``inferred``. The rows of one
        task are what ``convert_table`` and ``to_llava`` take.

    Raises:
        UsageError: The options do not fit together, or there is no column ``conversations``.
        InputError: A file of ``images`` cannot be used.
        RecordError: A row is at fault and ``on_error`` is ``raise``; its number counts from 1 in ``table``.

    >>> turns = [{"from": "human", "value": "<image>\\nWhy?"}, {"from": "gpt", "value": "So."}]
    >>> rows = pa.table({"image": ["vg/VG_100K/2.jpg"], "conversations": [turns]})
    >>> restore_table(rows).select(["task", "image_id", "outcome"]).to_pylist()
    [{'task': 'complex_reasoning', 'image_id': 2, 'outcome': 'inferred'}]
    """
    options = options or Options()
    choose("on_error", on_error, ("raise", "skip"))
    table = as_table(table, _SOURCE)
    if table.num_rows and "conversations" not in table.column_names:
        raise UsageError(f"{_SOURCE}: no column conversations; it has {', '.join(table.column_names) or 'none'}")
    made = Report(_SOURCE, inputs=[], options=asdict(options), on_error=on_error)
    pictures = open_images(path_names(images), made)
    batches = list(_restore(table, pictures, options, made))
    foreign = made.counts["foreign"]
    made.command = f"{_SOURCE} (left out: {foreign:,} not SVIT's, {made.counts['skipped']:,} faulty)"
    made.warn()
    if foreign and not made.by_code:
        warnings.warn(made.command, SvitWarning, stacklevel=2)
    return pa.concat_tables([NATIVE_SCHEMA.empty_table(), *batches])


class _Restored(NamedTuple):
    """A row that came back."""

    record: HubRecord
    outcome: str
    size_wh: Size | None


def _restore(table: pa.Table, pictures: Images, options: Options, made: Report) -> Iterator[pa.Table]:
    from_row = formats()["llava"].from_row
    names = [name for name in ("id", "image", "conversations", "svit") if name in table.column_names]

    def size_of(image_id: int) -> Size | None:
        return pictures.resolve(image_id).size_wh

    for start in range(0, table.num_rows, _ROWS_EACH):
        done = []
        for number, row in enumerate(table.select(names).slice(start, _ROWS_EACH).to_pylist(), start + 1):
            try:
                back = from_row(_encode(row), None, size_of, options)
            except ValueError as error:
                found = finding("provenance-damaged", str(error), path="$.svit")  # all else is not JSON here
                back = Back("edited", findings=[found], row_id=str(row.get("id", "")))
            _note(back, number, made)
            if back.record is not None:
                size_wh = None if pictures.is_empty else size_of(back.record.image_id)
                done.append(_Restored(back.record, back.outcome, size_wh))
        yield _table(done)


def _encode(row: Mapping[str, Any]) -> bytes:
    """Return a row as the JSON text of a record; what is null is no key of it.

    >>> _encode({"id": "a", "image": None, "conversations": [], "svit": '{"at": 1.50}'})
    b'{"id":"a","conversations":[],"svit":{"at": 1.50}}'
    """
    told = {name: value for name, value in row.items() if value is not None}
    return encode_ascii({**told, "svit": Raw(told["svit"].encode())} if "svit" in told else told)


def _note(back: Back, number: int, made: Report) -> None:
    made.counts["foreign"] += back.outcome == "foreign"
    made.counts["skipped"] += back.outcome != "foreign" and back.record is None
    for fault in back.findings:
        made.add(fault.at(file="table", record=number, id=back.row_id))


def _table(done: list[_Restored]) -> pa.Table:
    parts = [_part(one.record, one.size_wh) for one in done]
    table = make_table(parts, _COLUMNS)
    indices = [max(0, one.record.conversation_index) for one in done]
    told = {
        "task": [one.record.task for one in done],
        "record_index": [max(0, one.record.record_index) for one in done],
        "conversation_index": indices,
        "extra": [_extra(part, index) for part, index in zip(parts, indices, strict=True)],
        "outcome": [one.outcome for one in done],
    }
    columns = {**told, **dict(zip(table.column_names, table.columns, strict=True))}
    return pa.table([columns[name] for name in NATIVE_SCHEMA.names], schema=NATIVE_SCHEMA)


def _part(record: HubRecord, size_wh: Size | None) -> Part:
    image = ImageRow(record.image_id, *(size_wh or (None, None)))
    return Part(image, NativeRecordWithExtra(record.image_id, [record.conversation], record.record_extra), 0)


def _extra(part: Part, index: int) -> str | None:
    """Return the column ``extra`` of a conversation that has the number ``index`` in its record."""
    text = extra_text(part)
    if text is None or not index:
        return text
    paths = _OBJECT.decode(text)
    moved = {path.replace(_FIRST, f"$.conversations[{index}]", 1): raw for path, raw in paths.items()}
    return msgspec.json.encode(moved).decode()
