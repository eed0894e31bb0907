"""The records and photos that are looked at, kept in a temporary index while a block runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from svit_datasets.errors import choose
from svit_datasets.findings import Finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Given, read_entries
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB
from svit_datasets.viewer.framing import Frame
from svit_datasets.viewer.index import Index
from svit_datasets.viewer.index_build import build_index

if TYPE_CHECKING:
    from svit_datasets.validation.photo_rules import Looking

TEMPORARY_PREFIX = "svit-view-"


class Source(NamedTuple):
    """What is looked at, and how it is read.

    Attributes:
        inputs: One input or several, as in ``read_entries``.
        images: Where photos are looked for, as in ``Photos``.
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        coordinates: The frame of LLaVA records' boxes.
        max_record_mb: Largest record, in MiB.
        is_decoding: Whether every photo is decoded whole for the findings that tell of photos, or its header read.
    """

    inputs: Any
    images: tuple[str | Path, ...] = ()
    layout: Given = "auto"
    task: str | None = None
    coordinates: Frame = "padded"
    max_record_mb: int = DEFAULT_MAX_RECORD_MB
    is_decoding: bool = False


@dataclass(frozen=True)
class Data:
    """What was read.

    Attributes:
        index: The records.
        photos: Their photos.
        coordinates: The frame of LLaVA records' boxes.
        notes: Faults of ``image_data.json``; the entries were left out.
    """

    index: Index
    photos: Photos
    coordinates: Frame
    notes: list[Finding]


@contextmanager
def open_data(source: Source) -> Iterator[Data]:
    """Read records into a temporary index, which is removed at the end of the block.

    Args:
        source: What is looked at.

    Yields:
        The records and photos.

    Raises:
        UsageError: An option has none of its values.
        InputError: An input or a root does not exist, or cannot be opened.
        OutputError: There is no room for the index.
    """
    from svit_datasets.validation.engine import examine

    choose("coordinates", source.coordinates, ("padded", "original"))
    notes: list[Finding] = []
    with Photos(source.images, add=notes.append) as photos, TemporaryDirectory(prefix=TEMPORARY_PREFIX) as folder:
        entries = read_entries(
            source.inputs, layout=source.layout, task=source.task, max_record_mb=source.max_record_mb
        )
        looking: Looking = "decode" if source.is_decoding else "header"
        path = Path(folder) / "index.sqlite"
        examined = examine(entries, coordinates=source.coordinates, photos=photos, looking=looking)
        build_index(path, examined)
        yield Data(Index(path), photos, source.coordinates, notes)


def as_roots(images: Iterable[str | Path] | str | Path) -> tuple[str | Path, ...]:
    """Return one root or several as a tuple.

    >>> as_roots("raw"), as_roots(["a", "b"])
    (('raw',), ('a', 'b'))
    """
    return (images,) if isinstance(images, str | Path) else tuple(images)
