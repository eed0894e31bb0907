"""The way back in shards: ranges of the inputs are sorted out apart, and put together in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import msgspec

from svit_datasets import VERSION
from svit_datasets.backward.reading import Sorter
from svit_datasets.backward.work import Outcome, Sorted, SortJob, forget_sidecar, sort_out
from svit_datasets.engines.engine import Engine
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import Finding
from svit_datasets.images.known import Images
from svit_datasets.reading.containers import STDIN, exists, open_source
from svit_datasets.remote.names import is_remote, join_name, path_of, protocol_of
from svit_datasets.report import Report
from svit_datasets.sharding.chain import Result, run_in_order
from svit_datasets.sharding.entry_shards import Reading, Seen, Shard
from svit_datasets.sharding.folder import Part
from svit_datasets.sharding.manifest import Manifest, open_manifest
from svit_datasets.sharding.ranges import cut_ranges
from svit_datasets.sharding.stages import leave_parts
from svit_datasets.sharding.watched import Watched, watched_names
from svit_datasets.writing.writers import JsonList

SHARD_BYTES = 16 << 20
_MOST_SHARDS = 10_000  # of one file; those of a larger one are larger
_STAGE = ".svit-parts"
_MEMORY = "memory"


def plan(names: list[str], max_record_mb: int) -> list[Shard]:
    """Return the shards of LLaVA files, in order, numbered through; they depend on the files alone.

    Args:
        names: The files.
        max_record_mb: Largest record, in MiB.

    Raises:
        UsageError: A file can be read by one process only.
    """
    reading = Reading(layout="llava", max_record_mb=max_record_mb)
    shards = [shard for name in names for shard in _cut(name, reading)]
    return [shard._replace(number=number) for number, shard in enumerate(shards)]


def _cut(name: str, reading: Reading) -> list[Shard]:
    if name == STDIN or (not is_remote(name) and _is_pipe(path_of(name))):
        raise UsageError(f"{name}: can be read once, by one process; name a file, or leave --jobs and --resume out")
    whole = Shard(name, 0, name, 0, reading, is_first=True, layout="llava")
    try:
        with open_source(name) as source:
            size = source.total_bytes or 0
            is_plain = source.seek is not None and source.text_bytes == source.total_bytes
    except SvitError:
        return [whole]  # reading it tells
    count = min(_MOST_SHARDS, -(-size // SHARD_BYTES))
    if not is_plain or count < 2:
        return [whole._replace(size_bytes=size)]
    spans = cut_ranges(name, most=count)
    ends = [size if span.stop is None else span.stop for span in spans]
    return [whole._replace(span=s, size_bytes=end - s.start) for s, end in zip(spans, ends, strict=True)]


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


class Shards:
    """The way back in shards.

    Args:
        job: What the shards have in common.
        shards: They.
        engine: What runs them.
        manifest: What is finished of them.
        watched: The files that they are read from.
        resume: Whether that is kept where the run ends early.
    """

    def __init__(
        self, job: SortJob, shards: list[Shard], engine: Engine, manifest: Manifest, watched: Watched, *, resume: bool
    ) -> None:
        self._job, self._shards, self._engine = job, shards, engine
        self._manifest, self._watched, self._resume = manifest, watched, resume

    def sort_out(self, sorter: Sorter, rest: JsonList | None, made: Report, pictures: Images) -> None:
        """Sort out what is not finished yet, and give everything to ``sorter``, ``rest`` and ``made``, in order."""
        done = self._finished()
        shards = [shard._replace(known=done.get(shard.number)) for shard in self._shards]
        made.shards, made.shards_there = len(shards), sum(shard.known is not None for shard in shards)
        work = partial(sort_out, self._job)

        def here(shard: Shard) -> tuple[Outcome, Seen]:
            return sort_out(self._job, self._placed(shard, done), pictures=pictures)

        try:
            with closing(run_in_order("converting", work, shards, self._engine, here=here)) as results:
                for result in results:
                    self._take(result, sorter, rest, made)
        finally:
            forget_sidecar()
        self._watched.check()

    def _finished(self) -> dict[int, Sorted]:
        """Return what an earlier run found, by the numbers of its shards."""
        if self._resume and self._manifest.read_plan(int) is not None:
            return self._manifest.finished(Sorted)
        self._manifest.folder.clear()  # what a killed run left would take room until the end
        self._manifest.write_plan(len(self._shards))
        return {}

    def _placed(self, shard: Shard, done: dict[int, Sorted]) -> Shard:
        """Return a shard; the rest of a file, read again where its ranges do not fit, with a number of its own."""
        if shard.span == self._shards[shard.number].span:
            return shard
        place = len(self._shards) + shard.number
        return shard._replace(number=place, known=done.get(place))

    def _take(self, result: Result[Outcome], sorter: Sorter, rest: JsonList | None, made: Report) -> None:
        found, fault = result.value
        made.counts.update(found.counts)
        made.infer(found.inferred)
        spool, index, notes, foreign = found.files
        for line in self._read(notes).splitlines():
            told = msgspec.convert(json.loads(line), Finding)
            made.add(msgspec.structs.replace(told, record=told.record + result.before) if told.record else told)
        if fault is not None:
            raise fault
        if spool.count:  # so that nothing is opened for nothing
            chunks = self._manifest.read_part(spool)
            sorter.found().join(self._read(index), chunks, result.shard.name, result.before)
        if rest is not None:
            rest.extend_joined(self._manifest.read_part(foreign), foreign.count)
        if not self._resume:
            for part in found.files:
                self._manifest.folder.fs.rm_file(self._manifest.folder.path(part.name))

    def _read(self, part: Part) -> bytes:
        return b"".join(self._manifest.read_part(part))


@contextmanager
def open_shards(job: SortJob, names: list[str], engine: Engine, output: str, *, resume: bool) -> Iterator[Shards]:
    """Open the way back in shards; their files lie in a folder inside the output, which goes when the block ends.

    Args:
        job: What the shards have in common.
        names: The files, in order.
        engine: What runs them.
        output: The output folder, which goes too where it was not there before and nothing else is in it.
        resume: Whether to go on with what an interrupted run left, and to leave it where this one is.

    Yields:
        It.

    Raises:
        UsageError: A file can be read by one process only, or another process writes the output.
        OutputError: The folder cannot be made.
    """
    if protocol_of(output) == _MEMORY and not engine.is_single:
        raise UsageError(f"{output}: is in the memory of this process alone; name a folder, or leave --jobs out")
    shards, place = plan(names, job.rules.max_record_mb), stage_of(output)
    watched = _watch(job, names)
    job = job._replace(folder=place, key=_key(job, shards, watched))
    missing = [] if is_remote(place) else [p for p in path_of(place).parents if not p.exists()]
    with ExitStack() as stack:
        for made in reversed(missing):
            stack.callback(_remove_empty, made)
        manifest = stack.enter_context(open_manifest(place, output, job.key))
        stack.push(lambda _kind, error, _trace: leave_parts(manifest, error, resume=resume))
        yield Shards(job, shards, engine, manifest, watched, resume=resume)


def _watch(job: SortJob, names: list[str]) -> Watched:
    """Return the files of a run; that one is missing is told when it is read."""
    beside = [name for name in job.sidecars.values() if name is not None]
    return Watched([*filter(exists, [*names, *beside]), *watched_names([], job.rules.roots)])


def _key(job: SortJob, shards: list[Shard], watched: Watched) -> str:
    """Return a digest of all that the result depends on."""
    rules = {**job.rules._asdict(), "options": asdict(job.rules.options)}
    cuts = [(shard.name, shard.span) for shard in shards]
    told = [VERSION, rules, job.sidecars, job.keeps_rest, cuts, watched.stamps]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def stage_of(output: str) -> str:
    """Return the folder in which the parts of an output folder lie.

    >>> stage_of("native/"), stage_of("s3://bucket/native")
    ('native/.svit-parts', 's3://bucket/native/.svit-parts')
    """
    return join_name(output, _STAGE)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
