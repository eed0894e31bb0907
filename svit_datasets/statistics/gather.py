"""Count what inputs of any kind hold, in one pass and with memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from svit_datasets import grounding
from svit_datasets.boxes import Size
from svit_datasets.engines.engine import check_engine
from svit_datasets.errors import choose
from svit_datasets.findings import finding
from svit_datasets.images.files import read_size
from svit_datasets.images.photos import Photos
from svit_datasets.reading.containers import path_names
from svit_datasets.reading.entries import Entry, Given, split_inputs
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.sharding.chain import run_in_order
from svit_datasets.sharding.entry_shards import Reading, Seen, Shard, open_shard, plan_shards
from svit_datasets.sharding.files import watch_files
from svit_datasets.statistics.box_measures import Frame
from svit_datasets.statistics.collected import Coordinates, Statistics
from svit_datasets.statistics.held import hold
from svit_datasets.validation.layouts import PROFILES
from svit_datasets.validation.lengths import ESTIMATE, Counter, load_tokenizer
from svit_datasets.validation.record_rules import frame_of


def stats(
    inputs: Any,
    *,
    layout: Given = "auto",
    task: str | None = None,
    images: Iterable[str | Path] | str | Path = (),
    coordinates: Coordinates = "padded",
    tokenizer: str | Path | None = None,
    max_record_mb: int = DEFAULT_MAX_RECORD_MB,
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
) -> Statistics:
    """Count what inputs hold: images, pairs, turns, words, openings, boxes, phrases, topics; nothing is loaded whole.

    Args:
        inputs: One input or several, as ``read_entries`` takes them: native and LLaVA files, folders, tables.
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        images: Folders, zips or ``image_data.json`` that tell the sizes of images. Areas of padded boxes and shapes of
            boxes in the image's own frame need them; tables tell sizes themselves.
        coordinates: The frame of the boxes in LLaVA records that ``to-llava`` made; of others nobody knows it.
        tokenizer: What counts tokens: a folder with ``tokenizer.json``, or a name on the Hub; by default an estimate.
        max_record_mb: Largest record, in MiB.
        jobs: Number of processes, or of tasks at a time on a cluster; the counts are the same for any number.
        engine: ``local``, or ``ray`` for a Ray cluster, which reads inputs and images by the names given here.
        address: Address of the cluster.

    Returns:
        The statistics; what could not be read is counted in ``faults``.

    Raises:
        UsageError: An option has none of its values, a table's task is not told, or the tokenizer cannot be used.
        InputError: An input or a root does not exist, cannot be opened, or changed while it was read.
    """
    choose("coordinates", coordinates, ("padded", "original"))
    named, runs_on = split_inputs(inputs), check_engine(engine, jobs, address)
    tokens = ESTIMATE if tokenizer is None else load_tokenizer(tokenizer)
    counting = Counting(tuple(path_names(images)), coordinates, tokenizer, uuid4().hex)
    counted = Statistics(coordinates=coordinates, tokens=tokens.name, is_estimate=not tokens.is_exact)
    with Photos(counting.roots, add=partial(counted.add_fault, is_of_data=False)) as photos:
        shards = plan_shards(named, Reading(layout, task, max_record_mb))
        watched = watch_files((file for shard in shards for file in shard.files), counting.roots)
        here = partial(count_shard, counting, tools=Tools(photos, tokens))
        with closing(run_in_order("stats", partial(count_shard, counting), shards, runs_on, here=here)) as done:
            for result in done:
                counted.take(result.value.moved(result.before))
    watched.check()
    counted.inputs = [str(one) if isinstance(one, str | Path) else f"<{type(one).__name__}>" for one in named]
    return counted


class Counting(NamedTuple):
    """How all shards of a run are counted.

    Attributes:
        roots: Where sizes of images come from.
        coordinates: The frame of the boxes in LLaVA records that ``to-llava`` made.
        tokenizer: What counts tokens.
        run: Tells this run from others, for what a process keeps from shard to shard.
    """

    roots: tuple[str, ...]
    coordinates: Coordinates
    tokenizer: str | Path | None
    run: str


class Tools(NamedTuple):
    """What counting takes, opened once in a process: the sizes of images, and what counts tokens."""

    photos: Photos
    tokens: Counter


@lru_cache(maxsize=1)
def _tools_of(counting: Counting) -> Tools:
    tokenizer = counting.tokenizer
    tokens = ESTIMATE if tokenizer is None else load_tokenizer(tokenizer)
    return Tools(Photos(counting.roots, add=id), tokens)  # what is wrong with them is told where the run began


def count_shard(counting: Counting, shard: Shard, tools: Tools | None = None) -> tuple[Statistics, Seen]:
    """Return what a shard holds.

    Args:
        counting: How to count.
        shard: The shard.
        tools: What it takes, where this process has it open already.

    Returns:
        Its statistics, and how it was read.
    """
    photos, tokens = tools or _tools_of(counting)
    seen = Seen()
    counted = Statistics(coordinates=counting.coordinates, tokens=tokens.name, is_estimate=not tokens.is_exact)
    gatherer = Gatherer(counted, photos, tokens.count)
    for entry in islice(open_shard(shard, seen).entries, shard.skip, None):
        gatherer.add(entry)
    return counted, seen


class Gatherer:
    """Adds entries to statistics.

    Args:
        counted: The statistics to add to.
        photos: Where sizes of images come from.
        count_tokens: Returns the number of tokens of a text; None counts none.
    """

    def __init__(
        self, counted: Statistics, photos: Photos | None = None, count_tokens: Callable[[str], int] | None = None
    ) -> None:
        self._counted, self._photos, self._count_tokens = counted, photos, count_tokens
        self._look_up = lru_cache(maxsize=1 << 14)(self._size_of_photo)

    def add(self, entry: Entry) -> None:
        """Count an entry; its fault, where it has one."""
        if entry.fault is not None:
            self._counted.add_fault(entry.fault)
            if entry.fault.severity == "error" or not entry.raw:
                return
        is_native = PROFILES[entry.layout].is_native
        if not is_native and not entry.conversations:
            fault = finding("record-shape", "no list of {from, value}", path="$.conversations")
            self._counted.add_fault(fault.at(file=entry.file, record=entry.number, id=entry.id))
            return
        self._counted.layouts[entry.layout] += 1
        part = self._counted.part(entry.task)
        held = hold(entry.conversations, is_llava=not is_native, has_boxes=is_native or entry.image is not None)
        part.add(held, self._count_tokens)
        if held.boxes:
            part.boxes.add(grounding.coordinates(" ".join(held.boxes)), self._frame(entry))
        if name := entry.image if entry.image_id is None else str(entry.image_id):
            part.images.add(name, len(entry.conversations))
        else:
            part.counts["without_image"] += 1

    def _frame(self, entry: Entry) -> Frame:
        kind = frame_of(entry, "padded")
        if kind == "unknown":
            return Frame(kind, None)
        size_wh = entry.size_wh or self._look_up(entry.image_id, entry.image)
        return Frame(self._counted.coordinates if kind == "padded" else kind, size_wh)

    def _size_of_photo(self, image_id: int | None, path: str | None) -> Size | None:
        if self._photos is None:
            return None
        told = self._photos.told_size(image_id)
        place = None if told else self._photos.find(image_id, path)
        size_wh = read_size(place.open) if place else told
        return size_wh if isinstance(size_wh, tuple) else None
