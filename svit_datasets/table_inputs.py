"""Open tables as inputs: ``Dataset`` objects, folders of ``save_to_disk``, Parquet files and folders of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svit_datasets.containers import input_error
from svit_datasets.errors import SvitError, UsageError
from svit_datasets.findings import finding
from svit_datasets.records import TaskName, find_task
from svit_datasets.table_records import TableItem, granularity_of, read_rows, wanted_columns

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_EACH = 200
_NO_TEXT = ("images",)  # folders of shards that hold no text
_SPLITS, _STATE = "dataset_dict.json", "state.json"


@dataclass(frozen=True)
class TableInput:
    """A table to read native records from.

    Attributes:
        name: What the user called it.
        task: Its task.
        columns: Its columns.
        rows: Yields its rows as plain objects, with the columns that are asked for.
    """

    name: str
    task: TaskName
    columns: tuple[str, ...]
    rows: Callable[[list[str]], Iterator[Mapping[str, Any]]]

    def items(self) -> Iterator[TableItem]:
        """Yield its native records and faulty rows.

        Raises:
            UsageError: Its columns are not those of these tables.
        """
        granularity = granularity_of(self.columns, source=self.name)
        return read_rows(self.rows(wanted_columns(self.columns, granularity)), granularity)


def open_tables(given: Any, task: str | None = None) -> list[TableInput] | None:
    """Return the tables that ``given`` is or holds; None where it is something else, such as a JSON file.

    Args:
        given: A ``Dataset``, ``DatasetDict`` or iterable dataset of ``datasets``; a folder written by
            ``save_to_disk``; a Parquet file; a folder with Parquet files at any depth.
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
        if path.is_dir():
            return _of_folder(path, task)
        if path.is_file() and path.suffix == ".parquet":
            return [_parquet(path, task)]
    except OSError:  # a name that no file can have; opening it says so
        return None
    return None


def _of_folder(folder: Path, task: str | None) -> list[TableInput] | None:
    if (folder / _SPLITS).is_file() or (folder / _STATE).is_file():
        try:
            return [table for part in _saved_parts(folder) for table in _of_saved(part, task)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, SvitError):
                raise
            raise _damaged(folder, error, "a folder written by save_to_disk") from error
    files = sorted(p for p in folder.rglob("*.parquet") if p.is_file())
    return [_parquet(file, task) for file in files if file.parent.name not in _NO_TEXT] or None


def _saved_parts(folder: Path) -> list[Path]:
    """Return the folders of the splits, or the folder itself where it has none."""
    if not (folder / _SPLITS).is_file():
        return [folder]
    return [folder / name for name in json.loads((folder / _SPLITS).read_text())["splits"]]


def _of_saved(folder: Path, task: str | None) -> list[TableInput]:
    from datasets import Dataset

    if not json.loads((folder / _STATE).read_text())["_data_files"]:
        return []  # no rows; datasets saves this and cannot load it
    return _of_object(Dataset.load_from_disk(str(folder)), task, path=folder) or []


def _of_object(given: Any, task: str | None, path: Path | None = None) -> list[TableInput] | None:
    datasets = sys.modules.get("datasets")
    if datasets is None:
        return None
    if isinstance(given, datasets.DatasetDict | datasets.IterableDatasetDict):
        parts = [_of_object(part, task, path) for part in given.values()]
        return list(chain.from_iterable(part for part in parts if part))
    if not isinstance(given, datasets.Dataset | datasets.IterableDataset):
        return None
    config = given.info.config_name or ""
    name = str(path) if path else f"{given.info.dataset_name or 'dataset'}/{config or '?'}"
    if path is None or given.split is not None:
        name += f"[{given.split}]" if given.split is not None else ""
    found = _task(task, config, path, name)
    columns = tuple(given.column_names or given.features or ())
    if not columns:
        raise UsageError(f"{name}: its columns are not known; resolve them first, with resolve_column_names() or so")
    rows = _dataset_rows if isinstance(given, datasets.Dataset) else _stream_rows
    return [TableInput(name, found, columns, lambda wanted: rows(given, wanted))]


def _task(task: str | None, config: str, path: Path | None, name: str) -> TaskName:
    """Return the task: as given, as the configuration says, or as a folder or the file's name says, nearest first."""
    words = [config]
    if path is not None:
        words += [path.stem, path.stem.split("-")[0], *(p.name for p in path.absolute().parents)]
    found = find_task(task) if task is not None else next((t for w in words if (t := find_task(w))), None)
    if found is None:
        said = f"no task is called {task!r}" if task is not None else "nothing says the task"
        raise UsageError(
            f"{name}: {said}; pass it as task (--task): conversation, complex_reasoning, referring, detail"
        )
    return found


def _dataset_rows(dataset: Any, wanted: list[str]) -> Iterator[Mapping[str, Any]]:
    for table in dataset.select_columns(wanted).with_format("arrow").iter(batch_size=_ROWS_EACH):
        yield from _plain(table)


def _stream_rows(dataset: Any, wanted: list[str]) -> Iterator[Mapping[str, Any]]:
    from datasets import Image

    chosen = dataset.select_columns(wanted)
    if "image" in wanted:
        chosen = chosen.cast_column("image", Image(decode=False))
    for row in chosen:
        image = row.get("image")
        yield {**row, "image": {"path": image["path"]}} if image else row


_PATH_ALONE = {"image": "image.path"}


def _parquet(file: Path, task: str | None) -> TableInput:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(file).names
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error, "a Parquet file") from error

    def rows(wanted: list[str]) -> Iterator[Mapping[str, Any]]:
        columns = [_PATH_ALONE.get(name, name) for name in wanted]
        try:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(_ROWS_EACH, columns=columns):
                    yield from _plain(batch)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(file, error, "a Parquet file") from error

    return TableInput(str(file), _task(task, "", file, str(file)), tuple(names), rows)


def _plain(table: pa.Table | pa.RecordBatch) -> Iterator[Mapping[str, Any]]:
    """Yield rows as plain objects; of an image its path alone, so that its bytes stay where they are."""
    import pyarrow as pa

    rest = [name for name in table.schema.names if name not in _PATH_ALONE]
    rows = table.select(rest).to_pylist()
    if len(rest) == table.num_columns:
        yield from rows
        return
    image = table.column(table.schema.names.index("image"))
    chunks = image.chunks if isinstance(image, pa.ChunkedArray) else [image]
    paths = [p for chunk in chunks for p in _paths(chunk)]
    yield from ({**row, "image": {"path": path}} for row, path in zip(rows, paths, strict=True))


def _paths(image: Any) -> list[str | None]:
    kind = image.type
    has_path = hasattr(kind, "get_field_index") and kind.get_field_index("path") >= 0
    return image.field("path").to_pylist() if has_path else [None] * len(image)


def _damaged(path: Path, error: Exception, expected: str) -> Exception:
    found = str(error).split("\n")[0] or type(error).__name__
    return input_error(finding("input-damaged", found, file=str(path), expected=expected, mend="write it again"))
