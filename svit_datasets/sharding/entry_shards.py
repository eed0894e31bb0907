"""Cut inputs of any kind into shards that are read apart, here or elsewhere, and give the entries of the whole.

A plain file of records is cut by bytes, into ranges of one size whatever the number of processes. What cannot be read
from its middle is one shard: a packed file, a table, a small file. Standard input and objects are read where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets.errors import InputError
from svit_datasets.reading.containers import STDIN, open_source
from svit_datasets.reading.entries import (
    DECODERS,
    LAYOUTS,
    Entry,
    Given,
    Layout,
    Part,
    detect_layout,
    open_entries,
    split_inputs,
    to_entry,
)
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, read_items
from svit_datasets.reading.split import FIRST_KEY
from svit_datasets.records import TaskName
from svit_datasets.remote.names import shown_name
from svit_datasets.sharding.files import total_bytes
from svit_datasets.sharding.range_edges import Borders, Proof
from svit_datasets.sharding.ranges import Range, cut_ranges, read_part

SHARD_BYTES = 16 << 20
_UNTOLD: Layout = "native"
_PROOF_BYTES = 1 << 16  # borders are compared, so that a wrong one costs time alone
# A record like this ends where the next one begins, by the first keys of all records before it.
_BROKEN = ("record-syntax", "record-depth", "record-too-large", "input-")
_HARMLESS = "input-bom"
_KEYS_TOLD = 2  # more than one is all that counts


class Reading(NamedTuple):
    """How inputs are read; as in ``read_entries``."""

    layout: Given = "auto"
    task: str | None = None
    max_record_mb: int = DEFAULT_MAX_RECORD_MB

    @property
    def told_layout(self) -> Layout | None:
        """The layout, where it need not be found out."""
        return next((layout for layout in LAYOUTS if layout == self.layout), None)


class Shard(NamedTuple):
    """A part of the inputs.

    Attributes:
        one: The input that holds it.
        number: Which file or table of that input it is in, from 0.
        name: The file as messages call it.
        size_bytes: About how much there is to read.
        reading: How it is read.
        is_first: Whether nothing of a file of this name comes before it.
        span: The range of the file; None where it is read from its beginning to its end.
        layout: Layout of the range's records.
        task: Task of a native range, where anything tells it.
        skip: Entries to pass over at the beginning.
        held: The open input where it cannot be opened elsewhere, or a second time.
        known: What a run found out about it before.
        files: The files that it is read from, by the names that open them.
    """

    one: Any
    number: int
    name: str
    size_bytes: int
    reading: Reading
    is_first: bool
    span: Range | None = None
    layout: Layout = "native"
    task: TaskName | None = None
    skip: int = 0
    held: Part | None = None
    known: Any = None
    files: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it lies, in words.

        >>> Shard("a.json", 0, "a.json", 9, Reading(), True, Range(1000, 2000)).place
        'a.json, bytes 1,000 to 2,000'
        """
        if self.span is None:
            return self.name
        end = "the end" if self.span.stop is None else f"{self.span.stop:,}"
        return f"{self.name}, bytes {self.span.start:,} to {end}"


@dataclass
class Seen:
    """What was met while a shard was read: what shows whether it follows the one before it.

    Attributes:
        borders: Where its records begin and end in the file.
        entries: Entries that were read.
        last_number: Number of the last record.
        is_broken: Whether a record, or the file, could not be read to its end.
    """

    borders: Borders = field(default_factory=Borders)
    entries: int = 0
    last_number: int = 0
    is_broken: bool = False

    def note(self, entry: Entry) -> None:
        """Take note of an entry."""
        self.entries += 1
        self.last_number = max(self.last_number, entry.number)
        fault = entry.fault
        if fault is None:
            if len(self.borders.first_keys) < _KEYS_TOLD:
                key = FIRST_KEY.match(entry.raw)
                self.borders.first_keys.add(key[0] if key else b"")
        elif fault.code != _HARMLESS and fault.code.startswith(_BROKEN):
            self.is_broken = True


