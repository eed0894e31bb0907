"""Where shards and row groups begin, and sizes in words: properties that hold for any images and sizes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets.errors import UsageError
from svit_datasets.publish.building.plan import Rows, cut, plan_spans, sizes_by_id, union_ids
from svit_datasets.publish.layout import ShardName, parse_shard
from svit_datasets.sizes import parse_size, show_size

IDS = st.integers(-(1 << 63), (1 << 63) - 1)
ROWS = st.lists(st.tuples(IDS, st.integers(0, 1000)), max_size=30)
CONFIGS = st.dictionaries(st.sampled_from(["detail", "referring", "conversation"]), ROWS.filter(bool), min_size=1)
SIZES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 99), min_size=n, max_size=n), min_size=1, max_size=40)
)


def rows_of(several: list[tuple[int, int]]) -> Rows:
    ordered = sorted(several)
    return Rows(np.array([i for i, _ in ordered], np.int64), np.array([size for _, size in ordered], np.int64))


def sums(sizes: list[npt.NDArray[np.int64]], run: tuple[int, int]) -> list[int]:
    return [int(size[slice(*run)].sum()) for size in sizes]


@given(items=SIZES, limit=st.integers(1, 300), most=st.none() | st.integers(1, 7))
def test_runs_cover_all_and_stay_under_the_limits(items: list[list[int]], limit: int, most: int | None) -> None:
    sizes = [np.array(column, np.int64) for column in zip(*items, strict=True)]
    runs = cut(sizes, limit, most=most)
    assert [i for run in runs for i in range(*run)] == list(range(len(items)))
    for begin, end in runs:
        assert end - begin == 1 or max(sums(sizes, (begin, end))) <= limit
        assert most is None or end - begin <= most
        is_full = end - begin == most or end == len(items)
        assert is_full or max(sums(sizes, (begin, end + 1))) > limit  # as many as fit


@given(configs=CONFIGS, limit=st.integers(1, 3000))
def test_shards_cover_every_image_of_every_configuration(configs: dict[str, list[tuple[int, int]]], limit: int) -> None:
    rows = {name: rows_of(several) for name, several in configs.items()}
    spans = plan_spans({"train": rows, "test": {"detail": rows_of([(5, 1)])}}, limit)
    train = [span for span in spans if span.split == "train"]
    assert [(s.number, s.of) for s in train] == [(i, len(train)) for i in range(len(train))]
    assert all(s.first <= s.last for s in train)
    assert all(a.last < b.first for a, b in pairwise(train))
    for image_id in {i for several in configs.values() for i, _ in several}:
        assert sum(s.first <= image_id <= s.last for s in train) == 1
    assert sum(s.bytes for s in train) == sum(size for several in configs.values() for _, size in several)
    assert [(s.split, s.number, s.of, s.first, s.last) for s in spans if s not in train] == [("test", 0, 1, 5, 5)]


@given(several=ROWS, more=st.lists(IDS, max_size=5))
def test_sizes_are_summed_by_image(several: list[tuple[int, int]], more: list[int]) -> None:
    rows = rows_of(several)
    ids = union_ids([rows, Rows(np.array(sorted(more), np.int64), np.zeros(len(more), np.int64))])
    assert ids.tolist() == sorted({i for i, _ in several} | set(more))
    wanted = [sum(size for i, size in several if i == image_id) for image_id in ids.tolist()]
    assert sizes_by_id(ids, rows).tolist() == wanted


def test_nothing_is_planned_for_nothing() -> None:
    assert plan_spans({}, 10) == []
    assert cut([], 10) == []
    assert union_ids([]).tolist() == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("100KB", 100_000),
        ("1GiB", 1 << 30),
        ("1.5 mib", 3 << 19),
        ("7", 7),
        (8, 8),
        ("2TB", 2 * 10**12),
        ("9" * 400, 1 << 62),
    ],
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1XB", "nan", "inf", "1e9", "KB", "0.1B", "1,5MB", "\u0664MB", 0])
def test_what_is_no_size_is_refused(text: str | int) -> None:
    with pytest.raises(UsageError, match=r"is no size; write it as 500MB or 1GiB$"):
        parse_size(text)


@given(st.integers(0, 10**15))
def test_sizes_are_shown_in_few_characters(number: int) -> None:
    shown = show_size(number)
    value, unit = shown.split()
    scale = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit]
    assert abs(float(value) * scale - number) <= max(0.5 * scale * (0.1 if "." in value else 1), 0) * 1.001


@given(st.sampled_from(["detail", "complex_reasoning"]), st.sampled_from(["train", "test"]), st.integers(0, 10**7))
def test_names_of_shards_are_read_back(config: str, split: str, number: int) -> None:
    name = ShardName(config, split, number, number + 1)
    assert parse_shard(name.path) == name
    for other in (f"/{name.path}", f"{name.path}.part", name.path.replace("-of-", "_of_"), name.path.upper()):
        assert parse_shard(other) is None
