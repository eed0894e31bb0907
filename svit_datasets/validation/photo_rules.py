"""The photos behind the records: missing, damaged, of another size, grey, turned, one photo under two ids."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from io import BytesIO
from typing import Literal

from svit_datasets import visual_genome
from svit_datasets.boxes import Size
from svit_datasets.entries import Entry
from svit_datasets.findings import Finding, finding
from svit_datasets.image_files import UPRIGHT, Picture, read_bytes, read_picture, read_size
from svit_datasets.photos import Photos, is_safe_path
from svit_datasets.stores import Place
from svit_datasets.validation.layouts import PROFILES

Looking = Literal["decode", "header"]
_GREY, _CMYK = ("1", "L", "LA", "I", "I;16", "F"), ("CMYK", "YCCK")
_Key = int | str
# What is found by looking at photos alone.
PHOTO_CODES = (
    "image-missing", "image-undecodable", "image-too-large", "image-size-differs", "image-turned",
    "image-folder-differs", "image-grey", "image-cmyk", "image-same-content",
)  # fmt: skip


class PhotoRules:
    """Looks at each photo once; memory grows by about 100 bytes a photo.

    Args:
        photos: Where photos and sizes are.
        looking: ``decode`` reads and decodes every photo whole; ``header`` reads its first bytes alone.
    """

    def __init__(self, photos: Photos, *, looking: Looking = "decode") -> None:
        self._photos, self._looking = photos, looking
        self._sizes: dict[_Key, Size | None] = {}
        self._faults: dict[_Key, Finding] = {}
        self._content: dict[bytes, str] = {}

    def check(self, entry: Entry) -> tuple[Size | None, list[Finding]]:
        """Return the size of a record's photo, and what is wrong with it.

        What keeps the photo from being read is told for each of its records, the rest once.

        Args:
            entry: The record.

        Returns:
            Width and height in stored pixels, None where nothing tells; findings without file, record number and id.
        """
        is_native = PROFILES[entry.layout].is_native
        key = entry.image_id if is_native else entry.image
        if entry.fault is not None or key is None:
            return None, []
        found: list[Finding] = []
        if key not in self._sizes:
            self._sizes[key], found = self._look(entry)
            self._faults.update((key, fault) for fault in found if fault.severity == "error")
        elif key in self._faults:
            found = [self._faults[key]]
        path = "$.image_id" if is_native else "$.image"
        return self._sizes[key], [fault.at(path=path) for fault in found]

    def _look(self, entry: Entry) -> tuple[Size | None, list[Finding]]:
        told = self._photos.told_size(entry.image_id) or entry.size_wh
        if entry.image is not None and not is_safe_path(entry.image):
            return told, []  # a rule on records tells
        place = self._photos.find(entry.image_id, entry.image) if self._photos.has_files else None
        if place is None:
            return told, list(self._missing(entry, told))
        picture, found = self._open(entry, place)
        if picture is None:
            return told, found
        return told or picture.size_wh, [*found, *_compare(picture, told, place), *_folder(entry, place)]

    def _missing(self, entry: Entry, told: Size | None) -> Iterator[Finding]:
        image_id = entry.image_id
        if self._photos.has_files:
            name = entry.image or f"{image_id}.jpg"
            yield finding("image-missing", f"no {name} under {', '.join(self._photos.names)}")
        elif entry.image is None and image_id is not None and not told and not visual_genome.folder_of(image_id):
            yield finding("image-unknown", str(image_id))

    def _open(self, entry: Entry, place: Place) -> tuple[Picture | None, list[Finding]]:
        size_wh = read_size(place.open)  # before all of it is read: it may be no picture, and large
        if isinstance(size_wh, Finding):
            return None, [size_wh]
        if self._looking != "decode":
            return Picture(size_wh), []
        data = read_bytes(place.open)
        picture = data if isinstance(data, Finding) else read_picture(lambda: BytesIO(data))
        if isinstance(data, Finding) or isinstance(picture, Finding):
            return None, [picture] if isinstance(picture, Finding) else []
        return picture, list(self._same(entry, data))

    def _same(self, entry: Entry, data: bytes) -> Iterator[Finding]:
        name = entry.image or str(entry.image_id)
        first = self._content.setdefault(blake2b(data, digest_size=16).digest(), name)
        if _photo_id(first) != _photo_id(name):
            yield finding("image-same-content", f"{name}: the same bytes as {first}")


def _photo_id(name: str) -> str:
    """Return what two names of one Visual Genome photo share: its id."""
    place = visual_genome.parse_path(name)
    return str(place[1]) if place else name


def _compare(picture: Picture, told: Size | None, place: Place) -> Iterator[Finding]:
    """Yield what is odd about a photo that can be read."""
    if told and told != picture.size_wh:
        yield finding(
            "image-size-differs", "{} x {} as told, {} x {} in {}".format(*told, *picture.size_wh, place.store)
        )
    if picture.mode in _GREY:
        yield finding("image-grey", f"mode {picture.mode}")
    if picture.mode in _CMYK:
        yield finding("image-cmyk", f"mode {picture.mode}")
    if picture.orientation != UPRIGHT:
        yield finding("image-turned", f"EXIF orientation {picture.orientation}")


def _folder(entry: Entry, place: Place) -> Iterator[Finding]:
    """Yield whether a photo lies in another folder than its record, or Visual Genome, has it in."""
    if entry.image_id is None:
        return
    told = visual_genome.parse_path(entry.image or "")
    folder = told[0] if told else visual_genome.folder_of(entry.image_id)
    if folder and place.folder and place.folder != folder:
        found = f"{place.folder}/{entry.image_id}.jpg in {place.store}"
        yield finding("image-folder-differs", found, expected=f"it in {folder}")
