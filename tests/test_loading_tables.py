"""Columns and values of every configuration, held against ``json`` and a pattern of this file's own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import dumps, loads
from test_loading import CONFIGS, FILES, TEST, TRAIN, entry, make_texts, odd_records, rows, write, write_root

import svit_datasets
from svit_datasets.images import visual_genome

MANY = [*TRAIN[:40], *TEST[:20]]
IMAGE_COLUMNS = ["image", "image_id", "width", "height", "url", "coco_id", "flickr_id"]
TEXT_COLUMNS = {
    "image": ["conversations"],
    "conversation": ["conversation_index", "topic", "content"],
    "qa": ["conversation_index", "pair_index", "topic", "question", "answer"],
}
NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
BOX = rf"\[\s*{NUMBER}(?:\s*,\s*{NUMBER}){{3}}\s*\]"
MARKED = re.compile(rf"<st>((?:(?!<st>|<ed>).)*)<ed>(\s*{BOX}(?:,\s*{BOX})*)?", re.DOTALL)
NAMED = {"record": {"image_id", "conversations"}, "conversation": {"topic", "content"}, "turn": {"from", "value"}}


def read_objects(turns: list[tuple[int, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the marked phrases of some turns, found by this file's pattern."""
    found = []
    for i, j, turn in turns:
        for match in MARKED.finditer(turn["value"]):
            boxes = [[float(n) for n in re.findall(NUMBER, box)] for box in re.findall(BOX, match[2] or "")]
            place = {"conversation": i, "turn": j, "start": match.start(1), "end": match.end(1)}
            found.append({**place, "phrase": match[1], "boxes": boxes})
    return found


def read_extra(spelt: dict[str, Any], places: list[tuple[int, list[int]]]) -> dict[str, Any]:
    """Return the unknown keys of a record and of its conversations and turns at some places, by JSON path."""
    found = {"$": {k: v for k, v in spelt.items() if k not in NAMED["record"]}}
    for i, turns in places:
        conversation = spelt["conversations"][i]
        own = {k: v for k, v in conversation.items() if k not in NAMED["conversation"]}
        null = {"topic": None} if conversation.get("topic", "") is None else {}
        found[f"$.conversations[{i}]"] = null | own
        for j in turns:
            turn = conversation["content"][j]
            found[f"$.conversations[{i}].content[{j}]"] = {k: v for k, v in turn.items() if k not in NAMED["turn"]}
    return {path: keys for path, keys in found.items() if keys}


def read_rows(text: str, granularity: str, *, is_grounded: bool) -> Iterator[dict[str, Any]]:
    """Yield the rows that a native file shall give, without what is known of its images."""
    for record, spelt in zip(json.loads(text), loads(text), strict=True):
        all_turns = [(i, list(range(len(c["content"])))) for i, c in enumerate(record["conversations"])]
        everything = {"image": [all_turns], "conversation": [[place] for place in all_turns]}
        everything["qa"] = [[(i, [j, j + 1])] for i, turns in all_turns for j in turns[::2]]
        for places in everything[granularity]:
            row: dict[str, Any] = {"image_id": record["image_id"]}
            turns = [(i, j, record["conversations"][i]["content"][j]) for i, js in places for j in js]
            plain = [
                {"topic": c.get("topic"), "content": [{"from": t["from"], "value": t["value"]} for t in c["content"]]}
                for c in record["conversations"]
            ]
            if granularity == "image":
                row |= {"conversations": plain}
            else:
                i, (j, *_) = places[0]
                row |= {"conversation_index": i, **plain[i]}
                if granularity == "qa":
                    row |= {"pair_index": j // 2, "question": turns[0][2]["value"], "answer": turns[1][2]["value"]}
                    del row["content"]
            if is_grounded:
                row["objects"] = read_objects(turns)
            yield {**row, "extra": read_extra(spelt, places)}


def as_read(row: dict[str, Any]) -> dict[str, Any]:
    """Return a loaded row with its ``extra`` parsed, numbers as spelt."""
    return {**row, "extra": {} if row["extra"] is None else loads(row["extra"])}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("tables") / "SVIT", make_texts(MANY), MANY)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("granularity", TEXT_COLUMNS)
