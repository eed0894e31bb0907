"""Splits, processes and streams: whichever way the rows come, they are the same rows, each once."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.distributed import split_dataset_by_node
from native_files import dumps
from test_loading import FILES, odd_records, rows, write, write_root

import svit_datasets
from svit_datasets.images import visual_genome

SHARES, SMALLEST_SHARE = 16, 16 << 10
FORGETFUL = ("shuffled", "second epoch")
_ALL = visual_genome.image_ids()
_PICK = random.Random(7)
IDS = _PICK.sample([i for i in _ALL if not visual_genome.is_held_out(i)], 190)
IDS += _PICK.sample([i for i in _ALL if visual_genome.is_held_out(i)], 70)
_PICK.shuffle(IDS)
CONFIG = "referring"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = dumps(odd_records(IDS, 3))
    assert len(text.encode()) > SHARES * SMALLEST_SHARE
    folder = tmp_path_factory.mktemp("splits") / "SVIT"
    return write_root(folder, {FILES[CONFIG]: text, FILES["detail"]: dumps(odd_records(IDS[:9], 4))}, IDS[:12])


@pytest.fixture(scope="module")
def given(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"data_dir": str(root), "cache_dir": str(tmp_path_factory.mktemp("cache")), "images": "none"}


@pytest.fixture(scope="module")
def whole(given: dict[str, Any]) -> datasets.DatasetDict:
    return datasets.load_dataset("svit", CONFIG, **given)


@pytest.fixture(scope="module")
def train(whole: datasets.DatasetDict) -> list[dict[str, Any]]:
    return rows(whole["train"])


def open_stream(given: dict[str, Any], split: str = "train", **options: Any) -> Any:
    return datasets.load_dataset("svit", CONFIG, split=split, streaming=True, **{**given, **options})


def ids(dataset: Any) -> list[int]:
    return [row["image_id"] for row in dataset]


def expect(is_test: bool) -> list[int]:
    return [i for i in IDS if visual_genome.is_held_out(i) == is_test]


def test_splits_are_svits_own(whole: datasets.DatasetDict) -> None:
    assert ids(whole["train"]) == expect(False)
    assert ids(whole["test"]) == expect(True)


@pytest.mark.parametrize("config", ["images", "detail"])
def test_every_image_of_visual_genome_is_in_one_split(tmp_path: Path, config: str) -> None:
    if config == "images":
        sizes = ",\n".join(f'{{"image_id": {i}, "width": 1, "height": 2}}' for i in _ALL)
        write(tmp_path / "S/image_data.json", f"[{sizes}]".encode())
    else:
        text = ", ".join(f'{{"image_id": {i}, "conversations": []}}' for i in _ALL)
        write(tmp_path / "S/detail_description.json", f"[{text}]".encode())
    loaded = svit_datasets.load_dataset(
        "svit", config, data_dir=tmp_path / "S", cache_dir=tmp_path, images="none", columns=["image_id"]
    )
    found = {name: split["image_id"][:] for name, split in loaded.items()}
    assert sorted(found["train"] + found["test"]) == _ALL
    assert len(found["test"]) == 10_808
    assert all(map(visual_genome.is_held_out, found["test"]))


@pytest.mark.parametrize("num_proc", [2, 3, 40])
def test_more_processes_give_the_same_rows_in_the_same_order(
    given: dict[str, Any], whole: datasets.DatasetDict, tmp_path: Path, num_proc: int
) -> None:
    loaded = svit_datasets.load_dataset("svit", CONFIG, num_proc=num_proc, **{**given, "cache_dir": tmp_path})
    for split in ("train", "test"):
        assert rows(loaded[split]) == rows(whole[split])
        assert loaded[split].info.splits[split].num_examples == len(whole[split])


@pytest.mark.parametrize("config", ["detail", "images"])
def test_more_processes_than_rows(given: dict[str, Any], tmp_path: Path, config: str) -> None:
    options = {**given, "images": "path" if config == "images" else "none"}
    expected = datasets.load_dataset("svit", config, split="train", **options)
    parts = datasets.load_dataset("svit", config, split="train", num_proc=5, **{**options, "cache_dir": str(tmp_path)})
    assert rows(parts) == rows(expected)
    assert len(parts) >= 5


def test_parts_of_splits(given: dict[str, Any], train: list[dict[str, Any]], whole: datasets.DatasetDict) -> None:
    test = rows(whole["test"])
    percent = round(len(train) / 100)
    parts = {
        "train[:1%]": train[:percent],
        "train[5:9]": train[5:9],
        "train[-3:]": train[-3:],
        "train+test": train + test,
        "test+train[:2]": test + train[:2],
        "test[50%:]": test[round(len(test) / 2) :],
        "all": train + test,
    }
    for split, expected in parts.items():
        assert rows(datasets.load_dataset("svit", CONFIG, split=split, **given)) == expected, split
        assert rows(svit_datasets.load_dataset("svit", CONFIG, split=split, **given)) == expected, split
    for split in (datasets.Split.TEST, datasets.ReadInstruction("test")):
        assert rows(datasets.load_dataset("svit", CONFIG, split=split, **given)) == test
    several = datasets.load_dataset("svit", CONFIG, split=["test", "train[:2]"], **given)
    assert [rows(part) for part in several] == [test, train[:2]]
    with pytest.raises(ValueError, match="valid"):
        datasets.load_dataset("svit", CONFIG, split="validation", **given)
    with pytest.raises(ValueError, match="validation"):
        open_stream(given, "validation")


def test_a_split_without_rows_is_an_empty_dataset(tmp_path: Path) -> None:
    svit_datasets.write_sample(tmp_path / "S")
    given = {"data_dir": str(tmp_path / "S"), "cache_dir": str(tmp_path / "c")}
    assert list(datasets.load_dataset("svit", "detail", **given)) == ["train"]
    test = datasets.load_dataset("svit", "detail", split="test", **given)
    assert (len(test), rows(test), str(test.split)) == (0, [], "test")
    train = datasets.load_dataset("svit", "detail", split="train", **given)
    assert test.features == train.features
    assert rows(datasets.concatenate_datasets([train, test])) == rows(train)
    assert len(test.filter(lambda row: row["image_id"] > 0)) == 0
    assert rows(datasets.load_dataset("svit", "detail", split="train+test", **given)) == rows(train)
    streams = datasets.load_dataset("svit", "detail", streaming=True, **given)
    assert {name: len(list(stream)) for name, stream in streams.items()} == {"train": len(train), "test": 0}


@pytest.mark.parametrize(
    "split", [["train", "test"], "test[:5]", "test[:10%]", datasets.ReadInstruction("test")], ids=str
)
def test_a_split_without_rows_is_empty_however_it_is_asked_for(tmp_path: Path, split: Any) -> None:
    svit_datasets.write_sample(tmp_path / "S")
    loaded = datasets.load_dataset(
        "svit", "detail", split=split, data_dir=str(tmp_path / "S"), cache_dir=str(tmp_path / "c")
    )
    assert len(loaded[-1] if isinstance(split, list) else loaded) == 0


def test_a_stream_has_real_shards(given: dict[str, Any], train: list[dict[str, Any]]) -> None:
    stream = open_stream(given)
    assert stream.n_shards == SHARES
    parts = [ids(split_dataset_by_node(stream, rank=i, world_size=SHARES)) for i in range(SHARES)]
    assert all(parts)
    assert [i for part in parts for i in part] == [row["image_id"] for row in train]
    assert rows(stream) == train
    assert rows(pickle.loads(pickle.dumps(stream)).take(3)) == train[:3]
    assert rows(stream.skip(40).take(2)) == train[40:42]


@pytest.mark.parametrize("world", [2, 3])
def test_nodes_share_a_stream(given: dict[str, Any], train: list[dict[str, Any]], world: int) -> None:
    stream = open_stream(given)
    parts = [ids(split_dataset_by_node(stream, rank=i, world_size=world)) for i in range(world)]
    assert sorted(i for part in parts for i in part) == sorted(row["image_id"] for row in train)
    assert all(parts)


def resumed(make: Any, at: int) -> list[Any]:
    """Return the rows of a stream that was left after ``at`` rows and taken up by another one."""
    first, state = make(), None
    seen = []
    for row in first:
        seen.append(row)
        if len(seen) == at:
            state = json.loads(json.dumps(first.state_dict()))
            break
    again = make()
    if state is not None:
        again.load_state_dict(state)
    return (seen if state is not None else []) + list(again)


@pytest.mark.parametrize("kind", ["plain", "shuffled", "node", "node of 3", "second epoch", "test"])
def test_a_stream_is_resumed_at_any_row(given: dict[str, Any], kind: str) -> None:
    def make() -> Any:
        stream = open_stream(given, "test" if kind == "test" else "train", columns=["image_id"])
        if kind in FORGETFUL:
            stream = stream.shuffle(seed=5, buffer_size=1)
        if kind == "second epoch":
            stream.set_epoch(1)
        if kind.startswith("node"):
            stream = split_dataset_by_node(stream, rank=1, world_size=3 if "3" in kind else 4)
        return stream

    expected = list(make())
    plain = list(open_stream(given, columns=["image_id"]))
    assert (expected == plain) == (kind == "plain")
    forgets = kind in FORGETFUL and datasets.__version__ < "5"  # before, datasets let go of the row in the buffer
    for at in (0, 1, 7, len(expected) // 2, len(expected) - 1):
        assert resumed(make, at) == (expected[:at] + expected[at + 1 :] if forgets and at else expected), at


def test_a_stream_is_resumed_behind_every_row_of_a_small_file(given: dict[str, Any]) -> None:
    def make() -> Any:
        return datasets.load_dataset(
            "svit", "detail", split="train", streaming=True, granularity="conversation", **given
        )

    expected = list(make())
    for at in range(len(expected)):
        assert resumed(make, at) == expected, at


def double(row: dict[str, Any]) -> dict[str, Any]:
    return {"twice": 2 * row["image_id"]}


def test_what_users_do_with_a_dataset(whole: datasets.DatasetDict, train: list[dict[str, Any]], tmp_path: Path) -> None:
    loaded = whole["train"]
    assert loaded.map(double, num_proc=2)["twice"][:] == [2 * row["image_id"] for row in train]
    odd = [row["image_id"] for row in train if row["image_id"] % 2]
    assert ids(loaded.filter(lambda row: row["image_id"] % 2 == 1, num_proc=2)) == odd
    shuffled = loaded.shuffle(seed=3)
    assert ids(shuffled) != ids(loaded)
    assert sorted(ids(shuffled)) == sorted(ids(loaded))
    assert rows(loaded.to_iterable_dataset(num_shards=4)) == train
    assert rows(loaded.select(range(5, 0, -1))) == train[5:0:-1]
    whole.save_to_disk(tmp_path / "saved", num_shards={"train": 3, "test": 1})
    again = datasets.load_from_disk(tmp_path / "saved")
    assert rows(again["train"]) == train
    assert again["train"].features == loaded.features
    loaded.to_parquet(tmp_path / "x.parquet")
    read = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "x.parquet"), cache_dir=str(tmp_path), split="train"
    )
    assert (rows(read), read.features) == (train, loaded.features)


def test_datasets_and_streams_are_put_together(given: dict[str, Any], whole: datasets.DatasetDict) -> None:
    detail = datasets.load_dataset("svit", "detail", split="train", **given)
    loaded = whole["train"].remove_columns("objects")
    both = datasets.concatenate_datasets([detail, loaded])
    assert rows(both) == rows(detail) + rows(loaded)
    mixed = ids(datasets.interleave_datasets([detail, loaded]))
    assert mixed == [i for pair in zip(ids(detail), ids(loaded), strict=False) for i in pair]
    streams = [open_stream(given).remove_columns("objects")]
    streams.insert(0, datasets.load_dataset("svit", "detail", split="train", streaming=True, **given))
    assert ids(datasets.concatenate_datasets(streams)) == ids(both)
    assert ids(datasets.interleave_datasets(streams))[:6] == mixed[:6]


def test_formats(given: dict[str, Any], whole: datasets.DatasetDict, train: list[dict[str, Any]]) -> None:
    loaded, stream = whole["train"], open_stream(given)
    some = [row["image_id"] for row in train[:4]]
    assert loaded.with_format("numpy")[:4]["image_id"].tolist() == some
    assert loaded.with_format("arrow")[:4].column("image_id").to_pylist() == some
    assert loaded.with_format("pandas")[:4]["image_id"].tolist() == some
    assert (
        loaded.to_pandas()["conversations"][0][0]["content"][0]["value"]
        == (train[0]["conversations"][0]["content"][0]["value"])
    )
    assert [int(row["image_id"]) for row in stream.with_format("numpy").take(4)] == some
    table = next(iter(stream.with_format("arrow").iter(batch_size=4)))
    assert table.column("image_id").to_pylist() == some
    with_torch = pytest.importorskip("torch", reason="torch is not installed")
    assert with_torch.equal(loaded.with_format("torch")[:4]["image_id"], with_torch.tensor(some))


@pytest.mark.parametrize("place", ["nested", "text"])
def test_what_looks_like_a_record_inside_a_record_is_none(tmp_path: Path, place: str) -> None:
    inner = [{"image_id": 1, "conversations": []}] * 900
    records: list[Any] = [{"image_id": i, "conversations": []} for i in IDS[:200]]
    extra = {"nested": inner} if place == "nested" else {"text": json.dumps(inner)}
    for i in range(50, 60):
        records[i] = {**records[i], **extra}
    text = json.dumps(records)
    assert len(text) > SHARES * SMALLEST_SHARE
    write(tmp_path / "S/detail_description.json", text.encode())
    given = {"data_dir": tmp_path / "S", "cache_dir": tmp_path, "images": "none", "columns": ["image_id"]}
    expected = [i for i in IDS[:200] if not visual_genome.is_held_out(i)]
    assert ids(svit_datasets.load_dataset("svit", "detail", split="train", num_proc=2, **given)) == expected
    assert ids(svit_datasets.load_dataset("svit", "detail", split="train", streaming=True, **given)) == expected


@pytest.mark.parametrize("options", [{}, {"num_proc": 2}, {"num_proc": 16}, {"streaming": True}], ids=str)
def test_equal_records_beside_each_other_are_all_rows(tmp_path: Path, options: dict[str, Any]) -> None:
    text = dumps([{"image_id": IDS[0], "conversations": [], "padding": "x" * 900}] * 400)
    assert len(text) > SHARES * SMALLEST_SHARE
    write(tmp_path / "S/detail_description.json", text.encode())
    given = {"data_dir": str(tmp_path / "S"), "cache_dir": str(tmp_path), "images": "none", "split": "train+test"}
    if options.get("streaming"):
        given["split"] = "test" if visual_genome.is_held_out(IDS[0]) else "train"
    assert ids(datasets.load_dataset("svit", "detail", **given, **options)) == [IDS[0]] * 400
