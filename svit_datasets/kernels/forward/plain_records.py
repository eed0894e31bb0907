"""Plain native records that were taken from a file at once: where in its bytes everything stands. Light to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Columns of the tables.
BEGIN, END, IMAGE_ID, ID_BEGIN, ID_END, FIRST, COUNT = range(7)  # of a record; its conversations
TOPIC_BEGIN, TOPIC_END, FIRST_TEXT, TEXTS = range(4)  # of a conversation; indexes of a text are BEGIN and END
NO_TOPIC, NULL_TOPIC = -1, -2  # in TOPIC_BEGIN
MOST_RECORDS = 1000  # of a run


@dataclass(frozen=True, eq=False, slots=True)
class NativeRun:
    """Plain records that follow each other; the tables hold until the scanner is called again.

    Attributes:
        count: How many.
        end: Index behind the comma, or line break, behind the last.
        data: The bytes that they stand in.
        bytes: The same as an array.
        records: One row a record: see ``BEGIN`` to ``COUNT``.
        conversations: One row a conversation: see ``TOPIC_BEGIN`` to ``TEXTS``.
        texts: Indexes in ``bytes`` of each text, without its quotes.
    """

    count: int
    end: int
    data: bytes
    bytes: Any
    records: Any
    conversations: Any
    texts: Any

    def raw(self, number: int) -> memoryview:
        """Return the JSON text of a record, by its number from 0."""
        begin, end = self.records[number, BEGIN], self.records[number, END]
        return memoryview(self.data)[begin:end]

    @property
    def image_ids(self) -> list[int]:
        """The image id of each record."""
        ids: list[int] = self.records[: self.count, IMAGE_ID].tolist()
        return ids
