"""Convert native records one after the other to rows of a layout: numbered through, copies counted, faults noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import msgspec

from svit_datasets.findings import Finding, finding
from svit_datasets.forward.seen import SeenIds
from svit_datasets.images.known import Images, Resolved, resolve_row
from svit_datasets.images.many import ManyResolved
from svit_datasets.kernels.forward.plain_records import NativeRun
from svit_datasets.records import TASKS, HubRecord, NativeRecord, TaskName, extra_of
from svit_datasets.report import Report
from svit_datasets.tables.parts import ImageRow
from svit_datasets.writing.row_writer import RowWriter


class Numbered(NamedTuple):
    """A native record with its place: file, number in the file from 1, position among those of its task from 0.

    ``image`` is what a table's row tells of it; None where the record comes from a native file.
    """

    file: str
    number: int
    position: int
    task: TaskName
    record: NativeRecord
    image: ImageRow | None = None


class NumberedRun(NamedTuple):
    """Plain native records that follow each other, with the place of the first: see ``Numbered``."""

    file: str
    number: int
    position: int
    task: TaskName
    run: NativeRun

    def one(self, index: int, record: NativeRecord) -> Numbered:
        """Return the record of that number in the run, from 0, with its place."""
        return Numbered(self.file, self.number + index, self.position + index, self.task, record)


class Conversion:
    """Converts records and counts what becomes of them.

    Args:
        pictures: The images and their sizes.
        writer: Takes the rows.
        made: Takes the counts and the findings.
        copies: How often images came before, in parts of the input that are converted elsewhere.
    """

    def __init__(
        self, pictures: Images, writer: RowWriter, made: Report, copies: Mapping[int, int] | None = None
    ) -> None:
        self.pictures, self.writer, self.made = pictures, writer, made
        self._seen = {name: SeenIds() for name in TASKS}
        self._copies = copies or {}

    def resolve(self, image_id: int, image: ImageRow | None = None) -> Resolved:
        """Return what is known of a record's image, by its row or by the images at hand."""
        return resolve_row(image) if image and self.pictures.is_empty else self.pictures.resolve(image_id)

    def resolve_many(self, image_ids: Any) -> ManyResolved:
        """Return what is known of the images of records of a native file, by an array of their ids."""
        return self.pictures.resolve_many(image_ids)

    def see(self, task: TaskName, image_id: int) -> int:
        """Return how often a task's records were of this image before, and count it."""
        return self._seen[task].add(image_id) + self._copies.get(image_id, 0)

    def see_many(self, task: TaskName, image_ids: Sequence[int], unusable: Set[int]) -> list[int]:
        """Return the same for records one after the other, and count them; 0 for those that are left out."""
        add, before = self._seen[task].add, self._copies
        return [
            0 if index in unusable else add(image_id) + before.get(image_id, 0)
            for index, image_id in enumerate(image_ids)
        ]

    def add(self, numbered: Numbered, copy: int | None = None) -> None:
        """Convert the conversations of a record; a fault of its image is a fault of the whole record.

        Args:
            numbered: The record.
            copy: How often its image came before, where that is counted already.

        Raises:
            RecordError: The record is at fault and the report's policy is to stop.
        """
        record, task, made = numbered.record, numbered.task, self.made
        count = len(record.conversations)
        made.counts["conversations_read"] += count
        made.counts[f"conversations_read.{task}"] += count
        resolved = self.resolve(record.image_id, numbered.image)
        is_good = self.note(numbered, resolved.findings)
        if not record.conversations:
            is_good = self.note(numbered, [finding("no-conversations", "an empty list", path="$.conversations")])
        if not is_good:
            made.counts["records_skipped"] += 1
            made.counts["conversations_skipped"] += count
            return
        self._write(numbered, resolved, self.see(task, record.image_id) if copy is None else copy)

    def note(self, numbered: Numbered, found: Iterable[Finding]) -> bool:
        """Take down what was found of a record; tell whether none of it is an error.

        Raises:
            RecordError: The report's policy is to stop at an error.
        """
        is_good = True
        for fault in found:
            self.made.add(fault.at(file=numbered.file, record=numbered.number, id=numbered.record.image_id))
            is_good = is_good and fault.severity != "error"
        return is_good

    def _write(self, numbered: Numbered, resolved: Resolved, copy: int) -> None:
        record, writer, counts = numbered.record, self.writer, self.made.counts
        self.note(numbered, find_copy(record.image_id, copy))
        hub = HubRecord(
            task=numbered.task,
            image_id=record.image_id,
            record_index=numbered.position,
            conversation_index=0,
            conversation=record.conversations[0],
            image=resolved.path,
            size_wh=resolved.size_wh,
            copy=copy,
            record_extra=extra_of(record),
        )
        rows = writer.format.to_rows(hub, record, writer.options)
        if rows is not None and writer.write_all(rows):
            counts["records_written"] += len(record.conversations)
            counts["pairs_written"] += sum(len(c.content) for c in record.conversations) // 2
            return
        for i, conversation in enumerate(record.conversations):
            one = msgspec.structs.replace(hub, conversation_index=i, conversation=conversation)
            row = writer.format.to_row(one, writer.options)
            if (not row.findings or self.note(numbered, row.findings)) and self.note(numbered, writer.write(row)):
                counts["records_written"] += 1
                counts["pairs_written"] += len(conversation.content) // 2
            else:
                counts["conversations_skipped"] += 1


def find_copy(image_id: int, copy: int) -> list[Finding]:
    """Return what there is to say of a record whose image came so many times before.

    >>> [found.found for found in find_copy(5, 2)], find_copy(5, 0)
    (['image_id 5, seen 2 times before'], [])
    """
    before = f"image_id {image_id}, seen {copy} time{'s' * (copy > 1)} before"
    return [finding("duplicate-id", before, path="$.image_id")] if copy else []
