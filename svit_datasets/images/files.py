"""Look into an image file: its size, its EXIF orientation, and whether it decodes.

Sizes are in stored pixels. An EXIF orientation is ignored on purpose: Visual Genome's boxes were drawn on the stored
pixels, and LLaVA's loader does not turn images either.
"""

from __future__ import annotations

import lzma
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import IO, NamedTuple

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding, finding

_HEADER_FAULTS = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError)
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)  # NotImplementedError is a RuntimeError
_INSIDE = re.compile(r" <ZipInfo [^>]*>")
_ORIENTATION = 0x0112
UPRIGHT = 1


# Python's warning filters are the process's, and the members of a zip share a count of theirs that is not safe.
_ONE_AT_A_TIME = Lock()


@contextmanager
def _no_remarks() -> Iterator[None]:
    """Silence Pillow's remarks on odd files; threads take turns."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Picture(NamedTuple):
    """What an image file says of itself.

    Attributes:
        size_wh: Width and height in stored pixels.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        mode: Pillow's name for its colours: ``RGB``, ``L`` for grey, ``CMYK``.
    """

    size_wh: Size
    orientation: int = UPRIGHT
    mode: str = "RGB"


def read_size(open_image: Callable[[], IO[bytes]]) -> Size | Finding:
    """Return an image's width and height in stored pixels from its header, or why it has none.

    Args:
        open_image: Opens the image's bytes.

    Returns:
        The size, or a finding without a place.
    """
    picture = _look(open_image, is_decoded=False)
    return picture.size_wh if isinstance(picture, Picture) else picture


def read_picture(open_image: Callable[[], IO[bytes]]) -> Picture | Finding:
    """Return an image's size and orientation once all of it was decoded, or why it cannot be.

    A JPEG is decoded to an eighth of its size: every byte of it is read, at less than the full cost.

    Args:
        open_image: Opens the image's bytes.

    Returns:
        The picture, or a finding without a place.
    """
    return _look(open_image, is_decoded=True)


def read_bytes(open_image: Callable[[], IO[bytes]]) -> bytes | Finding:
    """Return an image file's bytes, or why they cannot be read.

    Args:
        open_image: Opens the image's bytes.

    Returns:
        The bytes, or a finding without a place.
    """
    try:
        with _ONE_AT_A_TIME, open_image() as file:
            return file.read()
    except (OSError, EOFError, *_ZIP_FAULTS) as error:
        return _undecodable(error)


def _undecodable(error: Exception) -> Finding:
    told = _INSIDE.sub("", str(error)) if isinstance(error, RuntimeError) else str(error).split(" <")[0]
    return finding("image-undecodable", told or type(error).__name__)


def _look(open_image: Callable[[], IO[bytes]], *, is_decoded: bool) -> Picture | Finding:
    from PIL import Image

    orientation = UPRIGHT
    try:
        with _no_remarks(), open_image() as file, Image.open(_whole(file) if is_decoded else file) as image:
            size_wh, mode = image.size, image.mode
            if is_decoded and not _is_too_large(size_wh):
                orientation = image.getexif().get(_ORIENTATION, UPRIGHT)
                image.draft("L", (1, 1))
                image.load()
    except Image.DecompressionBombError as error:
        return finding("image-too-large", str(error).split(",")[0].lower())
    except (*_HEADER_FAULTS, *_ZIP_FAULTS) as error:
        return _undecodable(error)
    if _is_too_large(size_wh):
        return finding("image-too-large", f"{size_wh[0]} x {size_wh[1]} pixels")
    return Picture(size_wh, orientation if orientation in range(1, 9) else UPRIGHT, mode)


def _whole(file: IO[bytes]) -> IO[bytes]:
    """Return a file read to its end, where a zip keeps the checksum."""
    return BytesIO(file.read())


def _is_too_large(size_wh: Size) -> bool:
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and size_wh[0] * size_wh[1] > limit
