"""What is known of the images of many records, as columns; what Python looked at one by one stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, overload

from svit_datasets.images import visual_genome
from svit_datasets.images.entry_table import EntryTable
from svit_datasets.images.resolved import Resolved


class ImageColumns(NamedTuple):
    """Arrays with a number for each record.

    Attributes:
        folders: Index in ``visual_genome.FOLDERS``; -1 where the image needs a closer look.
        widths: In pixels; 0 where nothing tells.
        heights: Likewise.
    """

    folders: Any
    widths: Any
    heights: Any


class ManyResolved(Sequence[Resolved]):
    """The images of several records.

    Args:
        image_ids: Their ids.
        columns: What is known of them, as columns.
        odd: The images, by their index here, of which the columns do not tell everything.
    """

    def __init__(self, image_ids: Sequence[int], columns: ImageColumns, odd: dict[int, Resolved]) -> None:
        self._image_ids, self.columns, self.odd = image_ids, columns, odd

    def __len__(self) -> int:
        return len(self._image_ids)

    @overload
    def __getitem__(self, index: int) -> Resolved: ...

    @overload
    def __getitem__(self, index: slice) -> list[Resolved]: ...

    def __getitem__(self, index: int | slice) -> Resolved | list[Resolved]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index in self.odd:
            return self.odd[index]
        folder, width, height = (int(column[index]) for column in self.columns)
        path = visual_genome.llava_path(self._image_ids[index], visual_genome.FOLDERS[folder])
        return Resolved(path, (width, height) if width else None)


def resolve_many(image_ids: Any, entries: EntryTable | None, resolve: Callable[[int], Resolved]) -> ManyResolved:
    """Return what is known of many images.

    Args:
        image_ids: Array of 64-bit integers, none below 0.
        entries: The entries of ``image_data.json`` where they and the package's index tell everything; else None.
        resolve: Looks at a single image.
    """
    ids: list[int] = image_ids.tolist()
    columns = _unknown(len(ids)) if entries is None else _columns(image_ids, entries)
    odd = {index: resolve(ids[index]) for index in (columns.folders < 0).nonzero()[0].tolist()}
    for index, one in odd.items():
        for column, value in zip(columns, _row(ids[index], one), strict=True):
            column[index] = value
    return ManyResolved(ids, columns, odd)


def columns_of(image_ids: Sequence[int], resolved: Sequence[Resolved]) -> ImageColumns:
    """Return what is known of images as columns.

    >>> columns_of([2], [Resolved("vg/VG_100K/2.jpg", (800, 600))])
    ImageColumns(folders=array([0]), widths=array([800]), heights=array([600]))
    """
    import numpy as np

    if isinstance(resolved, ManyResolved):
        return resolved.columns
    rows = [_row(image_id, one) for image_id, one in zip(image_ids, resolved, strict=True)]
    return ImageColumns(*np.array(rows, np.int64).T.reshape(3, -1))


def _row(image_id: int, resolved: Resolved) -> tuple[int, int, int]:
    folder = -1
    if not (resolved.findings and resolved.has_errors):
        folder = _FOLDER_NUMBERS.get(resolved.path.removesuffix(f"/{image_id}.jpg"), -1)
    return folder, *(resolved.size_wh or (0, 0))


_FOLDER_NUMBERS = {f"{visual_genome.LLAVA_PREFIX}/{name}": i for i, name in enumerate(visual_genome.FOLDERS)}


def _unknown(count: int) -> ImageColumns:
    import numpy as np

    return ImageColumns(np.full(count, -1), np.zeros(count, np.int64), np.zeros(count, np.int64))


def _columns(image_ids: Any, entries: EntryTable) -> ImageColumns:
    """Return what is known of images of which no file is at hand; where the folder is a guess, the folder is -1."""
    import numpy as np

    codes = np.frombuffer(visual_genome.folder_codes(), np.uint8)
    folders = np.where(image_ids < len(codes), codes[np.minimum(image_ids, len(codes) - 1)], 0).astype(np.int64) - 1
    widths, heights, url_folders = entries.find(image_ids)
    if (folders < 0).any():
        told = np.array([*map(_folder_of_url, entries.url_folders), -1])  # the last for those below 0
        folders = np.where(folders < 0, told[np.maximum(url_folders, -1)], folders)
    return ImageColumns(folders, widths, heights)


def _folder_of_url(folder: str) -> int:
    place = visual_genome.parse_path(f"{folder}/1.jpg")
    return -1 if place is None else visual_genome.FOLDERS.index(place[0])
