"""Find what a configuration needs in a folder laid out as SVIT is published."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from svit_datasets.containers import input_error
from svit_datasets.findings import finding
from svit_datasets.records import TaskName, find_task
from svit_datasets.stores import find_places
from svit_datasets.visual_genome import FOLDERS

_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".zip")
_ALL_TASKS = "svit.zip"


class Sources(NamedTuple):
    """What a configuration is read from.

    Attributes:
        text: The native file; None for the configuration ``images``.
        member: Its stem, where it stands in a zip with others.
        image_roots: What to pass to ``Images``.
    """

    text: Path | None
    member: str | None
    image_roots: tuple[Path, ...]


def find_sources(root: Path, task: TaskName | None, *, with_files: bool) -> Sources:
    """Return what a configuration is read from.

    Args:
        root: A folder with ``data/`` (or the native files themselves) and ``raw/`` (or the images themselves).
        task: The task; None for the configuration ``images``.
        with_files: Whether image files are wanted, and not sizes alone.

    Returns:
        The sources.

    Raises:
        InputError: The folder, its native file or its images are not there.
    """
    if not root.is_dir():
        found = "a file" if root.is_file() else "no such folder"
        raise input_error(
            finding("input-missing", found, file=str(root), expected="a folder with data/ and raw/, as SVIT's")
        )
    text = _find_text(root, task) if task else None
    places = find_places(root)
    if with_files and not places.holders:
        looked = "VG_100K/ and VG_100K_2/, or images.zip and images2.zip, there or under raw/"
        mend = 'put the images there, or pass images="none" for text alone'
        raise input_error(finding("input-missing", "no images", file=str(root), expected=looked, mend=mend))
    if not (task or places.holders or places.image_data):
        looked = "image_data.json, or images, there or under raw/"
        raise input_error(finding("input-missing", "no images and no sizes", file=str(root), expected=looked))
    return Sources(
        text,
        task if text and text.name == _ALL_TASKS else None,
        _roots(root, with_files=with_files, is_needed=not task),
    )


def _roots(root: Path, *, with_files: bool, is_needed: bool) -> tuple[Path, ...]:
    sizes = find_places(root).image_data
    return sizes if sizes and not with_files else (root,) if with_files or is_needed else ()


def _find_text(root: Path, task: TaskName) -> Path:
    folders = [folder for folder in (root / "data", root) if folder.is_dir()]
    for folder in folders:
        files = [p for p in sorted(folder.iterdir()) if find_task(p.name.split(".")[0]) == task and p.is_file()]
        for suffix in _SUFFIXES:
            for file in files:
                if file.name.endswith(suffix) and file.name.removesuffix(suffix) == file.name.split(".")[0]:
                    return file
        if (folder / _ALL_TASKS).is_file():
            return folder / _ALL_TASKS
    looked = f"{task}.json, .jsonl, .json.gz or .zip, or {_ALL_TASKS}, there or under data/"
    known = ", ".join(sorted({p.name for f in folders for p in f.iterdir() if find_task(p.name.split(".")[0])}))
    found = f"no {task}" + (f" (but {known})" if known else "")
    raise input_error(finding("input-missing", found, file=str(root), expected=looked))


def stamp(files: Iterable[Path]) -> str:
    """Return a digest of real paths, sizes and times of change: another one means that something changed.

    Of a folder of images it sees that files were added, taken away or renamed, not that one was written over.
    """
    digest = sha256()
    for file in files:
        real = file.resolve()
        status = real.stat()
        size = status.st_size if real.is_file() else 0
        digest.update(f"{real}\0{size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def watched_files(root: Path, sources: Sources, *, with_files: bool, more: Iterable[Path] = ()) -> list[Path]:
    """Return the files and folders whose change makes another table.

    Args:
        root: The folder.
        sources: What was found in it.
        with_files: Whether image files are read.
        more: Further files.

    Returns:
        The paths, none of which another configuration alone depends on.
    """
    places = find_places(root)
    watched = [*places.image_data, *([sources.text] if sources.text else []), *more]
    if with_files:
        folders = [base / folder for base in places.bases for folder in FOLDERS]
        watched += [*places.zips, *places.flat, *(f for f in folders if f.is_dir())]
    return watched
