"""Read the native files once, and decide which images go into which shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from svit_datasets.configs import task_of_config
from svit_datasets.findings import Finding, finding
from svit_datasets.images import visual_genome
from svit_datasets.images.known import Images
from svit_datasets.publish.building.plan import Rows, Span, plan_spans, union_ids
from svit_datasets.publish.building.recipe import PHOTOS, ConfigRecipe, Recipe
from svit_datasets.publish.building.survey import Index, survey
from svit_datasets.publish.layout import SPLITS
from svit_datasets.reading.containers import fault_error
from svit_datasets.reading.sources import find_sources

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]


class Limits(NamedTuple):
    """What is read, and how much of it goes into a shard.

    Attributes:
        splits: The splits wanted.
        max_shard_bytes: Most bytes of a shard in any configuration, about.
        max_record_mb: Largest record, in MiB.
    """

    splits: tuple[str, ...]
    max_shard_bytes: int
    max_record_mb: int


def prepare(recipe: Recipe, limits: Limits, add: Callable[[Finding], object], counts: Counter[str]) -> list[Span]:
    """Spool all records, with an index by image id for each split, and return the shards to write.

    Args:
        recipe: What the shards are made of; its folder ``records`` is filled.
        limits: What is read.
        add: Takes what is wrong with records; raises where the policy is to stop.
        counts: What was read is counted here.

    Returns:
        The shards, those of ``train`` first.

    Raises:
        InputError: A file cannot be used.
        RecordError: A record is at fault, or a photo missing, and the policy is to stop.
    """
    texts = {c.name: _survey(recipe, c, add, counts, limits.max_record_mb) for c in recipe.configs if c.has_text}
    with Images(recipe.image_roots, add=add) as images:
        everything = None if texts else _ids(images.image_ids())
        by_split = {
            split: _rows(recipe, split, texts, everything, images) for split in SPLITS if split in limits.splits
        }
    return plan_spans({split: rows for split, rows in by_split.items() if rows}, limits.max_shard_bytes)


def _survey(
    recipe: Recipe,
    config: ConfigRecipe,
    add: Callable[[Finding], object],
    counts: Counter[str],
    max_record_mb: int,
) -> Index:
    sources = find_sources(recipe.root, task_of_config(config.name), with_files=False)
    return survey(sources, recipe.spool_of(config.name), add, counts, max_record_mb=max_record_mb)


def _ids(ids: Iterable[int]) -> Numbers:
    import numpy as np

    return np.fromiter(ids, np.int64)


def _rows(
    recipe: Recipe, split: str, texts: dict[str, Index], everything: Numbers | None, images: Images
) -> dict[str, Rows]:
    """Save the indexes of a split and return the rows of each configuration that has any, with their sizes."""
    import numpy as np

    indexes = {name: index.take(_of_split(index.image_id, split)) for name, index in texts.items()}
    indexes = {name: index for name, index in indexes.items() if len(index.image_id)}
    if everything is None:
        ids = union_ids(Rows(i.image_id, i.length) for i in indexes.values())
    else:
        ids = everything[_of_split(everything, split)]
    if not len(ids):
        return {}
    sizes = _photo_bytes(recipe, ids, indexes, images)
    np.save(recipe.index_of(PHOTOS, split), np.stack([ids, sizes]))
    rows = {}
    for config in recipe.configs:
        index = indexes.get(config.name)
        if config.has_text and index is None:
            continue
        if index is not None:
            index.save(recipe.index_of(config.name, split))
            own = index.length + (sizes[np.searchsorted(ids, index.image_id)] if config.has_photos else 0)
            rows[config.name] = Rows(index.image_id, own)
        else:
            np.save(recipe.index_of(config.name, split), ids)
            rows[config.name] = Rows(ids, sizes)
    return rows


def _of_split(ids: Numbers, split: str) -> Any:
    import numpy as np

    is_test = split == SPLITS[1]
    return np.fromiter((visual_genome.is_held_out(i) == is_test for i in ids.tolist()), bool, len(ids))


def _photo_bytes(recipe: Recipe, ids: Numbers, indexes: dict[str, Index], images: Images) -> Numbers:
    """Return the size of each photo's file; a missing one stops here, before anything is written, where it must."""
    import numpy as np

    if recipe.photos == "none":
        return np.zeros(len(ids), np.int64)
    places = ((image_id, images.find(image_id)) for image_id in ids.tolist())
    return np.fromiter(
        (_missing(recipe, i, indexes, images) if place is None else place.file_bytes for i, place in places), np.int64
    )


def has_same_photos(recipe: Recipe) -> bool:
    """Tell whether each photo's file is as large as when the build was planned; folders do not tell of one replaced."""
    import numpy as np

    planned = [np.load(path) for s in SPLITS if (path := recipe.index_of(PHOTOS, s)).exists()]
    if recipe.photos == "none":
        return True
    with Images(recipe.image_roots, add=lambda _: None) as images:
        entries = (entry for ids, sizes in planned for entry in zip(ids.tolist(), sizes.tolist(), strict=True))
        places = ((size, images.find(image_id)) for image_id, size in entries)
        return all(size == (place.file_bytes if place else 0) for size, place in places)


def _missing(recipe: Recipe, image_id: int, indexes: dict[str, Index], images: Images) -> int:
    import numpy as np

    if recipe.on_missing_image != "error":
        return 0  # told by the shard that it belongs to
    fault = finding(
        "image-missing",
        f"no {image_id}.jpg under {', '.join(images.names)}",
        id=image_id,
        path="$.image_id",
        expected="the image",
        mend="fetch the image, or pass --on-missing-image null or drop",
    )
    sources = {c.name: c.source for c in recipe.configs}
    for name, index in indexes.items():
        i = int(np.searchsorted(index.image_id, image_id))
        if i < len(index.image_id) and index.image_id[i] == image_id:
            raise fault_error(fault.at(file=sources[name], record=int(index.number[i])))
    raise fault_error(fault.at(file=str(recipe.root)))