@pytest.mark.parametrize("config", FILES)
def test_rows_are_what_json_reads(root: Path, caches: Path, config: str, granularity: str) -> None:
    loaded = datasets.load_dataset("svit", config, data_dir=str(root), cache_dir=str(caches), granularity=granularity)
    is_grounded = config == "referring"
    expected = list(read_rows((root / f"data/{FILES[config]}.json").read_text(), granularity, is_grounded=is_grounded))
    assert len(expected) >= len(MANY)
    for split, is_test in ("train", False), ("test", True):
        columns = [*IMAGE_COLUMNS, *TEXT_COLUMNS[granularity], *(["objects"] if is_grounded else []), "extra"]
        assert loaded[split].column_names == columns
        own = [row for row in expected if visual_genome.is_held_out(row["image_id"]) == is_test]
        found = rows(loaded[split])
        assert [as_read({k: row[k] for k in own[0]}) for row in found] == own
        assert sum(len(row["extra"]) for row in own) > 5
        for row in found:
            known = entry(row["image_id"])
            assert {k: row[k] for k in known} == known
            folder = visual_genome.folder_of(row["image_id"])
            assert row["image"] == {"bytes": None, "path": f"{root}/raw/{folder}/{row['image_id']}.jpg"}
        if is_grounded:
            check_objects(found, granularity)


def check_objects(found: list[dict[str, Any]], granularity: str) -> None:
    """Assert what is promised of the objects, on the loaded rows alone."""
    seen = 0
    for row in found:
        for o in row["objects"]:
            if granularity == "image":
                value = row["conversations"][o["conversation"]]["content"][o["turn"]]["value"]
            elif granularity == "conversation":
                assert o["conversation"] == row["conversation_index"]
                value = row["content"][o["turn"]]["value"]
            else:
                assert (o["conversation"], o["turn"] // 2) == (row["conversation_index"], row["pair_index"])
                value = (row["question"], row["answer"])[o["turn"] % 2]
            assert value[o["start"] : o["end"]] == o["phrase"]
            assert value[: o["start"]].endswith("<st>")
            assert value[o["end"] :].startswith("<ed>")
            seen += len(o["boxes"])
    assert seen > 20


def test_types_of_the_columns(root: Path, caches: Path) -> None:
    loaded = svit_datasets.load_dataset("svit", "referring", data_dir=root, cache_dir=caches, split="train")
    assert str(loaded.data.schema.field("objects").type) == (
        "list<item: struct<conversation: int32, turn: int32, start: int32, end: int32, phrase: string, "
        "boxes: list<item: list<item: double>>>>"
    )
    assert str(loaded.data.schema.field("conversations").type) == (
        "list<item: struct<topic: string, content: list<item: struct<from: string, value: string>>>>"
    )
    types = {name: str(loaded.data.schema.field(name).type) for name in IMAGE_COLUMNS}
    assert types == {
        "image": "struct<bytes: binary, path: string>", "image_id": "int64", "width": "int32", "height": "int32",
        "url": "string", "coco_id": "int64", "flickr_id": "int64",
    }  # fmt: skip
    assert isinstance(loaded.features["image"], datasets.Image)
    assert isinstance(loaded[0]["conversations"], list)
    assert isinstance(loaded[0]["objects"], list)
    assert loaded[0]["image"].tobytes()


def test_the_images_alone(root: Path, caches: Path) -> None:
    loaded = svit_datasets.load_dataset("svit", "images", data_dir=root, cache_dir=caches)
    for split, is_test in ("train", False), ("test", True):
        ids = sorted(i for i in MANY if visual_genome.is_held_out(i) == is_test)
        assert loaded[split].column_names == IMAGE_COLUMNS
        assert loaded[split]["image_id"][:] == ids
        assert [{k: row[k] for k in entry(1)} for row in rows(loaded[split])] == [entry(i) for i in ids]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("streaming", [False, True])
def test_chosen_columns_come_in_the_order_asked_for(root: Path, caches: Path, config: str, streaming: bool) -> None:
    columns = ["height", "image_id"] if config == "images" else ["extra", "image_id", "conversations"]
    given = {"data_dir": root, "cache_dir": caches, "split": "test", "streaming": streaming}
    some = svit_datasets.load_dataset("svit", config, columns=columns, **given)
    whole = svit_datasets.load_dataset("svit", config, **given)
    assert list(some.features) == columns
    assert rows(some) == [{k: row[k] for k in columns} for row in rows(whole)]


def test_the_sample(tmp_path: Path) -> None:
    svit_datasets.write_sample(tmp_path / "S")
    for config, stem in FILES.items():
        loaded = svit_datasets.load_dataset("svit", config, data_dir=tmp_path / "S", cache_dir=tmp_path / "c")
        expected = list(
            read_rows((tmp_path / f"S/data/{stem}.json").read_text(), "image", is_grounded=config == "referring")
        )
        assert [as_read({k: row[k] for k in expected[0]}) for row in rows(loaded["train"])] == expected
        assert loaded["train"][0]["image"].size == (loaded["train"][0]["width"], loaded["train"][0]["height"])


@settings(max_examples=16)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 4), granularity=st.sampled_from([*TEXT_COLUMNS]))
def test_made_files_are_read_as_json_reads_them(folder: Any, seed: int, count: int, granularity: str) -> None:
    here = folder()
    text = dumps(odd_records(MANY[seed % 50 :][:count], seed), indent=seed % 2)
    write(here / "S/data/referring_qa.json", text.encode())
    stream = svit_datasets.load_dataset(
        "svit", "referring", data_dir=here / "S", cache_dir=here, images="none", granularity=granularity, streaming=True
    )
    expected = list(read_rows(text, granularity, is_grounded=True))
    found = [*rows(stream["train"]), *rows(stream["test"])]
    expected.sort(key=lambda row: visual_genome.is_held_out(row["image_id"]))
    assert [as_read({k: row[k] for k in expected[0]}) for row in found] == expected


