"""Runs of ordinary native records taken out of JSON text at once, with their objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from svit_datasets.images import visual_genome
from svit_datasets.kernels.columns.buffers import (
    CONVERSATIONS,
    RECORDS,
    TURNS,
    Objects,
    Texts,
    make_objects,
    make_texts,
)
from svit_datasets.kernels.columns.marks import find_objects
from svit_datasets.kernels.columns.scan import scan_records

TakeBlock: TypeAlias = Callable[[bytes, int, int, bytes], "Block | None"]
_RECORDS_EACH, _BYTES_EACH = 1 << 14, 8 << 20
_COMMA = b","


@dataclass(frozen=True)
class Block:
    """Records that follow each other in a file; what it holds is overwritten when the next block is taken.

    Attributes:
        count: How many were taken, of which some may be passed over.
        end: Index at which the next record begins.
        texts: Those kept; its counts are final.
        objects: Their marked phrases; empty where none are wanted.
    """

    count: int
    end: int
    texts: Texts
    objects: Objects

    @property
    def kept(self) -> int:
        """How many were kept."""
        return int(self.texts.filled[RECORDS])


@cache
def _held_out() -> npt.NDArray[np.bool_]:
    """Return for each image id from 0 whether it is held out."""
    ids = visual_genome.image_ids()
    held_out = np.zeros(max(ids) + 1, np.bool_)
    held_out[ids] = np.fromiter(map(visual_genome.is_held_out, ids), np.bool_, len(ids))
    return held_out


def block_taker(*, is_test: bool | None, is_paired: bool, is_grounded: bool, limit_bytes: int) -> TakeBlock:
    """Return a function that takes the ordinary records at a place, for ``split``.

    Args:
        is_test: Whether records of images that are held out are kept, or all others; None keeps all.
        is_paired: Whether only records of pairs of user and gpt are ordinary.
        is_grounded: Whether objects are wanted.
        limit_bytes: Largest record.

    Returns:
        A function of the bytes, the index where a record begins, the index before which each record's comma must stand,
        and what stands between records. None where the first record is not ordinary, or no comma follows it.

    >>> turns = b'[{"from": "user", "value": "A <st>cat<ed>?"}, {"from": "gpt", "value": "Yes."}]'
    >>> data = b'[{"image_id": 5, "conversations": [{"content": ' + turns + b'}]}, {"image_id": 6}]'
    >>> take = block_taker(is_test=False, is_paired=True, is_grounded=True, limit_bytes=1000)
    >>> block = take(data, 1, len(data), b",")
    >>> block.count, data[block.end :], block.objects.objects[:, 0].tolist(), take(data, block.end, len(data), b",")
    (1, b'{"image_id": 6}]', [0, 6, 9], None)
    """
    held_out = np.zeros(0, np.bool_) if is_test is None else _held_out()
    room, texts, objects = 0, make_texts(0), make_objects(0, 0)

    def take(data: bytes, begin: int, stop: int, separator: bytes) -> Block | None:
        nonlocal room, texts, objects
        stop = min(stop, len(data), begin + _BYTES_EACH)
        if separator != _COMMA:
            return None
        if stop - begin > room:
            room = (stop - begin) * 5 // 4  # windows differ in size
            texts = make_texts(room)
            objects = make_objects(room if is_grounded else 0, len(texts.value_ends))
        end, count = scan_records(
            np.frombuffer(data, np.uint8), begin, stop, _RECORDS_EACH, limit_bytes, held_out, bool(is_test), is_paired,
            texts,
        )  # fmt: skip
        block = Block(count, end, texts, objects)
        if is_grounded:
            block = _with_objects(block)
        return block if block.count else None

    return take


def _with_objects(block: Block) -> Block:
    """Return the block with its objects, cut before the first record in which they are not ordinary."""
    texts = block.texts
    turns = int(texts.filled[TURNS])
    done = find_objects(texts.values, texts.value_ends, turns, *block.objects)
    if done == turns:
        return block
    conversation = np.searchsorted(texts.content_ends[: texts.filled[CONVERSATIONS] + 1], done, "right") - 1
    record = np.searchsorted(texts.record_ends[: texts.filled[RECORDS] + 1], conversation, "right") - 1
    texts.filled[RECORDS], texts.filled[CONVERSATIONS] = record, texts.record_ends[record]
    texts.filled[TURNS] = texts.content_ends[texts.record_ends[record]]
    return replace(block, count=int(texts.places[record]), end=int(texts.begins[record]))
