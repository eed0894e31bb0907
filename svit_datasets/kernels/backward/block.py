"""Runs of plain rows of a LLaVA file, taken from the bytes that are in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from svit_datasets.kernels.backward.read import COLUMNS, MOST_TURNS, PLACES
from svit_datasets.kernels.backward.rows import take_rows
from svit_datasets.records import TASKS, TaskName

_NUMBERS = MOST_TURNS + 1 + PLACES  # where turns end, and where the parts of the provenance stand
_FEWEST_BYTES = 150  # of a plain row
_GROWTH = 3  # a character of two bytes may become an escape of six
_STEMS = tuple(task.stem for task in TASKS.values())
_COLUMNS = ("starts", "bodies", "tasks", "records", "conversations", "images")  # in the order of the kernel's table
_HEAD = re.compile(rb'\{\s*+"id"')


@dataclass(frozen=True, slots=True)
class TakenRows:
    """Rows with their way back, on which nothing is out of the ordinary, as native conversations.

    Attributes:
        end: Where what follows them begins in the input's bytes.
        stored: For each row its id, then its native conversation as JSON text in ASCII.
        starts: Where each id begins in ``stored``.
        bodies: Where each conversation begins in ``stored``.
        tasks: Number of each row's task among ``TASKS``.
        records: Number of its native record.
        conversations: Number of the conversation in that.
        images: The image's id.
        first_key: How each row begins.
    """

    end: int
    stored: Any
    starts: Any
    bodies: Any
    tasks: Any
    records: Any
    conversations: Any
    images: Any
    first_key: bytes

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.starts)

    @property
    def by_task(self) -> dict[TaskName, int]:
        """How many rows of each task there are, in the order in which tasks first appear."""
        numbers, firsts, counts = np.unique(self.tasks, return_index=True, return_counts=True)
        return {_STEMS[numbers[i]]: int(counts[i]) for i in np.argsort(firsts)}

    def since(self, row: int) -> TakenRows:
        """Return the rows from one on."""
        begin = self.starts[row]
        return TakenRows(
            end=self.end,
            stored=self.stored[begin:],
            starts=self.starts[row:] - begin,
            bodies=self.bodies[row:] - begin,
            tasks=self.tasks[row:],
            records=self.records[row:],
            conversations=self.conversations[row:],
            images=self.images[row:],
            first_key=self.first_key,
        )


class RowTaker:
    """Takes runs of plain rows; its buffers are used again, so what it gave last is valid until it is asked again.

    Args:
        longest: Most bytes of a row.
    """

    def __init__(self, longest: int) -> None:
        self._longest, self._size = longest, 0
        self._numbers = np.empty(_NUMBERS, np.int64)

    def __call__(self, data: bytes, begin: int, stop: int, separator: bytes) -> TakenRows | None:
        """Take rows as long as they are plain and a comma or a line break follows them; see ``runs.Take``.

        >>> RowTaker(1000)(b'[{"id": "x"}, 5]', 1, 16, b",")
        """
        head = _HEAD.match(data, begin)
        if not head:
            return None
        self._grow(len(data) - begin)
        text, first = np.frombuffer(data, np.uint8), np.frombuffer(head[0], np.uint8)
        work, is_lines = (self._text, self._numbers), separator == b"\n"
        count, end, to = take_rows(text, begin, stop, is_lines, self._longest, first, work, self._out, self._table)
        columns = dict(zip(_COLUMNS, self._table[:, :count], strict=True))
        return TakenRows(end=end, stored=self._out[:to], first_key=head[0], **columns) if count else None

    def _grow(self, size: int) -> None:
        if size > self._size:
            self._size = size
            self._text, self._out = np.empty(size + 64, np.uint8), np.empty(_GROWTH * size + 64, np.uint8)
            self._table = np.empty((COLUMNS, size // _FEWEST_BYTES + 1), np.int64)