@pytest.mark.parametrize("granularity", ["image", "conversation", "qa"])
def test_records_that_rows_cannot_hold(tmp_path: Path, granularity: str) -> None:
    """A row an image takes every record; the others refuse what has no conversation, turns or pairs."""
    contents: list[Any] = [None, [], ["user"], ["gpt", "user"], ["user", "gpt", "gpt"]]
    codes = ["no-conversations", "no-turns", "turn-odd", "turn-role", "turn-odd"]
    records = []
    for i, roles in zip(TRAIN, contents, strict=False):
        content = [{"from": role, "value": "x"} for role in roles or []]
        records.append({"image_id": i, "conversations": [] if roles is None else [{"content": content}]})
    good = {
        "image_id": TRAIN[9],
        "conversations": [{"content": [{"from": "user", "value": "a"}, {"from": "gpt", "value": "b"}]}],
    }
    write(tmp_path / "S/data/detail_description.json", json.dumps([*records, good]).encode())
    given = {"data_dir": tmp_path / "S", "cache_dir": tmp_path, "images": "none", "split": "train"}
    if granularity == "image":
        found = svit_datasets.load_dataset("svit", "detail", granularity=granularity, **given)
        assert found["image_id"][:] == [*TRAIN[:5], TRAIN[9]]
        return
    with pytest.raises(svit_datasets.RecordError) as caught:
        svit_datasets.load_dataset("svit", "detail", granularity=granularity, **given)
    assert str(caught.value) == (
        f"{tmp_path}/S/data/detail_description.json:1 id={TRAIN[0]} $.conversations: found an empty list; expected at "
        "least one conversation; leave the record out; there is nothing to train on [no-conversations]"
    )
    with pytest.warns(svit_datasets.SvitWarning) as told:
        found = svit_datasets.load_dataset("svit", "detail", granularity=granularity, on_error="skip", **given)
    lines = str(told[0].message).split("\n  ")[1:]
    if granularity == "qa":
        counts = {"no-conversations": 1, "no-turns": 1, "turn-odd": 2, "turn-role": 1}
        assert found["image_id"][:] == [TRAIN[9]]
    else:
        counts = {"no-conversations": 1}
        assert found["image_id"][:] == [*TRAIN[1:5], TRAIN[9]]
    assert len(told) == 1
    assert [line.split(", e.g. ")[0] for line in lines] == [f"{n} {c} (record left out)" for c, n in counts.items()]
    assert set(counts) <= set(codes)


