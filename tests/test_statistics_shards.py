"""``stats`` by shards counts what it counts of the whole, for any number of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers_cli import encode, save_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from shards_alike import llava, native, odd_files, save, tiny_shards

from svit_datasets.sharding import entry_shards, ranges
from svit_datasets.statistics.gather import stats


def told(inputs: Any, **given: Any) -> tuple[Any, ...]:
    counted = stats(inputs, **given)
    return counted.summary(top=50), counted


@settings(max_examples=120)
@given(contents=st.lists(odd_files(), min_size=1, max_size=3), size_bytes=st.integers(20, 900))
def test_shards_count_what_the_whole_holds(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], size_bytes: int
) -> None:
    names = save(tmp_path_factory.mktemp("odd"), contents)
    whole = told(names)
    with tiny_shards(size_bytes):
        assert told(names) == told(names, jobs=2) == whole


@pytest.mark.parametrize(("make", "jobs"), [(native, 2), (llava, 3)])
def test_processes_count_what_one_counts_also_where_counts_are_lower_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, jobs: int
) -> None:
    """More openings than are kept apart: which of them are, depends on the shards, and these are always the same."""
    files = [tmp_path / "referring_qa.json", tmp_path / "mine.jsonl"]
    records = [make(i % 300 + 2, ["Why?", f"w{i} v{i} <st>x{i}<ed> [0.1, 0.2, 0.5, 0.9] is."]) for i in range(17_000)]
    files[0].write_bytes(encode(records))
    files[1].write_bytes(b"\n".join(map(encode, records[:500])) + b"\nnull\n")
    for number in range(2, 40):
        save_photo(tmp_path / "VG_100K" / f"{number}.jpg", (number, 9))
    monkeypatch.setattr(entry_shards, "SHARD_BYTES", 1 << 20)
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    one = told(list(map(str, files)), images=[tmp_path])
    assert told(list(map(str, files)), images=[tmp_path], jobs=jobs) == one
    ranking = one[0].all.rankings["answer_openings_2_words"]
    assert (ranking.total, ranking.is_exact, one[0].first[0].record) == (17_500, False, 501)
