"""A conversion in shards: each input is cut by bytes, the cuts are counted through, converted apart, and joined.

What a record becomes depends on the records before it in two ways: by its position among those of its task, and by how
often its image came before. Where nothing is to be kept for later, shards tell each other (``in_place``). Else all are
read once for their ids alone, which makes the plan, and once to be converted. Neither way depends on the number of
processes, and so neither does a byte of the output.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import groupby, islice

import msgspec
from msgspec import Struct

from svit_datasets import VERSION
from svit_datasets.engines.engine import Engine, keep_workers, run_shards
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import Finding
from svit_datasets.forward import in_place
from svit_datasets.forward.conversion_runs import load_kernels
from svit_datasets.forward.cutting import cut_input
from svit_datasets.forward.inputs import Given
from svit_datasets.forward.pieces import Piece, Rules, Scanned
from svit_datasets.forward.seen import SeenIds
from svit_datasets.forward.standing import Standing, stand_behind
from svit_datasets.forward.work import (
    Converted,
    ConvertJob,
    Planned,
    ScanJob,
    convert,
    forget_pictures,
    scan,
    share_pictures,
)
from svit_datasets.images.known import Images
from svit_datasets.progress import bytes_done
from svit_datasets.records import TASKS
from svit_datasets.remote.names import protocol_of
from svit_datasets.report import Report
from svit_datasets.sharding.folder import Part
from svit_datasets.sharding.manifest import Manifest, open_manifest
from svit_datasets.sharding.stages import leave_parts
from svit_datasets.sharding.watched import Watched, watched_names
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import STDOUT, OutputFile

SHARD_BYTES = 16 << 20
_STAGE = ".svit-parts"
_MEMORY = "memory"


class Plan(Struct, frozen=True):
    """The shards of a run."""

    shards: tuple[Planned, ...]


class Shards:
    """A conversion in shards.

    Args:
        pieces: The shards.
        rules: How they are converted.
        engine: What runs them.
        manifest: What is finished of them.
        watched: The files that they are read from.
        resume: Whether that is kept where the run ends early.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        rules: Rules,
        engine: Engine,
        manifest: Manifest,
        watched: Watched,
        *,
        resume: bool,
    ) -> None:
        self._pieces, self._rules, self._engine = pieces, rules, engine
        self._manifest, self._key, self._watched, self._resume = manifest, manifest.key, watched, resume

    def convert(self, pictures: Images, writer: RowWriter, made: Report, files: Sequence[OutputFile]) -> None:
        """Convert what is not finished yet, and append everything in order.

        Args:
            pictures: The images.
            writer: Takes the rows.
            made: Takes the counts and the findings.
            files: Those that the rows and the sidecar go to, to which nothing was written yet.
        """
        share_pictures(self._key, pictures)
        load_kernels(writer.format, self._rules.options, max((piece.start for piece in self._pieces), default=0))
        try:
            if not self._convert_in_place(files, writer, made):
                with keep_workers(self._engine):
                    self._convert(writer, made)
        finally:
            forget_pictures()
        self._watched.check()

    def _convert_in_place(self, files: Sequence[OutputFile], writer: RowWriter, made: Report) -> bool:
        """Convert without parts where they are not needed and nothing in the input is; tell whether it is done."""
        is_for_later = self._resume or not self._engine.is_here
        if is_for_later or not self._pieces or not files or any(file.local is None for file in files):
            return False
        run = in_place.InPlace(self._pieces, self._rules, self._engine, self._key, files)
        with run.open_folder() as folder, keep_workers(self._engine):  # the workers end before the folder goes
            return run.convert(folder, writer, made)

    def _convert(self, writer: RowWriter, made: Report) -> None:
        plan = self._plan()
        done = self._manifest.finished(Converted)
        made.shards, made.shards_there = len(plan.shards), len(done)
        for place, (result, fault) in enumerate(self._results(plan, done)):
            self._take(result, fault, writer, made)
            done[place] = result

    def _plan(self) -> Plan:
        plan = self._manifest.read_plan(Plan) if self._resume else None
        if plan is None:
            self._manifest.folder.clear()
            plan = Plan(tuple(self._count_through()))
            self._manifest.write_plan(plan)
        return plan

    def _count_through(self) -> Iterator[Planned]:
        """Yield the shards with what stands before each."""
        seen = {name: SeenIds() for name in TASKS}
        positions = dict.fromkeys(TASKS, 0)
        for shards in self._scan():
            before = 0
            for piece, found in shards:
                earlier: dict[int, int] = {}
                for image_id in found.image_ids:
                    earlier.setdefault(image_id, seen[piece.task].add(image_id))
                copies = tuple((image_id, count) for image_id, count in earlier.items() if count)
                yield Planned(piece, before, positions[piece.task], copies)
                before += found.elements
                positions[piece.task] += found.records

    def _scan(self) -> Iterator[list[tuple[Piece, Scanned]]]:
        """Yield the shards of each input; a file that is damaged where it was cut becomes one."""
        jobs = [ScanJob(piece, self._rules) for piece in self._pieces]
        with closing(run_shards(scan, jobs, self._engine)) as results:
            for _, several in groupby(self._pieces, key=lambda piece: piece.number):
                pieces = list(several)
                found = list(islice(results, len(pieces)))
                if len(pieces) > 1 and not is_joined(pieces, found):
                    pieces = [msgspec.structs.replace(pieces[0], start=0, stop=None)]
                    found = [scan(ScanJob(pieces[0], self._rules))]
                yield list(zip(pieces, found, strict=True))

    def _results(self, plan: Plan, done: dict[int, Converted]) -> Iterator[tuple[Converted, SvitError | None]]:
        """Yield the results of all shards in order; those that are done already are not run again."""
        there = dict(done)
        folder = self._manifest.folder.place
        jobs = [
            ConvertJob(place, planned, self._rules, folder, self._key)
            for place, planned in enumerate(plan.shards)
            if place not in there
        ]
        with bytes_done("converting", len(plan.shards)) as add, closing(run_shards(convert, jobs, self._engine)) as run:
            for place in range(len(plan.shards)):
                yield (there[place], None) if place in there else next(run)
                add(1)

    def _take(self, result: Converted, fault: SvitError | None, writer: RowWriter, made: Report) -> None:
        """Append what a shard wrote, its counts and its findings."""
        made.counts.update(result.counts)
        rows, notes, *sidecar = result.files
        for line in self._lines(notes):
            made.add(msgspec.convert(json.loads(line), Finding))
        if fault is not None:
            raise fault
        writer.extend_joined(self._manifest.read_part(rows), rows.count)
        for part in sidecar:
            writer.extend_sidecar(self._manifest.read_part(part), part.count)

    def _lines(self, part: Part) -> list[bytes]:
        return b"".join(self._manifest.read_part(part)).splitlines()


