"""The parts that a conversion is cut into: what stands in one, read for its ids alone or to be converted."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import Struct

from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import SvitError
from svit_datasets.forward.inputs import NativeFile, RunItem, as_item
from svit_datasets.images.known import resolve_row
from svit_datasets.kernels.forward.plain_records import BEGIN, COUNT, END, FIRST, FIRST_TEXT, TEXTS, NativeRun
from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import Item, decode_native, plain_taker
from svit_datasets.reading.split import FIRST_KEY
from svit_datasets.records import NativeRecord, TaskName
from svit_datasets.report import OnError
from svit_datasets.sharding.ranges import Borders, Proof, Range, read_part
from svit_datasets.table_inputs.inputs import TableInput, open_tables
from svit_datasets.table_inputs.records import TableItem

_PROOF_BYTES = 1 << 16  # borders are compared, so that a wrong one costs time alone
_MOST_KEPT_BYTES = 32 << 20
_RECORD_BYTES = 2048  # of a record alone, besides its texts
_KEYS_TOLD = 8  # of a shard; that they are not one is what counts


class Rules(NamedTuple):
    """How everything is converted: see ``to_llava``."""

    roots: tuple[str, ...]
    task: str | None
    options: Options
    on_error: OnError
    check: bool
    max_record_mb: int


class Piece(Struct, frozen=True):
    """A part of the input of this number: a range of a native file, or a table at a path or address, by its number."""

    number: int
    name: str
    task: TaskName
    start: int
    stop: int | None
    table: int | None = None


class Scanned(NamedTuple):
    """What stands in a shard: its elements, its records, and the image ids of those that have conversations.

    ``begin``, ``end`` and ``first_keys`` are its borders in the file, see ``Borders``; ``is_broken`` tells whether an
    element is at fault, so that where it ends depends on the keys before it.
    """

    elements: int
    records: int
    image_ids: Sequence[int]
    begin: int | None = None
    end: int | None = None
    first_keys: frozenset[bytes] = frozenset()
    is_broken: bool = False


def scan_piece(piece: Piece, rules: Rules, *, keep: bool = False) -> tuple[Scanned, list[TableItem | RunItem] | None]:
    """Read a shard for its ids; its faults are told when it is converted.

    Args:
        piece: The shard.
        rules: How it is converted.
        keep: Whether to keep all that was read, as long as it fits memory.

    Returns:
        What stands in it, and what was kept; None where nothing was, or where reading ended early.

    Raises:
        InputError: It cannot be read; it may be when the shard is converted, and the numbers behind it would be wrong.
    """
    elements = records = kept_bytes = 0
    is_broken = False
    image_ids: list[int] = []
    kept: list[TableItem | RunItem] | None = [] if keep else None
    borders = Borders()
    try:
        for item in read_piece(open_piece(piece, rules), piece, rules, borders, takes_runs=True):
            kept_bytes += _size_of(item) if kept is not None else 0
            if kept_bytes > _MOST_KEPT_BYTES:
                kept = None  # a range whose borders are hard to find may go on to the end of its file
            if kept is not None:
                kept.append(_held(item))
            if isinstance(item, RunItem):
                elements = item.number + item.run.count - 1
                records += item.run.count
                image_ids += item.run.image_ids
                continue
            elements = item.number
            if item.record is None:
                is_broken = True
                continue
            records += 1
            is_known = item.image is None or rules.roots or not resolve_row(item.image).has_errors
            if item.record.conversations and is_known:
                image_ids.append(item.record.image_id)
    except SvitError as error:
        if error.finding is not None and error.finding.code == "input-unreadable":
            raise
        kept = None  # converting the shard meets it again, in its place among the faults
    keys = frozenset(borders.first_keys)
    return Scanned(elements, records, _packed(image_ids), borders.begin, borders.end, keys, is_broken), kept


def _packed(image_ids: list[int]) -> Sequence[int]:
    try:
        return array("q", image_ids)  # it travels in an eighth of the room
    except OverflowError:
        return image_ids


def _size_of(item: TableItem | RunItem) -> int:
    """Return about how many bytes an item takes."""
    if isinstance(item, RunItem):
        return int(item.run.records[item.run.count - 1, END] - item.run.records[0, BEGIN])
    texts = [turn.value for one in item.record.conversations for turn in one.content] if item.record else []
    return _RECORD_BYTES + 2 * sum(map(len, texts))


def _held(item: TableItem | RunItem) -> TableItem | RunItem:
    """Return an item that holds when the next is read; the tables of a run do not."""
    if not isinstance(item, RunItem):
        return item
    run = item.run
    records = run.records[: run.count].copy()
    conversations = run.conversations[: records[-1, FIRST] + records[-1, COUNT]].copy()
    texts = run.texts[: conversations[-1, FIRST_TEXT] + conversations[-1, TEXTS]].copy()
    return RunItem(item.number, replace(run, records=records, conversations=conversations, texts=texts))


def open_piece(piece: Piece, rules: Rules) -> NativeFile | TableInput:
    """Return the input that a shard is read from."""
    if piece.table is None:
        return NativeFile(piece.name, piece.task)
    return (open_tables(piece.name, rules.task) or [])[piece.table]


def read_piece(
    source: NativeFile | TableInput,
    piece: Piece,
    rules: Rules,
    borders: Borders | None = None,
    *,
    takes_runs: bool,
) -> Iterator[TableItem | RunItem]:
    """Yield the elements of a shard, numbered from 1; plain ones in runs where ``takes_runs``."""
    if not isinstance(source, NativeFile):
        yield from source.items()
        return
    with open_source(piece.name) as whole:
        take = plain_taker(whole, max_record_mb=rules.max_record_mb) if takes_runs else None
    part = Range(piece.start, piece.stop)
    items = read_part(
        piece.name,
        part,
        decode_native,
        max_record_mb=rules.max_record_mb,
        borders=borders,
        proof=Proof(decode_native, _PROOF_BYTES),
        take=take,
    )
    for item in items:
        if borders is not None and item.fault is None and len(borders.first_keys) < _KEYS_TOLD:
            borders.first_keys.add(_first_key(item))
        yield as_item(item)


def _first_key(item: Item[NativeRecord]) -> bytes:
    key = FIRST_KEY.match(item.run.raw(0) if isinstance(item.run, NativeRun) else item.raw)
    return key[0] if key else b""
