"""What one shard of the way back does, wherever it runs: convert its rows, and keep what they are in files."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, NamedTuple, cast

from svit_datasets.backward.reading import Rules, Sorter, make_decoder, pass_over, row_taker
from svit_datasets.backward.regroup import Regrouping
from svit_datasets.converters.base import Back
from svit_datasets.converters.llava_rows import decode_row
from svit_datasets.errors import SvitError
from svit_datasets.images.known import Images
from svit_datasets.reading.containers import open_source
from svit_datasets.reading.entries import Entry
from svit_datasets.reading.readers import Item, read_items
from svit_datasets.report import Report
from svit_datasets.sharding.entry_shards import Seen, Shard
from svit_datasets.sharding.manifest import Folder
from svit_datasets.sharding.range_edges import Proof
from svit_datasets.sharding.ranges import read_part
from svit_datasets.writing.sidecar import Sidecar
from svit_datasets.writing.writers import JsonList, OutputFile, output_error

_PROOF_BYTES = 1 << 16  # borders are compared, so that a wrong one costs time alone


class SortJob(NamedTuple):
    """What all shards of a run have in common.

    Attributes:
        rules: How they are read.
        sidecars: For each input the provenance beside it.
        keeps_rest: Whether foreign rows are kept.
        folder: Where what is found goes.
    """

    rules: Rules
    sidecars: dict[str, str | None]
    keeps_rest: bool
    folder: str = ""


@dataclass(frozen=True)
class Sorted:
    """What was found in a shard.

    Attributes:
        files: Names of its files: native conversations one behind the other, findings one a line, foreign rows.
        index: Where the conversations lie; see ``Regrouping.dump``.
        foreign: How many foreign rows there are.
        counts: What became of its rows.
        inferred: What was worked out.
        fault: What ended it.
    """

    files: tuple[str, str, str]
    index: bytes
    foreign: int
    counts: dict[str, int]
    inferred: dict[str, float]
    fault: SvitError | None


def sort_out(job: SortJob, shard: Shard, *, pictures: Images | None = None) -> tuple[Sorted, Seen]:
    """Convert the rows of a shard, and keep what they are in files.

    Args:
        job: The run.
        shard: The shard.
        pictures: The images, where they are open; else they are opened once in each process.

    Returns:
        What was found, and what shows whether the shard follows the one before it.
    """
    folder, rules, seen = Folder(job.folder), job.rules, Seen()
    made = Report("from-llava", inputs=[], options={}, on_error=rules.on_error)
    place = f"{shard.number:08}.{'all' if shard.span is None else shard.span.start}"
    files = (f"{place}.spool", f"{place}.findings", f"{place}.rest")
    fault: SvitError | None = None
    with _Written(folder, files[0]) as spool, _Written(folder, files[1]) as notes, _Written(folder, files[2]) as rest:
        made.copy_to(notes)
        foreign, regrouping = JsonList(rest, is_part=True), Regrouping(cast(IO[bytes], spool))
        sorter = Sorter(lambda: regrouping, foreign if job.keeps_rest else None, made, check=rules.check)
        try:
            with closing(_items(job, shard, seen, pictures or _pictures(rules.roots, job.folder))) as items:
                for item in items:
                    sorter.add(shard.name, item)
        except SvitError as error:
            fault = error
    found = Sorted(files, regrouping.dump(), foreign.count, dict(made.counts), made.inferred, fault)
    return found, seen


class _Written(OutputFile):
    """A file of a shard, written."""

    def __init__(self, folder: Folder, name: str) -> None:
        try:
            self._stream = folder.open(name, "wb")
        except OSError as error:
            raise output_error(f"{folder.place}/{name}", error) from error
        super().__init__(f"{folder.place}/{name}", self._stream.write)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stream.close()
        except OSError as error:
            raise output_error(self.name, error) from error


def _items(job: SortJob, shard: Shard, seen: Seen, pictures: Images) -> Generator[Item[Back], None, None]:
    """Yield the rows of a shard, and take note of them; those of a range are counted from its first."""
    beside, limit = job.sidecars[shard.name], job.rules.max_record_mb
    decode = make_decoder(_sidecar(beside, job.folder) if beside else None, pictures, job.rules.options)
    with open_source(shard.name) as source:
        take = row_taker(source, limit)
        if shard.span is None:
            items = pass_over(read_items(source, decode, max_record_mb=limit, take=take), shard.skip)
        else:
            proof = Proof(decode_row, _PROOF_BYTES)
            items = read_part(
                shard.name, shard.span, decode, max_record_mb=limit, borders=seen.borders, proof=proof, take=take
            )
        for item in items:
            _note(seen, item)
            yield item


def _note(seen: Seen, item: Item[Back]) -> None:
    if item.run is None:
        seen.note(cast(Entry, item))  # what is noted of an entry, an item has too
        return
    seen.entries += item.run.count
    seen.last_number = item.number + item.run.count - 1
    seen.borders.first_keys.add(_first_key(item))


def _first_key(item: Item[Back]) -> bytes:
    return cast(bytes, getattr(item.run, "first_key", b""))


@lru_cache(maxsize=1)
def _pictures(roots: tuple[str, ...], _run: str) -> Images:
    """Return the images of a run, read once in each process; its faults are told by the process that began the run."""
    return Images(roots, add=lambda _fault: None)


@lru_cache(maxsize=1)
def _sidecar(name: str, _run: str) -> Sidecar:
    return Sidecar(name)


def forget_sidecar() -> None:
    """Close the sidecar that this process read."""
    _sidecar.cache_clear()
