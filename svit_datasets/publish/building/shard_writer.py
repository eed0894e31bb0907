"""Write one shard of every configuration: the function that each process runs. Its input and result are values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache

import msgspec
import numpy as np

from svit_datasets.errors import SvitError
from svit_datasets.findings import Finding, finding
from svit_datasets.images.joining import Joiner
from svit_datasets.publish.building.parquet import GROUP_BYTES, GROUP_ROWS
from svit_datasets.publish.building.plan import Rows, cut, sizes_by_id
from svit_datasets.publish.building.recipe import PHOTOS, Done, Job, Recipe
from svit_datasets.publish.building.shard_file import ShardFile
from svit_datasets.reading.containers import fault_error, input_error
from svit_datasets.tables.parts import ImageRow
from svit_datasets.writing.writers import output_error


def write_shards(job: Job) -> Done:
    """Write a span's shard of every configuration that has the split; a photo is read once for all of them.

    Args:
        job: What to write.

    Returns:
        What was written, with digests and counts.

    Raises:
        RecordError: A photo is at fault and the policy is to stop.
        InputError: A photo is not what it was when the build was planned.
        OutputError: A file cannot be written.
    """
    name = str(job.recipe.output)
    try:
        with ExitStack() as stack:
            configs = [c for c in job.recipe.configs if c.name in job.span.configs]
            shards = [ShardFile(job.recipe, config, job.span, stack) for config in configs]
            rows = _RowMaker(job, shards)
            for ids in rows.groups():
                group = dict(rows.make(ids))
                for shard in shards:
                    name = shard.name
                    shard.add(group)
            written = []
            for shard in shards:
                name = shard.name
                written.append(shard.close())
    except SvitError:
        raise
    except OSError as error:
        raise output_error(name, error) from error
    return Done(tuple(written), tuple(rows.findings), rows.dropped, rows.nulls)


class _RowMaker:
    """Joins the images of a span, by the policy for those that cannot be used."""

    def __init__(self, job: Job, shards: Sequence[ShardFile]) -> None:
        self._recipe, self._span, self._shards = job.recipe, job.span, shards
        self._joiner = _open_joiner(os.getpid(), job.recipe)
        ids, sizes = np.load(job.recipe.index_of(PHOTOS, job.span.split))
        begin, end = np.searchsorted(ids, job.span.first), np.searchsorted(ids, job.span.last, "right")
        chosen = slice(int(begin), int(end))
        self._ids, self._photo_bytes = ids[chosen], sizes[chosen]
        self._planned = dict(zip(self._ids.tolist(), self._photo_bytes.tolist(), strict=True))
        self.findings: list[Finding] = []
        self.dropped = self.nulls = 0

    def groups(self) -> Iterator[list[int]]:
        """Yield the images of one row group after another, bounded in number and in bytes of all configurations."""
        texts = (shard.index for shard in self._shards if shard.config.has_text)
        sizes = [self._photo_bytes, *(sizes_by_id(self._ids, Rows(i.image_id, i.length)) for i in texts)]
        for begin, end in cut([np.sum(sizes, axis=0)], GROUP_BYTES, most=GROUP_ROWS):
            yield self._ids[begin:end].tolist()

    def make(self, ids: Sequence[int]) -> Iterator[tuple[int, ImageRow]]:
        """Yield the row of each image that is kept."""
        policy = self._recipe.on_missing_image
        for image_id in ids:
            joined = self._joiner.join(image_id)
            faults = [self._place(found, image_id) for found in joined.findings]
            worst = next((f for f in faults if f.severity == "error"), None)
            if worst is not None and policy == "error":
                raise fault_error(worst)
            self.findings += faults
            if worst is not None and policy == "drop":
                self.dropped += 1
                continue
            self.nulls += worst is not None
            self._check_same(joined.row)
            yield image_id, joined.row

    def _place(self, found: Finding, image_id: int) -> Finding:
        """Return a photo's fault with the place of the first record that is about it."""
        if found.severity == "error":
            found = msgspec.structs.replace(found, mend="fetch the image, or pass --on-missing-image null or drop")
        for shard in self._shards:
            for i in shard.places(image_id):
                return found.at(file=shard.config.source, record=int(shard.index.number[i]), id=image_id)
        return found.at(file=str(self._recipe.root), id=image_id)

    def _check_same(self, row: ImageRow) -> None:
        planned = self._planned[row.image_id]
        if row.data is not None and len(row.data) != planned:
            found = f"{row.path}: {len(row.data)} bytes, {planned} when the build began"
            raise input_error(finding("input-changed", found, file=str(self._recipe.root)))


def forget_images() -> None:
    """Close what this process holds open of the images: another build may read others under the same names."""
    _open_joiner.cache_clear()


@lru_cache(maxsize=1)
def _open_joiner(_process: int, recipe: Recipe) -> Joiner:
    """Open the images once a process: one that is handed on by another shares its place in every zip."""
    return Joiner(
        recipe.image_roots,
        recipe.photos,
        is_checked=recipe.check_images,
        coco_captions=recipe.coco_captions,
        reads_sizes=True,
        add=lambda _: None,  # faulty entries of image_data.json were told when the build was planned
    )
