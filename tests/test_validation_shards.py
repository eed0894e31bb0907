"""``validate`` by shards finds what it finds in one process: every finding, in order, whatever is wrong with a file."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import encode, make_zip, record, save_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from shards_alike import llava, native, odd_files, save, tiny_shards

from svit_datasets.sharding import chain as shard_chain
from svit_datasets.sharding.entry_shards import Reading, plan_shards
from svit_datasets.validation.checks import Checks
from svit_datasets.validation.traces import stable_hash
from svit_datasets.validation.validate import validate

IDS = [2, 3, 4, 5, 6]


def told(inputs: Any, **given: Any) -> tuple[Any, ...]:
    """Return all that results tell."""
    with validate(inputs, **given) as results:
        counts = results.records, results.faulty, list(results.by_code.items()), list(results.by_severity.items())
        return list(results), counts, list(results.examples.items())


def expect_alike(inputs: Any, size_bytes: int, **given: Any) -> tuple[Any, ...]:
    expected = told(inputs, **given)
    with tiny_shards(size_bytes):
        assert told(inputs, jobs=2, **given) == expected
    return expected


@settings(max_examples=300)
@given(
    contents=st.lists(odd_files(), min_size=1, max_size=3),
    size_bytes=st.integers(20, 900),
    checks=st.sampled_from(
        [Checks(), Checks(trainer="llava"), Checks(layout="llava"), Checks(task="detail", ignore=("boxes", "turn"))]
    ),
)
def test_shards_find_what_the_whole_finds(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], size_bytes: int, checks: Checks
) -> None:
    names = save(tmp_path_factory.mktemp("odd"), contents)
    expect_alike(names, size_bytes, checks=checks)


@pytest.mark.parametrize("make", [native, llava])
def test_what_repeats_across_shards_is_told_with_its_first_place(tmp_path: Path, make: Any) -> None:
    records = [make(i, ["Why?", "So.", f"And {i}?", "Yes."]) for i in IDS]
    more = [make(9, ["Why?", "So."]), records[1], make(3, ["Why?", "No."]), records[4]]
    file = tmp_path / "referring_qa.json"
    file.write_bytes(encode([*records, *more]))
    with tiny_shards(150):
        assert len(plan_shards(str(file), Reading())) > 5
    found, _, _ = expect_alike(str(file), 150, checks=Checks(select=("duplicate",)))
    copies = [(f.record, f.found) for f in found if f.code == "duplicate-record"]
    assert copies == [(7, f"the same as {file}:2"), (9, f"the same as {file}:5")]
    ids = [(f.record, f.found.partition(", as ")[2]) for f in found if f.code == "duplicate-id"]
    assert ids == [(8, f"{file}:2")]
    questions = [(f.record, f.found) for f in found if f.code == "duplicate-question"]
    image = "vg/VG_100K/3.jpg"
    assert questions == ([] if make is native else [(8, f"'Why?', asked of {image} in {file}:2")])


def test_a_part_of_a_file_that_only_looks_like_records_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guess of where records begin is wrong inside a long list; the rest of the file is read from its beginning."""
    likes = [record(i, "Is it?" * 40) for i in range(2, 400)]
    long = {**record(4, " a"), "more": likes}
    records = [record(2, "Why? ", "So."), record(3, "Who?", "I </s>."), long, record(2, "Why? ", "So.")]
    file = tmp_path / "mine.json"
    file.write_bytes(encode(records))
    again: list[int] = []
    is_torn = shard_chain._Chain.is_torn
    monkeypatch.setattr(shard_chain._Chain, "is_torn", lambda *a: again.append(1) or is_torn(*a))
    expect_alike(str(file), 9000)
    assert again


def test_a_broken_record_ends_where_any_first_key_so_far_stands(tmp_path: Path) -> None:
    """Only the first shard has met the second spelling; the broken record behind it must end at it all the same."""
    other = {"conversations": [], "image_id": 9}
    text = json.dumps([record(2), other, *(record(i) for i in range(3, 9)), record(33), other, record(40)])
    file = tmp_path / "mine.json"
    file.write_text(text.replace('"image_id": 33', '"image_id" 33'))
    found, counts, _ = expect_alike(str(file), 150)
    assert (counts[0], [f.record for f in found if f.code == "record-syntax"]) == (11, [9])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Make photos that are good, grey, the same as another, turned, no photo; some are missing."""
    from PIL import Image

    root = tmp_path / "images" / "VG_100K"
    for number, size_wh in ((2, (64, 48)), (3, (64, 48)), (4, (30, 40))):
        save_photo(root / f"{number}.jpg", size_wh)
    Image.new("L", (50, 40)).save(root / "5.jpg")
    (root / "6.jpg").write_bytes(b"no photo")
    return tmp_path / "images"


@pytest.mark.parametrize("size_bytes", [100, 1 << 20])
@pytest.mark.parametrize("look", ["decode", "header"])
def test_photos_are_told_once_and_their_faults_each_time(
    tmp_path: Path, photos: Path, look: Any, size_bytes: int
) -> None:
    pick = random.Random(1)
    records = [native(pick.choice([*IDS, 7]), ["Why?", "It [0.5, 0.1, 0.501, 0.9]."]) for _ in range(40)]
    rows = [llava(pick.choice([*IDS, 7]), ["<image>\nWhy?", "So."]) for _ in range(40)]
    for name, made in (("referring_qa.json", records), ("mix.json", rows)):
        (tmp_path / name).write_bytes(encode(made))
    packed = io.BytesIO(make_zip({"a.json": encode(records)})).getvalue()
    (tmp_path / "b.zip").write_bytes(packed)
    inputs = [str(tmp_path / name) for name in ("referring_qa.json", "mix.json", "b.zip")]
    found, _, _ = expect_alike(inputs, size_bytes, images=[photos], checks=Checks(look=look, trainer="llava"))
    counts = {code: sum(f.code == code for f in found) for code in ("image-grey", "image-same-content")}
    # A native record names a photo by its id, a LLaVA record by its path: each tells once.
    assert counts == ({"image-grey": 2, "image-same-content": 2} if look == "decode" else dict.fromkeys(counts, 0))
    assert sum(f.code == "image-undecodable" for f in found) > 4


def test_photos_in_a_zip_and_faults_of_image_data_are_told_as_in_one_process(tmp_path: Path, photos: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted(photos.rglob("*.jpg")):
            archive.write(path, f"VG_100K/{path.name}")
    sizes = tmp_path / "image_data.json"
    sizes.write_bytes(encode([{"image_id": 2, "width": 60, "height": 48}, {"image_id": 3}]))
    file = tmp_path / "referring_qa.json"
    file.write_bytes(encode([native(i, ["Why?", "So."]) for i in (*IDS, 2, 7)]))
    found, _, _ = expect_alike(str(file), 200, images=[tmp_path / "images.zip", sizes])
    assert {"record-shape", "image-size-differs", "image-missing"} <= {f.code for f in found}
    expect_alike(str(file), 200, images=sizes)


@given(*([st.lists(st.one_of(st.integers(-1, 2), st.none(), st.text("a\0\1\ud800'", max_size=3)), max_size=4)] * 2))
def test_hashes_of_other_parts_differ(one: list[Any], two: list[Any]) -> None:
    is_same = list(map(repr, one)) == list(map(repr, two))
    assert (stable_hash(*one) == stable_hash(*two)) == is_same
