"""Parquet shards as tables to read native records from, wherever they lie."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import finding
from svit_datasets.reading.containers import input_error
from svit_datasets.records import TaskName, find_task
from svit_datasets.table_inputs.names import Shard, by_split, check_whole
from svit_datasets.table_inputs.records import TableItem, granularity_of, read_rows, wanted_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Rows = Iterator[Mapping[str, Any]]
ROWS_EACH = 200
PATH_ALONE = {"image": "image.path"}
_PARQUET = "a Parquet file"


class TaskUntoldError(UsageError):
    """Nothing says the task of a table.

    Attributes:
        place: What the user called the table.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.place)


@dataclass(frozen=True)
class TableInput:
    """A table to read native records from.

    Attributes:
        names: What the user called it; for a table in several shards, each of them.
        task: Its task.
        columns: Its columns.
        rows: Yields its rows as plain objects, with the columns that are asked for.
        ends: Number of rows up to the end of each shard but the last.
        files: The files that it is read from, which no output may replace.
    """

    names: tuple[str, ...]
    task: TaskName
    columns: tuple[str, ...]
    rows: Callable[[list[str]], Rows]
    ends: tuple[int, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The table, or its first shard."""
        return self.names[0]

    def place(self, number: int) -> tuple[str, int]:
        """Return shard and number in it of the table's row ``number``, from 1."""
        shard = bisect_right(self.ends, number - 1)
        return self.names[shard], number - (self.ends[shard - 1] if shard else 0)

    def items(self) -> Iterator[TableItem]:
        """Yield its native records and faulty rows.

        Raises:
            UsageError: Its columns are not those of these tables.
        """
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise UsageError(f"{self.name}: {', '.join(twice)} stands twice among its columns; keep one")
        granularity = granularity_of(self.columns, source=self.name)
        return read_rows(self.rows(wanted_columns(self.columns, granularity)), granularity)


def tables_of(shards: Iterable[Shard], task: str | None) -> list[TableInput]:
    """Return the shards as tables, those of one split as one; shards of images alone are left out.

    Args:
        shards: All shards of some folders.
        task: Their task, where no name says it.

    Returns:
        The tables by folder; in a folder ``train``, ``validation``, ``test``, then any other split.

    Raises:
        UsageError: The task is not told, or the shards of a table differ in their columns.
        InputError: A shard is missing or damaged.
    """
    splits = by_split(shards)
    for several in splits:
        check_whole(several)
    return [table_of(several, task) for several in splits]


def table_of(shards: list[Shard], task: str | None) -> TableInput:
    """Return shards as one table, in their order; arguments and errors are those of ``tables_of``."""
    import pyarrow.parquet as pq

    names, feet = [], []
    for shard in shards:
        try:
            with shard.open() as source:
                feet.append(pq.read_metadata(source))
            names.append(tuple(feet[-1].schema.to_arrow_schema().names))
        except (OSError, ValueError, RuntimeError, KeyError) as error:  # Arrow's are among them
            raise_damaged(shard.name, _PARQUET, error)
        if names[-1] != names[0]:
            raise UsageError(f"{shard.name}: its columns are not those of {shards[0].name}; write them again as one")
    parts = [partial(_shard_rows, *both) for both in zip(shards, feet, strict=True)]
    readers = [partial(guarded, shard.name, _PARQUET, part) for shard, part in zip(shards, parts, strict=True)]
    ends = tuple(accumulate(foot.num_rows for foot in feet[:-1]))
    found = tell_task(task, "", shards[0].path, shards[0].name)
    files = tuple(shard.file for shard in shards if shard.file is not None)
    called = tuple(shard.name for shard in shards)
    return TableInput(called, found, names[0], lambda w: chain.from_iterable(r(w) for r in readers), ends, files)


def _shard_rows(shard: Shard, foot: pq.FileMetaData, wanted: list[str]) -> Rows:
    import pyarrow.parquet as pq

    columns = [PATH_ALONE.get(name, name) for name in wanted]
    known = foot if shard.is_far else None  # a file on disk may be another by now
    with shard.open() as source, pq.ParquetFile(source, metadata=known, pre_buffer=shard.is_far) as parquet:
        for group in range(parquet.num_row_groups):  # one at a time, so that no more than one is held
            for batch in parquet.iter_batches(ROWS_EACH, row_groups=[group], columns=columns):
                yield from plain(batch)


def tell_task(task: str | None, config: str, path: PurePath | None, name: str) -> TaskName:
    """Return the task: as given, as the configuration says, or as the file's or a folder's name says, nearest first.

    Args:
        task: As given.
        config: The configuration; '' where there is none.
        path: Where the table lies, absolute; None where it is on no disk.
        name: What the user called it.

    Returns:
        The task.

    Raises:
        UsageError: None tells it.

    >>> tell_task(None, "", PurePath("/data/referring/train-00000-of-00002.parquet"), "x.parquet")
    'referring_qa'
    """
    if task is not None:
        found = find_task(task)
        said = f"no task is called {task!r}"
    else:
        parts = () if path is None else (path, *path.parents)
        words = chain([config], *(_beginnings(part.name.split(".")[0]) for part in parts))
        found = next((known for word in words if (known := find_task(word))), None)
        said = "nothing says the task"
    if found is None:
        message = f"{name}: {said}; pass it as task (--task): conversation, complex_reasoning, referring, detail"
        raise UsageError(message) if task is not None else TaskUntoldError(message, name)
    return found


def _beginnings(word: str) -> Iterator[str]:
    """Yield a name, and what is left of it as words behind a ``-`` are taken off: ``detail`` of ``detail-train-0``."""
    while word:
        yield word
        word = word.rpartition("-")[0]


def guarded(name: str, expected: str, read: Callable[[list[str]], Rows], wanted: list[str]) -> Rows:
    """Yield rows, with whatever a damaged file makes its reader raise named."""
    try:
        yield from read(wanted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:  # Arrow's are among them
        raise_damaged(name, expected, error)


def plain(table: pa.Table | pa.RecordBatch) -> Rows:
    """Yield rows as plain objects; of an image its path alone, so that its bytes stay where they are."""
    rest = [name for name in table.schema.names if name not in PATH_ALONE]
    rows = table.select(rest).to_pylist()
    if len(rest) == table.num_columns:
        yield from rows
        return
    image = table.column(table.schema.names.index("image"))
    chunks = getattr(image, "chunks", [image])
    paths = chain.from_iterable(_paths(chunk) for chunk in chunks)
    yield from ({**row, "image": {"path": path}} for row, path in zip(rows, paths, strict=True))


def _paths(image: Any) -> list[str | None]:
    kind = image.type
    has_path = hasattr(kind, "get_field_index") and kind.get_field_index("path") >= 0
    return image.field("path").to_pylist() if has_path else [None] * len(image)


def raise_damaged(name: str, expected: str, error: Exception) -> NoReturn:
    """Raise what says that a table cannot be read; what says more already is raised as it is."""
    if isinstance(error, SvitError):
        raise error
    found = str(error).split("\n")[0] or type(error).__name__
    fault = finding("input-damaged", found, file=name, expected=expected, mend="write it again")
    raise input_error(fault) from error
