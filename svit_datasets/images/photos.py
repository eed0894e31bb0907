"""Where the photo of a record lies, whatever its layout: by Visual Genome id, or by the path that the record tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding, finding
from svit_datasets.images.known import Images
from svit_datasets.images.stores import Place, file_bytes, find_places
from svit_datasets.reading.containers import input_error
from svit_datasets.remote.names import is_remote, path_of


def is_safe_path(path: str) -> bool:
    """Tell whether a path stays below the folder that it is looked for in.

    >>> is_safe_path("vg/VG_100K/2.jpg"), is_safe_path("../2.jpg"), is_safe_path("/etc/passwd"), is_safe_path("C:\\\\x")
    (True, False, False, False)
    """
    parts = path.replace("\\", "/").split("/")
    return bool(parts[0]) and not (".." in parts or parts[0].endswith(":") or "\0" in path)


class Photos:
    """The photos under some roots.

    Args:
        roots: Each what ``Images`` takes, or LLaVA's image folder, with ``coco/train2017`` and the like in it.
        add: Takes faulty entries of ``image_data.json``; by default they are raised.

    Raises:
        InputError: A root does not exist.
    """

    def __init__(self, roots: Iterable[str | Path] = (), *, add: Callable[[Finding], object] | None = None) -> None:
        given = list(roots)
        paths = [path_of(str(root)) for root in given if not is_remote(root)]
        for path in paths:
            if not path.exists():
                raise input_error(finding("input-missing", "no such file or folder", file=str(path)))
        known: list[str | Path] = [root for root in given if is_remote(root)]
        known += [path for path in paths if path.is_file() or find_places(path) != ((),) * 4]
        self._folders = [path for path in paths if path.is_dir()]
        self._stack = ExitStack()
        self.images = self._stack.enter_context(Images(known, add=add))

    def __enter__(self) -> Photos:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def has_files(self) -> bool:
        """Whether image files are looked for, not sizes alone."""
        return bool(self._folders) or self.images.has_files

    @property
    def names(self) -> list[str]:
        """The folders and zips that photos are looked for in."""
        packed = (name for name in self.images.names if not any(Path(name).is_relative_to(f) for f in self._folders))
        return [*map(str, self._folders), *packed]

    def told_size(self, image_id: int | None) -> Size | None:
        """Return the size that ``image_data.json`` tells of an image; None where it does not."""
        entry = None if image_id is None else self.images.entry(image_id)
        return entry.size_wh if entry else None

    def find(self, image_id: int | None, path: str | None) -> Place | None:
        """Return where a photo lies, None if no root holds it.

        Args:
            image_id: Visual Genome's id; None for another photo.
            path: The path that a LLaVA record tells; one that leads out of a root finds nothing. Links in a root are
                followed.

        Returns:
            The place.
        """
        if path is not None:
            if not is_safe_path(path):
                return None
            for folder in self._folders:
                file = folder / path
                size = file_bytes(file)
                if size is not None:
                    return Place("", str(folder), str(file.absolute()), partial(_open, file), size)
        return None if image_id is None else self.images.find(image_id)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
