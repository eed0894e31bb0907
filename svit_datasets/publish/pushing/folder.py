"""Open a folder that a build made, and check that it is whole and what its card says."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets.errors import InputError, UsageError
from svit_datasets.publish.card.stated import Stated, read_stated
from svit_datasets.publish.layout import CROISSANT, DATA, README, parse_shard
from svit_datasets.publish.origin import ORIGIN, read_origin
from svit_datasets.publish.pushing.leaks import ByteSearch, find_place

CHUNK_BYTES = 8 << 20
_AGAIN = "build the folder again; nothing was sent"


class BuiltShard(NamedTuple):
    """A shard of a built folder.

    Attributes:
        path: Where it stands in the folder, with ``/``.
        size_bytes: Its size.
        sha256: Its digest, as ``croissant.json`` states it.
        rows: Its rows.
        has_photos: Whether photos' bytes are in it.
    """

    path: str
    size_bytes: int
    sha256: str
    rows: int = 0
    has_photos: bool = False


class BuiltFolder(NamedTuple):
    """A built folder.

    Attributes:
        path: Where it is.
        card: Its card.
        croissant: Its ``croissant.json``.
        stated: What the card states.
        shards: Its shards.
        left_alone: Further files, which are not sent.
    """

    path: Path
    card: str
    croissant: bytes
    stated: Stated
    shards: tuple[BuiltShard, ...]
    left_alone: tuple[str, ...]

    @property
    def has_photos(self) -> bool:
        """Whether photos' bytes are in it."""
        return any(shard.has_photos for shard in self.shards)

    @property
    def example(self) -> str:
        """The configuration that the card's first example loads; else the first."""
        shown = re.findall(r'load_dataset\("[^"]*", "([^"]*)"', self.card)
        known = [pattern.config for pattern in self.stated.patterns]
        return next((config for config in shown if config in known), known[0])

    @property
    def sources(self) -> list[str]:
        """What it was built from, where it tells."""
        origin = read_origin(self.path)
        return [origin.root, *origin.files] if origin else []


def open_folder(folder: str | Path) -> BuiltFolder:
    """Open a built folder; the bytes of its shards are not looked at yet.

    Args:
        folder: Where it is.

    Returns:
        What is in it.

    Raises:
        UsageError: It is no built folder.
        InputError: A file is missing, of another size, or one too many.
    """
    from svit_datasets.publish.card.croissant import read_croissant

    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{folder}: is no folder; name one that `svit-convert build` made")
    missing = [name for name in (README, CROISSANT) if not (path / name).is_file()]
    if missing:
        raise UsageError(f"{folder}: has no {' and no '.join(missing)}; name a folder that `svit-convert build` made")
    try:
        card, croissant = (path / README).read_text("utf-8"), (path / CROISSANT).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder}: {README} or {CROISSANT} cannot be read ({error}); {_AGAIN}") from error
    shards = tuple(BuiltShard(f.path, f.size_bytes, f.sha256) for f in read_croissant(croissant))
    left_alone = _others(path, {shard.path for shard in shards})
    for shard in shards:
        _check_size(path, shard)
    return BuiltFolder(path, card, croissant, read_stated(card), shards, left_alone)


