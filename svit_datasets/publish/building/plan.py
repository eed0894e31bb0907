"""Where shards and row groups begin: at the same images in every configuration, by size. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]


class Span(NamedTuple):
    """The images of one shard of a split.

    Attributes:
        split: ``train`` or ``test``.
        number: Its number, from 0.
        of: How many there are.
        first: Its first image id.
        last: Its last one.
        bytes: Bytes of its photos and records, of all configurations, about.
        configs: The configurations that have rows in the split.
    """

    split: str
    number: int
    of: int
    first: int
    last: int
    bytes: int
    configs: tuple[str, ...]


class Rows(NamedTuple):
    """The rows of one configuration and split, by image id.

    Attributes:
        image_id: The image of each row, ascending.
        size: Bytes of each row, about.
    """

    image_id: Numbers
    size: Numbers


def union_ids(rows: Iterable[Rows]) -> Numbers:
    """Return all image ids, ascending, each once.

    >>> import numpy as np
    >>> union_ids([Rows(np.array([2, 2, 7]), np.zeros(3)), Rows(np.array([1, 7]), np.zeros(2))]).tolist()
    [1, 2, 7]
    """
    import numpy as np

    return np.unique(np.concatenate([np.zeros(0, np.int64), *(r.image_id for r in rows)]))


def sizes_by_id(ids: Numbers, rows: Rows) -> Numbers:
    """Return the bytes that a configuration's rows of each image take.

    >>> import numpy as np
    >>> sizes_by_id(np.array([1, 2, 7]), Rows(np.array([2, 2, 7]), np.array([10, 20, 5]))).tolist()
    [0, 30, 5]
    """
    import numpy as np

    places = np.searchsorted(ids, rows.image_id)
    return np.bincount(places, weights=rows.size, minlength=len(ids)).astype(np.int64)


def cut(sizes: Sequence[Numbers], limit: int, *, most: int | None = None) -> list[tuple[int, int]]:
    """Return the runs that keep every configuration's sum under a limit, as many items in each as fit.

    Args:
        sizes: For each configuration, the bytes of each item.
        limit: Most bytes of a run in any configuration; an item above it stands alone.
        most: Most items of a run.

    Returns:
        First item and the one behind the last of each run.

    >>> import numpy as np
    >>> cut([np.array([4, 4, 4, 9]), np.array([1, 1, 1, 1])], 8)
    [(0, 2), (2, 3), (3, 4)]
    """
    count = len(sizes[0]) if sizes else 0
    columns = [column.tolist() for column in sizes]
    runs, begin = [], 0
    sums = [0] * len(columns)
    for i in range(count):
        grown = [total + column[i] for total, column in zip(sums, columns, strict=True)]
        if i > begin and (max(grown) > limit or i - begin == most):
            runs.append((begin, i))
            begin, grown = i, [column[i] for column in columns]
        sums = grown
    return [*runs, (begin, count)] if count else []


def plan_spans(rows: Mapping[str, Mapping[str, Rows]], limit: int) -> list[Span]:
    """Return the shards of all splits.

    Args:
        rows: By split and configuration.
        limit: Most bytes of a shard, about.

    Returns:
        The shards, each of one split; those of a split cover its images without gap or overlap.

    >>> import numpy as np
    >>> rows = {"train": {"detail": Rows(np.array([3, 8, 9]), np.array([5, 5, 5]))}}
    >>> [(s.number, s.first, s.last) for s in plan_spans(rows, 10)]
    [(0, 3, 8), (1, 9, 9)]
    """
    spans = []
    for split, configs in rows.items():
        ids = union_ids(configs.values())
        sizes = [sizes_by_id(ids, r) for r in configs.values()]
        runs = cut(sizes, limit)
        for i, (a, b) in enumerate(runs):
            total = sum(int(size[a:b].sum()) for size in sizes)
            spans.append(Span(split, i, len(runs), int(ids[a]), int(ids[b - 1]), total, tuple(configs)))
    return spans