def test_infinite_and_long_numbers_are_those_of_the_text(tmp_path: Path) -> None:
    value = f"<st>a<ed> [{'9' * 320}, 0.1234567890123456789, .5, 1.], [0,0,1,1]"
    record = {"image_id": -5, "conversations": [{"content": [{"from": "user", "value": value}]}]}
    write(tmp_path / "S/data/referring_qa.json", json.dumps([record]).encode())
    [row] = svit_datasets.load_dataset(
        "svit", "referring", data_dir=tmp_path / "S", cache_dir=tmp_path, images="none", split="train"
    )
    assert row["objects"][0]["boxes"] == [[math.inf, 0.1234567890123456789, 0.5, 1.0], [0, 0, 1, 1]]
    assert (row["image_id"], row["image"], row["width"], row["extra"]) == (-5, None, None, None)


def test_a_topic_that_is_null_is_told_from_one_that_is_absent(tmp_path: Path) -> None:
    turn = {"from": "user", "value": "x", "n": 1}
    record = {"image_id": TRAIN[0], "conversations": [{"topic": None, "content": [turn]}, {"content": [turn]}]}
    write(tmp_path / "S/data/conversation.json", json.dumps([{**record, "caf\u00e9": [1.50]}], indent=1).encode())
    [row] = svit_datasets.load_dataset(
        "svit", "conversation", data_dir=tmp_path / "S", cache_dir=tmp_path, images="none", split="train"
    )
    assert [c["topic"] for c in row["conversations"]] == [None, None]
    assert json.loads(row["extra"]) == {
        "$": {"caf\u00e9": [1.5]},
        "$.conversations[0]": {"topic": None},
        "$.conversations[0].content[0]": {"n": 1},
        "$.conversations[1].content[0]": {"n": 1},
    }


def test_captions_of_coco_are_joined(root: Path, tmp_path: Path) -> None:
    with_coco = [i for i in MANY if entry(i)["coco_id"]]
    texts = {entry(i)["coco_id"]: [f"{i} a", f"{i} \u00e9"] for i in with_coco[:-1]}
    paths = []
    for name, own in (("a", with_coco[:5]), ("b", with_coco[5:-1])):
        annotations = [
            {"image_id": entry(i)["coco_id"], "id": i, "caption": texts[entry(i)["coco_id"]][0]} for i in own
        ]
        annotations += [{"image_id": entry(i)["coco_id"], "id": -i, "caption": f"{i} \u00e9"} for i in own]
        paths.append(write(tmp_path / f"{name}.json", json.dumps({"images": [], "annotations": annotations}).encode()))
    loaded = svit_datasets.load_dataset("svit", "detail", data_dir=root, cache_dir=tmp_path, coco_captions=paths)
    for split in loaded.values():
        for row in split:
            assert row["captions"] == (None if row["coco_id"] is None else texts.get(row["coco_id"], []))
    [one] = datasets.load_dataset(
        "svit", "images", data_dir=str(root), cache_dir=str(tmp_path), coco_captions=str(paths[0]), split="train[:1]"
    )
    assert one["captions"] == texts.get(one["coco_id"], None if one["coco_id"] is None else [])