def is_joined(pieces: Sequence[Piece], scans: Sequence[Scanned]) -> bool:
    """Tell whether ranges of a file give what reading it whole gives.

    >>> pieces = [Piece(0, "a.json", "conversation", 0, 100), Piece(0, "a.json", "conversation", 100, None)]
    >>> is_joined(pieces, [Scanned(9, 9, [], 0, 120), Scanned(9, 9, [], 120, None)])
    True
    >>> is_joined(pieces, [Scanned(9, 9, [], 0, None), Scanned(9, 9, [], 120, None)])
    False
    """
    standing: Standing | None = Standing()
    for piece, found in zip(pieces, scans, strict=True):
        standing = None if standing is None else stand_behind(standing, piece, found)
    return standing is not None


def open_shards(
    opened: Sequence[Given], rules: Rules, engine: Engine, target: str | None, stack: ExitStack, *, resume: bool
) -> Shards:
    """Return a conversion in shards, with the folder that it works in.

    Args:
        opened: The inputs.
        rules: How they are converted.
        engine: What runs the shards.
        target: The output; None or ``-`` work in a temporary folder.
        stack: Closes the folder; where all ended well, it is removed.
        resume: Whether to go on with what an interrupted run left, and to leave it where this one is.

    Returns:
        The conversion.

    Raises:
        UsageError: An input cannot be cut, or there is no place to go on from.
    """
    shard_bytes = SHARD_BYTES if resume or not engine.is_here else min(SHARD_BYTES, in_place.SHARD_BYTES)
    pieces = [piece for number, given in enumerate(opened) for piece in cut_input(number, given, shard_bytes)]
    watched = Watched(watched_names(opened, rules.roots))
    told = [VERSION, asdict(rules.options), *rules[:2], *rules[3:], [msgspec.to_builtins(p) for p in pieces]]
    key = hashlib.sha256(json.dumps([*told, watched.stamps]).encode()).hexdigest()
    if protocol_of(str(target)) == _MEMORY and not engine.is_single:
        raise UsageError(f"{target}: is in the memory of this process alone; name a file, or leave --jobs out")
    if target in (None, STDOUT):
        if resume:
            raise UsageError("resume: what is finished is kept beside the output, so name a file")
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="svit-"))
    else:
        place = stage_of(str(target))
    manifest = stack.enter_context(open_manifest(place, str(target), key))
    stack.push(lambda _kind, error, _trace: leave_parts(manifest, error, resume=resume))
    return Shards(pieces, rules, engine, manifest, watched, resume=resume)


def stage_of(target: str) -> str:
    """Return the folder in which an output grows.

    >>> stage_of("out/llava.json"), stage_of("s3://bucket/llava.json")
    ('out/.llava.json.svit-parts', 's3://bucket/.llava.json.svit-parts')
    """
    folder, slash, name = target.rpartition("/")
    return f"{folder}{slash}.{name}{_STAGE}"
