"""A table of both splits holds the native file, and no output replaces what a table is read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import svit_datasets
from svit_datasets.images import visual_genome

ALL = visual_genome.image_ids()
IDS = [i for i in ALL[:60] if visual_genome.is_held_out(i)][:4] + [
    i for i in ALL[:60] if not visual_genome.is_held_out(i)
][:6]


def record(image_id: int, answer: str = "So.") -> dict[str, Any]:
    turns = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": answer}]
    return {"image_id": image_id, "conversations": [{"content": turns}]}


@pytest.fixture
def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a native file whose images of both splits stand mixed, one of them twice, and its table."""
    monkeypatch.chdir(tmp_path)
    ids = sorted(IDS, key=lambda i: i * 7919 % 101)
    file = tmp_path / "S/data/detail_description.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps([record(i) for i in [*ids, ids[0]]]))
    both = svit_datasets.load_dataset("svit", "detail", data_dir="S", images="none", cache_dir="cache")
    assert {name: len(split) for name, split in both.items()}.keys() == {"train", "test"}
    both.save_to_disk("saved")
    return file


def test_both_splits_are_the_native_file(native: Path) -> None:
    assert list(svit_datasets.compare(native, "saved")) == []
    assert list(svit_datasets.compare("saved", native)) == []
    assert list(svit_datasets.compare("saved", "saved")) == []


@pytest.mark.parametrize("place", [0, 4, 10])
def test_a_record_that_differs_is_told_by_its_place_in_the_native_file(native: Path, place: int) -> None:
    records = json.loads(native.read_text())
    records[place] = record(records[place]["image_id"], "No.")
    native.write_text(json.dumps(records))
    path = "$.conversations[0].content[1].value"
    there, back = list(svit_datasets.compare(native, "saved")), list(svit_datasets.compare("saved", native))
    assert [(d.record, d.path, d.left, d.right) for d in there] == [(place + 1, path, '"No."', '"So."')]
    assert [(d.record, d.path, d.left, d.right) for d in back] == [(place + 1, path, '"So."', '"No."')]


def test_a_record_too_many_or_too_few_is_told(native: Path) -> None:
    records = json.loads(native.read_text())
    native.write_text(json.dumps([*records, record(IDS[1])]))
    [more] = svit_datasets.compare(native, "saved")
    assert (more.record, more.path, more.right) == (len(records) + 1, "$", "")
    native.write_text(json.dumps(records[:-1]))
    [fewer] = svit_datasets.compare(native, "saved")
    assert (fewer.record, fewer.path, fewer.left) == (len(records), "$", "")


def test_what_is_no_record_differs(native: Path) -> None:
    records = json.loads(native.read_text())
    native.write_text(json.dumps([[], *records[1:]]))
    assert [d.record for d in svit_datasets.compare(native, "saved")][:1] == [1]


def test_no_output_replaces_a_file_that_a_table_is_read_from(native: Path) -> None:
    del native
    [arrow] = Path("saved/train").glob("*.arrow")
    svit_datasets.load_dataset(
        "svit", "detail", data_dir="S", images="none", cache_dir="cache", split="train"
    ).to_parquet("detail/train.parquet")
    for given, file in (("saved", arrow), ("detail", Path("detail/train.parquet"))):
        before = file.read_bytes()
        with pytest.raises(svit_datasets.UsageError, match=r"is an input|input"):
            svit_datasets.to_llava(given, file, overwrite=True)
        assert file.read_bytes() == before
