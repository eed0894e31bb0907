"""What was built, gathered from its shards: counts, columns, an example of each configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svit_datasets.images import visual_genome
from svit_datasets.publish.building.recipe import Done, Recipe
from svit_datasets.publish.card.naming import Naming
from svit_datasets.publish.layout import SPLITS, parse_shard
from svit_datasets.publish.release import Config, Release, Shard, sum_splits

if TYPE_CHECKING:
    import pyarrow as pa


def release_of(recipe: Recipe, done: Iterable[Done], naming: Naming) -> Release:
    """Return what the shards of a build hold; shards of a split without any rows are not counted among them.

    Args:
        recipe: What they were made of.
        done: What was written.
        naming: What it is called, and its licence.

    Returns:
        The release.
    """
    shards = [shard for one in done for shard in one.shards]
    sums = sum_splits(shards)
    kept = [shard for shard in shards if shard.split in sums.get(shard.config, {})]
    order = {config.name: i for i, config in enumerate(recipe.configs)}
    kept.sort(key=lambda s: (order[s.config], SPLITS.index(s.split), s.path))
    configs = tuple(
        Config(c.name, tuple(recipe.columns(c)), sums[c.name], _example(recipe.output, c.name, kept))
        for c in recipe.configs
        if c.name in sums
    )
    images: Counter[str] = Counter()
    has_known_images = False
    for split, ids in _images(recipe.output, kept):
        images[split] += len(ids)
        has_known_images = has_known_images or any(map(visual_genome.folder_of, ids))
    by_split = {split: images[split] for split in SPLITS if split in images}
    return Release(configs, tuple(kept), by_split, naming, has_known_images)


def _example(folder: Path, config: str, shards: Iterable[Shard]) -> dict[str, object]:
    """Return a configuration's first row, its photo as path and number of bytes."""
    import pyarrow.parquet as pq

    shard = next(s for s in shards if s.config == config and s.counts.rows)
    with (folder / shard.path).open("rb") as file:
        row: dict[str, Any] = next(pq.ParquetFile(file).iter_batches(1)).to_pylist()[0]
    photo = row.get("image")
    if photo and photo["bytes"] is not None:
        row["image"] = {"bytes": len(photo["bytes"]), "path": photo["path"]}
    return row


def _images(folder: Path, shards: Iterable[Shard]) -> Iterator[tuple[str, list[int]]]:
    """Yield the ids of the different images of each span, with its split."""
    import pyarrow as pa

    spans: dict[tuple[str, int], list[Path]] = {}
    for shard in shards:
        name = parse_shard(shard.path)
        assert name is not None
        spans.setdefault((shard.split, name.number), []).append(folder / shard.path)
    for (split, _), paths in spans.items():  # every configuration's shard of a span is about the same images
        columns = [_image_ids(path) for path in paths]
        ids = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.int64())
        yield split, ids.unique().to_pylist()


def _image_ids(path: Path) -> pa.ChunkedArray:
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        return pq.ParquetFile(file).read(["image_id"]).column(0)
