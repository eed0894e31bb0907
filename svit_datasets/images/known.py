"""What is known of an image: its file, its size, its entry in ``image_data.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from svit_datasets.boxes import Size
from svit_datasets.errors import RecordError, SvitError
from svit_datasets.findings import Finding, finding
from svit_datasets.images import visual_genome
from svit_datasets.images.entry_table import EntryTable, ImageData
from svit_datasets.images.files import read_size
from svit_datasets.images.many import ManyResolved, resolve_many
from svit_datasets.images.resolved import Resolved as Resolved
from svit_datasets.images.stores import FolderStore, Place, Store, ZipStore, find_places
from svit_datasets.reading.containers import fault_error, input_error
from svit_datasets.remote.names import is_remote, path_of
from svit_datasets.tables.parts import ImageRow


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
        self._entries = EntryTable()
        for root in roots:
            try:
                self._add_remote(str(root)) if is_remote(root) else self._add(path_of(str(root)))
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

    @property
    def is_empty(self) -> bool:
        """Whether there are neither image files nor sizes."""
        return not self._stores and not self._entries

    @property
    def names(self) -> list[str]:
        """The folders and zips that hold image files."""
        return [store.name for store in self._stores]

    def _add(self, root: Path) -> None:
        if not root.exists():
            raise input_error(finding("input-missing", "no such file or folder", file=str(root)))
        places = find_places(root)
        self._stores += [FolderStore(base) for base in places.bases]
        self._stores += [ZipStore(file, self._stack) for file in places.zips]
        self._stores += [FolderStore(folder, is_flat=True) for folder in places.flat]
        before = len(self._entries)
        for file in places.image_data:
            self._add_entries(file)
        if not places.holders and len(self._entries) == before:
            raise input_error(_no_images(root))

    def _add_remote(self, name: str) -> None:
        before = len(self._entries)
        self._add_entries(name)
        if len(self._entries) == before:
            raise input_error(finding("input-missing", "no sizes", file=name, expected="an image_data.json"))

    def _add_entries(self, file: str | Path) -> None:
        visual_genome.read_image_data(str(file), self._entries, add=self._note)

    def entry(self, image_id: int) -> ImageData | None:
        """Return the image's entry in ``image_data.json``, None if there is none."""
        return self._entries.get(image_id)

    def image_ids(self, *, with_files: bool = True) -> list[int]:
        """Return the ids in ``image_data.json`` and of all image files, ascending; of those files where need be."""
        looked = self._stores if with_files or not self._entries else []
        return sorted({*self._entries, *(i for store in looked for i in store.image_ids())})

    def _folder(self, image_id: int) -> str | None:
        folder = visual_genome.folder_of(image_id)
        entry = None if folder else self._entries.get(image_id)
        place = visual_genome.parse_path(entry.url or "") if entry else None
        return place[0] if place else folder

    def resolve_many(self, image_ids: Any) -> ManyResolved:
        """Return path and size of many images, by an array of ids, and what is wrong with them."""
        return resolve_many(image_ids, None if self._stores else self._entries, self.resolve)

    def _resolve(self, image_id: int) -> Resolved:
        """Return path and size of an image, and what is wrong with it.

        The size comes from ``image_data.json`` when that has the id, else from the file's header; where both tell
        and differ, that is a finding. The picture itself is not decoded.
        """
        folder, entry = self._folder(image_id), self._entries.get(image_id)
        size_wh = entry.size_wh if entry else None
        place = self.find(image_id) if self._stores else None
        if place is None:
            return self._without_file(image_id, folder, size_wh)
        seen_folder, store, _, open_image, _ = place
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
            found = f"no {path.removeprefix('vg/')} under {', '.join(self.names)}"
            return Resolved(path, size_wh, (finding("image-missing", found, path="$.image_id"),))
        if not folder and not size_wh:
            return Resolved("", None, (finding("image-unknown", str(image_id), path="$.image_id"),))
        notes = () if folder else (_guessed(image_id),)
        return Resolved(visual_genome.llava_path(image_id, folder or visual_genome.FOLDERS[0]), size_wh, notes)

    def find(self, image_id: int) -> Place | None:
        """Return where the image's file lies, None if no root holds it."""
        own = self._folder(image_id)
        folders = sorted(visual_genome.FOLDERS, key=lambda name: name != own)
        return next((place for store in self._stores if (place := store.find(image_id, folders))), None)

    def open(self, image_id: int) -> IO[bytes]:
        """Open an image's original bytes.

        Args:
            image_id: Id of the image.

        Returns:
            A binary file.

        Raises:
            RecordError: No root holds it.
        """
        place = self.find(image_id)
        if place is None:
            fault = finding("image-missing", "no such image", id=image_id)
            raise RecordError(str(fault), fault)
        return place.open()


def resolve_row(image: ImageRow) -> Resolved:
    """Return path and size of an image as a table's row tells them, without looking at any file.

    >>> from svit_datasets.tables.parts import ImageRow
    >>> resolve_row(ImageRow(2, 800, 600))
    Resolved(path='vg/VG_100K/2.jpg', size_wh=(800, 600), findings=())
    """
    places = [visual_genome.parse_path(told or "") for told in (image.url, image.path)]
    folder: str | None = visual_genome.folder_of(image.image_id)
    folder = folder or next((place[0] for place in places if place), None)
    size_wh = (image.width, image.height) if image.width and image.height else None
    if not folder and not size_wh:
        return Resolved("", None, (finding("image-unknown", str(image.image_id), path="$.image_id"),))
    notes = () if folder else (_guessed(image.image_id),)
    return Resolved(visual_genome.llava_path(image.image_id, folder or visual_genome.FOLDERS[0]), size_wh, notes)


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
