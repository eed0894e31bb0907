"""The shards that an input is cut into: ranges of a file, each table of a folder."""

from __future__ import annotations

from svit_datasets.errors import UsageError
from svit_datasets.forward.inputs import Given, NativeFile
from svit_datasets.forward.pieces import Piece
from svit_datasets.reading.containers import STDIN, open_source
from svit_datasets.remote.names import is_remote, path_of
from svit_datasets.sharding.ranges import WHOLE, Range, cut_ranges

_MOST_SHARDS = 10_000  # of one file; those of a larger one are larger


def cut_input(number: int, given: Given, shard_bytes: int) -> list[Piece]:
    """Return the shards of an input.

    Args:
        number: The input's number.
        given: The input.
        shard_bytes: Smallest shard of a file that can be read from its middle.

    Raises:
        UsageError: Only this process can read it, and only once.
        InputError: It cannot be opened.
    """
    source, name, part = given
    if name is None:
        mend = "save it, or leave jobs and resume out"
        raise UsageError(f"{source.name}: an object in memory is read by one process; {mend}")
    if not isinstance(source, NativeFile):
        return [Piece(number, name, source.task, 0, None, part)]
    if name == STDIN or not (is_remote(name) or path_of(name).is_file()):
        raise UsageError(f"{name}: can be read once, by one process; name a file, or leave --jobs and --resume out")
    return [Piece(number, name, source.task, *cut) for cut in _ranges(name, shard_bytes)]


def _ranges(name: str, shard_bytes: int) -> list[Range]:
    """Return the ranges of a file; one for a packed file, which is unpacked from its start to read any of it."""
    with open_source(name) as source:
        size = source.text_bytes if source.seek and source.text_bytes == source.total_bytes else None
    if size is None:
        return [WHOLE]
    most = min(_MOST_SHARDS, max(1, size // shard_bytes))
    return cut_ranges(name, most=most)
