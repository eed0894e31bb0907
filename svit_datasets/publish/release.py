"""What a build made: its shards, their counts, and sums over them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from svit_datasets.configs import CONFIGS
from svit_datasets.publish.card.naming import Naming
from svit_datasets.publish.layout import SPLITS
from svit_datasets.tables.columns import Column


class Counts(Struct, frozen=True):
    """What some rows hold.

    Attributes:
        rows: Rows, one an image.
        photos: Photos whose bytes are in the rows.
        conversations: Conversations.
        pairs: Question-answer pairs.
        phrases: Marked phrases.
        boxes: Their boxes.
        photo_bytes: Size of the photos.
        arrow_bytes: Size of the rows in memory, as ``dataset_info`` tells it.
        shard_bytes: Size of the files.
    """

    rows: int = 0
    photos: int = 0
    conversations: int = 0
    pairs: int = 0
    phrases: int = 0
    boxes: int = 0
    photo_bytes: int = 0
    arrow_bytes: int = 0
    shard_bytes: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sum.

        >>> (Counts(rows=2, pairs=5) + Counts(rows=1)).rows
        3
        """
        return Counts(*(getattr(self, f) + getattr(other, f) for f in self.__struct_fields__))


class Shard(Struct, frozen=True):
    """One Parquet file of a published folder.

    Attributes:
        path: Where it stands in the folder, with ``/``.
        config: Its configuration.
        split: ``train`` or ``test``.
        sha256: Digest of the file, in hexadecimal.
        counts: What it holds.
        broken: Ids of images whose answer is one of those known as broken upstream.
    """

    path: str
    config: str
    split: str
    sha256: str
    counts: Counts
    broken: tuple[int, ...] = ()


class Config(NamedTuple):
    """A configuration as published.

    Attributes:
        name: Its name.
        columns: Its columns.
        splits: Its splits with rows and what each holds, ``train`` first.
        example: A row as plain objects; a photo as its path and the number of its bytes.
    """

    name: str
    columns: tuple[Column, ...]
    splits: dict[str, Counts]
    example: dict[str, object]

    @property
    def counts(self) -> Counts:
        """What all splits hold together."""
        return sum(self.splits.values(), Counts())

    @property
    def has_photos(self) -> bool:
        """Whether the photos' bytes are in the rows."""
        return any(column.name == "image" for column in self.columns)

    @property
    def has_boxes(self) -> bool:
        """Whether it has a column with marked objects and their boxes."""
        return any(column.name == "objects" for column in self.columns)


class LeftOut(NamedTuple):
    """What a build left out, because it was told to go on.

    Attributes:
        records: Faulty records of the source.
        images: Images whose photo is missing or cannot be decoded, with all their rows.
    """

    records: int = 0
    images: int = 0


class Release(NamedTuple):
    """A published folder.

    Attributes:
        configs: Its configurations, in the order of ``configs.CONFIGS``.
        shards: Its shards, by configuration, split and number.
        images: How many different images it is about, by split.
        naming: What it is called, and its licence.
        has_known_images: Whether any image has an id of Visual Genome's.
        left_out: What of the source is not in it.
    """

    configs: tuple[Config, ...]
    shards: tuple[Shard, ...]
    images: dict[str, int]
    naming: Naming = Naming()
    has_known_images: bool = True
    left_out: LeftOut = LeftOut()

    @property
    def has_photos(self) -> bool:
        """Whether photos' bytes are in it."""
        return any(config.has_photos for config in self.configs)

    @property
    def is_of_visual_genome(self) -> bool:
        """Whether its photos are Visual Genome's: SVIT's are, those of another dataset by their ids."""
        return self.naming.is_svit or self.has_known_images

    @property
    def counts(self) -> Counts:
        """What all configurations hold together."""
        return sum((config.counts for config in self.configs), Counts())


def sum_splits(shards: Iterable[Shard]) -> dict[str, dict[str, Counts]]:
    """Return what each split of each configuration holds, in their fixed order; those without rows are left out.

    >>> shard = Shard("data/detail/test-00000-of-00001.parquet", "detail", "test", "", Counts(rows=2))
    >>> {name: list(splits) for name, splits in sum_splits([shard]).items()}
    {'detail': ['test']}
    """
    sums: dict[tuple[str, str], Counts] = {}
    for shard in shards:
        key = shard.config, shard.split
        sums[key] = sums.get(key, Counts()) + shard.counts
    found = {name: {s: sums[name, s] for s in SPLITS if sums.get((name, s), Counts()).rows} for name in CONFIGS}
    return {name: splits for name, splits in found.items() if splits}
