"""Where image bytes and sizes come from: folders, zips that stay packed, or ``image_data.json`` alone.

Sizes are in stored pixels. An EXIF orientation is ignored on purpose: Visual Genome's boxes were drawn on the stored
pixels, and LLaVA's loader does not turn images either.
"""

from __future__ import annotations

import lzma
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Protocol

from svit_datasets import visual_genome
from svit_datasets.boxes import Size
from svit_datasets.containers import fault_error, input_error
from svit_datasets.errors import RecordError, SvitError
from svit_datasets.findings import Finding, finding

_BASES = ("", "vg", "raw", "raw/vg")
_ZIPS = ("images.zip", "images2.zip")
_IMAGE_DATA = ("image_data.json", "annotations/vg/image_data.json", "annotations/image_data.json")
_HEADER_FAULTS = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError)
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)  # NotImplementedError is a RuntimeError


class Store(Protocol):
    """A place that holds image files."""

    name: str

    def find(self, image_id: int, folders: Iterable[str]) -> tuple[str, Callable[[], IO[bytes]]] | None:
        """Return folder and opener of an image, None if it is not here; ``folders`` are tried in order."""


class FolderStore:
    """``VG_100K/ID.jpg`` and ``VG_100K_2/ID.jpg`` below ``base``, or ``ID.jpg`` in it when ``is_flat``."""

    def __init__(self, base: Path, *, is_flat: bool = False) -> None:
        self.name, self._base, self._is_flat = str(base), base, is_flat

    def find(self, image_id: int, folders: Iterable[str]) -> tuple[str, Callable[[], IO[bytes]]] | None:
        """See ``Store.find``; a flat folder tells no folder, so it is ''."""
        for folder in ("",) if self._is_flat else folders:
            path = self._base / folder / f"{image_id}.jpg"
            if _is_file(path):
                return folder, lambda path=path: path.open("rb")
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an id of hundreds of digits is no file name
        return False


