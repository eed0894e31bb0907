"""One shard of the inputs, looked through in whatever process: what is found in it, and what it leaves for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby, islice
from typing import Any, NamedTuple

from svit_datasets.findings import Finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Entry
from svit_datasets.sharding.entry_shards import Seen, Shard, open_shard
from svit_datasets.validation.checks import Checks
from svit_datasets.validation.engine import examine_by
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.photo_rules import Looked, PhotoKey, PhotoRules, is_told_once, photo_key
from svit_datasets.validation.stream import read_all
from svit_datasets.validation.traces import Asked, Tracer, Traces, pack, unpack
from svit_datasets.validation.walking import Walker

_PIECE_ENTRIES = 1 << 16


class Told(NamedTuple):
    """An entry of a piece, by its number from 0, and what was found in it alone.

    Attributes:
        entry: Its number in the piece.
        found: The findings.
        photo: Name of its photo, where something is told of it once.
        end: What the end of its file does to the trainer, where no record before it has stopped that.
    """

    entry: int
    found: list[Finding]
    photo: PhotoKey | None
    end: Finding | None


class Piece(NamedTuple):
    """Entries of one file that follow each other.

    Attributes:
        file: The file.
        is_native: Whether their layout is.
        records: How many of them are records.
        numbers: Their numbers, packed.
        told: Those in which something was found, packed.
        traces: What they leave behind.
        stops: Whether the trainer stops in it.
    """

    file: str
    is_native: bool
    records: int
    numbers: bytes
    told: bytes
    traces: Traces
    stops: bool

    def ids(self) -> list[str]:
        """Return the id of each entry."""
        ids: list[str] = _opened(self.traces.ids_packed)
        return ids

    def asked(self) -> list[Asked]:
        """Return the questions that ``traces`` has the hashes of."""
        asked: list[Asked] = _opened(self.traces.asked_packed)
        return asked


@lru_cache(maxsize=2)
def _opened(packed: bytes) -> Any:
    return unpack(packed)


class Look(NamedTuple):
    """How all shards of a run are looked through.

    Attributes:
        checks: What is checked.
        codes: What counts.
        roots: Where photos and sizes are.
        run: Tells this run from others, for what a process keeps from shard to shard.
    """

    checks: Checks
    codes: frozenset[str]
    roots: tuple[str, ...]
    run: str


@lru_cache(maxsize=1)
def photos_of(look: Look) -> Photos:
    """Return the photos under a run's roots, opened once in a process."""
    return Photos(look.roots, add=id)  # what is wrong with them is told by the process that began the run


def look_through(
    look: Look, shard: Shard, photos: Photos | None = None, looked: Mapping[PhotoKey, Looked] | None = None
) -> tuple[list[Piece], Seen]:
    """Return what is in a shard.

    Args:
        look: How to look.
        shard: The shard; it knows what its photos show where all were looked at beforehand.
        photos: The photos, where this process has them open already.
        looked: What all photos show, likewise.

    Returns:
        The pieces, in order, and how the shard was read.
    """
    seen = Seen()
    walker = Walker(look.checks, () if shard.is_first else (shard.name,))
    photos = photos or photos_of(look)
    photo_rules = PhotoRules(photos, looking=look.checks.look, looked=shard.known if looked is None else looked)
    part = open_shard(shard, seen)
    is_continued = shard.span is not None and shard.span.start > 0
    entries = islice(part.entries if is_continued else read_all([part]), shard.skip, None)
    return [_piece(look, run, walker, photo_rules) for run in _runs(entries)], seen


def _runs(entries: Iterable[Entry]) -> Iterator[Iterator[Entry]]:
    """Yield entries in runs of one file and layout, none too long."""
    counted = enumerate(entries)
    for _, run in groupby(counted, lambda pair: (pair[1].file, pair[1].layout, pair[0] // _PIECE_ENTRIES)):
        yield (entry for _, entry in run)


def _piece(look: Look, entries: Iterator[Entry], walker: Walker, photo_rules: PhotoRules) -> Piece:
    tracer, numbers, told, records = Tracer(), list[int](), list[Told](), 0
    for entry, found in examine_by(photo_rules, tracer, entries, look.checks.coordinates):
        records += entry.fault is None or bool(entry.raw)
        kept = [fault for fault in (*found, *walker.walk(entry, found)) if fault.code in look.codes]
        end = walker.end(entry)
        if kept or end is not None:
            photo = photo_key(entry) if any(map(is_told_once, kept)) else None
            told.append(Told(len(numbers), kept, photo, end))
        numbers.append(entry.number)
    is_native = PROFILES[entry.layout].is_native
    stops = entry.file in walker.stopped
    return Piece(entry.file, is_native, records, pack(numbers), pack(told), tracer.traces(), stops)
