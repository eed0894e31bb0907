"""Convert plain native records many at a time; one with anything out of the ordinary goes the way of a single one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from svit_datasets.converters.base import Format, Rows, RunWriter
from svit_datasets.converters.llava_layout import Options
from svit_datasets.forward.conversion import Conversion, Numbered, NumberedRun, find_copy
from svit_datasets.images.known import Resolved
from svit_datasets.kernels.available import use_kernels
from svit_datasets.kernels.forward.plain_records import IMAGE_ID, NativeRun
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import NativeRecord, TaskName

_EXAMPLE = (
    b'[{"image_id": 1, "conversations": [{"content": [{"from": "user", "value": "Is <st>it<ed> [0.1, 0, 1, 1] so?"}, '
    b'{"from": "gpt", "value": "Yes."}]}]}, '
)


def takes_runs(conversion: Conversion) -> bool:
    """Tell whether the layout and its options allow to convert many records at a time."""
    return _opener(conversion) is not None


def convert_all(conversion: Conversion, records: Iterable[Numbered | NumberedRun]) -> None:
    """Convert records, alone or in runs.

    Args:
        conversion: Converts a single one.
        records: The records; in runs only where ``takes_runs``.

    Raises:
        RecordError: A record is at fault and the report's policy is to stop.
    """
    opener, writers = _opener(conversion), dict[TaskName, RunWriter]()
    for numbered in records:
        if isinstance(numbered, Numbered):
            conversion.add(numbered)
            continue
        assert opener is not None
        if numbered.task not in writers:
            writers[numbered.task] = opener(numbered.task)
        _convert_run(conversion, writers[numbered.task], numbered)


def load_kernels(fmt: Format, options: Options, total_bytes: int | None) -> None:
    """Load what converts runs of an input of so many bytes, so that processes forked from this one have it."""
    opener = fmt.open_runs(options) if use_kernels(total_bytes) else None
    if opener is None:
        return
    from svit_datasets.kernels.forward.scan import native_scanner

    run = native_scanner(1 << 20)(_EXAMPLE, 1, len(_EXAMPLE), b",")
    assert isinstance(run, NativeRun)
    writer = opener("referring_qa")
    writer.write(run, 0, 0, writer.places(run, [Resolved("vg/VG_100K/1.jpg", (640, 480))], [0]))


def _opener(conversion: Conversion) -> Callable[[TaskName], RunWriter] | None:
    return conversion.writer.format.open_runs(conversion.writer.options)


def _convert_run(conversion: Conversion, writer: RunWriter, numbered: NumberedRun) -> None:
    """Convert a run; where the writer stops at a record, that goes its own way, and it is asked again behind it."""
    run, task = numbered.run, numbered.task
    image_ids = run.image_ids
    resolved = conversion.resolve_many(run.records[: run.count, IMAGE_ID])
    unusable = {index for index, one in resolved.odd.items() if one.has_errors}
    copies = conversion.see_many(task, image_ids, unusable)
    places, done = writer.places(run, resolved, copies), 0
    to_tell = {index for index, one in resolved.odd.items() if one.findings}
    to_tell.update(index for index, copy in enumerate(copies) if copy)
    while done < run.count:
        rows = writer.write(run, done, numbered.position + done, places)
        if rows.end > done:
            _count(conversion, task, rows, rows.end - done)
            for index in sorted(to_tell.intersection(range(done, rows.end))) if to_tell else ():
                found = [*resolved[index].findings, *find_copy(image_ids[index], copies[index])]
                conversion.note(numbered.one(index, NativeRecord(image_ids[index], [])), found)
            conversion.writer.extend_rows(rows)
            done = rows.end
        else:
            conversion.made.counts["records_read"] += 1
            conversion.add(numbered.one(done, decode_native(run.raw(done))), copies[done])
            done += 1


def _count(conversion: Conversion, task: TaskName, rows: Rows, records: int) -> None:
    counts = conversion.made.counts
    counts["records_read"] += records
    for name in ("conversations_read", f"conversations_read.{task}", "records_written"):
        counts[name] += rows.count
    counts["pairs_written"] += rows.pairs
