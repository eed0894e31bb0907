"""The files that a run depends on, and whether one of them changed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path

from svit_datasets.findings import finding
from svit_datasets.forward.inputs import Given
from svit_datasets.images.stores import find_places
from svit_datasets.images.visual_genome import FOLDERS
from svit_datasets.reading.containers import input_error
from svit_datasets.reading.sources import stamp
from svit_datasets.remote.files import stamp_of
from svit_datasets.remote.names import is_remote, path_of


class Watched:
    """Files and folders; of a folder of images each image counts, and nothing else that lies in it.

    Args:
        names: Paths and addresses.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))

    @cached_property
    def stamps(self) -> dict[str, str]:
        """What tells each from another of the same name, looked at once: real path, size, time of change."""
        return {name: _stamp(name) for name in self._names}

    def check(self) -> None:
        """Raise ``InputError`` where a file is another than when ``stamps`` was first asked for."""
        for name, before in self.stamps.items():
            try:
                is_same = _stamp(name) == before
            except OSError:  # it is gone
                is_same = False
            if not is_same:
                found = "another size or time of change than at the start"
                raise input_error(finding("input-changed", found, file=name))


def watched_names(opened: Iterable[Given], roots: Iterable[str]) -> list[str]:
    """Return the files and folders that inputs and images are read from.

    Args:
        opened: The inputs. What a table on the Hub holds is told by its revision, and not watched.
        roots: Where the images and their sizes are.

    Returns:
        Paths and addresses.
    """
    return list(chain(*(given.source.files for given in opened), *map(_of_root, roots)))


def _of_root(root: str) -> Iterable[str]:
    if is_remote(root):
        return [root]
    places = find_places(path_of(root))
    folders = [base / folder for base in places.bases for folder in FOLDERS if (base / folder).is_dir()]
    return map(str, chain(folders, places.zips, places.flat, places.image_data))


def _stamp(name: str) -> str:
    if is_remote(name):
        return stamp_of(name)
    path = path_of(name)
    return _stamp_of_images(path) if path.is_dir() else stamp([path])


def _stamp_of_images(folder: Path) -> str:
    """Return a digest of a folder's real path and of its images; an output may be written beside them."""
    images: list[str] = []
    with suppress(PermissionError), os.scandir(folder) as entries:  # one that may not be listed has images all the same
        images = sorted(_told(entry) for entry in entries if entry.name.endswith(".jpg"))
    told = "\n".join([str(folder.resolve()), *images])
    return sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def _told(image: os.DirEntry[str]) -> str:
    try:
        status = image.stat()
    except OSError:  # a link to nothing, which is no image
        return image.name
    return f"{image.name}\0{status.st_size}\0{status.st_mtime_ns}"
