"""What one shard of the way back does, wherever it runs: convert its rows, and keep what they are in files."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import lru_cache
from typing import IO, NamedTuple, cast

from msgspec import Struct

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
from svit_datasets.sharding.folder import Folder, Part, PartFile
from svit_datasets.sharding.manifest import write_entry
from svit_datasets.sharding.range_edges import Proof
from svit_datasets.sharding.ranges import read_part
from svit_datasets.writing.sidecar import Sidecar
from svit_datasets.writing.writers import JsonList

_PROOF_BYTES = 1 << 16  # borders are compared, so that a wrong one costs time alone
_FILES = ("spool", "index", "findings", "rest")


class SortJob(NamedTuple):
    """What all shards of a run have in common.

    Attributes:
        rules: How they are read.
        sidecars: For each input the provenance beside it.
        keeps_rest: Whether foreign rows are kept.
        folder: Where what is found goes.
        key: The run.
    """

    rules: Rules
    sidecars: dict[str, str | None]
    keeps_rest: bool
    folder: str = ""
    key: str = ""


class Sorted(Struct, frozen=True):
    """What was found in a shard.

    Attributes:
        files: Its files: native conversations one behind the other, where they lie (see ``Regrouping.dump``), findings
            one a line, foreign rows.
        counts: What became of its rows.
        inferred: What was worked out.
        seen: What shows whether it follows the shard before it.
    """

    files: tuple[Part, ...]
    counts: dict[str, int]
    inferred: dict[str, int | float]
    seen: Seen


class Outcome(NamedTuple):
    """What was found in a shard, and the fault that ended it; with one, the shard counts as not finished."""

    found: Sorted
    fault: SvitError | None


class _Files:
    """The files of a shard while it is sorted out."""

    def __init__(self, folder: Folder, place: int) -> None:
        self.spool, self.index, self.notes, self.rest = (PartFile(folder, f"{place:08}.{name}") for name in _FILES)
        self.foreign, self.regrouping = JsonList(self.rest, is_part=True), Regrouping(cast(IO[bytes], self.spool))

    def close(self, findings: int) -> tuple[Part, ...]:
        """End them; return what they are."""
        count = len(self.regrouping)
        self.index.write(self.regrouping.dump())
        ended = ((self.spool, count), (self.index, count), (self.notes, findings), (self.rest, self.foreign.count))
        return tuple(file.close(elements) for file, elements in ended)


def sort_out(job: SortJob, shard: Shard, *, pictures: Images | None = None) -> tuple[Outcome, Seen]:
    """Convert the rows of a shard, and keep what they are in files named by its number.

    Args:
        job: The run.
        shard: The shard; what an earlier run found is ``known``.
        pictures: The images, where they are open; else they are opened once in each process.

    Returns:
        What was found, and what shows whether the shard follows the one before it.
    """
    if isinstance(shard.known, Sorted):
        return Outcome(shard.known, None), shard.known.seen
    folder, rules, seen = Folder(job.folder), job.rules, Seen()
    made = Report("from-llava", inputs=[], options={}, on_error=rules.on_error)
    files = _Files(folder, shard.number)
    made.copy_to(files.notes)
    sorter = Sorter(lambda: files.regrouping, files.foreign if job.keeps_rest else None, made, check=rules.check)
    fault: SvitError | None = None
    try:
        with closing(_items(job, shard, seen, pictures or _pictures(rules.roots, job.key))) as items:
            for item in items:
                sorter.add(shard.name, item)
    except SvitError as error:
        fault = error
    finally:
        parts = files.close(sum(made.by_code.values()))
    found = Sorted(parts, dict(made.counts), made.inferred, seen)
    if fault is None:
        write_entry(folder, shard.number, found)
    return Outcome(found, fault), seen


def _items(job: SortJob, shard: Shard, seen: Seen, pictures: Images) -> Generator[Item[Back], None, None]:
    """Yield the rows of a shard, and take note of them; those of a range are counted from its first."""
    beside, limit = job.sidecars[shard.name], job.rules.max_record_mb
    decode = make_decoder(_sidecar(beside, job.key) if beside else None, pictures, job.rules.options)
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


_SIDECARS: dict[tuple[str, str], Sidecar] = {}  # the last, by its name and its run


def _sidecar(name: str, key: str) -> Sidecar:
    if (name, key) not in _SIDECARS:
        forget_sidecar()
        _SIDECARS[name, key] = Sidecar(name)
    return _SIDECARS[name, key]


def forget_sidecar() -> None:
    """Close the sidecar that this process read."""
    while _SIDECARS:
        with _SIDECARS.popitem()[1]:
            pass
