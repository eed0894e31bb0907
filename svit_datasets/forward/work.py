"""What one shard of a conversion does, wherever it runs: tell the ids of its records, or convert them to files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from svit_datasets.converters import formats
from svit_datasets.converters.llava_layout import Options
from svit_datasets.errors import SvitError
from svit_datasets.forward.conversion import Conversion
from svit_datasets.forward.conversion_runs import convert_all, takes_runs
from svit_datasets.forward.inputs import NativeFile, RunItem, as_item, number_records
from svit_datasets.images.known import Images, resolve_row
from svit_datasets.kernels.forward.plain_records import NativeRun
from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import Item, decode_native, plain_taker
from svit_datasets.reading.split import FIRST_KEY
from svit_datasets.records import NativeRecord, TaskName
from svit_datasets.report import OnError, Report
from svit_datasets.sharding.manifest import Folder, Part, PartFile, write_entry
from svit_datasets.sharding.ranges import Borders, Proof, Range, read_part
from svit_datasets.table_inputs.inputs import TableInput, open_tables
from svit_datasets.table_inputs.records import TableItem
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import JsonList

_PROOF_BYTES = 1 << 16  # borders are compared, so that a wrong one costs time alone
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


class ScanJob(NamedTuple):
    """A shard whose ids are to be told."""

    piece: Piece
    rules: Rules


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


class Planned(Struct, frozen=True):
    """A shard and what stands before it.

    Attributes:
        piece: The shard.
        before: Number of elements before it in its file.
        position: Number of records of its task before it.
        copies: Image ids that came before in its task, with how often.
    """

    piece: Piece
    before: int
    position: int
    copies: tuple[tuple[int, int], ...] = ()


class ConvertJob(NamedTuple):
    """A shard to convert, its number, and the folder and run that it belongs to."""

    place: int
    planned: Planned
    rules: Rules
    folder: str
    key: str


class Converted(Struct, frozen=True):
    """A finished shard: its files (rows, findings, and where there is one the sidecar) and its counts."""

    files: tuple[Part, ...]
    counts: dict[str, int]


def scan(job: ScanJob) -> Scanned:
    """Return the ids of a shard's records; its faults are told when it is converted."""
    elements = records = 0
    is_broken = False
    image_ids: list[int] = []
    borders = Borders()
    try:
        for item in _items(_open(job.piece, job.rules), job.piece, job.rules, borders, takes_runs=True):
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
            is_known = item.image is None or job.rules.roots or not resolve_row(item.image).has_errors
            if item.record.conversations and is_known:
                image_ids.append(item.record.image_id)
    except SvitError as error:
        if error.finding is not None and error.finding.code == "input-unreadable":
            raise  # it may be readable again when the shard is converted, and the numbers behind it would be wrong
        # Else converting the shard meets it again, in its place among the faults.
    try:
        packed: Sequence[int] = array("q", image_ids)  # it travels in an eighth of the room
    except OverflowError:
        packed = image_ids
    keys = frozenset(borders.first_keys)
    return Scanned(elements, records, packed, borders.begin, borders.end, keys, is_broken)


def convert(job: ConvertJob) -> tuple[Converted, SvitError | None]:
    """Convert a shard to files in the folder of the run.

    Returns:
        What was written, and the fault that ended it; with one, the shard counts as not finished.
    """
    folder, rules = Folder(job.folder), job.rules
    made = Report("to-llava", inputs=[], options={}, on_error=rules.on_error)
    rows, notes = (PartFile(folder, f"{job.place:08}.{name}") for name in ("rows", "findings"))
    sidecar = PartFile(folder, f"{job.place:08}.sidecar") if rules.options.provenance == "sidecar" else None
    listed = JsonList(rows, is_part=True)
    writer = RowWriter(listed, formats()["llava"], rules.options, sidecar=sidecar, check=rules.check)
    made.copy_to(notes)
    fault: SvitError | None = None
    try:
        _convert_all(job, writer, made)
    except SvitError as error:
        fault = error
    files = [rows.close(listed.count), notes.close(sum(made.by_code.values()))]
    if sidecar is not None:
        files.append(sidecar.close(writer.sidecar_lines))
    done = Converted(tuple(files), dict(made.counts))
    if fault is None:
        write_entry(folder, job.place, done)
    return done, fault


def _convert_all(job: ConvertJob, writer: RowWriter, made: Report) -> None:
    planned, rules = job.planned, job.rules
    source = _open(planned.piece, rules)
    conversion = Conversion(_pictures(rules.roots, job.key), writer, made, dict(planned.copies))
    items = _items(source, planned.piece, rules, takes_runs=takes_runs(conversion))
    convert_all(conversion, number_records(items, source, made, position=planned.position, before=planned.before))


def _open(piece: Piece, rules: Rules) -> NativeFile | TableInput:
    if piece.table is None:
        return NativeFile(piece.name, piece.task)
    return (open_tables(piece.name, rules.task) or [])[piece.table]


def _items(
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


_PICTURES: dict[str, Images] = {}  # of one run, by its key


def _pictures(roots: tuple[str, ...], key: str) -> Images:
    """Return the images of a run, read once in each process; its faults are told by the process that began the run."""
    if key not in _PICTURES:
        forget_pictures()
        share_pictures(key, Images(roots, add=lambda _fault: None))
    return _PICTURES[key]


def share_pictures(key: str, pictures: Images) -> None:
    """Keep the images of a run for the shards that this process converts, or a fork of it."""
    _PICTURES[key] = pictures


def forget_pictures() -> None:
    """Drop the images that this process kept."""
    _PICTURES.clear()
