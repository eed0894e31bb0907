"""What one shard of a conversion in place does: it converts in memory, and writes its rows where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from svit_datasets.converters import formats
from svit_datasets.errors import SvitError
from svit_datasets.forward.pieces import Piece, Rules, Scanned, scan_piece
from svit_datasets.forward.seen_table import SeenTable
from svit_datasets.forward.standing import stand_behind, standing_of
from svit_datasets.forward.work import Planned, convert_piece
from svit_datasets.report import Report
from svit_datasets.sharding.folder import Folder, Part, PartFile
from svit_datasets.sharding.turns import StoppedError, Turns
from svit_datasets.writing.placed import Begin, PlacedFile
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.targets import output_error
from svit_datasets.writing.writers import BETWEEN, LIST_BEGIN, JsonList

_COUNTED, _ENDED = range(2)  # the stages
TURNS_FILE = "turns"


class Output(NamedTuple):
    """A file that is written in place: as the user named it, and where it grows."""

    name: str
    path: Path


class PlaceJob(NamedTuple):
    """A shard to convert.

    Attributes:
        place: Its number.
        piece: The shard.
        rules: How it is converted.
        key: Of the run.
        folder: Where the shards of the run tell each other where they stand.
        outputs: The rows' file, and the sidecar's where there is one.
        fits: Whether it fits memory, so that it need not be read twice.
    """

    place: int
    piece: Piece
    rules: Rules
    key: str
    folder: str
    outputs: tuple[Output, ...]
    fits: bool


class End(NamedTuple):
    """Where an output ends behind a shard, and the number of its elements until there."""

    byte: int
    elements: int


class Placed(NamedTuple):
    """What became of a shard.

    Attributes:
        counts: Its counts.
        notes: The file of its findings.
        ends: Where each output ends behind it.
        is_odd: It cannot be told in passing what stands before it; nothing was converted.
    """

    counts: dict[str, int]
    notes: Part | None = None
    ends: tuple[End, ...] = ()
    is_odd: bool = False


def convert_in_place(job: PlaceJob) -> tuple[Placed, SvitError | None]:
    """Convert a shard; write its rows when all before it have told how many bytes they have.

    Returns:
        What became of it, and the fault that ended it.
    """
    with Turns(f"{job.folder}/{TURNS_FILE}", job.place) as turns:
        try:
            return _convert(job, turns)
        except StoppedError:
            return Placed({}), None
        except SvitError:
            raise
        except OSError as error:  # of the small files that shards share, on the disk of the output
            raise output_error(job.outputs[0].name, error) from error


def _convert(job: PlaceJob, turns: Turns) -> tuple[Placed, SvitError | None]:
    rules = job.rules
    takes_runs = formats()["llava"].open_runs(rules.options) is not None
    found, items = scan_piece(job.piece, rules, keep=job.fits and takes_runs)
    planned = _plan(job, found, turns)
    if planned is None:
        return Placed({}, is_odd=True), None
    ends = cache(lambda: _ends_of(turns.wait(_ENDED)))
    made = Report("to-llava", inputs=[], options={}, on_error=rules.on_error)
    notes = PartFile(Folder(job.folder), f"{job.place:08}.findings")
    made.copy_to(notes)
    rows = PlacedFile(*job.outputs[0], lambda: _begin_rows(ends()[0]))
    sidecar = PlacedFile(*job.outputs[1], lambda: Begin(ends()[1].byte)) if len(job.outputs) > 1 else None
    files = [rows] if sidecar is None else [rows, sidecar]
    listed = JsonList(rows, is_part=True)
    writer = RowWriter(listed, formats()["llava"], rules.options, sidecar=sidecar, check=rules.check)
    fault: SvitError | None = None
    try:
        convert_piece(planned, rules, job.key, writer, made, items)
        counts = (listed.count, writer.sidecar_lines)
        behind = tuple(End(file.end, ends()[i].elements + counts[i]) for i, file in enumerate(files))
        turns.tell(_ENDED, [value for end in behind for value in end])
        for file in files:
            file.send()
    except SvitError as error:
        fault, behind = error, ()
    finally:
        for file in files:
            file.close()
    return Placed(dict(made.counts), notes.close(sum(made.by_code.values())), behind), fault


def _plan(job: PlaceJob, found: Scanned, turns: Turns) -> Planned | None:
    """Return the shard with what stands before it; None where that cannot be told without reading its file whole."""
    piece = job.piece
    before = standing_of(turns.wait(_COUNTED)).at(piece)
    behind = stand_behind(before, piece, found)
    if behind is None:
        return None
    try:
        copies = SeenTable(f"{job.folder}/{piece.task}").add(found.image_ids)
    except OverflowError:
        return None
    turns.tell(_COUNTED, behind.values)
    return Planned(piece, before.elements, before.position(piece.task), tuple(copies.items()))


def _ends_of(values: Sequence[int]) -> list[End]:
    return [End(*values[0:2]), End(*values[2:4])]


def _begin_rows(before: End) -> Begin:
    return Begin(before.byte, BETWEEN if before.elements else LIST_BEGIN)
