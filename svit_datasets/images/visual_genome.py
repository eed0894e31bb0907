"""Visual Genome's images: the folder of every id, SVIT's held-out ids, and ``image_data.json``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Literal

import msgspec

from svit_datasets.findings import Finding, finding
from svit_datasets.images.entry_table import EntryTable
from svit_datasets.images.entry_table import ImageData as ImageData
from svit_datasets.reading.containers import Source, open_source
from svit_datasets.reading.readers import read_items

Folder = Literal["VG_100K", "VG_100K_2"]
FOLDERS: tuple[Folder, Folder] = ("VG_100K", "VG_100K_2")
INDEX = "visual_genome.parquet"
LLAVA_PREFIX = "vg"
_ID_LIMIT, _SIDE_LIMIT = 1 << 63, 1 << 31  # what the columns of a table hold
_FOLDER_BITS, _TEST_BIT = 3, 4
_BETWEEN = b"},"
_VG_PATH = re.compile(r"(?:^|/)(VG_100K(?:_2)?)/([0-9]+)\.jpg$")


@cache
def folder_codes() -> bytes:
    """Return a byte for each number up to the highest image id: 0 is no image, 1 and 2 are the folders.

    >>> folder_codes()[:4] == bytes([0, 2, 1, 1])
    True
    """
    return _codes().translate(bytes(code & _FOLDER_BITS for code in range(256)))


@cache
def _codes() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with as_file(files("svit_datasets.images") / INDEX) as path:
        table = pq.ParquetFile(path).read()  # read_table would import pandas, half a second
    ids, second, test = (table.column(name) for name in ("image_id", "second_folder", "svit_test"))
    codes = bytearray(ids[-1].as_py() + 1)
    flags = zip(*(bytes(_bytes_of(flag.cast(pa.uint8()))) for flag in (second, test)), strict=True)
    for image_id, (is_second, is_test) in zip(_bytes_of(ids.cast(pa.int64())).cast("q"), flags, strict=True):
        codes[image_id] = 1 + is_second | is_test * _TEST_BIT
    return bytes(codes)


def _bytes_of(column: Any) -> memoryview:
    """Return the bytes of a column's numbers; none is null."""
    whole = column.combine_chunks()
    width = whole.type.byte_width
    return memoryview(whole.buffers()[1])[whole.offset * width : (whole.offset + len(whole)) * width]


def _code_of(image_id: int) -> int:
    codes = _codes()
    return codes[image_id] if 0 <= image_id < len(codes) else 0


def folder_of(image_id: int) -> Folder | None:
    """Return the folder that holds a Visual Genome image, None for an id that is not Visual Genome's.

    >>> folder_of(1), folder_of(2), folder_of(9000001)
    ('VG_100K_2', 'VG_100K', None)
    """
    code = _code_of(image_id) & _FOLDER_BITS
    return FOLDERS[code - 1] if code else None


def is_held_out(image_id: int) -> bool:
    """Tell whether an image is one of the 10,808 that SVIT holds out for testing.

    >>> is_held_out(8), is_held_out(1)
    (True, False)
    """
    return bool(_code_of(image_id) & _TEST_BIT)


def image_ids() -> list[int]:
    """Return all 108,077 Visual Genome image ids, ascending.

    >>> len(image_ids())
    108077
    """
    return [image_id for image_id, code in enumerate(_codes()) if code]


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


_DECODE: Callable[[bytes | memoryview], ImageData] = msgspec.json.Decoder(ImageData).decode
_DECODE_BLOCK: Callable[[bytes | bytearray], list[ImageData]] = msgspec.json.Decoder(list[ImageData]).decode
_BLOCK_BYTES, _LARGEST_BLOCK_BYTES = 1 << 20, 64 << 20
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_image_data(path: str, table: EntryTable, *, add: Callable[[Finding], object]) -> None:
    """Add the entries of Visual Genome's ``image_data.json``, plain, ``.gz`` or zipped, to a table.

    Args:
        path: The file.
        table: Takes the entries.
        add: Takes every fault; an entry at fault is left out unless this raises.

    Raises:
        InputError: The file cannot be opened.
    """
    with open_source(path) as source:
        try:
            if table.add(_decode_blocks(source)):
                return
        except _UNREADABLE:
            pass  # told by the closer look, which leaves out all that a table refuses
    with open_source(path) as source:
        table.add([entry] for entry in _read_one_by_one(source, path, add))


def _read_one_by_one(source: Source, path: str, add: Callable[[Finding], object]) -> Iterator[ImageData]:
    for item in read_items(source, _DECODE):
        fault = item.fault or (item.record and _check(item.record, path, item.number))
        if fault:
            add(fault)
        elif item.record:
            yield item.record


def _decode_blocks(source: Source) -> Iterator[list[ImageData]]:
    """Yield the entries of a sound file, cut behind objects: pieces that each are a list are one list together.

    Raises:
        msgspec.DecodeError: It is not sound, or what is in it is not in order for this.
    """
    rest, opened = b"", b""
    while True:
        chunk = source.read(_BLOCK_BYTES)
        data = rest + chunk
        end = data.rfind(_BETWEEN) + 1 if chunk else 0
        if not end and chunk and len(data) <= _LARGEST_BLOCK_BYTES:
            rest = data
            continue
        block = _DECODE_BLOCK(opened + (data[:end] + b"]" if chunk else data))
        if opened and not block:
            raise msgspec.DecodeError("a comma without an entry behind it")
        yield block
        if not chunk:
            return
        rest, opened = data[end + 1 :], b"["


def _check(entry: ImageData, file: str, number: int) -> Finding | None:
    for name in ("image_id", "coco_id", "flickr_id"):
        value = getattr(entry, name)
        if value is not None and not -_ID_LIMIT <= value < _ID_LIMIT:
            return finding("image-data-entry", str(value), file=file, record=number, path=f"$.{name}")
    if 0 < entry.width < _SIDE_LIMIT and 0 < entry.height < _SIDE_LIMIT:
        return None
    found, side = f"{entry.width} x {entry.height}", "height" if 0 < entry.width < _SIDE_LIMIT else "width"
    return finding("image-data-entry", found, file=file, record=number, id=entry.image_id, path=f"$.{side}")
