"""Read a task's native file once: its records go to a spool, and an index tells where each one lies there."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from svit_datasets.findings import Finding, finding
from svit_datasets.kernels.available import use_kernels
from svit_datasets.progress import progress
from svit_datasets.reading.containers import Source, fault_error, open_source
from svit_datasets.reading.readers import decode_native, read_items
from svit_datasets.reading.sources import Sources

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from svit_datasets.reading.runs import Take

    Numbers = npt.NDArray[np.int64]

_ID_LIMIT = 1 << 63


class Index(NamedTuple):
    """Where a task's records lie in its spool: one entry each, by image id and then as in the source.

    Attributes:
        image_id: Id of the image.
        offset: First byte in the spool.
        length: Number of bytes.
        number: Number in the source, from 1.
    """

    image_id: Numbers
    offset: Numbers
    length: Numbers
    number: Numbers

    def take(self, chosen: Any) -> Index:
        """Return the entries that ``chosen``, a mask, a slice or an order, picks."""
        return Index(*(column[chosen] for column in self))

    def save(self, path: Path) -> None:
        """Write it to a ``.npy`` file."""
        import numpy as np

        np.save(path, np.stack(self))

    @classmethod
    def load(cls, path: Path) -> Index:
        """Map a file that ``save`` wrote."""
        import numpy as np

        return cls(*np.load(path, mmap_mode="r"))


def survey(
    sources: Sources, spool: Path, add: Callable[[Finding], object], counts: Counter[str], *, max_record_mb: int
) -> Index:
    """Copy the records of a native file into a spool, as they stand, and return where each lies.

    Args:
        sources: What names the file.
        spool: The file to write.
        add: Takes the faults; raises where the policy is to stop.
        counts: Records read and skipped are added here.
        max_record_mb: Largest record, in MiB.

    Returns:
        The index, sorted.

    Raises:
        InputError: The file cannot be used.
        RecordError: A record is at fault and the policy is to stop.
    """
    import numpy as np

    columns = tuple(array("q") for _ in Index._fields)
    offset = 0
    with (
        spool.open("wb", buffering=1 << 20) as file,
        open_source(str(sources.text), member=sources.member) as source,
        progress(source.name, source.total_bytes) as advance,
    ):
        take = _find_taker(source, max_record_mb)
        for item in read_items(source, decode_native, max_record_mb=max_record_mb, take=take):
            if item.run is not None:
                run = cast(_Records, item.run)
                for column, numbers in zip(columns, run.entries(offset, item.number), strict=True):
                    column.frombytes(numbers.astype(np.int64).tobytes())
                offset += file.write(run.text)
                counts["records_read"] += run.count
                advance(source.tell)
                continue
            fault = item.fault or (item.record and _check_id(item.record.image_id, source.name, item.number))
            if fault:
                _note(fault, add, counts, is_whole_file=not item.number)
            if item.record is None or (fault and fault.severity == "error"):
                continue
            file.write(item.raw)
            entry = (item.record.image_id, offset, len(item.raw), item.number)
            for column, value in zip(columns, entry, strict=True):
                column.append(value)
            offset += len(item.raw)
            counts["records_read"] += 1
            advance(source.tell)
    index = Index(*(np.frombuffer(column, np.int64) for column in columns))
    return index.take(np.argsort(index.image_id, kind="stable"))


@dataclass(frozen=True)
class _Records:
    """Ordinary records that stand behind each other, taken at once.

    Attributes:
        count: How many.
        end: Index at which the next one begins.
        text: Their text, with what stands between them.
        image_id: Image of each.
        begin: Index in ``text`` at which each begins.
        length: Bytes of each.
    """

    count: int
    end: int
    text: memoryview
    image_id: Numbers
    begin: Numbers
    length: Numbers

    def entries(self, offset: int, number: int) -> tuple[Numbers, ...]:
        """Return their entries of the index: ``offset`` is where the text goes, ``number`` that of the first."""
        import numpy as np

        return self.image_id, self.begin + offset, self.length, np.arange(number, number + self.count)


def _find_taker(source: Source, max_record_mb: int) -> Take | None:
    """Return what takes ordinary records at once; None where the plain way is as good."""
    if not use_kernels(source.text_bytes or source.total_bytes):
        return None
    from svit_datasets.kernels.columns.blocks import block_taker

    take_block = block_taker(is_test=None, is_paired=False, is_grounded=False, limit_bytes=max_record_mb << 20)

    def take(data: bytes, begin: int, stop: int, separator: bytes) -> _Records | None:
        block = take_block(data, begin, stop, separator)
        if block is None:
            return None
        ids, begins, sizes = (a[: block.count].copy() for a in (block.texts.ids, block.texts.begins, block.texts.sizes))
        text = memoryview(data)[int(begins[0]) : int(begins[-1] + sizes[-1])]
        return _Records(block.count, block.end, text, ids, begins - begins[0], sizes)

    return take


def _check_id(image_id: int, file: str, number: int) -> Finding | None:
    if -_ID_LIMIT <= image_id < _ID_LIMIT:
        return None
    return finding("image-id-range", str(image_id)[:80], file=file, record=number, path="$.image_id")


def _note(fault: Finding, add: Callable[[Finding], object], counts: Counter[str], *, is_whole_file: bool) -> None:
    if fault.severity == "error" and is_whole_file:
        raise fault_error(fault)  # no policy makes something of a file of which nothing can be read
    add(fault)
    if fault.severity == "error":
        counts["records_read"] += 1
        counts["records_skipped"] += 1


def read_raw(spool: IO[bytes], offset: int, length: int) -> bytes:
    """Return the bytes of one record of an open spool."""
    spool.seek(offset)
    return spool.read(length)
