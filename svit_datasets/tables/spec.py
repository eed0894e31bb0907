"""What a table is made of: a configuration, a split, and the options of ``load_dataset``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets import VERSION
from svit_datasets.configs import task_of_config
from svit_datasets.errors import UsageError, choose
from svit_datasets.images.joining import IMAGES_MODES, ON_MISSING, ImagesMode, OnMissing
from svit_datasets.reading.containers import check_exists
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.reading.sources import Sources, find_sources, stamp, watched_files
from svit_datasets.records import TaskName
from svit_datasets.remote.hub import REPOSITORY, fetch
from svit_datasets.sharding.ranges import cut_ranges
from svit_datasets.tables.columns import Column, columns_of
from svit_datasets.tables.parts import GRANULARITIES, Granularity

DATA_DIR = "SVIT_DATA_DIR"
_SHARES, _SHARES_OF = 16, {".zip": 8, ".gz": 1}  # each share of a packed file unpacks all that is before it
_NOT_OPTIONS = ("root", "token", "expected_stamp")


class Share(NamedTuple):
    """A part of a configuration's input: ``number`` of ``of``, from 0."""

    number: int
    of: int


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What a table is made of.

    Attributes:
        config: One of ``configs.CONFIGS``.
        is_test: Whether it has SVIT's held-out images, or all others.
        root: Folder with SVIT's files; None fetches them from the Hub.
        repo_id: The Hub repository.
        revision: Branch, tag or commit there.
        token: See ``huggingface_hub``.
        granularity: One row an image, a conversation, or a question-answer pair.
        images: ``path``, ``embed`` or ``none``.
        on_missing_image: ``error`` stops at an image that cannot be used, ``null`` sets it to null, ``drop`` leaves its
            rows out.
        check_images: Whether every image is decoded once while the table is made.
        on_error: ``raise`` stops at the first faulty record, ``skip`` leaves it out.
        coco_captions: COCO caption files.
        columns: Columns wanted; None is all.
        max_record_mb: Largest native record, in MiB.
        expected_stamp: What ``stamp`` gave when the table was begun; None takes it anew.
    """

    config: str
    is_test: bool = False
    root: Path | None = None
    repo_id: str = REPOSITORY
    revision: str | None = None
    token: str | bool | None = field(default=None, repr=False)
    granularity: Granularity = "image"
    images: ImagesMode = "path"
    on_missing_image: OnMissing = "error"
    check_images: bool = True
    on_error: str = "raise"
    coco_captions: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    max_record_mb: int = DEFAULT_MAX_RECORD_MB
    expected_stamp: str | None = None

    @property
    def task(self) -> TaskName | None:
        """The task; None for the configuration ``images``."""
        return task_of_config(self.config)

    @property
    def with_files(self) -> bool:
        """Whether image files are read."""
        return self.images != "none" and (self.columns is None or "image" in self.columns)

    def make_columns(self) -> list[Column]:
        """Return the table's columns."""
        return columns_of(self.config, self.granularity, has_captions=bool(self.coco_captions), chosen=self.columns)

    def find_root(self) -> Path:
        """Return the folder with SVIT's files, fetched from the Hub where none was given."""
        if self.root is not None:
            return self.root
        return fetch(
            self.task, with_files=self.with_files, repo_id=self.repo_id, revision=self.revision, token=self.token
        )

    def find_sources(self) -> Sources:
        """Return what the table is read from."""
        return find_sources(self.find_root(), self.task, with_files=self.with_files)

    def make_shares(self) -> list[Share]:
        """Return the shares that the input is read in: fewer for a zip, of which each share unpacks all before it.

        Raises:
            InputError: A folder was given, and what the table needs is not in it.
        """
        sources = self.find_sources() if self.root is not None else None
        suffix = sources.text.suffix if sources and sources.text else ".zip" if self.task else ""
        count = _SHARES_OF.get(suffix, _SHARES)
        if sources and sources.text:  # a small file has fewer, so that no worker is without rows
            count = len(cut_ranges(str(sources.text), member=sources.member, most=count))
        return [Share(i, count) for i in range(count)]

    def digest(self, salt: str = "") -> str:
        """Return a digest of all options and of the files that the table is made from."""
        if self.root is not None:
            where = self.stamp()
        else:
            where = f"{self.repo_id}@{self.revision} {stamp(map(Path, self.coco_captions))}"
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_OPTIONS}
        return sha256(repr((VERSION, where, sorted(options.items()), salt)).encode()).hexdigest()[:16]

    def stamp(self) -> str:
        """Return a digest of the files that the table is made from."""
        root = self.find_root()
        captions = [Path(p) for p in self.coco_captions]
        return stamp(watched_files(root, self.find_sources(), with_files=self.with_files, more=captions))


def default_root(data_dir: str | Path | None) -> str | None:
    """Return the folder with SVIT's files: ``data_dir``, else what SVIT_DATA_DIR says; None is the Hub."""
    if data_dir is not None and not str(data_dir):
        raise UsageError("data_dir is empty; name the folder with SVIT's files")
    given = data_dir if data_dir is not None else os.environ.get(DATA_DIR)
    return str(Path(given).expanduser().resolve()) if given else None


def make_spec(
    *,
    data_dir: str | None,
    coco_captions: str | Path | Iterable[str | Path] | None,
    columns: Iterable[str] | None,
    **options: Any,
) -> TableSpec:
    """Return the options of ``load_dataset``, checked.

    Args:
        data_dir: Folder with SVIT's files; None is the Hub.
        coco_captions: One COCO caption file or several.
        columns: Columns wanted; None is all.
        options: The other attributes of ``TableSpec``.

    Returns:
        The options.

    Raises:
        UsageError: An option has none of its values.
        InputError: A caption file is not there.
    """
    choose("images", options["images"], IMAGES_MODES)
    choose("granularity", options["granularity"], GRANULARITIES)
    choose("on_missing_image", options["on_missing_image"], ON_MISSING)
    choose("on_error", options["on_error"], ("raise", "skip"))
    if not isinstance(options["check_images"], bool):
        raise UsageError(f"check_images={options['check_images']!r}: expected True or False")
    megabytes = options["max_record_mb"]
    if type(megabytes) is not int or megabytes < 1:
        raise UsageError(f"max_record_mb={megabytes!r}: expected a whole number, 1 or more")
    captions = [coco_captions] if isinstance(coco_captions, str | Path) else list(coco_captions or ())
    return TableSpec(
        root=Path(data_dir) if data_dir else None,
        coco_captions=tuple(check_exists(str(Path(p).expanduser().absolute())) for p in captions),
        columns=None if columns is None else _check_columns(columns),
        **options,
    )


def _check_columns(columns: Iterable[str]) -> tuple[str, ...]:
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names or isinstance(columns, str) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"columns={columns!r}: expected a list of names")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"columns={names!r}: {twice[0]} is asked for twice")
    return tuple(names)
