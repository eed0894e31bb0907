"""A configuration's tables, streamed out of SVIT's files: what the builder hands to ``datasets``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from svit_datasets.errors import SvitError
from svit_datasets.findings import Finding, finding
from svit_datasets.images import visual_genome
from svit_datasets.images.joining import ImagesMode, Joined, Joiner
from svit_datasets.reading.containers import fault_error, input_error
from svit_datasets.reading.readers import Item, decode_native
from svit_datasets.records import NativeRecord
from svit_datasets.sharding.ranges import count_before, cut_ranges, join_ranges, read_range
from svit_datasets.tables.batches import Piece, cut_batches
from svit_datasets.tables.blocks import TextColumns, find_taker, make_block_table
from svit_datasets.tables.parts import ImageRow, Part, parts_of
from svit_datasets.tables.spec import Share, TableSpec
from svit_datasets.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

_OUTCOMES = {"null": "image set to null", "drop": "rows left out"}


def read_tables(spec: TableSpec, shares: Sequence[Share]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of some shares of a configuration's input, in order.

    Args:
        spec: What the table is made of.
        shares: The shares to read; neighbours are read in one go.

    Yields:
        Number of the first of the shares read in one go, and up to a thousand rows.

    Raises:
        InputError: A file cannot be used, or changed while it was read.
        RecordError: A record or an image is at fault and the policy is to stop.
    """
    before = spec.expected_stamp or spec.stamp()
    tally = Tally(f"svit/{spec.config}, {'test' if spec.is_test else 'train'} split")
    reader = _read_images if spec.task is None else _read_text
    columns = spec.make_columns()
    try:
        for first, group in _neighbours(shares):
            for table in cut_batches(reader(spec, group, tally), columns):
                yield first, table
        if spec.stamp() != before:
            name = str(spec.find_sources().text or spec.find_root())
            raise input_error(finding("input-changed", "another size or time of change than at the start", file=name))
    except GeneratorExit:
        raise  # a stream that is left before its end has nothing to sum up
    except BaseException:
        tally.warn()
        raise
    tally.warn()


def _neighbours(shares: Sequence[Share]) -> Iterator[tuple[int, list[Share]]]:
    """Yield runs of shares that follow each other, each with the place of its first in ``shares``.

    >>> list(_neighbours([Share(0, 9), Share(1, 9), Share(4, 9)]))
    [(0, [Share(number=0, of=9), Share(number=1, of=9)]), (2, [Share(number=4, of=9)])]
    """
    run: list[Share] = []
    for i, share in enumerate(shares):
        if run and share != Share(run[-1].number + 1, run[-1].of):
            yield i - len(run), run
            run = []
        run.append(share)
    if run:
        yield len(shares) - len(run), run


