"""Places that hold image files: folders as Visual Genome has them, flat folders, zips that stay packed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import IO, NamedTuple, Protocol
from urllib.parse import quote

from svit_datasets.findings import finding
from svit_datasets.images.visual_genome import FOLDERS
from svit_datasets.reading.containers import input_error

ZIP_PROTOCOL = "svit-zip"
_BASES = ("", "vg", "raw", "raw/vg")
_ZIPS = ("images.zip", "images2.zip")
_IMAGE_DATA = ("image_data.json", "annotations/vg/image_data.json", "annotations/image_data.json")


class Place(NamedTuple):
    """Where an image lies.

    Attributes:
        folder: ``VG_100K`` or ``VG_100K_2``; '' where the store does not tell.
        store: Name of the folder or zip, for messages.
        uri: Absolute path, or ``svit-zip:///PATH/images.zip/MEMBER``: what an ``Image`` column holds.
        open: Opens the file's original bytes.
        file_bytes: Size of the file.
    """

    folder: str
    store: str
    uri: str
    open: Callable[[], IO[bytes]]
    file_bytes: int


class Places(NamedTuple):
    """Where a folder keeps images and their sizes.

    Attributes:
        bases: Folders with ``VG_100K/`` or ``VG_100K_2/`` in them.
        zips: ``images.zip`` and ``images2.zip``.
        image_data: ``image_data.json``.
        flat: The folder itself, where ``ID.jpg`` lie in it and nothing else is found.
    """

    bases: tuple[Path, ...] = ()
    zips: tuple[Path, ...] = ()
    image_data: tuple[Path, ...] = ()
    flat: tuple[Path, ...] = ()

    @property
    def holders(self) -> tuple[Path, ...]:
        """What holds image files."""
        return (*self.bases, *self.zips, *self.flat)


def find_places(root: Path) -> Places:
    """Return where ``root`` keeps images and sizes: at its root, under ``vg/``, ``raw/`` or ``raw/vg/``.

    Args:
        root: A folder, one of the zips, or an ``image_data.json``.

    Returns:
        The places; none at all where nothing is there.
    """
    if root.is_file():
        is_zip = root.suffix == ".zip" and not root.name.startswith("image_data")
        return Places(zips=(root,)) if is_zip else Places(image_data=(root,))
    bases = [root / b for b in _BASES]
    with_folders = tuple(b for b in bases if any((b / folder).is_dir() for folder in FOLDERS))
    zips = tuple(b / name for b in bases for name in _ZIPS if (b / name).is_file())
    sizes = tuple(b / name for b in bases for name in _IMAGE_DATA if (b / name).is_file())
    is_flat = not with_folders and not zips and any(p.stem.isdigit() for p in root.glob("*.jpg"))
    return Places(with_folders, zips, sizes, (root,) if is_flat else ())


class Store(Protocol):
    """A place that holds image files."""

    name: str

    def find(self, image_id: int, folders: Iterable[str]) -> Place | None:
        """Return where an image lies, None if it is not here; ``folders`` are tried in order."""

    def image_ids(self) -> Iterator[int]:
        """Yield the id of every image that is here, in no order."""


class FolderStore:
    """``VG_100K/ID.jpg`` and ``VG_100K_2/ID.jpg`` below ``base``, or ``ID.jpg`` in it when ``is_flat``."""

    def __init__(self, base: Path, *, is_flat: bool = False) -> None:
        self.name, self._base = str(base), base
        self._absolute = base.absolute()
        self.folders = ("",) if is_flat else FOLDERS
        self._is_flat = is_flat

    def find(self, image_id: int, folders: Iterable[str]) -> Place | None:
        """See ``Store.find``; a flat folder tells no folder, so it is ''."""
        for folder in self.folders if self._is_flat else folders:
            path = self._absolute / folder / f"{image_id}.jpg"
            size = file_bytes(path)
            if size is not None:
                return Place(folder, self.name, str(path), partial(_open, path), size)
        return None

    def image_ids(self) -> Iterator[int]:
        """See ``Store.image_ids``."""
        for folder in self.folders:
            for path in (self._base / folder).glob("*.jpg"):
                if _is_id(path.stem):
                    yield int(path.stem)


def _is_id(stem: str) -> bool:
    """Tell whether a file's stem is an id as ``find`` spells it, without leading zeros."""
    return stem.isascii() and stem.isdecimal() and (stem == "0" or not stem.startswith("0")) and len(stem) < 4000


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def file_bytes(path: Path) -> int | None:
    """Return the size of a file; None where there is none, or no file can have that name."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # an id of hundreds of digits is no file name
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


class ZipStore:
    """An ``images.zip`` with ``VG_100K/ID.jpg`` or ``ID.jpg`` inside, read in place."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.name = str(path)
        self._absolute = path.absolute()
        try:
            self._zip = stack.enter_context(zipfile.ZipFile(path))
        except (zipfile.BadZipFile, OSError) as error:
            raise input_error(finding("input-damaged", str(error), file=self.name)) from error
        self._members = {
            "/".join(m.filename.split("/")[-2:]): m for m in self._zip.infolist() if m.filename.endswith(".jpg")
        }
        if not self._members:
            raise input_error(
                finding("input-missing", "no images", file=self.name, expected="a zip with .jpg files in it")
            )

    def find(self, image_id: int, folders: Iterable[str]) -> Place | None:
        """See ``Store.find``."""
        for folder in (*folders, ""):
            member = self._members.get(f"{folder}/{image_id}.jpg" if folder else f"{image_id}.jpg")
            if member:
                # fsspec would take a path apart at '::' and look for files that '*' stands for
                path = quote(f"{self._absolute}/{member.filename}", errors="surrogateescape")
                uri = f"{ZIP_PROTOCOL}://{path}"
                return Place(folder, self.name, uri, partial(self._zip.open, member), member.file_size)
        return None

    def image_ids(self) -> Iterator[int]:
        """See ``Store.image_ids``."""
        for name in self._members:
            folder, _, file = name.rpartition("/")
            stem = file.removesuffix(".jpg")
            if _is_id(stem) and folder in ("", *FOLDERS):
                yield int(stem)
