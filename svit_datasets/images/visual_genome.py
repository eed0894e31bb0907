"""Visual Genome's images: the folder of every id, SVIT's held-out ids, and ``image_data.json``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import as_file, files
from typing import Literal

import msgspec

from svit_datasets.findings import Finding, finding
from svit_datasets.reading.containers import Source, open_source
from svit_datasets.reading.readers import read_items

Folder = Literal["VG_100K", "VG_100K_2"]
FOLDERS: tuple[Folder, Folder] = ("VG_100K", "VG_100K_2")
INDEX = "visual_genome.parquet"
LLAVA_PREFIX = "vg"
_ID_LIMIT, _SIDE_LIMIT = 1 << 63, 1 << 31  # what the columns of a table hold
_VG_PATH = re.compile(r"(?:^|/)(VG_100K(?:_2)?)/([0-9]+)\.jpg$")


@cache
def _index() -> dict[int, tuple[Folder, bool]]:
    import pyarrow.parquet as pq

    with as_file(files("svit_datasets.images") / INDEX) as path:
        table = pq.ParquetFile(path).read()  # read_table would import pandas, half a second
    ids, second, test = (table.column(name).to_pylist() for name in ("image_id", "second_folder", "svit_test"))
    places = {(s, t): (FOLDERS[s], t) for s in (False, True) for t in (False, True)}
    return {i: places[s, t] for i, s, t in zip(ids, second, test, strict=True)}


def folder_of(image_id: int) -> Folder | None:
    """Return the folder that holds a Visual Genome image, None for an id that is not Visual Genome's.

    >>> folder_of(1), folder_of(2), folder_of(9000001)
    ('VG_100K_2', 'VG_100K', None)
    """
    place = _index().get(image_id)
    return place[0] if place else None


def is_held_out(image_id: int) -> bool:
    """Tell whether an image is one of the 10,808 that SVIT holds out for testing.

    >>> is_held_out(8), is_held_out(1)
    (True, False)
    """
    place = _index().get(image_id)
    return place is not None and place[1]


def image_ids() -> list[int]:
    """Return all 108,077 Visual Genome image ids, ascending.

    >>> len(image_ids())
    108077
    """
    return list(_index())


def llava_path(image_id: int, folder: str) -> str:
    """Return where LLaVA's loader looks for an image, below its image folder.

    >>> llava_path(2, "VG_100K")
    'vg/VG_100K/2.jpg'
    """
    return f"{LLAVA_PREFIX}/{folder}/{image_id}.jpg"


def parse_path(path: str) -> tuple[str, int] | None:
    """Return folder and id that an image path ends in, None if it is not a Visual Genome path.

    >>> parse_path("vg/VG_100K_2/1.jpg"), parse_path("coco/train2017/000000000009.jpg")
    (('VG_100K_2', 1), None)
    """
    match = _VG_PATH.search(path)
    return (match[1], int(match[2])) if match else None


class ImageData(msgspec.Struct, frozen=True):
    """One entry of ``image_data.json``; sizes in pixels, keys beyond these are passed over."""

    image_id: int
    width: int
    height: int
    url: str | None = None
    coco_id: int | None = None
    flickr_id: int | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


_DECODE: Callable[[bytes | memoryview], ImageData] = msgspec.json.Decoder(ImageData).decode
_DECODE_ALL: Callable[[bytes | bytearray], list[ImageData]] = msgspec.json.Decoder(list[ImageData]).decode
_AT_ONCE_BYTES = 64 << 20


def read_image_data(path: str, *, add: Callable[[Finding], object]) -> Iterator[ImageData]:
    """Yield the entries of Visual Genome's ``image_data.json``, plain, ``.gz`` or zipped.

    Args:
        path: The file.
        add: Takes every fault; an entry at fault is left out unless this raises.

    Yields:
        The entries, in order.

    Raises:
        InputError: The file cannot be opened.
    """
    with open_source(path) as source:
        everything = _decode_at_once(source)
    if everything is not None:
        yield from everything
        return
    with open_source(path) as source:
        for item in read_items(source, _DECODE):
            fault = item.fault or (item.record and _check(item.record, path, item.number))
            if fault:
                add(fault)
            elif item.record:
                yield item.record


def _decode_at_once(source: Source) -> list[ImageData] | None:
    """Return all entries of a file of ordinary size without a fault; None leaves it to be read one by one."""
    data = bytearray()
    while chunk := source.read(_AT_ONCE_BYTES):
        data += chunk
        if len(data) > _AT_ONCE_BYTES:
            return None
    try:
        entries = _DECODE_ALL(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return entries if all(_check(entry, "", 0) is None for entry in entries) else None


def _check(entry: ImageData, file: str, number: int) -> Finding | None:
    for name in ("image_id", "coco_id", "flickr_id"):
        value = getattr(entry, name)
        if value is not None and not -_ID_LIMIT <= value < _ID_LIMIT:
            return finding("image-data-entry", str(value), file=file, record=number, path=f"$.{name}")
    if 0 < entry.width < _SIDE_LIMIT and 0 < entry.height < _SIDE_LIMIT:
        return None
    found, side = f"{entry.width} x {entry.height}", "height" if 0 < entry.width < _SIDE_LIMIT else "width"
    return finding("image-data-entry", found, file=file, record=number, id=entry.image_id, path=f"$.{side}")
