"""Look at every photo once before the records are looked through in shards, for its records may be in several."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from itertools import chain, islice

from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Entry
from svit_datasets.sharding.chain import run_in_order
from svit_datasets.sharding.entry_shards import Seen, Shard, open_shard
from svit_datasets.validation.apart import Look, photos_of
from svit_datasets.validation.photo_rules import Contents, Looked, PhotoKey, look_at, photo_key
from svit_datasets.validation.stream import read_all

_PHOTOS_EACH = 64
Named = dict[PhotoKey, Entry]


def name_photos(shard: Shard) -> tuple[Named, Seen]:
    """Return the photos of a shard's records, in the order of the first record of each: what tells where it lies."""
    seen, named = Seen(), Named()
    part = open_shard(shard, seen)
    is_continued = shard.span is not None and shard.span.start > 0
    for entry in islice(part.entries if is_continued else read_all([part]), shard.skip, None):
        key = photo_key(entry)
        if key is not None and key not in named:
            named[key] = entry._replace(raw=b"", conversations=())
    return named, seen


def look_at_each(look: Look, entries: list[Entry], photos: Photos | None = None) -> list[Looked]:
    """Return what the photos of some records show."""
    photos = photos or photos_of(look)
    return [look_at(entry, photos, look.checks.look) for entry in entries]


def look_beforehand(look: Look, shards: list[Shard], photos: Photos, engine: Engine) -> list[Shard]:
    """Return the shards that can be read, each knowing what its photos show; memory grows with the photos.

    Args:
        look: How to look.
        shards: The shards; each is read twice in all.
        photos: The photos, open in this process.
        engine: What runs them.

    Returns:
        The shards whose results count, in order.
    """
    with closing(run_in_order("photos", name_photos, shards, engine, here=name_photos)) as done:
        named = [(result.shard, result.value) for result in done]
    first: Named = {}
    for _, of_shard in named:
        for key, entry in of_shard.items():
            first.setdefault(key, entry)
    looked = _look_at_all(look, first, photos, engine)
    return [shard._replace(known={key: looked[key] for key in of_shard}) for shard, of_shard in named]


def _look_at_all(look: Look, named: Named, photos: Photos, engine: Engine) -> dict[PhotoKey, Looked]:
    entries = list(named.values())
    each = [entries[i : i + _PHOTOS_EACH] for i in range(0, len(entries), _PHOTOS_EACH)]
    contents = Contents()
    work = partial(look_at_each, look, photos=photos if len(each) < 2 else None)
    with closing(run_shards(work, each, engine if len(each) > 1 else Engine())) as done:
        shown: Iterable[Looked] = chain.from_iterable(done)
        return {key: contents.compare(looked) for key, looked in zip(named, shown, strict=True)}
