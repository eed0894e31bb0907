"""Open tables as inputs: ``Dataset`` objects, folders of ``save_to_disk``, Parquet files and folders of them."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from svit_datasets.containers import input_error
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import finding
from svit_datasets.records import TaskName, find_task
from svit_datasets.table_records import TableItem, granularity_of, read_rows, wanted_columns

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Iterator[Mapping[str, Any]]
_ROWS_EACH = 200
_NO_TEXT = ("images",)  # folders of shards that hold no text
_SPLITS, _STATE = "dataset_dict.json", "state.json"
_SHARD = re.compile(r"-[0-9]{5,}-of-[0-9]{5,}$")
_PATH_ALONE = {"image": "image.path"}
_SAVED, _PARQUET = "a folder written by save_to_disk", "a Parquet file"


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


def open_tables(given: Any, task: str | None = None) -> list[TableInput] | None:
    """Return the tables that ``given`` is or holds; None where it is something else, such as a JSON file.

    Args:
        given: A ``Dataset``, ``DatasetDict`` or iterable dataset of ``datasets``; a folder written by
            ``save_to_disk``; a Parquet file; a folder with Parquet files at any depth, of which the shards of one split
            make one table.
        task: The task, where neither the dataset's configuration nor a path says it.

    Returns:
        The tables, those of a folder in the order of their names.

    Raises:
        UsageError: The task is not told.
        InputError: A file is damaged.
    """
    if not isinstance(given, str | Path):
        return _of_object(given, task)
    path = Path(given)
    try:
        is_folder, is_parquet = path.is_dir(), path.suffix == ".parquet" and path.is_file()
    except OSError:  # a name that no file can have; opening it says so
        return None
    if is_folder:
        return _of_folder(path, task)
    return [_of_shards([path], task)] if is_parquet else None


def _of_folder(folder: Path, task: str | None) -> list[TableInput] | None:
    if (folder / _SPLITS).is_file() or (folder / _STATE).is_file():
        try:
            return [table for part in _saved_parts(folder) for table in _of_saved(part, folder, task)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            _raise_damaged(str(folder), _SAVED, error)
    splits: dict[Path, list[Path]] = {}
    for file in sorted(p for p in folder.rglob("*.parquet") if p.is_file() and p.parent.name not in _NO_TEXT):
        splits.setdefault(file.with_name(_SHARD.sub("", file.stem)), []).append(file)
    return [_of_shards(shards, task) for shards in splits.values()] or None


def _saved_parts(folder: Path) -> list[Path]:
    """Return the folders of the splits, or the folder itself where it has none."""
    if not (folder / _SPLITS).is_file():
        return [folder]
    return [folder / name for name in json.loads((folder / _SPLITS).read_text())["splits"]]


def _of_saved(part: Path, folder: Path, task: str | None) -> list[TableInput]:
    from datasets import Dataset

    if not json.loads((part / _STATE).read_text())["_data_files"]:
        return []  # no rows; datasets saves this and cannot load it
    dataset = Dataset.load_from_disk(str(part))
    name = str(folder) if part == folder else str(part)
    return [_of_dataset(dataset, task, name, path=part)]


def is_dataset(given: Any) -> bool:
    """Tell whether ``given`` is an object of ``datasets``, one split or several; does not import it.

    >>> is_dataset("referring_qa.json")
    False
    """
    datasets = sys.modules.get("datasets")
    if datasets is None:
        return False
    several = datasets.DatasetDict | datasets.IterableDatasetDict
    return isinstance(given, several | datasets.Dataset | datasets.IterableDataset)


def _of_object(given: Any, task: str | None) -> list[TableInput] | None:
    if not is_dataset(given):
        return None
    if isinstance(given, dict):
        return list(chain.from_iterable(_of_object(part, task) or () for part in given.values()))
    split = "" if given.split is None else f"[{given.split}]"
    name = f"{given.info.dataset_name or 'dataset'}/{given.info.config_name or '?'}{split}"
    return [_of_dataset(given, task, name, path=None)]


def _of_dataset(dataset: Any, task: str | None, name: str, *, path: Path | None) -> TableInput:
    from datasets import Dataset

    found = _task(task, dataset.info.config_name or "", path, name)
    if isinstance(dataset, Dataset):
        read = partial(_dataset_rows, dataset)
        files = tuple(str(cached["filename"]) for cached in dataset.cache_files)
        rows = partial(_guarded, name, _SAVED, read)
        return TableInput((name,), found, tuple(dataset.column_names), rows, files=files)
    stream = _undecoded(dataset.with_format(None))
    columns = tuple(stream.column_names or ())
    if not columns:  # after map or filter, a stream does not know them; older versions lose what one looks at twice
        stream = iter(stream)
        first = list(islice(stream, 1))
        columns = tuple(*first) or tuple(dataset.features or ())
        stream = chain(first, stream)
    return TableInput((name,), found, columns, partial(_stream_rows, stream))


def _task(task: str | None, config: str, path: Path | None, name: str) -> TaskName:
    """Return the task: as given, as the configuration says, or as the file's or a folder's name says, nearest first."""
    if task is not None:
        found = find_task(task)
        said = f"no task is called {task!r}"
    else:
        parts = () if path is None else (path.absolute(), *path.absolute().parents)
        words = chain([config], *(_beginnings(part.name.split(".")[0]) for part in parts))
        found = next((known for word in words if (known := find_task(word))), None)
        said = "nothing says the task"
    if found is None:
        raise UsageError(
            f"{name}: {said}; pass it as task (--task): conversation, complex_reasoning, referring, detail"
        )
    return found


def _beginnings(word: str) -> Iterator[str]:
    """Yield a name, and what is left of it as words behind a ``-`` are taken off: ``detail`` of ``detail-train-0``."""
    while word:
        yield word
        word = word.rpartition("-")[0]


def _guarded(name: str, expected: str, read: Callable[[list[str]], Rows], wanted: list[str]) -> Rows:
    """Yield rows, with whatever a damaged file makes its reader raise named."""
    try:
        yield from read(wanted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:  # Arrow's are among them
        _raise_damaged(name, expected, error)


def _dataset_rows(dataset: Any, wanted: list[str]) -> Rows:
    for table in dataset.select_columns(wanted).with_format("arrow").iter(batch_size=_ROWS_EACH):
        table.validate(full=True)  # a file that is mapped into memory may point anywhere
        yield from _plain(table)


def _undecoded(stream: Any) -> Any:
    from datasets import Image

    has_images = any(isinstance(kind, Image) for name, kind in (stream.features or {}).items() if name in _PATH_ALONE)
    return stream.cast_column("image", Image(decode=False)) if has_images else stream


def _stream_rows(stream: Iterable[Mapping[str, Any]], wanted: list[str]) -> Rows:
    for row in stream:
        yield {name: row[name] if name not in _PATH_ALONE else _path_of(row[name]) for name in wanted if name in row}


def _path_of(image: Any) -> dict[str, Any]:
    path = image.get("path") if isinstance(image, Mapping) else getattr(image, "filename", None)
    return {"path": path or None}


def _of_shards(files: list[Path], task: str | None) -> TableInput:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names, counts = [], []
    for file in files:
        try:
            metadata = pq.read_metadata(file)
            names.append(tuple(metadata.schema.to_arrow_schema().names))
        except (pa.ArrowException, OSError, ValueError) as error:
            _raise_damaged(str(file), _PARQUET, error)
        counts.append(metadata.num_rows)
        if names[-1] != names[0]:
            raise UsageError(f"{file}: its columns are not those of {files[0]}; write them again as one")
    readers = [partial(_guarded, str(file), _PARQUET, partial(_shard_rows, file)) for file in files]
    ends = tuple(sum(counts[: i + 1]) for i in range(len(counts) - 1))
    found = _task(task, "", files[0], str(files[0]))
    paths = tuple(str(file) for file in files)
    return TableInput(paths, found, names[0], lambda w: chain.from_iterable(r(w) for r in readers), ends, paths)


def _shard_rows(file: Path, wanted: list[str]) -> Rows:
    import pyarrow.parquet as pq

    columns = [_PATH_ALONE.get(name, name) for name in wanted]
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_ROWS_EACH, columns=columns):
            yield from _plain(batch)


def _plain(table: pa.Table | pa.RecordBatch) -> Rows:
    """Yield rows as plain objects; of an image its path alone, so that its bytes stay where they are."""
    rest = [name for name in table.schema.names if name not in _PATH_ALONE]
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


def _raise_damaged(name: str, expected: str, error: Exception) -> NoReturn:
    if isinstance(error, SvitError):
        raise error
    found = str(error).split("\n")[0] or type(error).__name__
    fault = finding("input-damaged", found, file=name, expected=expected, mend="write it again")
    raise input_error(fault) from error
