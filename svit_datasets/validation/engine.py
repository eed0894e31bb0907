"""Check a stream of records by all rules that need no trainer: each by itself, its photo, all as a set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from svit_datasets.entries import Entry
from svit_datasets.findings import Finding
from svit_datasets.photos import Photos
from svit_datasets.validation.photo_rules import Looking, PhotoRules
from svit_datasets.validation.record_rules import Coordinates, check_entry
from svit_datasets.validation.set_rules import SetRules


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
        The record, its JSON text as bytes that stay, and its findings.
    """
    photo_rules, set_rules = PhotoRules(photos or Photos(), looking=looking), SetRules()
    for entry in entries:
        kept = entry._replace(raw=bytes(entry.raw))
        size_wh, of_photo = photo_rules.check(kept)
        found = check_entry(kept, size_wh=size_wh, coordinates=coordinates)
        rest = [*of_photo, *set_rules.check(kept)]
        yield kept, found + [f.at(file=kept.file, record=kept.number, id=kept.id) for f in rest]