def plan_shards(inputs: Any, reading: Reading) -> list[Shard]:
    """Return the shards of inputs, in order; they depend on the inputs alone.

    Args:
        inputs: One input or several, as in ``read_entries``.
        reading: How they are read.

    Raises:
        UsageError: An option has none of its values, or a table's task is not told.
        InputError: An input does not exist, or cannot be opened.
    """
    shards: list[Shard] = []
    names: set[str] = set()
    for one in split_inputs(inputs):
        for number, part in enumerate(open_entries([one], **reading._asdict())):
            size_bytes, is_first = total_bytes(part.files), part.name not in names
            whole = Shard(one, number, part.name, size_bytes, reading, is_first, files=part.files)
            shards += [whole._replace(held=part)] if is_held(one) else _cut(whole, part)
            names.add(part.name)
    return shards


def is_held(one: Any) -> bool:
    """Tell whether an input can be read here alone, and once: standard input, or an object.

    >>> is_held("-"), is_held("a.json")
    (True, False)
    """
    return not isinstance(one, str | Path) or str(one) == STDIN


def _cut(whole: Shard, part: Part) -> list[Shard]:
    """Return the ranges of a large plain file whose first record shows its layout; anything else as it is."""
    count = -(-whole.size_bytes // SHARD_BYTES)
    if count < 2 or part.is_table or [shown_name(file) for file in part.files] != [part.name]:
        return [whole]
    layout = _layout_of(part.files[0], whole.reading)
    if layout is None:
        return [whole]
    spans = cut_ranges(part.files[0], most=count)
    size = whole.size_bytes
    return [
        whole._replace(
            span=span,
            layout=layout,
            task=part.task,
            size_bytes=(size if span.stop is None else span.stop) - span.start,
            is_first=whole.is_first and not span.start,
        )
        for span in spans
    ]


def _layout_of(name: str, reading: Reading) -> Layout | None:
    """Return the layout of a plain file's records; None where it is packed, or the first of them does not show it."""
    told: list[Layout | None] = []
    try:
        with open_source(name) as source:
            if source.seek is None or source.text_bytes != source.total_bytes:
                return None
            given = reading.told_layout
            if given is not None:
                return given
            for item in read_items(source, lambda raw: told.append(detect_layout(raw))):
                if item.raw or told:
                    break
    except InputError:
        return None  # reading it tells
    return told[0] if told else None


def open_shard(shard: Shard, seen: Seen) -> Part:
    """Return a shard, its entries read as they are asked for.

    Args:
        shard: The shard.
        seen: Is filled in while they are read.

    Returns:
        The file or table, or the range of one. Records of a range are counted from its first.
    """
    if shard.span is not None:
        entries = _noted(_read_span(shard, shard.span, seen.borders), seen)
        return Part(shard.name, shard.files, shard.task, entries)
    part = shard.held or list(open_entries([shard.one], **shard.reading._asdict()))[shard.number]
    return part._replace(entries=_noted(part.entries, seen))


def _noted(entries: Iterator[Entry], seen: Seen) -> Iterator[Entry]:
    for entry in entries:
        seen.note(entry)
        yield entry


def _read_span(shard: Shard, span: Range, borders: Borders) -> Iterator[Entry]:
    items = read_part(
        shard.files[0],
        span,
        DECODERS[shard.layout],
        max_record_mb=shard.reading.max_record_mb,
        borders=borders,
        proof=Proof(DECODERS[shard.layout], _PROOF_BYTES),
    )
    is_told = shard.reading.told_layout is not None or span.start > 0
    for item in items:
        is_told = is_told or bool(item.raw)  # what stands before the first record has no layout
        yield to_entry(shard.name, item, shard.layout if is_told else _UNTOLD, shard.task)
