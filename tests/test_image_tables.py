"""Sizes as columns: the same as entries one by one, and many images at once the same as one after the other."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from svit_datasets import to_llava
from svit_datasets.errors import SvitError
from svit_datasets.findings import Finding
from svit_datasets.forward.seen import SeenIds
from svit_datasets.images import visual_genome
from svit_datasets.images.entry_table import EntryTable, ImageData
from svit_datasets.images.known import Images
from svit_datasets.images.many import ManyResolved, columns_of
from svit_datasets.reading.containers import fault_error

LEAST, MOST = -(1 << 63), (1 << 63) - 1
IDS = st.sampled_from([1, 2, 3, 4, 5, 713, 3_000_000, 9_000_001]) | st.integers(LEAST, MOST)
URLS = (
    "https://cs.stanford.edu/people/rak248/VG_100K/{}.jpg",
    "VG_100K_2/{}.jpg",
    "https://host/{}.jpg",
    "https://host/VG_100K/1{}.jpg",
    "VG_100K/{}.jpg\n",
    "{}.jpg",
    "/{}.jpg",
    "https://host/VG_100K/",
    "https://host",
    "",
)
OTHER_IDS = st.none() | st.sampled_from([LEAST, MOST, 7])


@st.composite
def entries(draw: st.DrawFn) -> ImageData:
    image_id, url = draw(IDS), draw(st.none() | st.sampled_from(URLS))
    width, height = (draw(st.sampled_from([1, 640, (1 << 31) - 1])) for _ in range(2))
    told = None if url is None else url.format(image_id)
    return ImageData(image_id, width, height, told, draw(OTHER_IDS), draw(OTHER_IDS))


CHANGES: tuple[dict[str, Any], ...] = ({"width": 0}, {"height": 1 << 31}, {"coco_id": MOST + 1})


@st.composite
def refused(draw: st.DrawFn) -> list[ImageData]:
    block = draw(st.lists(entries(), min_size=1, max_size=6))
    wrong = draw(st.integers(0, len(block) - 1))
    block[wrong] = replace(block[wrong], **draw(st.sampled_from(CHANGES)))
    return block


@given(st.lists(st.tuples(st.just(True), st.lists(entries(), max_size=6)) | st.tuples(st.just(False), refused())))
def test_a_table_gives_back_the_last_entry_of_each_id(files: list[tuple[bool, list[ImageData]]]) -> None:
    table = EntryTable()
    for is_good, block in files:
        assert table.add([block[:2], block[2:]]) == is_good
    expected = {entry.image_id: entry for is_good, block in files if is_good for entry in block}
    assert list(table) == sorted(expected)
    assert {image_id: table.get(image_id) for image_id in expected} == expected
    assert table.get(12) is None
    wanted = [*expected, 12, 0]
    widths, heights, folders = table.find(np.array(wanted, np.int64))
    for image_id, *found, folder in zip(wanted, widths.tolist(), heights.tolist(), folders.tolist(), strict=True):
        entry = expected.get(image_id)
        assert tuple(found) == (entry.size_wh if entry else (0, 0))
        if folder >= 0:
            assert entry is not None
            assert entry.url == f"{table.url_folders[folder]}/{image_id}.jpg"


@pytest.mark.parametrize("url", [None, "VG_100K/7.jpg", "odd"])
@pytest.mark.parametrize(
    "wrong",
    [
        ImageData(MOST + 1, 1, 1),
        ImageData(5, 0, 1),
        ImageData(5, 1, -1),
        ImageData(5, 1 << 31, 1),
        ImageData(5, 1, 1, None, 1 << 70),
    ],
)
def test_a_table_takes_all_entries_or_none(wrong: ImageData, url: str | None) -> None:
    table, good = EntryTable(), ImageData(7, 640, 480, url)
    assert table.add([[good]])
    folders, others = table.url_folders, [ImageData(6, 3, 4, "host/6.jpg"), ImageData(7, 3, 4, "odd too")]
    assert not table.add([others, [wrong]])
    assert (list(table), table.get(7), table.url_folders) == ([7], good, folders)
    with pytest.raises(ZeroDivisionError):
        table.add(others * (1 // (number - 1)) for number in (2, 1))
    assert (list(table), table.get(7), table.url_folders) == ([7], good, folders)


def test_more_folders_than_are_numbered_are_kept_too() -> None:
    table = EntryTable()
    several = [ImageData(number, 1, 1, f"https://host{number}/{number}.jpg") for number in range(1005)]
    assert table.add([several])
    assert len(table.url_folders) == 1000
    assert [table.get(number) for number in range(1005)] == several


def read(path: Path) -> tuple[list[ImageData | None], list[str]]:
    table, faults = EntryTable(), list[Finding]()
    visual_genome.read_image_data(str(path), table, add=faults.append)
    return [table.get(image_id) for image_id in table], [str(fault) for fault in faults]


ODD = '{"image_id": 2, "width": 640, "height": 480, "url": "odd"}'
ODD_TOO = '{"image_id": 2, "width": 7, "height": 8, "url": "odd too"}'
WRONG = [ODD_TOO.replace("7", "0"), ODD_TOO.replace("7", str(1 << 31)), ODD_TOO.replace("7", "7 8")]


@pytest.fixture
def two_files(tmp_path: Path) -> tuple[Path, Path]:
    first, second = (tmp_path / name / "image_data.json" for name in "ab")
    for path in (first, second):
        path.parent.mkdir()
    first.write_text(f"[{ODD}]")
    return first, second


def raise_fault(fault: Finding) -> None:
    raise fault_error(fault)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_at_fault_leaves_the_entries_of_another(
    two_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, wrong: str, block_bytes: int
) -> None:
    monkeypatch.setattr(visual_genome, "_BLOCK_BYTES", block_bytes)
    (first, second), table, faults = two_files, EntryTable(), list[Finding]()
    visual_genome.read_image_data(str(first), table, add=faults.append)
    second.write_text(f"[{wrong}]")
    visual_genome.read_image_data(str(second), table, add=faults.append)
    second.write_text(f"[{ODD_TOO}, {wrong}]")
    with pytest.raises(SvitError):
        visual_genome.read_image_data(str(second), table, add=raise_fault)
    assert (len(faults), list(table), table.get(2)) == (1, [2], ImageData(2, 640, 480, "odd"))


@pytest.mark.parametrize("kernels", ["0", "1"])
@pytest.mark.parametrize("wrong", WRONG)
def test_boxes_are_padded_by_the_entry_that_counts(
    tmp_path: Path, two_files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, wrong: str, kernels: str
) -> None:
    monkeypatch.setenv("SVIT_KERNELS", kernels)
    two_files[1].write_text(f'[{wrong}, {{"image_id": 3, "width": 7, "height": 8}}]')
    turns = [{"from": "user", "value": "Where? [0.1, 0.2, 0.5, 0.9]"}, {"from": "gpt", "value": "So."}]
    source, target = tmp_path / "referring_qa.json", tmp_path / "llava.json"
    source.write_text(json.dumps([{"image_id": 2, "conversations": [{"content": turns}]}]))
    to_llava(source, target, images=two_files, on_error="skip")
    assert "Where? [0.1, 0.275, 0.5, 0.8]" in json.loads(target.read_text())[0]["conversations"][0]["value"]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("block_bytes", [1, 7, 100, 1 << 20])
def test_image_data_is_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, indent: int | None
) -> None:
    path = tmp_path / "image_data.json"
    rows = [{"image_id": i, "width": 640 + i, "height": 4, "url": 'a}, {"b', "other": [{"x": 1}]} for i in range(20)]
    for several in ([], rows[:1], rows, [{**row, "url": None, "other": 0} for row in rows]):
        path.write_text(json.dumps(several, indent=indent))
        monkeypatch.setattr(visual_genome, "_BLOCK_BYTES", block_bytes)
        found, faults = read(path)
        assert ([entry and entry.width for entry in found], faults) == ([row["width"] for row in several], [])


@pytest.mark.parametrize(("before", "after"), [("}]", "},]"), ("}, {", "},, {"), ("}]", "}"), ("}]", "}] x")])
def test_a_fault_between_entries_is_told_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    path = tmp_path / "image_data.json"
    text = json.dumps([{"image_id": i, "width": 3, "height": 4} for i in range(3)])
    path.write_text(text.replace(before, after, 1))
    expected = read(path)
    assert expected[1]
    for block_bytes in (1, 20, 50):
        monkeypatch.setattr(visual_genome, "_BLOCK_BYTES", block_bytes)
        assert read(path) == expected


@given(st.lists(entries(), max_size=8), st.lists(IDS.filter(lambda i: i >= 0), max_size=12), st.booleans())
def test_many_images_are_resolved_as_one_by_one(
    folder: Any, told: list[ImageData], wanted: list[int], has_entries: bool
) -> None:
    path = folder() / "image_data.json"
    path.write_text(json.dumps([{name: getattr(one, name) for name in one.__struct_fields__} for one in told]))
    with Images([path] if told and has_entries else ()) as images:
        found = images.resolve_many(np.array(wanted, np.int64))
        expected = [images.resolve(image_id) for image_id in wanted]
    assert isinstance(found, ManyResolved)
    assert list(found) == found[:] == expected
    assert [index for index, one in enumerate(expected) if one.findings] == sorted(found.odd)
    for one, other in zip(columns_of(wanted, found), columns_of(wanted, expected), strict=True):
        assert one.tolist() == other.tolist()


def test_images_of_which_files_are_at_hand_are_looked_at_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "VG_100K").mkdir()
    (tmp_path / "image_data.json").write_text('[{"image_id": 2, "width": 3, "height": 4}]')
    with Images([tmp_path]) as images:
        found = images.resolve_many(np.array([2, 2]))
    assert [[fault.code for fault in one.findings] for one in found] == [["image-missing"]] * 2


@given(st.lists(st.integers(0, 40) | st.integers(-(1 << 70), 1 << 70) | st.integers(0, 1 << 17), max_size=2000))
def test_seen_ids_are_counted(numbers: list[int]) -> None:
    seen, expected = SeenIds(), Counter[int]()
    for number in [*numbers, *range(0, 1400, 2), *numbers]:
        assert seen.add(number) == expected[number]
        expected[number] += 1


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SvitError, match="no such file"):
        Images([tmp_path / "image_data.json"])
