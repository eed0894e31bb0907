"""The names in a published folder: ``data/CONFIG/SPLIT-00000-of-000NN.parquet``, the card, Croissant. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

README, CROISSANT = "README.md", "croissant.json"
SPLITS = ("train", "test")
DATA = "data"
_SHARD = re.compile(rf"{DATA}/([a-z_]+)/([a-z]+)-([0-9]{{5,}})-of-([0-9]{{5,}})\.parquet")


class ShardName(NamedTuple):
    """What a shard's path tells.

    Attributes:
        config: The configuration.
        split: ``train`` or ``test``.
        number: Its number among the split's shards, from 0.
        of: How many there are.
    """

    config: str
    split: str
    number: int
    of: int

    @property
    def path(self) -> str:
        """Where it stands in the folder, with ``/``.

        >>> ShardName("referring", "train", 0, 3).path
        'data/referring/train-00000-of-00003.parquet'
        """
        return f"{DATA}/{self.config}/{self.split}-{self.number:05d}-of-{self.of:05d}.parquet"


def parse_shard(path: str) -> ShardName | None:
    """Return what a path in a published folder says of a shard; None for any other file.

    >>> parse_shard("data/detail/test-00001-of-00002.parquet")
    ShardName(config='detail', split='test', number=1, of=2)
    >>> parse_shard("README.md")
    """
    match = _SHARD.fullmatch(path)
    return ShardName(match[1], match[2], int(match[3]), int(match[4])) if match else None


def glob_of(config: str, split: str) -> str:
    """Return the pattern of a split's shards, as the card's YAML names them.

    >>> glob_of("detail", "train")
    'data/detail/train-*'
    """
    return f"{DATA}/{config}/{split}-*"
