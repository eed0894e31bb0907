"""Counters of statistics: exact where they say so, bounded, and parts add up to the whole."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svit_datasets.errors import UsageError
from svit_datasets.findings import finding
from svit_datasets.images.photos import Photos
from svit_datasets.reading.entries import Entry, read_entries
from svit_datasets.statistics.collected import SHOWN, Statistics, merge
from svit_datasets.statistics.counters import Frequencies, Integers
from svit_datasets.statistics.gather import Gatherer
from svit_datasets.statistics.image_counts import ImageCounts
from svit_datasets.statistics.summary import summarise
from svit_datasets.statistics.texts import MAX_CHARACTERS, Openings, Phrases
from tests.native_files import Maker, dumps

WORDS = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=300)


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 100))
def test_percentiles_are_by_nearest_rank(values: list[int], percent: int) -> None:
    seen = Integers(values)
    expected = next(v for v in sorted(values) if 100 * sum(x <= v for x in values) >= percent * len(values))
    assert seen.percentile(percent) == expected
    assert (seen.count, seen.total, seen.low, seen.high) == (len(values), sum(values), min(values), max(values))
    assert seen.mean == pytest.approx(sum(values) / len(values))


def test_no_numbers_have_no_percentile() -> None:
    seen = Integers()
    assert (seen.count, seen.mean, seen.percentile(50), seen.low, seen.high) == (0, 0, 0, 0, 0)


def count(words: list[str], limit: int) -> Frequencies:
    seen = Frequencies(limit)
    for word in words:
        seen.add(word)
    return seen


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 15))
def test_pruned_counts_are_lower_bounds_within_their_slack(parts: list[list[str]], limit: int) -> None:
    truth = Counter(word for part in parts for word in part)
    together = Frequencies(limit)
    for part in parts:
        together.take(count(part, limit))
    for seen in (together, count([word for part in parts for word in part], limit)):
        assert seen.total == sum(truth.values())
        assert len(seen.counts) <= 2 * limit
        assert seen.slack * (limit + 1) <= seen.total
        for word, times in truth.items():
            assert times - seen.slack <= seen.counts.get(word, 0) <= times
        if len(truth) <= limit:
            assert (seen.is_exact, seen.counts) == (True, dict(truth))


def test_the_most_frequent_come_first_and_equals_by_the_alphabet() -> None:
    assert [row.text for row in count("b a c c d a".split(), 9).top(3)] == ["a", "c", "b"]


IMAGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5)), max_size=200)


@settings(max_examples=60, deadline=None)
@given(IMAGES, IMAGES)
def test_images_add_up_and_are_exact_up_to_the_limit(one: Any, two: Any) -> None:
    truth = Counter[int]()
    parts = []
    for pairs in (one, two):
        parts.append(ImageCounts())
        for image, times in pairs:
            parts[-1].add(str(image), times)
            truth[image] += times
    whole = ImageCounts()
    for image, times in [*one, *two]:
        whole.add(str(image), times)
    parts[0].take(parts[1])
    assert parts[0] == whole
    assert (whole.images, whole.is_exact) == (len(truth), True)
    assert whole.per_image().counts == Counter(truth.values())


def test_beyond_the_limit_images_are_a_fair_sample() -> None:
    chance, limit, truth = random.Random(3), 4096, 100_000
    parts = [ImageCounts(limit) for _ in range(3)]
    for image in range(truth):
        for _ in range(3 if image % 4 == 0 else 1):
            parts[chance.randrange(3)].add(f"coco/{image}.jpg")
    whole = ImageCounts(limit)
    for part in parts:
        whole.take(part)
    seen = whole.per_image()
    assert (whole.is_exact, seen.count) == (False, limit)
    assert whole.images == pytest.approx(truth, rel=0.05)
    assert set(seen.counts) == {1, 3}  # every kept image with all its conversations, whichever part they were in
    assert seen.counts[3] / limit == pytest.approx(0.25, abs=0.03)


def test_openings_and_phrases_of_any_length_take_little_memory() -> None:
    chance = random.Random(1)
    openings, phrases = Openings(), Phrases()
    tracemalloc.start()
    for i in range(400):
        texts = [f"{chance.random()} {i} {'w' * 5000} more" for _ in range(100)]
        openings.add_all(texts)
        phrases.add_all(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20, peak
    counts = openings.by_length()[2]
    assert (counts.total, counts.is_exact, phrases.counts().total) == (40_000, False, 40_000)
    assert max(len(row.text) for row in counts.top(10)) == MAX_CHARACTERS


def gather(entries: list[Entry], **given: Any) -> Statistics:
    counted = Statistics(tokens="letters", **given)
    with Photos() as photos:
        gatherer = Gatherer(counted, photos, len)
        for entry in entries:
            gatherer.add(entry)
    return counted


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.data())
def test_parts_merge_to_the_whole(tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    entries = []
    for task, records in Maker(seed).native().items():
        path = folder / f"{task}.json"
        path.write_text(dumps(records))
        entries += [entry._replace(raw=b"x") for entry in read_entries(path)]
    entries.insert(0, Entry("x.json", 3, "native", fault=finding("record-syntax", "{", record=3)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=3)))
    bounds = [0, *cuts, len(entries)]
    parts = [gather(entries[a:b]) for a, b in pairwise(bounds)]
    whole = gather(entries)
    merged = merge(*parts)
    assert merged == whole
    assert summarise(merged) == summarise(whole)
    assert [gather(entries[a:b]) for a, b in pairwise(bounds)] == parts, "merging changed a part"


def test_merging_keeps_the_first_faults_and_counts_all() -> None:
    parts = []
    for file in ("a.json", "b.json"):
        part = Statistics(inputs=[file])
        for number in range(1, 16):
            part.add_fault(finding("record-syntax", "{", file=file, record=number))
        parts.append(part)
    merged = merge(*parts)
    assert (merged.inputs, merged.errors, merged.faults) == (["a.json", "b.json"], 30, {"record-syntax": 30})
    assert [f.file for f in merged.first] == ["a.json"] * 15 + ["b.json"] * (SHOWN - 15)


def test_statistics_of_other_settings_do_not_merge() -> None:
    message = "statistics of ('original', '', False) do not add to those of ('padded', '', False); count both alike"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        merge(Statistics(), Statistics(coordinates="original"))


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times the data, all of it different, takes no more memory."""
    peaks = []
    for count_of in (1500, 15_000):
        path, chance = tmp_path / f"{count_of}.jsonl", random.Random(2)
        with path.open("w") as out:
            for i in range(count_of):
                words = " ".join(f"{chance.getrandbits(40):x}" for _ in range(6))
                box = [round(chance.random() / 2 + j // 2 / 2, 3) for j in range(4)]
                turns = [{"from": "user", "value": words}, {"from": "gpt", "value": f"<st>{words}<ed> {box}"}]
                out.write(
                    json.dumps({"image_id": i % 500, "conversations": [{"topic": words, "content": turns}]}) + "\n"
                )
        tracemalloc.start()
        counted = Statistics()
        gatherer = Gatherer(counted)
        for number, entry in enumerate(read_entries(path, task="referring")):
            gatherer.add(entry)
            if number == 1000:
                tracemalloc.reset_peak()
        peaks.append(tracemalloc.get_traced_memory()[1] >> 20)
        tracemalloc.stop()
        assert counted.whole().counts["pairs"] == count_of
    assert peaks[1] < peaks[0] + 20, peaks
