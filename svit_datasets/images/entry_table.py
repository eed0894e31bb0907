"""Entries of ``image_data.json`` as columns: 34 bytes an image, and those of many images found at once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import lt
from typing import Any, NamedTuple

import msgspec

_NONE = -(1 << 63)
_NO_URL, _WHOLE = -1, -2  # in place of a folder's number: no url; the entry is kept as it is
_MOST_FOLDERS = 1000


class ImageData(msgspec.Struct, frozen=True, gc=False):
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


class _Beside(NamedTuple):
    """What stands beside the columns.

    Attributes:
        folders: Folders of urls, with their numbers.
        whole: Entries that are kept as they are, by image id.
    """

    folders: dict[str, int]
    whole: dict[int, ImageData]


class EntryTable:
    """Entries by image id; of several with one id the last counts.

    >>> table = EntryTable()
    >>> table.add([[ImageData(5, 640, 480, "http://host/5.jpg"), ImageData(2, 3, 4, "x", 7)], [ImageData(6, 0, 1)]])
    False
    >>> table.add([[ImageData(5, 640, 480, "http://host/5.jpg"), ImageData(2, 3, 4, "x", 7)]]), list(table)
    (True, [2, 5])
    >>> table.get(5).url, table.get(2).coco_id, table.get(6)
    ('http://host/5.jpg', 7, None)
    """

    def __init__(self) -> None:
        self._ids, self._coco_ids, self._flickr_ids = array("q"), array("q"), array("q")
        self._widths, self._heights, self._folder_rows = array("i"), array("i"), array("h")
        self._beside = _Beside({}, {})

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def get(self, image_id: int) -> ImageData | None:
        """Return an image's entry, None if there is none."""
        row = bisect_left(self._ids, image_id)
        if row == len(self._ids) or self._ids[row] != image_id:
            return None
        folder = self._folder_rows[row]
        if folder == _WHOLE:
            return self._beside.whole[image_id]
        url = None if folder == _NO_URL else f"{self.url_folders[folder]}/{image_id}.jpg"
        other = (None if told == _NONE else told for told in (self._coco_ids[row], self._flickr_ids[row]))
        return ImageData(image_id, self._widths[row], self._heights[row], url, *other)

    @property
    def url_folders(self) -> list[str]:
        """What stands in urls in front of the slash and the id, by number."""
        return list(self._beside.folders)

    def find(self, image_ids: Any) -> tuple[Any, Any, Any]:
        """Return the sizes of many images, and in which of ``url_folders`` they are.

        Args:
            image_ids: Array of 64-bit integers.

        Returns:
            Widths and heights, 0 where there is no entry; numbers of folders, less than 0 where there is none of them.

        >>> import numpy as np
        >>> table = EntryTable()
        >>> table.add([[ImageData(5, 640, 480, "http://host/5.jpg")]]), table.find(np.array([4, 5]))
        (True, (array([  0, 640]), array([  0, 480]), array([-1,  0])))
        """
        import numpy as np

        if not self._ids:
            return np.zeros_like(image_ids), np.zeros_like(image_ids), np.full_like(image_ids, _NO_URL)
        ids, widths, heights, folders = map(np.asarray, (self._ids, self._widths, self._heights, self._folder_rows))
        rows = np.minimum(np.searchsorted(ids, image_ids), len(ids) - 1)
        is_there = ids[rows] == image_ids
        columns, nothing = (widths, heights, folders), (0, 0, _NO_URL)
        found = [np.where(is_there, one[rows], no).astype(np.int64) for one, no in zip(columns, nothing, strict=True)]
        return found[0], found[1], found[2]

    def add(self, blocks: Iterable[Sequence[ImageData]]) -> bool:
        """Add entries; add none, and tell that, where a number is beyond what a column holds."""
        before, is_good = len(self._ids), False
        added = _Beside(dict(self._beside.folders), {})  # taken over once all is known to be good
        try:
            is_good = all(self._append(block, added) for block in blocks)
        except OverflowError:
            pass  # told by the result
        finally:
            if not is_good:
                for column in self._columns:
                    del column[before:]
        if is_good:
            self._take_over(added)
        return is_good

    def _take_over(self, added: _Beside) -> None:
        self._beside.folders.update(added.folders)
        self._beside.whole.update(added.whole)
        if not all(map(lt, self._ids, self._ids[1:])):
            self._sort()

    @property
    def _columns(self) -> tuple[array[int], ...]:
        return self._ids, self._coco_ids, self._flickr_ids, self._widths, self._heights, self._folder_rows

    def _append(self, block: Sequence[ImageData], added: _Beside) -> bool:
        if not block:
            return True
        ids, widths, heights, urls, *others = zip(*map(msgspec.structs.astuple, block), strict=True)
        self._ids.extend(ids)
        self._widths.extend(widths)
        self._heights.extend(heights)
        for column, told in zip((self._coco_ids, self._flickr_ids), others, strict=True):
            column.extend([_NONE if number is None else number for number in told])
        rows = list(map(partial(_folder_row, added.folders), ids, urls))
        for numbers in others:
            if _NONE in numbers:
                rows = [_WHOLE if number == _NONE else row for number, row in zip(numbers, rows, strict=True)]
        if _WHOLE in rows:
            added.whole.update((one.image_id, one) for one, row in zip(block, rows, strict=True) if row == _WHOLE)
        self._folder_rows.extend(rows)
        return bool(min(widths) > 0 and min(heights) > 0)

    def _sort(self) -> None:
        """Put the rows in the order of their ids, and keep the last of each."""
        last = dict(zip(self._ids, range(len(self._ids)), strict=True))
        rows = [last[image_id] for image_id in sorted(last)]
        for column in self._columns:
            column[:] = array(column.typecode, [column[row] for row in rows])


def _folder_row(folders: dict[str, int], image_id: int, url: str | None) -> int:
    if url is None:
        return _NO_URL
    folder = url.removesuffix(f"/{image_id}.jpg")
    if len(folder) == len(url) or (folder not in folders and len(folders) == _MOST_FOLDERS):
        return _WHOLE
    return folders.setdefault(folder, len(folders))
