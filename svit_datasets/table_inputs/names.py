"""Parquet files and what their names tell: which belong together, in which order, and whether some are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from svit_datasets.findings import finding
from svit_datasets.reading.containers import input_error

_NO_TEXT = ("images",)  # folders of shards that hold no text
_SHARD = re.compile(r"-([0-9]{5,})-of-([0-9]{5,})$")
_SPLITS = ("train", "validation", "test")  # in this order; any other stands behind


class Shard(NamedTuple):
    """A Parquet file.

    Attributes:
        name: What messages call it.
        path: Where it lies, which tells its split and, by the names of its folders, its task.
        open: Opens it for ``pyarrow``.
        file: The file that no output may replace; None where it is on no disk.
        is_far: Whether each read costs a request, so that those that lie together are made one.
    """

    name: str
    path: PurePath
    open: Callable[[], AbstractContextManager[Any]]
    file: str | None = None
    is_far: bool = False


def local_shard(file: Path) -> Shard:
    """Return a file on disk as a shard."""
    return Shard(str(file), file.absolute(), lambda: nullcontext(file), str(file))


def by_split(shards: Iterable[Shard]) -> list[list[Shard]]:
    """Return shards sorted, those of one split together; those of images alone are left out.

    >>> places = ["d/test-00000-of-00001.parquet", "d/train-00000-of-00001.parquet", "images/train.parquet"]
    >>> [[shard.name for shard in split] for split in by_split(map(local_shard, map(Path, places)))]
    [['d/train-00000-of-00001.parquet'], ['d/test-00000-of-00001.parquet']]
    """
    splits: dict[PurePath, list[Shard]] = {}
    for shard in sorted((s for s in shards if s.path.parent.name not in _NO_TEXT), key=lambda s: split_order(s.path)):
        splits.setdefault(shard.path.with_name(_SHARD.sub("", shard.path.stem)), []).append(shard)
    return list(splits.values())


def split_order(path: PurePath) -> tuple[PurePath, int, str]:
    """Return a key that sorts shards by folder, split and name.

    >>> names = ["b/train-00000-of-00001.parquet", "a/test.parquet", "a/train.parquet", "a/other.parquet"]
    >>> [str(path) for path in sorted(map(PurePath, names), key=split_order)]
    ['a/train.parquet', 'a/test.parquet', 'a/other.parquet', 'b/train-00000-of-00001.parquet']
    """
    split = _SHARD.sub("", path.stem).rpartition("-")[2]
    return path.parent, _SPLITS.index(split) if split in _SPLITS else len(_SPLITS), path.name


def check_whole(shards: list[Shard]) -> None:
    """Raise ``InputError`` where the names of a split's shards say that there are others."""
    told = [match for shard in shards if (match := _SHARD.search(shard.path.stem))]
    if not told:
        return
    counts = {int(match[2]) for match in told}
    numbers = {int(match[1]) for match in told}
    missing = sorted(set(range(max(counts))) - numbers)
    if len(counts) == 1 and len(told) == len(shards) and not missing:
        return
    found = f"{len(shards)} of {' or '.join(str(count) for count in sorted(counts))} shards"
    if missing:
        found += f", without number {', '.join(f'{number:05d}' for number in missing[:5])}"
    mend = "fetch or build the folder again, whole, or name single shards"
    fault = finding("input-missing", found, file=shards[0].name, expected="all shards of one writing", mend=mend)
    raise input_error(fault)
