"""What shards are made of, what one process is told to write, and what it tells back: plain values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from svit_datasets.configs import IMAGES_CONFIG
from svit_datasets.findings import Finding
from svit_datasets.images.joining import ImagesMode, OnMissing
from svit_datasets.publish.building.plan import Span
from svit_datasets.publish.release import Shard
from svit_datasets.tables.arrays import IMAGE_TYPE
from svit_datasets.tables.columns import Column, columns_of

PHOTOS = "photos"


class ConfigRecipe(NamedTuple):
    """What a configuration's shards are made of.

    Attributes:
        name: The configuration.
        source: What messages call its native file; the folder for ``images``.
        has_photos: Whether the photos' bytes are in its rows.
    """

    name: str
    source: str
    has_photos: bool

    @property
    def has_text(self) -> bool:
        """Whether it has records; ``images`` has none.

        >>> ConfigRecipe("images", "svit", True).has_text
        False
        """
        return self.name != IMAGES_CONFIG


@dataclass(frozen=True)
class Recipe:
    """What the shards of one build are made of.

    Attributes:
        root: Folder with SVIT's files.
        image_roots: Where photos and sizes are, as ``Images`` takes it.
        configs: Its configurations.
        photos: ``embed`` where photos are read, else ``none``.
        on_missing_image: ``error``, ``null`` or ``drop``.
        check_images: Whether every photo is decoded once.
        coco_captions: COCO caption files.
        records: Folder with each configuration's records and indexes.
        output: Folder that shards are written to.
    """

    root: Path
    image_roots: tuple[Path, ...]
    configs: tuple[ConfigRecipe, ...]
    photos: ImagesMode
    on_missing_image: OnMissing
    check_images: bool
    coco_captions: tuple[str, ...]
    records: Path
    output: Path

    def columns(self, config: ConfigRecipe) -> list[Column]:
        """Return the columns of a configuration: without photos, it has no column ``image`` at all."""
        columns = columns_of(config.name, "image", has_captions=bool(self.coco_captions))
        return [c for c in columns if config.has_photos or c.type != IMAGE_TYPE]

    def spool_of(self, config: str) -> Path:
        """Return the file with a configuration's records, as they stand in the source."""
        return self.records / f"{config}.raw"

    def index_of(self, name: str, split: str) -> Path:
        """Return the file that tells where a configuration's records lie, or (``photos``) how large photos are."""
        return self.records / f"{name}-{split}.npy"


class Job(NamedTuple):
    """One span of images to write a shard of for every configuration."""

    recipe: Recipe
    span: Span


class Done(msgspec.Struct, frozen=True):
    """What was written of one span.

    Attributes:
        shards: A file of each configuration.
        findings: What was odd or left out.
        dropped: Images left out.
        nulls: Images without their photo.
    """

    shards: tuple[Shard, ...]
    findings: tuple[Finding, ...] = ()
    dropped: int = 0
    nulls: int = 0