def _read_images(spec: TableSpec, group: Sequence[Share], tally: Tally) -> Iterator[tuple[Part, int]]:
    """Yield a part for each image of some shares."""
    joiner = _open_joiner(spec, tally, is_first=not (spec.is_test or group[0].number))
    ids = [i for i in joiner.image_ids() if visual_genome.is_held_out(i) == spec.is_test]
    count = group[0].of
    for image_id in ids[len(ids) * group[0].number // count : len(ids) * (group[-1].number + 1) // count]:
        row = _settle(spec, joiner.join(image_id), tally, str(spec.find_root()), lambda: 0)
        if row is not None:
            yield Part(row, NativeRecord(image_id, [])), 0


def _read_text(spec: TableSpec, group: Sequence[Share], tally: Tally) -> Iterator[Piece]:
    """Yield the rows of the native records of some shares."""
    sources = spec.find_sources()
    assert sources.text is not None
    name, member = str(sources.text), sources.member
    ranges = cut_ranges(name, member=member, most=group[0].of)
    decode = _decoder(is_test=spec.is_test)
    take = find_taker(spec, name, member)
    joiner = _open_joiner(spec, tally, is_first=not (spec.is_test or group[0].number))
    for part in join_ranges(ranges[group[0].number : group[-1].number + 1]):
        before = cache(partial(count_before, name, part, member=member, max_record_mb=spec.max_record_mb))
        for item in read_range(name, part, decode, member=member, max_record_mb=spec.max_record_mb, take=take):
            if item.run is not None:
                place = partial(_number, before, item.number)
                yield from _block_tables(spec, cast(TextColumns, item.run), joiner, tally, name, place)
                continue
            if item.fault is not None and item.fault.severity == "error" and _is_own(item, spec):
                _refuse(spec, item.fault, tally)
            record = item.record
            if record is None:
                continue
            place = partial(_number, before, item.number)
            row = _settle(spec, joiner.join(record.image_id), tally, name, place)
            if row is None:
                continue
            made = parts_of(row, record, spec.granularity)
            size = len(item.raw) // len(made)
            for one in made:
                if isinstance(one, Finding):
                    _refuse(spec, one.at(file=name, record=place(), id=record.image_id), tally)
                    break  # a record is counted once, with the first of its faults
                yield one, size


def _block_tables(
    spec: TableSpec, text: TextColumns, joiner: Joiner, tally: Tally, name: str, number: Callable[[int], int]
) -> Iterator[pa.Table]:
    """Yield the rows of a block; ``number`` gives a record's number in the file from its place in the block.

    Where a record is at fault the rows before it come first, as they do when records are read one by one.
    """
    images: list[ImageRow | None] = []
    error = None
    try:
        for place, image_id in text.records:
            joined = joiner.join(image_id)
            is_sound = not joined.findings
            images.append(joined.row if is_sound else _settle(spec, joined, tally, name, partial(number, place)))
    except SvitError as raised:
        error = raised
    yield make_block_table(text, [*images, *[None] * (len(text.records) - len(images))], spec.make_columns())
    if error is not None:
        raise error


def _number(before: Callable[[], int], number: int, place: int = 0) -> int:
    return before() + number + place


class _OnlyId(msgspec.Struct):
    image_id: int


_ONLY_ID = msgspec.json.Decoder(_OnlyId)


def _decoder(*, is_test: bool) -> Callable[[bytes | memoryview], NativeRecord | None]:
    """Return a decoder that passes over the records of the other split, at a fraction of the cost."""

    def decode(raw: bytes | memoryview) -> NativeRecord | None:
        held_out = _held_out(raw)  # None: the whole decoder says what is wrong
        return decode_native(raw) if held_out is None or held_out == is_test else None

    return decode


def _held_out(raw: bytes | memoryview) -> bool | None:
    """Tell whether a record's image is held out; None where the record does not tell its id."""
    try:
        return visual_genome.is_held_out(_ONLY_ID.decode(raw).image_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_own(item: Item[NativeRecord | None], spec: TableSpec) -> bool:
    """Tell whether a fault is this split's to report: a file's is both splits', a record's without an id is train's."""
    assert item.fault is not None
    return item.fault.code.startswith("input-") or bool(_held_out(item.raw)) == spec.is_test


def _refuse(spec: TableSpec, fault: Finding, tally: Tally) -> None:
    """Raise, or count a record that is left out."""
    mend = fault.mend.replace("--on-error skip", 'on_error="skip"').replace("--max-record-mb", "max_record_mb")
    fault = msgspec.structs.replace(fault, mend=mend)
    if spec.on_error == "raise" or not fault.record:
        raise fault_error(fault)
    tally.add(fault, "record left out")


def _settle(spec: TableSpec, joined: Joined, tally: Tally, file: str, number: Callable[[], int]) -> ImageRow | None:
    """Return the image's row by the policy for images that cannot be used; None leaves it out."""
    is_kept = True
    for found in joined.findings:
        outcome = "kept" if found.severity != "error" else _OUTCOMES.get(spec.on_missing_image, "")
        is_known = bool(outcome) and tally.has(found.code, outcome)  # then its place is not told, and costs nothing
        fault = found if is_known else found.at(file=file, record=number(), id=joined.row.image_id)
        if fault.code == "image-id-range":
            _refuse(spec, fault, tally)
            return None
        if fault.severity != "error":
            tally.add(fault, outcome)
            continue
        if spec.on_missing_image == "error":
            raise fault_error(fault)
        is_kept = spec.on_missing_image == "null"
        tally.add(msgspec.structs.replace(fault, mend="fetch the image and load again"), outcome)
    return joined.row if is_kept else None


def _open_joiner(spec: TableSpec, tally: Tally, *, is_first: bool) -> Joiner:
    """Return the joiner of a table, opened once a process; faults of image_data.json are the first share's to tell."""
    mode: ImagesMode = spec.images if spec.with_files else "none"
    roots = spec.find_sources().image_roots
    joiner, faults = _cached_joiner(
        os.getpid(), spec.stamp(), roots, mode, spec.check_images, spec.coco_captions, spec.on_error == "skip"
    )
    for fault in faults if is_first else ():
        tally.add(fault, "entry left out")
    return joiner


@lru_cache(maxsize=2)
def _cached_joiner(
    _process: int,
    _stamp: str,
    roots: tuple[Path, ...],
    mode: ImagesMode,
    is_checked: bool,
    coco_captions: tuple[str, ...],
    is_lenient: bool,
) -> tuple[Joiner, list[Finding]]:
    """A zip that two processes read through one handle mixes its bytes up, hence the process in the key."""
    faults: list[Finding] = []
    joiner = Joiner(
        roots, mode, is_checked=is_checked, coco_captions=coco_captions, add=faults.append if is_lenient else None
    )
    return joiner, faults