def _others(folder: Path, known: set[str]) -> tuple[str, ...]:
    """Return further files; raise where one would be loaded with the shards."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    others = [name for name in files if name not in known | {README, CROISSANT, ORIGIN}]
    strange = [name for name in others if name.startswith(f"{DATA}/") and name.endswith(".parquet")]
    if strange:
        told = ", ".join(strange[:5]) + (f" and {len(strange) - 5:,} more" if len(strange) > 5 else "")
        raise InputError(f"{folder}: {told}: not of this build by {CROISSANT}; take it away, or build again")
    return tuple(others)


def _check_size(folder: Path, shard: BuiltShard) -> None:
    file = folder / shard.path
    if parse_shard(shard.path) is None:
        raise InputError(f"{CROISSANT}: {shard.path!r} is no name of a shard; {_AGAIN}")
    if not file.is_file():
        raise InputError(f"{file}: is missing, and {CROISSANT} names it; {_AGAIN}")
    size = file.stat().st_size
    if size != shard.size_bytes:
        raise InputError(f"{file}: has {size:,} bytes, expected {shard.size_bytes:,}; the shard is damaged: {_AGAIN}")


def check_bytes(folder: BuiltFolder, places: Sequence[str], add: Callable[[int], None] = lambda _: None) -> BuiltFolder:
    """Read every shard once: its digest, this machine's paths in its bytes, its rows.

    Args:
        folder: The folder.
        places: Folders of this machine.
        add: Takes the number of bytes read, as it goes.

    Returns:
        The folder with the rows of each shard.

    Raises:
        InputError: A shard is damaged or tells a path; the card's counts are not those of the shards.
    """
    read = tuple(_check_shard(folder.path, shard, places, add) for shard in folder.shards)
    checked = folder._replace(shards=read)
    check_counts(checked.stated, checked.shards)
    return checked


def _check_shard(folder: Path, shard: BuiltShard, places: Sequence[str], add: Callable[[int], None]) -> BuiltShard:
    from svit_datasets.publish.pushing.leak_scan import check_shard

    file = folder / shard.path
    digest, search = hashlib.sha256(), ByteSearch(places)
    try:
        with file.open("rb") as stream:
            while piece := stream.read(CHUNK_BYTES):
                digest.update(piece)
                search.feed(piece)
                add(len(piece))
    except OSError as error:
        raise InputError(f"{file}: {(error.strerror or str(error)).lower()}; nothing was sent") from error
    if digest.hexdigest() != shard.sha256:
        raise InputError(f"{file}: its SHA-256 is not the one in {CROISSANT}; the shard is damaged: {_AGAIN}")
    rows, has_photos = _footer(file)
    check_shard(file, shard.path, places)
    if (place := search.close()) is not None:
        raise InputError(
            f"{shard.path}: its bytes tell {place}, a folder of this machine, in a photo most likely; take it out of "
            "the source and build again; nothing was sent"
        )
    return shard._replace(rows=rows, has_photos=has_photos)


def _footer(file: Path) -> tuple[int, bool]:
    """Return the rows of a Parquet file, and whether photos' bytes are in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: is no Parquet that can be read ({error}); {_AGAIN}") from error
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    return metadata.num_rows, any(_has_bytes(g.column(i)) for g in groups for i in range(g.num_columns))


def tells_photos(folder: BuiltFolder) -> bool:
    """Tell whether photos' bytes are in a folder, by the ends of its shards; those that are damaged tell nothing."""
    for shard in folder.shards:
        with suppress(InputError):
            if _footer(folder.path / shard.path)[1]:
                return True
    return False


def _has_bytes(chunk: Any) -> bool:
    is_binary = chunk.physical_type == "BYTE_ARRAY" and chunk.path_in_schema.endswith("bytes")
    held = chunk.statistics
    return is_binary and not (held is not None and held.has_null_count and held.null_count >= chunk.num_values)


def check_counts(stated: Stated, shards: Sequence[BuiltShard]) -> None:
    """Raise ``InputError`` where a card's configurations or counts are not those of the shards.

    >>> check_counts(read_stated("---\\nconfigs: {config_name: a, data_files: x}\\n---\\n"), [])
    Traceback (most recent call last):
    svit_datasets.errors.InputError: README.md: a/train names 'x', and no shard is called so; mend its YAML, ...
    """
    mend = "mend its YAML, or build again"
    for pattern in stated.patterns:
        if not any(pattern.names(shard.path) for shard in shards):
            told = f"{pattern.config}/{pattern.split} names {pattern.glob!r}, and no shard is called so"
            raise InputError(f"{README}: {told}; {mend}")
    found: Counter[tuple[str, str]] = Counter()
    for shard in shards:
        keys = {(p.config, p.split) for p in stated.patterns if p.names(shard.path)}
        if not keys:
            raise InputError(f"{README}: its configs load no {shard.path}; {mend}")
        found.update(dict.fromkeys(keys, shard.rows))
    for (config, split), rows in found.items():
        told_rows = stated.rows.get((config, split))
        if told_rows != rows:
            told = f"states {told_rows:,}" if told_rows is not None else "does not state the"
            raise InputError(f"{README}: {told} rows of {config}/{split}, and its shards hold {rows:,}; {mend}")
    absent = sorted(set(stated.rows) - set(found))
    if absent:
        raise InputError(f"{README}: states rows of {'/'.join(absent[0])}, which no shard holds; {mend}")


def check_text(name: str, text: str, places: Sequence[str]) -> None:
    """Raise ``InputError`` where a line of a text tells a path of this machine.

    >>> check_text("README.md", "Built\\nin /Users/ann/x", ["/Users/ann"])
    Traceback (most recent call last):
    svit_datasets.errors.InputError: README.md:2: tells /Users/ann, a folder of this machine; take it out; nothing was \
sent
    """
    for number, line in enumerate(text.splitlines(), 1):
        place = find_place(line, places)
        if place is not None:
            raise InputError(f"{name}:{number}: tells {place}, a folder of this machine; take it out; nothing was sent")
