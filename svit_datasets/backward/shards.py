"""The way back in shards: ranges of the inputs are sorted out apart, and put together in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path

import msgspec

from svit_datasets.backward.reading import Sorter
from svit_datasets.backward.work import Sorted, SortJob, forget_sidecar, sort_out
from svit_datasets.engines.engine import Engine
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import Finding
from svit_datasets.images.known import Images
from svit_datasets.reading.containers import STDIN, open_source
from svit_datasets.remote.names import is_remote, join_name, path_of
from svit_datasets.report import Report
from svit_datasets.sharding.chain import Result, run_in_order
from svit_datasets.sharding.entry_shards import Reading, Shard
from svit_datasets.sharding.manifest import Folder, open_manifest
from svit_datasets.sharding.ranges import cut_ranges
from svit_datasets.writing.writers import JsonList

SHARD_BYTES = 16 << 20
_MOST_SHARDS = 10_000  # of one file; those of a larger one are larger
_CHUNK_BYTES = 4 << 20
_STAGE = ".svit-parts"


def plan(names: list[str], max_record_mb: int) -> list[Shard]:
    """Return the shards of LLaVA files, in order; they depend on the files alone.

    Args:
        names: The files.
        max_record_mb: Largest record, in MiB.

    Raises:
        UsageError: A file can be read by one process only.
    """
    reading = Reading(layout="llava", max_record_mb=max_record_mb)
    return [shard for number, name in enumerate(names) for shard in _cut(name, number, reading)]


def _cut(name: str, number: int, reading: Reading) -> list[Shard]:
    if name == STDIN or (not is_remote(name) and _is_pipe(path_of(name))):
        raise UsageError(f"{name}: can be read once, by one process; name a file, or leave --jobs out")
    whole = Shard(name, number, name, 0, reading, is_first=True, layout="llava")
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
        folder: Where their files are.
    """

    def __init__(self, job: SortJob, shards: list[Shard], engine: Engine, folder: Folder) -> None:
        self._job, self._shards, self._engine, self._folder = job, shards, engine, folder

    def sort_out(self, sorter: Sorter, rest: JsonList | None, made: Report, pictures: Images) -> None:
        """Give what is in all shards to ``sorter``, ``rest`` and ``made``, in order."""
        work, here = partial(sort_out, self._job), partial(sort_out, self._job, pictures=pictures)
        try:
            with closing(run_in_order("converting", work, self._shards, self._engine, here=here)) as results:
                for result in results:
                    self._take(result, sorter, rest, made)
        finally:
            forget_sidecar()

    def _take(self, result: Result[Sorted], sorter: Sorter, rest: JsonList | None, made: Report) -> None:
        found = result.value
        made.counts.update(found.counts)
        made.infer(found.inferred)
        spool, notes, foreign = found.files
        for line in b"".join(self._read(notes)).splitlines():
            fault = msgspec.convert(json.loads(line), Finding)
            made.add(msgspec.structs.replace(fault, record=fault.record + result.before) if fault.record else fault)
        if found.fault is not None:
            raise found.fault
        chunks = self._read(spool)
        for first in islice(chunks, 1):  # so that nothing is opened for nothing
            sorter.found().join(found.index, chain([first], chunks), result.shard.name, result.before)
        if rest is not None:
            rest.extend_joined(self._read(foreign), found.foreign)
        for name in found.files:
            self._folder.fs.rm_file(self._folder.path(name))

    def _read(self, name: str) -> Iterator[bytes]:
        with self._folder.open(name) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


@contextmanager
def open_shards(job: SortJob, names: list[str], engine: Engine, output: str) -> Iterator[Shards]:
    """Open the way back in shards; their files lie in a folder inside the output, which goes when the block ends.

    Args:
        job: What the shards have in common.
        names: The files, in order.
        engine: What runs them.
        output: The output folder, which goes too where it was not there before and nothing else is in it.

    Yields:
        It.

    Raises:
        UsageError: A file can be read by one process only, or another process writes the output.
        OutputError: The folder cannot be made.
    """
    shards, place = plan(names, job.rules.max_record_mb), join_name(output, _STAGE)
    missing = [] if is_remote(place) else [p for p in path_of(place).parents if not p.exists()]
    with ExitStack() as stack:
        for made in reversed(missing):
            stack.callback(_remove_empty, made)
        manifest = stack.enter_context(open_manifest(place, output, ""))
        manifest.folder.clear()  # what a killed run left would take room until the end
        yield Shards(job._replace(folder=place), shards, engine, manifest.folder)


def forget_parts(output: str) -> None:
    """Remove what a killed run left in an output folder; another process that writes there keeps what it has.

    Args:
        output: The folder. In a store nothing tells whether another process writes, so nothing is removed there.
    """
    place = join_name(output, _STAGE)
    if is_remote(place) or not path_of(place).is_dir():
        return
    with suppress(SvitError, OSError), open_manifest(place, output, ""):
        pass  # without a plan it goes with the block


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
