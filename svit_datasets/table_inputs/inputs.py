"""Open tables as inputs: ``Dataset`` objects, folders of ``save_to_disk``, Parquet files, here or on the Hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from svit_datasets.remote.names import is_records_url
from svit_datasets.table_inputs.files import (
    PATH_ALONE,
    ROWS_EACH,
    Rows,
    guarded,
    plain,
    raise_damaged,
    table_of,
    tables_of,
    tell_task,
)
from svit_datasets.table_inputs.files import TableInput as TableInput
from svit_datasets.table_inputs.names import local_shard
from svit_datasets.table_inputs.remote import is_address, list_shards

_SPLITS, _STATE = "dataset_dict.json", "state.json"
_SAVED = "a folder written by save_to_disk"


def open_tables(given: Any, task: str | None = None) -> list[TableInput] | None:
    """Return the tables that ``given`` is or holds; None where it is something else, such as a JSON file.

    Args:
        given: A ``Dataset``, ``DatasetDict`` or iterable dataset of ``datasets``; a folder written by
            ``save_to_disk``; a Parquet file; a folder with Parquet files at any depth, of which the shards of one split
            make one table; ``hf://datasets/ORG/NAME[@REVISION][/FOLDER]``, such a folder or file on the Hub, of
            which the text alone is fetched.
        task: The task, where neither the dataset's configuration nor a path says it.

    Returns:
        The tables, those of a folder in the order of their names, ``train`` before ``test``.

    Raises:
        UsageError: The task is not told, or an address is none.
        InputError: A file is missing or damaged, or the Hub does not give it.
    """
    if not isinstance(given, str | Path):
        return _of_object(given, task)
    if is_records_url(given):
        return None
    if is_address(given):
        shards, is_one = list_shards(str(given)), str(given).endswith(".parquet")
        return [table_of(shards, task)] if is_one else tables_of(shards, task)
    path = Path(given)
    try:
        is_folder, is_parquet = path.is_dir(), path.suffix == ".parquet" and path.is_file()
    except OSError:  # a name that no file can have; opening it says so
        return None
    if is_folder:
        return _of_folder(path, task)
    return [table_of([local_shard(path)], task)] if is_parquet else None


def _of_folder(folder: Path, task: str | None) -> list[TableInput] | None:
    if (folder / _SPLITS).is_file() or (folder / _STATE).is_file():
        try:
            return [table for part in _saved_parts(folder) for table in _of_saved(part, folder, task)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise_damaged(str(folder), _SAVED, error)
    files = (p for p in folder.rglob("*.parquet") if p.is_file() and not _is_hidden(p.relative_to(folder)))
    return tables_of(map(local_shard, files), task) or None


def _is_hidden(path: Path) -> bool:
    """Tell whether a file is in a folder such as ``.cache``, where unfinished downloads lie."""
    return any(part.startswith(".") for part in path.parts)


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

    found = tell_task(task, dataset.info.config_name or "", path and path.absolute(), name)
    if isinstance(dataset, Dataset):
        read = partial(_dataset_rows, dataset)
        files = tuple(str(cached["filename"]) for cached in dataset.cache_files)
        rows = partial(guarded, name, _SAVED, read)
        return TableInput((name,), found, tuple(dataset.column_names), rows, files=files)
    stream = _undecoded(dataset.with_format(None))
    columns = tuple(stream.column_names or ())
    if not columns:  # after map or filter, a stream does not know them; older versions lose what one looks at twice
        stream = iter(stream)
        first = list(islice(stream, 1))
        columns = tuple(*first) or tuple(dataset.features or ())
        stream = chain(first, stream)
    return TableInput((name,), found, columns, partial(_stream_rows, stream))


def _dataset_rows(dataset: Any, wanted: list[str]) -> Rows:
    for table in dataset.select_columns(wanted).with_format("arrow").iter(batch_size=ROWS_EACH):
        table.validate(full=True)  # a file that is mapped into memory may point anywhere
        yield from plain(table)


def _undecoded(stream: Any) -> Any:
    from datasets import Image

    has_images = any(isinstance(kind, Image) for name, kind in (stream.features or {}).items() if name in PATH_ALONE)
    return stream.cast_column("image", Image(decode=False)) if has_images else stream


def _stream_rows(stream: Iterable[Mapping[str, Any]], wanted: list[str]) -> Rows:
    for row in stream:
        yield {name: row[name] if name not in PATH_ALONE else _path_of(row[name]) for name in wanted if name in row}


def _path_of(image: Any) -> dict[str, Any]:
    path = image.get("path") if isinstance(image, Mapping) else getattr(image, "filename", None)
    return {"path": path or None}
