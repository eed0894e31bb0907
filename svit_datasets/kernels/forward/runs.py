"""Runs of plain native records to runs of rows of the LLaVA layout, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.boxes import Rounding
from svit_datasets.converters.base import Rows
from svit_datasets.converters.llava_layout import Options
from svit_datasets.images.many import columns_of
from svit_datasets.images.resolved import Resolved
from svit_datasets.kernels.forward.axes import ORIGINAL
from svit_datasets.kernels.forward.plain_records import COUNT, FIRST, TEXTS, NativeRun
from svit_datasets.kernels.forward.row_text import COPY, FOLDER, HEIGHT, WIDTH, write_rows
from svit_datasets.kernels.text import as_bytes
from svit_datasets.records import TASKS, TaskName

_IS_EXACT: dict[Rounding, bool] = {"pixel": False, "exact": True}
_OUT_BYTES, _MARK_BYTES, _TURNS = 16 << 20, 4 << 20, 1 << 16


class LlavaRuns:
    """Writes rows of one task.

    Args:
        task: The task.
        options: How to write the layout; no sidecar.
    """

    def __init__(self, task: TaskName, options: Options) -> None:
        self._task, self._letter = as_bytes(task), ord(TASKS[task].letter)
        self._seed_crc = crc32(f"{options.seed}/{task}-".encode()) ^ 0xFFFFFFFF
        self._has_sentences = options.instruction and task == "referring_qa"
        self._has_provenance = options.provenance == "inline"
        self._is_exact = _IS_EXACT[options.box_rounding]
        self._is_padded = options.coordinates == "padded"
        self._out, self._marks, self._sums = (np.empty(n, np.uint8) for n in (_OUT_BYTES, _MARK_BYTES, _TURNS))

    def places(self, run: NativeRun, resolved: Sequence[Resolved], copies: Sequence[int]) -> Any:
        """Return what ``write`` needs to know of the image of each record.

        Args:
            run: The records.
            resolved: The image of each; with errors, the record is left to a closer look.
            copies: How often it came before.
        """
        folders, widths, heights = columns_of(run.image_ids, resolved)
        places = np.empty((run.count, HEIGHT + 1), np.int64)
        places[:, FOLDER], places[:, COPY] = folders, copies
        if self._is_padded:
            places[:, WIDTH], places[:, HEIGHT] = widths, heights
        else:
            places[:, WIDTH:] = ORIGINAL
        return places

    def write(self, run: NativeRun, first: int, position: int, places: Any) -> Rows:
        """Write the rows of records, up to one that is not plain.

        Args:
            run: The records.
            first: Number of the first to write, from 0.
            position: Its position among the records of its task.
            places: See ``places``.

        Returns:
            The rows; none where already the first record is not plain.
        """
        end, size, end_of_first = write_rows(
            run.bytes,
            run.records,
            run.conversations,
            run.texts,
            first,
            run.count,
            position,
            places,
            self._is_exact,
            self._task,
            self._letter,
            self._seed_crc,
            self._has_sentences,
            self._has_provenance,
            self._out,
            self._marks,
            self._sums,
        )
        count, pairs = _count(run, first, end)
        out = memoryview(self._out.data)
        return Rows(end, count, pairs, out[:size], out[:end_of_first])


def _count(run: NativeRun, first: int, end: int) -> tuple[int, int]:
    """Return how many conversations and pairs some records have."""
    if first == end:
        return 0, 0
    begin, last = run.records[first, FIRST], run.records[end - 1]
    several = run.conversations[begin : last[FIRST] + last[COUNT], TEXTS]
    return len(several), int(several.sum()) // 2
