"""Write regrouped conversations as native files, each record held against its schema."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Raw

from svit_datasets.backward.regroup import Group, Regrouping, Run
from svit_datasets.backward.spool_index import UNKNOWN_INDEX
from svit_datasets.check import validator
from svit_datasets.findings import finding
from svit_datasets.reading.readers import known_part
from svit_datasets.records import TASKS, TaskName
from svit_datasets.remote.names import join_name
from svit_datasets.report import Report
from svit_datasets.writing.writers import JsonList, OutputSet, encode_ascii


class NativeWriter:
    """Writes the native files of the tasks that occur.

    Args:
        outputs: The files of the run.
        folder: Where they go.
        made: Takes counts and findings.
        check: Whether every record is held against its schema.
    """

    def __init__(self, outputs: OutputSet, folder: str, made: Report, *, check: bool) -> None:
        self._outputs, self._folder, self._made = outputs, folder, made
        self._validate = validator("native") if check else None

    def write(self, found: Regrouping) -> dict[str, int]:
        """Write the files; return them with their numbers of records."""
        written = {}
        for task in TASKS.values():
            if found.holds(task.stem):
                native = JsonList(self._outputs.open(join_name(self._folder, f"{task.stem}.json")))
                for part in found.records(task.stem):
                    self._write_part(task.stem, part, native)
                native.close()
                written[native.file.name] = native.count
        return written

    def _write_part(self, task: TaskName, part: Group | Run, native: JsonList) -> None:
        if isinstance(part, Group):
            self._write_group(task, part, native)
        elif self._validate and self._validate(known_part(part.first)):
            for group in part.groups():
                self._write_group(task, group, native)
        else:
            self._write_run(task, part, native)

    def _write_run(self, task: TaskName, run: Run, native: JsonList) -> None:
        """Write records that are plain; the first of them stood for all before the schema."""
        missing = np.where((run.missing > 0) & (run.missing < UNKNOWN_INDEX), run.missing, 0)
        lacking = {f"conversations_missing.{task}": int(missing.sum())} if missing.any() else {}
        written = {"conversations_written": run.conversations, "records_written": run.records}
        self._made.counts.update({**lacking, **written} if missing[0] else {**written, **lacking})
        native.extend_joined([run.joined], run.records)

    def _write_group(self, task: TaskName, group: Group, native: JsonList) -> None:
        counts = self._made.counts
        conversations = self._without_copies(group)
        missing = group.parts[-1].conversation_index + 1 - len(conversations)
        if 0 < missing < UNKNOWN_INDEX:
            counts[f"conversations_missing.{task}"] += missing
        extra = msgspec.json.decode(group.extra, type=dict[str, Raw])
        data = encode_ascii({"image_id": group.image_id, "conversations": conversations, **extra})
        wrong = self._validate(known_part(data)) if self._validate else []
        for path, message in wrong:
            self._made.add(finding("row-check", message, path=path, id=group.image_id, file=native.file.name))
        if wrong:
            counts["records_skipped"] += len(conversations)
            return
        counts["conversations_written"] += len(conversations)
        counts["records_written"] += 1
        native.append(data)

    def _without_copies(self, group: Group) -> list[Raw]:
        """Return the conversations of a record; one that came twice is kept once, and counted."""
        kept: dict[int, Raw] = {}
        for part in group.parts:
            before = kept.setdefault(part.conversation_index, part.conversation)
            if before is part.conversation:
                continue
            code = "provenance-copy" if bytes(before) == bytes(part.conversation) else "provenance-conflict"
            place = f"conversation {part.conversation_index} of image {group.image_id} for the second time"
            self._made.counts["records_copies" if code == "provenance-copy" else "records_skipped"] += 1
            file, number, row_id = part.origin
            self._made.add(finding(code, place, file=file, record=number, id=row_id))
        return list(kept.values())
