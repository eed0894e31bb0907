"""How shards are written: as the Hub's viewer, its deduplication and every version of ``datasets`` want them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from svit_datasets.publish.card.features import features_json
from svit_datasets.tables.columns import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

# A row group is what a reader loads at once; the Hub's viewer gives up above 286 MiB.
GROUP_BYTES, GROUP_ROWS = 32 << 20, 1000
_CHUNKING = "use_content_defined_chunking"
HAS_CHUNKING = _CHUNKING in inspect.signature(pq.ParquetWriter.__init__).parameters
_PHOTO = "image.bytes"
_REPEATED = ("from", "topic", "phrase")


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of a table, with its features for ``datasets``.

    >>> from svit_datasets.tables.columns import columns_of
    >>> schema_of(columns_of("images", "image", has_captions=False, chosen=["image_id"])).names
    ['image_id']
    """
    columns = list(columns)
    return pa.schema([(c.name, c.type) for c in columns], metadata={"huggingface": features_json(columns)})


def leaf_paths(schema: pa.Schema) -> list[str]:
    """Return the paths of a schema's leaves as Parquet names them.

    >>> leaf_paths(pa.schema([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))]))
    ['a', 'b.list.element.c']
    """
    return [path for field in schema for path in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path


def open_shard(file: IO[bytes], columns: Sequence[Column]) -> pq.ParquetWriter:
    """Begin a shard, which is written row group by row group.

    Photos are packed already and stay as they are; texts are packed by zstd. Statistics and the page index let readers
    pass over what they do not want; content-defined chunks let the Hub keep equal parts of files once.

    Args:
        file: The file, open: Arrow itself takes no path that is not UTF-8, and names no reason of the system's.
        columns: Its columns.

    Returns:
        The writer.
    """
    schema = schema_of(columns)
    leaves = leaf_paths(schema)
    more: dict[str, Any] = {_CHUNKING: True} if HAS_CHUNKING else {}
    return pq.ParquetWriter(
        file,
        schema,
        compression={leaf: "none" if leaf == _PHOTO else "zstd" for leaf in leaves},
        use_dictionary=[leaf for leaf in leaves if leaf.endswith(_REPEATED)],
        write_statistics=True,
        write_page_index=True,
        **more,
    )