class ZipStore:
    """An ``images.zip`` with ``VG_100K/ID.jpg`` or ``ID.jpg`` inside, read in place."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.name = str(path)
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

    def find(self, image_id: int, folders: Iterable[str]) -> tuple[str, Callable[[], IO[bytes]]] | None:
        """See ``Store.find``."""
        for folder in (*folders, ""):
            member = self._members.get(f"{folder}/{image_id}.jpg" if folder else f"{image_id}.jpg")
            if member:
                return folder, lambda member=member: self._zip.open(member)
        return None


class Resolved(NamedTuple):
    """What is known of an image.

    Attributes:
        path: Where LLaVA's loader looks for it; "" when the id is unknown.
        size_wh: Width and height in stored pixels; None when nothing tells.
        findings: What is wrong with it, without a place.
    """

    path: str
    size_wh: Size | None
    findings: tuple[Finding, ...] = ()


class Images:
    """The images and sizes under some roots.

    Args:
        roots: Each a folder with ``VG_100K/`` and ``VG_100K_2/`` (at its root, under ``vg/`` or ``raw/``) or with
            ``images.zip`` and ``images2.zip`` there, a flat folder of ``ID.jpg``, one of those zips, or an
            ``image_data.json``. None at all is allowed: then only folders are known, from the package's index.
        add: Takes faulty entries of ``image_data.json``, which are left out; by default they are raised.

    Raises:
        InputError: A root holds no images and no sizes.
        RecordError: An entry of ``image_data.json`` is at fault.
    """

    def __init__(self, roots: Iterable[str | Path] = (), *, add: Callable[[Finding], object] | None = None) -> None:
        self._note = add or _raise
        self._stack = ExitStack()
        self._stores: list[Store] = []
        self._sizes: dict[int, Size] = {}
        self._folders: dict[int, str] = {}
        for root in roots:
            try:
                self._add(Path(root))
            except OSError as error:
                if isinstance(error, SvitError):
                    raise
                reason = (error.strerror or str(error)).lower()
                raise input_error(finding("input-missing", reason, file=str(root))) from error
        self.resolve = lru_cache(maxsize=1 << 16)(self._resolve)

    def __enter__(self) -> Images:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def has_files(self) -> bool:
        """Whether image files are at hand, not sizes alone."""
        return bool(self._stores)

    def _add(self, root: Path) -> None:
        if root.is_file():
            self._add_file(root)
            return
        if not root.exists():
            raise input_error(finding("input-missing", "no such file or folder", file=str(root)))
        before = len(self._stores), len(self._sizes)
        for base in (root / b for b in _BASES):
            if any((base / folder).is_dir() for folder in visual_genome.FOLDERS):
                self._stores.append(FolderStore(base))
            for file in (base / name for name in (*_ZIPS, *_IMAGE_DATA)):
                if file.is_file():
                    self._add_file(file)
        if len(self._stores) == before[0] and any(p.stem.isdigit() for p in root.glob("*.jpg")):
            self._stores.append(FolderStore(root, is_flat=True))
        if before == (len(self._stores), len(self._sizes)):
            raise input_error(_no_images(root))

    def _add_file(self, file: Path) -> None:
        if file.suffix == ".zip" and not file.name.startswith("image_data"):
            self._stores.append(ZipStore(file, self._stack))
            return
        for entry in visual_genome.read_image_data(str(file), add=self._note):
            self._sizes[entry.image_id] = entry.size_wh
            place = visual_genome.parse_path(entry.url or "")
            if place:
                self._folders[entry.image_id] = place[0]

    def _resolve(self, image_id: int) -> Resolved:
        """Return path and size of an image, and what is wrong with it.

        The size comes from ``image_data.json`` when that has the id, else from the file's header; where both tell
        and differ, that is a finding. The picture itself is not decoded.
        """
        folder = visual_genome.folder_of(image_id) or self._folders.get(image_id)
        size_wh = self._sizes.get(image_id)
        place = self._find(image_id, folder)
        if place is None:
            return self._without_file(image_id, folder, size_wh)
        seen_folder, store, open_image = place
        notes: list[Finding] = []
        header_wh = read_size(open_image)
        if isinstance(header_wh, Finding):
            notes.append(header_wh.at(path="$.image_id"))
        elif size_wh and header_wh != size_wh:
            found = "{} x {} in image_data.json, {} x {} in {}".format(*size_wh, *header_wh, store)
            notes.append(finding("image-size-differs", found, path="$.image_id"))
        if folder and seen_folder and seen_folder != folder:
            found = f"{seen_folder}/{image_id}.jpg in {store}"
            notes.append(finding("image-folder-differs", found, expected=f"it in {folder}", path="$.image_id"))
        known = folder or seen_folder
        if not known:
            notes.append(_guessed(image_id))
        path = visual_genome.llava_path(image_id, known or visual_genome.FOLDERS[0])
        header = None if isinstance(header_wh, Finding) else header_wh
        return Resolved(path, size_wh or header, tuple(notes))

    def _without_file(self, image_id: int, folder: str | None, size_wh: Size | None) -> Resolved:
        if self._stores and (folder or size_wh):
            path = visual_genome.llava_path(image_id, folder or visual_genome.FOLDERS[0])
            found = f"no {path.removeprefix('vg/')} under {', '.join(s.name for s in self._stores)}"
            return Resolved(path, size_wh, (finding("image-missing", found, path="$.image_id"),))
        if not folder and not size_wh:
            return Resolved("", None, (finding("image-unknown", str(image_id), path="$.image_id"),))
        notes = () if folder else (_guessed(image_id),)
        return Resolved(visual_genome.llava_path(image_id, folder or visual_genome.FOLDERS[0]), size_wh, notes)

    def _find(self, image_id: int, folder: str | None) -> tuple[str, str, Callable[[], IO[bytes]]] | None:
        folders = sorted(visual_genome.FOLDERS, key=lambda name: name != folder)
        for store in self._stores:
            place = store.find(image_id, folders)
            if place:
                return place[0], store.name, place[1]
        return None

    def open(self, image_id: int) -> IO[bytes]:
        """Open an image's original bytes.

        Args:
            image_id: Id of the image.

        Returns:
            A binary file.

        Raises:
            RecordError: No root holds it.
        """
        place = self._find(image_id, visual_genome.folder_of(image_id) or self._folders.get(image_id))
        if place is None:
            fault = finding("image-missing", "no such image", id=image_id)
            raise RecordError(str(fault), fault)
        return place[2]()


def _raise(fault: Finding) -> None:
    if fault.severity == "error":
        raise fault_error(fault)


def _guessed(image_id: int) -> Finding:
    return finding("image-folder-guessed", f"{image_id}, taken to be in VG_100K", path="$.image_id")


def _no_images(root: Path) -> Finding:
    looked = (
        "VG_100K/, VG_100K_2/, images.zip, images2.zip or image_data.json (there, under vg/ or under raw/), or ID.jpg"
    )
    if root.is_dir():
        return finding("input-missing", "no images and no sizes", file=str(root), expected=looked)
    return finding("input-missing", "no folder, zip or image_data.json", file=str(root), expected=looked)


def read_size(open_image: Callable[[], IO[bytes]]) -> Size | Finding:
    """Return an image's width and height in stored pixels from its header, or why it has none.

    Args:
        open_image: Opens the image's bytes.

    Returns:
        The size, or a finding without a place.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), open_image() as file:
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files; the pixel limit is checked below
            with Image.open(file) as image:
                size_wh = image.size
    except Image.DecompressionBombError as error:
        return finding("image-too-large", str(error).split(",")[0].lower())
    except (*_HEADER_FAULTS, *_ZIP_FAULTS) as error:
        return finding("image-undecodable", str(error).split(" <")[0] or type(error).__name__)
    if Image.MAX_IMAGE_PIXELS and size_wh[0] * size_wh[1] > Image.MAX_IMAGE_PIXELS:
        return finding("image-too-large", f"{size_wh[0]} x {size_wh[1]} pixels")
    return size_wh
