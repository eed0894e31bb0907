"""Native files to the LLaVA layout and back: value for value, whatever they hold and whatever was done in between."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import svit_datasets
from svit_datasets import Options

from . import native_files as made

COMBINATIONS = [
    Options(coordinates=c, box_rounding=r, instruction=i, provenance=p)
    for c in ("padded", "original")
    for r in ("pixel", "exact")
    for i in (True, False)
    for p in ("inline", "sidecar")
]
some_options = st.sampled_from(COMBINATIONS)


def convert(folder: Path, native: dict[str, Any], options: Options, name: str = "llava.json", **spelling: Any) -> Path:
    paths = made.write_natives(folder / "native", native, **spelling)
    output = folder / name
    svit_datasets.to_llava(paths, output, images=made.write_sizes(folder), options=options)
    return output


def restore(path: Path, sidecar: Path | None = None, **given: Any) -> tuple[dict[str, Any], svit_datasets.Report]:
    output = path.parent / f"back-{path.stem}"
    beside = sidecar if sidecar is not None and sidecar.exists() else None
    report = svit_datasets.from_llava(path, output, provenance=beside, **given)
    return (made.read_natives(output) if output.exists() else {}), report


def raw_rows(path: Path) -> list[bytes]:
    return [bytes(raw) for raw in msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])]


def write_rows(path: Path, rows: list[bytes]) -> Path:
    path.write_bytes(b"[" + b", ".join(rows) + b"]")
    return path


@pytest.mark.parametrize(
    "options", COMBINATIONS, ids=lambda o: f"{o.coordinates}-{o.box_rounding}-{o.instruction}-{o.provenance}"
)
@settings(max_examples=20)
@given(native=made.natives, spelling=made.spellings)
def test_native_files_come_back_value_for_value(folder, options, native, spelling):
    root = folder()
    output = convert(root, native, options, **spelling)
    back, report = restore(output)
    assert back == made.as_spelt(native)
    rows = len(made.places(native))
    assert report.counts["records_restored"] == report.counts["conversations_written"] == rows
    assert report.inferred == report.by_code == {}


@given(native=made.natives, options=some_options, spelling=made.spellings)
def test_compare_finds_what_came_back_equal(folder, native, options, spelling):
    root = folder()
    restore(convert(root, native, options, **spelling))
    assert list(svit_datasets.compare(root / "native", root / "back-llava")) == []


@given(native=made.natives, options=some_options, seed=st.integers(0, 99))
def test_after_shuffling_the_files_are_the_same(folder, native, options, seed):
    output = convert(folder(), native, options)
    rows = raw_rows(output)
    random.Random(seed).shuffle(rows)
    back, _ = restore(write_rows(output.with_name("shuffled.json"), rows), output.with_name("llava.json.svit.jsonl"))
    assert back == made.as_spelt(native)


@given(native=made.natives, options=some_options, data=st.data())
def test_after_dropping_rows_exactly_the_others_come_back(folder, native, options, data):
    output = convert(folder(), native, options)
    rows = list(zip(raw_rows(output), made.places(native), strict=True))
    kept = data.draw(st.permutations(rows))[: (len(rows) + 1) // 2]
    path = write_rows(output.with_name("half.json"), [row for row, _ in kept])
    back, report = restore(path, output.with_name("llava.json.svit.jsonl"))
    assert back == made.as_spelt(made.keep(native, [place for _, place in kept]))
    assert report.counts["records_restored"] == len(kept)


FOREIGN = [
    b'{"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": '
    b'[{"from": "human", "value": "<image>\\nWhat?"}, {"from": "gpt", "value": "A bus [0.1, 0.2, 0.3, 0.4]."}]}',
    b'{"id":7,"image":"gqa/images/7.jpg","conversations":[{"from":"human","value":"<image>\\nIs it?"},'
    b'{"from":"gpt","value":""}]}',
    b'{"id": "t", "model": "", "conversations": [{"from": "human", "value": "caf\\u00e9 \xc3\xa9 \xf0\x9f\x98\x80"},\n '
    b'{"from": "gpt", "value": " x "}]}',
    b'{"id": "vg", "image": "vg/VG_100K/2.jpg", "conversations": [{"from": "human", "value": "<image>\\nPlease provide '
    b'a short description for this region: [0.1, 0.2, 0.3, 0.4]."}, {"from": "gpt", "value": "a dog"}]}',
    b'{ "x" : 1.50, "y": [1e-7, 123456789012345678901234567890], "conversations": null }',
    b"{}",
]
foreigns = st.lists(st.sampled_from(FOREIGN), min_size=1, max_size=5)


@given(native=made.natives, options=some_options, foreign=foreigns, seed=st.integers(0, 99))
def test_foreign_records_come_out_byte_for_byte_in_order(folder, native, options, foreign, seed):
    output = convert(folder(), native, options)
    rows, chance = raw_rows(output), random.Random(seed)
    chance.shuffle(rows)
    places = sorted(chance.randint(0, len(rows)) for _ in foreign)
    mixed = rows[:]
    for place, row in reversed(list(zip(places, foreign, strict=True))):
        mixed.insert(place, row)
    rest = output.with_name("rest.json")
    path = write_rows(output.with_name("mixed.json"), mixed)
    back, report = restore(path, output.with_name("llava.json.svit.jsonl"), rest=rest)
    assert back == made.as_spelt(native)
    assert raw_rows(rest) == foreign
    assert report.counts["records_foreign"] == len(foreign)


@settings(max_examples=30)
@given(native=made.natives, options=some_options, spelling=made.spellings)
def test_converting_twice_gives_the_same_bytes_in_ascii(folder, native, options, spelling):
    root = folder()
    first = convert(root, native, options, "a.json", **spelling)
    second = root / "b.json"
    svit_datasets.to_llava(sorted((root / "native").iterdir(), key=lambda p: made.TASKS.index(p.stem)), second,
                           images=root / "image_data.json", options=options)  # fmt: skip
    for suffix in ("", ".svit.jsonl"):
        one, two = (p.with_name(p.name + suffix) for p in (first, second))
        assert one.exists() == two.exists()
        assert not one.exists() or one.read_bytes() == two.read_bytes()
        assert not one.exists() or one.read_bytes().isascii()


@settings(max_examples=30)
@given(native=made.natives, options=some_options)
def test_converting_what_came_back_gives_the_same_bytes(folder, native, options):
    root = folder()
    first = convert(root, native, options)
    restore(first)
    again = [root / "back-llava" / f"{task}.json" for task in made.TASKS if task in native]
    svit_datasets.to_llava(again, root / "again.json", images=root / "image_data.json", options=options)
    assert made.loads((root / "again.json").read_bytes()) == made.loads(first.read_bytes())


def check_as_the_loader_does(rows: list[dict[str, Any]], native: dict[str, Any]) -> None:
    """Walk over the rows as LLaVA's loader does: formats.md, section 3."""
    for row, (task, i, j) in zip(rows, made.places(native), strict=True):
        record = native[task][i]
        image_id = int(record["image_id"])
        assert row["image"] == f"vg/{made.FOLDERS[image_id]}/{image_id}.jpg"
        turns = row["conversations"]
        assert len(turns) == len(record["conversations"][j]["content"])
        assert len(turns) % 2 == 0
        assert [t["from"] for t in turns] == ["human", "gpt"] * (len(turns) // 2)
        values = [t["value"] for t in turns]
        assert values[0].startswith("<image>\n")
        assert sum(value.count("<image>") for value in values) == 1
        for value in values:
            text = value.removeprefix("<image>\n")
            assert text.strip()
            assert "</s>" not in text
            assert " ASSISTANT: " not in f" {text} "
        assert set(row) <= {"id", "image", "conversations", "svit"}
        assert isinstance(row["id"], str)
    assert len({row["id"] for row in rows}) == len(rows)


@given(native=made.natives, options=some_options)
def test_every_row_is_one_that_the_loader_reads(folder, native, options):
    output = convert(folder(), native, options)
    rows = json.loads(output.read_text("ascii"))
    assert all("svit" in row for row in rows) == (options.provenance == "inline")
    check_as_the_loader_does(rows, native)


def without_sentences(rows: list[dict[str, Any]]) -> list[Any]:
    """Return rows without the last line of referring questions, and without checksums."""
    for row in rows:
        row["svit"].pop("sum")
        if row["id"].startswith("referring_qa-"):
            for turn in row["conversations"][::2]:
                turn["value"], _, sentence = turn["value"].rpartition("\n")
                assert sentence in made.SENTENCES
    return rows


@settings(max_examples=30)
@given(native=made.natives, seed=st.integers(-(10**20), 10**20))
def test_the_seed_changes_only_sentences(folder, native, seed):
    root = folder()
    outputs = [convert(root, native, Options(seed=s), f"{k}.json") for k, s in enumerate((0, seed))]
    one, two = (made.loads(path.read_bytes()) for path in outputs)
    assert without_sentences(one) == without_sentences(two)


def referring(count: int) -> dict[str, Any]:
    content = [{"from": "user", "value": "Who?"}, {"from": "gpt", "value": "She."}]
    return {"referring_qa": [{"image_id": 2, "conversations": [{"content": content} for _ in range(count)]}]}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_three_sentences_are_about_equally_frequent(tmp_path, seed):
    rows = json.loads(convert(tmp_path, referring(3000), Options(seed=seed)).read_text())
    found = [row["conversations"][0]["value"].removeprefix("<image>\nWho?\n") for row in rows]
    assert sorted(set(found)) == sorted(made.SENTENCES)
    assert all(900 < found.count(sentence) < 1100 for sentence in made.SENTENCES)


@pytest.mark.parametrize("options", [Options(), Options(provenance="sidecar")], ids=["inline", "sidecar"])
def test_two_files_of_a_task_come_back_as_one(tmp_path, options):
    native = referring(2)
    a, b = tmp_path / "referring_qa.json", tmp_path / "referring_qa.more.json"
    a.write_text(made.dumps(native["referring_qa"]))
    b.write_text("\n".join(made.dumps(r) for r in native["referring_qa"] * 2))
    report = svit_datasets.to_llava([a, b], tmp_path / "llava.json", images=made.write_sizes(tmp_path), options=options)
    assert report.by_code == {"duplicate-id": 2}
    back, _ = restore(tmp_path / "llava.json")
    assert back == made.as_spelt({"referring_qa": native["referring_qa"] * 3})
