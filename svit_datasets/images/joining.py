"""Join image ids to their images: file, bytes, size, url, other ids, captions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec

from svit_datasets.findings import Finding, finding
from svit_datasets.images import visual_genome
from svit_datasets.images.captions import read_captions
from svit_datasets.images.files import UPRIGHT, Picture, read_bytes, read_picture, read_size
from svit_datasets.images.known import Images
from svit_datasets.images.stores import Place
from svit_datasets.tables.parts import ImageRow

ImagesMode = Literal["path", "embed", "none"]
OnMissing = Literal["error", "null", "drop"]
IMAGES_MODES: tuple[ImagesMode, ...] = ("path", "embed", "none")
ON_MISSING: tuple[OnMissing, ...] = ("error", "null", "drop")
_ID_LIMIT = 1 << 63
_EXPECTED = {"image-missing": "the image", "image-undecodable": "an image that decodes"}
_MEND = 'fetch the image, or pass on_missing_image="null" or "drop"'


class Joined(NamedTuple):
    """An image's row, and what is wrong with the image.

    Attributes:
        row: The row; without file and bytes where the image cannot be used.
        findings: Faults, without file and record; errors where the image cannot be used.
    """

    row: ImageRow
    findings: tuple[Finding, ...] = ()


class Joiner:
    """Joins image ids to their images.

    Args:
        roots: See ``Images``.
        mode: ``path`` gives where a file lies, ``embed`` its bytes, ``none`` neither.
        is_checked: Whether every image is decoded once, so that a broken one is found now; else its header is read
            where nothing else tells the size.
        coco_captions: COCO caption files.
        reads_sizes: Whether, with ``none``, a size that ``image_data.json`` does not tell is read from the file.
        add: Takes faulty entries of ``image_data.json``, which are left out; by default they are raised.

    Raises:
        InputError: A root or a caption file cannot be used.
        RecordError: An entry of ``image_data.json`` is at fault.
    """

    def __init__(
        self,
        roots: tuple[Path, ...],
        mode: ImagesMode,
        *,
        is_checked: bool = True,
        coco_captions: tuple[str, ...] = (),
        reads_sizes: bool = False,
        add: Callable[[Finding], object] | None = None,
    ) -> None:
        self._images = Images(roots, add=add)
        self._mode, self._is_checked, self._reads_sizes = mode, is_checked, reads_sizes
        self._captions = read_captions(coco_captions) if coco_captions else None

    def image_ids(self) -> list[int]:
        """Return the ids of all images, ascending."""
        return self._images.image_ids(with_files=self._mode != "none")

    def join(self, image_id: int) -> Joined:
        """Return the row of an image.

        Args:
            image_id: Its id.

        Returns:
            The row, and what is wrong with the image.
        """
        if not -_ID_LIMIT <= image_id < _ID_LIMIT:
            return Joined(ImageRow(image_id), (finding("image-id-range", str(image_id)[:80], path="$.image_id"),))
        row = self._known(image_id)
        if self._mode == "none" and (row.width is not None or not self._reads_sizes):
            return Joined(row)
        place = self._images.find(image_id)
        if self._mode == "none":
            return Joined(_sized(row, place))
        if place is None:
            found = f"no {image_id}.jpg under {', '.join(self._images.names)}"
            return _unusable(row, finding("image-missing", found))
        return self._with_file(row, place)

    def _known(self, image_id: int) -> ImageRow:
        entry = self._images.entry(image_id)
        if entry is None:
            return ImageRow(image_id)
        captions = None
        if self._captions is not None and entry.coco_id is not None:
            captions = self._captions.get(entry.coco_id, [])
        return ImageRow(
            image_id, entry.width, entry.height, entry.url, entry.coco_id, entry.flickr_id, captions=captions
        )

    def _with_file(self, row: ImageRow, place: Place) -> Joined:
        data = read_bytes(place.open) if self._mode == "embed" else None
        if isinstance(data, Finding):
            return _unusable(row, data)
        picture = self._look(row, place.open if data is None else partial(BytesIO, data))
        if isinstance(picture, Finding):
            return _unusable(row, picture)
        folder = place.folder or visual_genome.folder_of(row.image_id)  # a flat folder does not tell it
        path = place.uri if data is None else "/".join(filter(None, (folder, f"{row.image_id}.jpg")))
        notes = []
        if picture is not None and row.width is not None and picture.size_wh != (row.width, row.height):
            sizes = (row.width, row.height, *picture.size_wh, place.store)
            found = "{} x {} in image_data.json, {} x {} in {}".format(*sizes)
            notes.append(finding("image-size-differs", found, path="$.image_id"))
        if picture is not None and picture.orientation != UPRIGHT:
            found = f"EXIF orientation {picture.orientation} in {place.store}"
            notes.append(finding("image-turned", found, path="$.image_id"))
        if row.width is None and picture is not None:
            row = row._replace(width=picture.size_wh[0], height=picture.size_wh[1])
        return Joined(row._replace(path=path, data=data), tuple(notes))

    def _look(self, row: ImageRow, open_image: Callable[[], IO[bytes]]) -> Picture | Finding | None:
        if self._is_checked:
            return read_picture(open_image)
        if row.width is not None:
            return None
        size_wh = read_size(open_image)
        return size_wh if isinstance(size_wh, Finding) else Picture(size_wh)


def _sized(row: ImageRow, place: Place | None) -> ImageRow:
    """Return the row with the size that the file tells, where it tells one."""
    size_wh = read_size(place.open) if place else None
    return row._replace(width=size_wh[0], height=size_wh[1]) if isinstance(size_wh, tuple) else row


def _unusable(row: ImageRow, fault: Finding) -> Joined:
    expected = _EXPECTED.get(fault.code, fault.expected)
    return Joined(row, (msgspec.structs.replace(fault, path="$.image_id", expected=expected, mend=_MEND),))
