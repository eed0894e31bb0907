"""Load SVIT by the public parts of ``datasets`` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from svit_datasets.registration import NAME, check_version


def load_dataset(
    path: str = NAME,
    name: str | None = None,
    data_dir: str | Path | None = None,
    *,
    split: Any = None,
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | Path | None = None,
    features: Any = None,
    download_mode: Any = None,
    verification_mode: Any = None,
    keep_in_memory: bool = False,
    token: str | bool | None = None,
    **options: Any,
) -> Any:
    """Load SVIT as a ``datasets.Dataset``, as ``datasets.load_dataset`` does, without touching its private names.

    Args:
        path: ``svit``; any other name goes to ``datasets.load_dataset`` as it is.
        name: ``conversation``, ``complex_reasoning``, ``referring``, ``detail`` or ``images``.
        data_dir: Folder with SVIT's files as published; else ``SVIT_DATA_DIR``, else they come from the Hub.
        split: ``train``, ``test``, ``train[:1%]`` and the like; None gives both.
        streaming: Whether to read on the go, without a table on disk.
        num_proc: Number of processes.
        cache_dir: Where the table is kept.
        features: See ``datasets.load_dataset``.
        download_mode: Likewise; ``force_redownload`` builds anew.
        verification_mode: Likewise.
        keep_in_memory: Whether the table is read into memory.
        token: Token for the Hub; by default the one that ``hf auth login`` stored.
        options: ``images``, ``granularity``, ``on_missing_image``, ``check_images``, ``on_error``, ``coco_captions``,
            ``columns``, ``revision``: see the page on loading.

    Returns:
        A ``Dataset``, ``DatasetDict``, ``IterableDataset`` or ``IterableDatasetDict``.

    Raises:
        UsageError: An option has none of its values, or the installed ``datasets`` was not tested.
        InputError: A file cannot be used, or cannot be fetched.
        RecordError: A record or an image is at fault.
    """
    cache = None if cache_dir is None else str(cache_dir)
    if path != NAME:
        import datasets

        return datasets.load_dataset(
            path,
            name,
            data_dir=None if data_dir is None else str(data_dir),
            split=split,
            streaming=streaming,
            num_proc=num_proc,
            cache_dir=cache,
            features=features,
            download_mode=download_mode,
            verification_mode=verification_mode,
            keep_in_memory=keep_in_memory,
            token=token,
            **options,
        )
    check_version()
    from svit_datasets.builder import Svit

    builder = Svit(cache_dir=cache, config_name=name, data_dir=data_dir, features=features, token=token, **options)
    if streaming:
        return builder.as_streaming_dataset(split=split)
    builder.download_and_prepare(num_proc=num_proc, download_mode=download_mode, verification_mode=verification_mode)
    return builder.as_dataset(split=split, in_memory=keep_in_memory)
