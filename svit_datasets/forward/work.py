"""What one shard of a conversion does, wherever it runs: tell the ids of its records, or convert them to files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from svit_datasets.converters import formats
from svit_datasets.errors import SvitError
from svit_datasets.forward.conversion import Conversion
from svit_datasets.forward.conversion_runs import convert_all, takes_runs
from svit_datasets.forward.inputs import RunItem, number_records
from svit_datasets.forward.pieces import Piece, Rules, Scanned, open_piece, read_piece, scan_piece
from svit_datasets.images.known import Images
from svit_datasets.report import Report
from svit_datasets.sharding.folder import Folder, Part, PartFile
from svit_datasets.sharding.manifest import write_entry
from svit_datasets.table_inputs.records import TableItem
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import JsonList


class ScanJob(NamedTuple):
    """A shard whose ids are to be told."""

    piece: Piece
    rules: Rules


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
    return scan_piece(job.piece, job.rules)[0]


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
        convert_piece(job.planned, rules, job.key, writer, made)
    except SvitError as error:
        fault = error
    files = [rows.close(listed.count), notes.close(sum(made.by_code.values()))]
    if sidecar is not None:
        files.append(sidecar.close(writer.sidecar_lines))
    done = Converted(tuple(files), dict(made.counts))
    if fault is None:
        write_entry(folder, job.place, done)
    return done, fault


def convert_piece(
    planned: Planned,
    rules: Rules,
    key: str,
    writer: RowWriter,
    made: Report,
    items: Iterable[TableItem | RunItem] | None = None,
) -> None:
    """Convert a shard.

    Args:
        planned: The shard.
        rules: How it is converted.
        key: Of the run, whose images it takes.
        writer: Takes the rows.
        made: Takes the counts and the findings.
        items: What was read of it already.

    Raises:
        RecordError: A record is at fault and the policy is to stop.
    """
    source = open_piece(planned.piece, rules)
    conversion = Conversion(_pictures(rules.roots, key), writer, made, dict(planned.copies))
    if items is None:
        items = read_piece(source, planned.piece, rules, takes_runs=takes_runs(conversion))
    convert_all(conversion, number_records(items, source, made, position=planned.position, before=planned.before))


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
