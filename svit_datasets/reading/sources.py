"""Find what a configuration needs in a folder laid out as SVIT is published."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from svit_datasets.errors import InputError
from svit_datasets.findings import finding
from svit_datasets.images.stores import find_places
from svit_datasets.images.visual_genome import FOLDERS
from svit_datasets.reading.containers import input_error
from svit_datasets.records import TASKS, TaskName, find_task
from svit_datasets.remote.names import shown_name

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


class Text(NamedTuple):
    """A file of records: where it lies, and its stem where it stands in a zip with others."""

    path: Path | str
    member: TaskName | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.path}/{self.member}.json" if self.member else shown_name(str(self.path))


def find_texts(path: Path) -> list[Text]:
    """Return the files of records that ``path`` is or holds.

    Args:
        path: A file; a zip that holds several tasks; or a folder with such files in it or under ``data/``: SVIT's
            tasks and every other file of JSON.

    Returns:
        The files: each task once, then every other JSON file but ``image_data.json``; none where a folder has none.
    """
    if not path.is_dir():
        return [Text(path, task) for task in _tasks_in(path)] or [Text(path)]
    texts = []
    for task in TASKS.values():
        try:
            text = _find_text(path, task.stem)
        except InputError:
            continue
        if text.name != _ALL_TASKS or task.stem in _tasks_in(text):
            texts.append(Text(text, task.stem if text.name == _ALL_TASKS else None))
    files = sorted(p for p in path.iterdir() if p.name.endswith(_SUFFIXES[:-1]) and p.is_file())
    others = (p for p in files if not p.name.startswith("image_data") and not find_task(p.name.split(".")[0]))
    return [*texts, *(Text(p) for p in others)]


def _tasks_in(path: Path) -> list[TaskName]:
    """Return the tasks in a zip that holds several, in the zip's order; none for any other file."""
    try:
        if not zipfile.is_zipfile(path):
            return []
        with zipfile.ZipFile(path) as archive:
            stems = [PurePosixPath(name).name.split(".")[0] for name in archive.namelist() if name.endswith(".json")]
    except (OSError, ValueError, zipfile.BadZipFile):
        return []  # opening it says what is wrong
    tasks = [task for stem in stems if (task := find_task(stem))]
    return tasks if len(tasks) > 1 else []


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
