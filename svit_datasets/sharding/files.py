"""The files that shards are read from: how much there is to read, and whether one changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from svit_datasets.images.stores import find_places
from svit_datasets.reading.input_files import unreadable
from svit_datasets.remote.files import StoreError, look
from svit_datasets.remote.names import is_remote, path_of
from svit_datasets.sharding.watched import Watched


def total_bytes(files: Iterable[str]) -> int:
    """Return how many bytes files have together; what is no file, or of unknown size, counts nothing.

    Args:
        files: Paths and addresses.

    Raises:
        InputError: A store does not say.
    """
    return sum(map(_bytes_of, files))


def _bytes_of(file: str) -> int:
    if not is_remote(file):
        return Path(file).stat().st_size if Path(file).is_file() else 0
    try:
        status = look(file)
    except StoreError as error:
        raise unreadable(file, error) from error
    return (status.size_bytes if status else None) or 0


def watch_files(files: Iterable[str], roots: Iterable[str]) -> Watched:
    """Return the files of a run, looked at now, so that ``check`` tells whether one changed since.

    Args:
        files: The files that records are read from. A pipe, which is read once, is not watched.
        roots: Where photos are: the files of sizes and zips there are watched, photos that lie in folders are not.

    Returns:
        The files.
    """
    watched = Watched([*(f for f in files if is_remote(f) or Path(f).is_file()), *_of_roots(roots)])
    _ = watched.stamps
    return watched


def _of_roots(roots: Iterable[str]) -> Iterator[str]:
    for root in roots:
        if is_remote(root):
            yield root
        else:
            places = find_places(path_of(root))
            yield from map(str, (*places.zips, *places.image_data))
