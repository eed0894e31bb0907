"""The photos behind the records: missing, damaged, of another size, grey, turned, one photo under two ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from io import BytesIO
from typing import Literal, NamedTuple

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding, finding
from svit_datasets.images import visual_genome
from svit_datasets.images.files import UPRIGHT, Picture, read_bytes, read_picture, read_size
from svit_datasets.images.photos import Photos, is_safe_path
from svit_datasets.images.stores import Place
from svit_datasets.reading.containers import input_error
from svit_datasets.reading.entries import Entry
from svit_datasets.validation.layouts import PROFILES

Looking = Literal["decode", "header"]
_GREY, _CMYK = ("1", "L", "LA", "I", "I;16", "F"), ("CMYK", "YCCK")
_UNSEEN = "a photo that none of its records named when they were read first"
PhotoKey = int | str
# What is found by looking at photos alone.
PHOTO_CODES = (
    "image-missing", "image-undecodable", "image-too-large", "image-size-differs", "image-turned",
    "image-folder-differs", "image-grey", "image-cmyk", "image-same-content",
)  # fmt: skip


class Looked(NamedTuple):
    """What a look at one photo shows.

    Attributes:
        size_wh: Width and height in stored pixels, None where nothing tells.
        found: What is wrong with it, without a place.
        name: What it is called.
        digest: Hash of its bytes, where they were read whole and make a picture.
    """

    size_wh: Size | None
    found: list[Finding]
    name: str = ""
    digest: bytes | None = None


def photo_key(entry: Entry) -> PhotoKey | None:
    """Return what names a record's photo; None where it has none, or could not be read.

    >>> photo_key(Entry("a.json", 1, "native", "5", image_id=5)), photo_key(Entry("a.json", 1, "llava", image="a.jpg"))
    (5, 'a.jpg')
    """
    if entry.fault is not None:
        return None
    return entry.image_id if PROFILES[entry.layout].is_native else entry.image


def is_told_once(fault: Finding) -> bool:
    """Tell whether a finding is told of a photo's first record alone: it can be read all the same.

    >>> is_told_once(finding("image-grey", "mode L")), is_told_once(finding("image-missing", "no 2.jpg"))
    (True, False)
    """
    return fault.code in PHOTO_CODES and fault.severity != "error"


class PhotoRules:
    """Looks at each photo once; memory grows by about 100 bytes a photo.

    Args:
        photos: Where photos and sizes are.
        looking: ``decode`` reads and decodes every photo whole; ``header`` reads its first bytes alone.
        looked: What photos show, where all of them were looked at beforehand.
    """

    def __init__(
        self, photos: Photos, *, looking: Looking = "decode", looked: Mapping[PhotoKey, Looked] | None = None
    ) -> None:
        self._photos, self._looking, self._looked = photos, looking, looked
        self._sizes: dict[PhotoKey, Size | None] = {}
        self._faults: dict[PhotoKey, Finding] = {}
        self._contents = Contents()

    def check(self, entry: Entry) -> tuple[Size | None, list[Finding]]:
        """Return the size of a record's photo, and what is wrong with it.

        What keeps the photo from being read is told for each of its records, the rest once.

        Args:
            entry: The record.

        Returns:
            Width and height in stored pixels, None where nothing tells; findings without file, record number and id.

        Raises:
            InputError: All photos were looked at beforehand, and this one was not among them.
        """
        key = photo_key(entry)
        if key is None:
            return None, []
        found: list[Finding] = []
        if key not in self._sizes:
            looked = self._look(key, entry)
            self._sizes[key], found = looked.size_wh, looked.found
            self._faults.update((key, fault) for fault in found if fault.severity == "error")
        elif key in self._faults:
            found = [self._faults[key]]
        path = "$.image_id" if PROFILES[entry.layout].is_native else "$.image"
        return self._sizes[key], [fault.at(path=path) for fault in found]

    def _look(self, key: PhotoKey, entry: Entry) -> Looked:
        if self._looked is not None:
            if key not in self._looked:
                raise input_error(finding("input-changed", _UNSEEN, file=entry.file))
            return self._looked[key]
        return self._contents.compare(look_at(entry, self._photos, self._looking))


class Contents:
    """Remembers the bytes of photos by a hash."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def compare(self, looked: Looked) -> Looked:
        """Return what a look shows, and which photo with another id that was seen before has the same bytes."""
        if looked.digest is None:
            return looked
        first, name = self._names.setdefault(looked.digest, looked.name), looked.name
        if _photo_id(first) == _photo_id(name):
            return looked
        same = finding("image-same-content", f"{name}: the same bytes as {first}")
        return looked._replace(found=[same, *looked.found])


def look_at(entry: Entry, photos: Photos, looking: Looking) -> Looked:
    """Return what a look at a record's photo shows.

    Args:
        entry: The record; its image and size count.
        photos: Where photos and sizes are.
        looking: As in ``PhotoRules``.
    """
    told = photos.told_size(entry.image_id) or entry.size_wh
    if entry.image is not None and not is_safe_path(entry.image):
        return Looked(told, [])  # a rule on records tells
    place = photos.find(entry.image_id, entry.image) if photos.has_files else None
    if place is None:
        return Looked(told, list(_missing(entry, told, photos)))
    picture, digest = _open(place, looking)
    if isinstance(picture, Finding):
        return Looked(told, [picture])
    found = [*_compare(picture, told, place), *_folder(entry, place)]
    return Looked(told or picture.size_wh, found, entry.image or str(entry.image_id), digest)


def _missing(entry: Entry, told: Size | None, photos: Photos) -> Iterator[Finding]:
    image_id = entry.image_id
    if photos.has_files:
        name = entry.image or f"{image_id}.jpg"
        yield finding("image-missing", f"no {name} under {', '.join(photos.names)}")
    elif entry.image is None and image_id is not None and not told and not visual_genome.folder_of(image_id):
        yield finding("image-unknown", str(image_id))


def _open(place: Place, looking: Looking) -> tuple[Picture | Finding, bytes | None]:
    size_wh = read_size(place.open)  # before all of it is read: it may be no picture, and large
    if isinstance(size_wh, Finding):
        return size_wh, None
    if looking != "decode":
        return Picture(size_wh), None
    data = read_bytes(place.open)
    if isinstance(data, Finding):
        return data, None
    return read_picture(lambda: BytesIO(data)), blake2b(data, digest_size=16).digest()


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
