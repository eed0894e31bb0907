"""``validate`` by shards: looked through apart, in processes or on a cluster, and put together in order."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any
from uuid import uuid4

from svit_datasets.engines.engine import Engine, keep_workers
from svit_datasets.images.photos import Photos
from svit_datasets.sharding.chain import run_in_order
from svit_datasets.sharding.entry_shards import Reading, plan_shards
from svit_datasets.sharding.files import watch_files
from svit_datasets.validation.apart import Look, look_through
from svit_datasets.validation.checks import Checks
from svit_datasets.validation.photo_pass import look_beforehand
from svit_datasets.validation.results import Results
from svit_datasets.validation.together import Together


def validate_by_shards(
    inputs: Any,
    checks: Checks,
    roots: list[str],
    photos: Photos,
    results: Results,
    engine: Engine,
    *,
    max_record_mb: int,
) -> None:
    """Put all that is found in inputs into results, in the order in which one process finds it.

    Args:
        inputs: The inputs.
        checks: What to check.
        roots: Where photos and sizes are.
        photos: The same, open.
        results: Where findings go.
        engine: What runs the shards.
        max_record_mb: Largest record, in MiB.

    Raises:
        InputError: An input cannot be opened, or changed meanwhile.
    """
    shards = plan_shards(inputs, Reading(checks.layout, checks.task, max_record_mb))
    watched = watch_files((file for shard in shards for file in shard.files), roots)
    look = Look(checks, results.codes, tuple(roots), uuid4().hex)
    together = Together(results)
    work, here = partial(look_through, look), partial(look_through, look, photos=photos)
    with keep_workers(engine):
        if photos.has_files:
            shards = look_beforehand(look, shards, photos, engine)
        with closing(run_in_order("validate", work, shards, engine, here=here)) as done:
            for result in done:
                for piece in result.value:
                    together.take(piece, result.before)
    watched.check()
