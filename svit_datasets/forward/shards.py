"""A conversion in shards: each input is cut by bytes, the cuts are counted through, converted apart, and joined.

What a record becomes depends on the records before it in two ways: by its position among those of its task, and by how
often its image came before. So all shards are read once for their ids alone, which makes the plan, and once to be
converted. The plan does not depend on the number of processes, and so neither does a byte of the output.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import groupby, islice

import msgspec
from msgspec import Struct

from svit_datasets import VERSION
from svit_datasets.engines.engine import Engine, keep_workers, run_shards
from svit_datasets.errors import FindingsError, InputError, RecordError, SvitError, SvitWarning, UsageError
from svit_datasets.findings import Finding
from svit_datasets.forward.conversion_runs import load_kernels
from svit_datasets.forward.inputs import Given, NativeFile
from svit_datasets.forward.seen import SeenIds
from svit_datasets.forward.work import (
    Converted,
    ConvertJob,
    Piece,
    Planned,
    Rules,
    ScanJob,
    Scanned,
    convert,
    forget_pictures,
    scan,
    share_pictures,
)
from svit_datasets.images.known import Images
from svit_datasets.progress import bytes_done
from svit_datasets.reading.containers import STDIN, open_source
from svit_datasets.records import TASKS
from svit_datasets.remote.names import is_remote, path_of, protocol_of
from svit_datasets.report import Report
from svit_datasets.sharding.manifest import Manifest, Part, open_manifest
from svit_datasets.sharding.ranges import WHOLE, Range, cut_ranges
from svit_datasets.sharding.watched import Watched, watched_names
from svit_datasets.writing.row_writer import RowWriter
from svit_datasets.writing.writers import STDOUT

SHARD_BYTES = 16 << 20
_MOST_SHARDS = 10_000  # of one file; those of a larger one are larger
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

    def convert(self, pictures: Images, writer: RowWriter, made: Report) -> None:
        """Convert what is not finished yet, and append everything in order."""
        share_pictures(self._key, pictures)
        load_kernels(writer.format, self._rules.options, max((piece.start for piece in self._pieces), default=0))
        try:
            with keep_workers(self._engine):
                self._convert(writer, made)
        finally:
            forget_pictures()

    def _convert(self, writer: RowWriter, made: Report) -> None:
        plan = self._plan()
        done = self._manifest.finished(Converted)
        made.shards, made.shards_there = len(plan.shards), len(done)
        for place, (result, fault) in enumerate(self._results(plan, done)):
            self._take(result, fault, writer, made)
            done[place] = result
        self._watched.check()

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
                if len(pieces) > 1 and not is_joined(found):
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


def is_joined(scans: Sequence[Scanned]) -> bool:
    """Tell whether ranges of a file give what reading it whole gives.

    They do where each begins as the one before it ended. Where a broken record ends is told by every first key that
    came before it, so with one, all records must begin alike.

    >>> is_joined([Scanned(9, 9, [], 0, 120), Scanned(0, 0, []), Scanned(9, 9, [], 120, None)])
    True
    >>> is_joined([Scanned(9, 9, [], 0, None), Scanned(9, 9, [], 120, None)])
    False
    """
    end: int | None = 0
    keys: frozenset[bytes] = frozenset()
    for one in scans:
        if one.begin is None:
            continue
        keys |= one.first_keys
        if one.begin != end or (one.begin and one.is_broken and len(keys) > 1):
            return False
        end = one.end
    return end is None


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
    pieces = [piece for number, given in enumerate(opened) for piece in _cut(number, given)]
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
    stack.push(lambda _kind, error, _trace: _leave(manifest, error, resume=resume))
    return Shards(pieces, rules, engine, manifest, watched, resume=resume)


def forget_parts(target: str | None) -> None:
    """Remove what a killed run left beside an output that is whole now; of a run that goes on, leave it alone."""
    if target in (None, STDOUT) or is_remote(str(target)):
        return
    place = stage_of(str(target))
    if not _is_folder(place):
        return
    try:
        with open_manifest(place, str(target), "") as manifest:
            manifest.folder.clear()
    except UsageError:  # another process is at it
        return
    except OSError as error:
        told = f"{place}: left as it is ({error.strerror or error}); remove it, it is of no use"
        warnings.warn(told, SvitWarning, stacklevel=2)


def _is_folder(place: str) -> bool:
    try:
        return path_of(place).is_dir()
    except OSError:  # a name too long for a folder
        return False


def stage_of(target: str) -> str:
    """Return the folder in which an output grows.

    >>> stage_of("out/llava.json"), stage_of("s3://bucket/llava.json")
    ('out/.llava.json.svit-parts', 's3://bucket/.llava.json.svit-parts')
    """
    folder, slash, name = target.rpartition("/")
    return f"{folder}{slash}.{name}{_STAGE}"


def _leave(manifest: Manifest, error: BaseException | None, *, resume: bool) -> None:
    """Remove what was finished, unless the run ended early and is to go on."""
    count = len(manifest.finished(Converted)) if resume and error is not None and not _is_hopeless(error) else 0
    if not count:
        manifest.folder.clear()
        return
    kept = f"{count:,} finished part{'s are' if count > 1 else ' is'} kept in {manifest.folder.place}"
    warnings.warn(f"{kept}; the same command with --resume goes on from there", SvitWarning, stacklevel=2)


def _is_hopeless(error: BaseException) -> bool:
    """Tell whether the input must change before anything else can come of it; then nothing finished is of use."""
    if isinstance(error, InputError):
        return error.finding is None or error.finding.code != "input-unreadable"
    return isinstance(error, RecordError | FindingsError | UsageError)


def _cut(number: int, given: Given) -> list[Piece]:
    source, name, part = given
    if name is None:
        raise UsageError(f"{source.name}: an object in memory is read by one process; save it, or leave jobs out")
    if not isinstance(source, NativeFile):
        return [Piece(number, name, source.task, 0, None, part)]
    if name == STDIN or not (is_remote(name) or path_of(name).is_file()):
        raise UsageError(f"{name}: can be read once, by one process; name a file, or leave --jobs out")
    return [Piece(number, name, source.task, *cut) for cut in _ranges(name)]


def _ranges(name: str) -> list[Range]:
    """Return the ranges of a file; one for a packed file, which is unpacked from its start to read any of it."""
    with open_source(name) as source:
        size = source.text_bytes if source.seek and source.text_bytes == source.total_bytes else None
    if size is None:
        return [WHOLE]
    most = min(_MOST_SHARDS, max(1, size // SHARD_BYTES))
    return cut_ranges(name, most=most)
