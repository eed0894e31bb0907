"""Check a stream of records by all rules that need no trainer: each by itself, its photo, all as a set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.photo_rules import Looking, PhotoRules
from svit_datasets.validation.quick import texts_to_screen, values_in_turn
from svit_datasets.validation.record_rules import Coordinates, check_entry, check_texts
from svit_datasets.validation.screen import Texts, suspects
from svit_datasets.validation.set_rules import SetRules

_BATCH_BYTES, _BATCH_RECORDS = 1 << 19, 1024


class _Waiting(NamedTuple):
    """A record whose texts wait to be screened with those of its batch."""

    entry: Entry
    size_wh: Size | None
    texts: Texts | None
    found: list[Finding]


def examine(
    entries: Iterable[Entry],
    *,
    coordinates: Coordinates = "padded",
    photos: Photos | None = None,
    looking: Looking = "decode",
) -> Iterator[tuple[Entry, list[Finding]]]:
    """Yield every record with what is wrong with it, in order.

    Args:
        entries: The records.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.
        photos: Where photos and sizes are; none are looked at by default.
        looking: Whether photos are decoded or their headers read.

    Yields:
        The record, its JSON text as bytes that stay and its size as far as anything tells it, and its findings.
    """
    yield from examine_by(PhotoRules(photos or Photos(), looking=looking), SetRules(), entries, coordinates)


class Repeats(Protocol):
    """Finds what a record repeats."""

    def check(self, entry: Entry, values: list[str] | None = None) -> Iterator[Finding]:
        """Yield findings; see ``SetRules.check``."""


def examine_by(
    photo_rules: PhotoRules, set_rules: Repeats, entries: Iterable[Entry], coordinates: Coordinates
) -> Iterator[tuple[Entry, list[Finding]]]:
    """Yield what ``examine`` does, by rules that may have seen other records before.

    Args:
        photo_rules: The rules on photos.
        set_rules: The rules on records as a set.
        entries: The records.
        coordinates: As in ``examine``.

    Yields:
        As ``examine`` does.
    """
    batch: list[_Waiting] = []
    held = 0
    for entry in entries:
        values = values_in_turn(entry)
        size_wh, found = photo_rules.check(entry)
        found += set_rules.check(entry, values)
        kept = entry._replace(raw=bytes(entry.raw), size_wh=size_wh)
        batch.append(_Waiting(kept, size_wh, texts_to_screen(kept, values, size_wh, coordinates), found))
        held += len(kept.raw)
        if held >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            yield from _finish(batch, coordinates)
            batch, held = [], 0
    yield from _finish(batch, coordinates)


def _finish(batch: list[_Waiting], coordinates: Coordinates) -> Iterator[tuple[Entry, list[Finding]]]:
    """Yield a batch's records with their findings; the rules look only at those that the screen stops."""
    stopped = iter(suspects([waiting.texts for waiting in batch if waiting.texts is not None]))
    for entry, size_wh, texts, found in batch:
        numbers = None if texts is None else next(stopped)
        if numbers is None:
            own = check_entry(entry, size_wh=size_wh, coordinates=coordinates)
        else:
            own = check_texts(entry, numbers, size_wh=size_wh, coordinates=coordinates)
        yield entry, own + [f.at(file=entry.file, record=entry.number, id=entry.id) for f in found]
