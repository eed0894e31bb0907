"""Rows to records, and what tables are taken for: granularity, columns, grouping, further keys, task, image."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from svit_datasets import UsageError, to_llava
from svit_datasets.images.known import resolve_row
from svit_datasets.images.visual_genome import folder_of, image_ids
from svit_datasets.records import to_native
from svit_datasets.table_inputs.inputs import open_tables
from svit_datasets.table_inputs.records import TableItem, granularity_of, read_rows, wanted_columns
from svit_datasets.tables.columns import columns_of
from svit_datasets.tables.parts import GRANULARITIES, Granularity, ImageRow
from tests.helpers_cli import UNUSABLE, call

CONFIGS = ("conversation", "complex_reasoning", "referring", "detail")
COLUMNS = "image_id and conversations, or image_id and conversation_index and topic and content, or "
COLUMNS += "image_id and conversation_index and pair_index and topic and question and answer"
NO_TASK = "nothing says the task; pass it as task (--task): conversation, complex_reasoning, referring, detail"
TURNS = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]
VG = image_ids()


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def qa(image_id: int, place: tuple[int, int] = (0, 0), topic: str | None = None, **more: Any) -> dict[str, Any]:
    index, pair = place
    texts = {"question": f"q{index}{pair}", "answer": f"a{index}{pair}"}
    return {"image_id": image_id, "conversation_index": index, "pair_index": pair, "topic": topic, **texts, **more}


def conversation(image_id: int, index: int = 0, topic: str | None = None, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "conversation_index": index, "topic": topic, "content": TURNS, **more}


def shape(items: list[TableItem]) -> list[Any]:
    """Return number, id and the turns of each conversation."""
    assert [i.fault for i in items if i.fault] == []
    return [
        (i.number, i.record.image_id, [[t.value for t in c.content] for c in i.record.conversations])
        for i in items
        if i.record
    ]


def native(rows: list[dict[str, Any]], granularity: Granularity) -> list[Any]:
    records = [to_native(item.record) for item in read_rows(rows, granularity) if item.record]
    return msgspec.json.decode(msgspec.json.encode(records))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("has_captions", [True, False])
def test_the_granularity_shows_in_the_columns(config: str, granularity: Granularity, has_captions: bool) -> None:
    names = [c.name for c in columns_of(config, granularity, has_captions=has_captions)]
    assert granularity_of(reversed(names), source="x") == granularity
    wanted = wanted_columns(names, granularity)
    assert set(wanted) == set(names) - {"objects", "captions", "coco_id", "flickr_id"}
    assert wanted_columns([*names, "more"], granularity) == wanted


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "none"),
        (["image_id"], "image_id"),
        (["id", "image", "conversations"], "conversations, id, image"),
        (["image_id", "topic", "content"], "content, image_id, topic"),
        (["question", "answer", "image_id", "pair_index", "topic"], "answer, image_id, pair_index, question, topic"),
    ],
)
def test_missing_columns_are_named(names: list[str], told: str) -> None:
    message = f"x.parquet: expected columns {COLUMNS}; it has {told}"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        granularity_of(names, source="x.parquet")


@pytest.mark.parametrize("kind", ["parquet", "dataset", "saved"])
def test_a_table_without_its_columns_leaves_nothing_behind(kind: str) -> None:
    table = datasets.Dataset.from_dict({"image_id": [1], "question": ["?"], "answer": ["!"]})
    table.to_parquet("x.parquet")
    table.save_to_disk("x")
    given, name = {"parquet": ("x.parquet",) * 2, "dataset": (table, "dataset/?"), "saved": ("x", "x")}[kind]
    message = f"{name}: expected columns {COLUMNS}; it has answer, image_id, question"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        to_llava(given, "out.json", task="detail")
    if kind != "dataset":
        ran = call("to-llava", given, "--task", "detail", "-o", "out.json")
        assert (ran.code, ran.err) == (UNUSABLE, f"error: {message}\n")
    assert not Path("out.json").exists()


def test_pairs_that_follow_each_other_make_one_record() -> None:
    rows = [qa(5), qa(5, (0, 1)), qa(5, (2, 0)), qa(6, (2, 1)), qa(6, (3, 0))]
    assert shape(list(read_rows(rows, "qa"))) == [
        (1, 5, [["q00", "a00", "q01", "a01"], ["q20", "a20"]]),
        (4, 6, [["q21", "a21"], ["q30", "a30"]]),
    ]


def test_what_is_not_further_on_begins_a_record() -> None:
    same, before = [qa(5), qa(5)], [qa(5, (1, 0)), qa(5, (0, 4)), qa(5, (0, 3))]
    assert [n for n, *_ in shape(list(read_rows(same, "qa")))] == [1, 2]
    assert [n for n, *_ in shape(list(read_rows(before, "qa")))] == [1, 2, 3]
    rows = [conversation(5), conversation(5, 1), conversation(5, 1), conversation(6, 2), conversation(5, 3)]
    assert [n for n, *_ in shape(list(read_rows(rows, "conversation")))] == [1, 3, 4, 5]
    whole = {"image_id": 5, "conversations": [{"topic": None, "content": TURNS}]}
    assert [n for n, *_ in shape(list(read_rows([whole, whole], "image")))] == [1, 2]


def test_records_that_cannot_be_one_are_not_made_one() -> None:
    """Of copies of an image, filtered: another topic in one conversation, other keys of one record."""
    rows = [qa(5, (0, 0), "A"), qa(5, (0, 1), "B")]
    assert [c["topic"] for r in native(rows, "qa") for c in r["conversations"]] == ["A", "B"]
    mine = [conversation(5, 0, extra='{"$":{"n":1}}'), conversation(5, 1, extra='{"$":{"n":2}}'), conversation(5, 2)]
    assert [r.get("n") for r in native(mine, "conversation")] == [1, 2, None]


def test_further_keys_stand_where_their_paths_say() -> None:
    extra = '{"$":{"a":1.50},"$.conversations[1]":{"b":null,"topic":null},"$.conversations[1].content[3]":{"c":1e3}}'
    [item] = read_rows([qa(5, (1, 1), extra=extra)], "qa")
    turns = [{"from": "user", "value": "q11"}, {"from": "gpt", "value": "a11", "c": 1000}]
    assert msgspec.json.decode(msgspec.json.encode(to_native(item.record))) == {
        "image_id": 5, "a": 1.5, "conversations": [{"topic": None, "content": turns, "b": None}]
    }  # fmt: skip
    assert bytes(item.record.extra["a"]) == b"1.50"
    assert bytes(item.record.conversations[0].content[1].extra["c"]) == b"1e3"


@pytest.mark.parametrize("extra", [None, "", "{}", '{"$":{}}'])
def test_no_further_keys_are_none(extra: str | None) -> None:
    assert native([conversation(5, extra=extra)], "conversation") == native([conversation(5)], "conversation")


def test_a_topic_is_null_only_where_extra_says_so() -> None:
    said = {"extra": '{"$.conversations[0]":{"topic":null}}'}
    topics = [native([conversation(5, 0, t, **m)], "conversation")[0]["conversations"][0] for t, m in
              ((None, {}), (None, said), ("", {}), ("T", {}))]  # fmt: skip
    assert [t.get("topic", "absent") for t in topics] == ["absent", None, "", "T"]


def test_a_faulty_row_is_told_and_what_follows_is_read() -> None:
    rows = [qa(0), qa(0, (0, 1), question=5), qa(7, answer=None), qa(7)]
    items = list(read_rows(rows, "qa"))
    assert [i.number for i in items] == [1, 2, 3, 4]
    hint = "expected a record that fits the schema; compare it with the schema: svit-convert schema native, "
    hint += "llava-lenient or image_data [record-shape]"
    assert [str(i.fault.at(file="x")) for i in items if i.fault] == [
        f"x:2 id=0 $.question: found Expected `str`, got `int`; {hint}",
        f"x:3 id=7 $.answer: found Expected `str`, got `null`; {hint}",
    ]


@pytest.mark.parametrize(
    ("row", "path", "size_wh", "code"),
    [
        (ImageRow(VG[0], 4, 3), f"vg/{folder_of(VG[0])}/{VG[0]}.jpg", (4, 3), None),
        (ImageRow(VG[0], None, 3), f"vg/{folder_of(VG[0])}/{VG[0]}.jpg", None, None),
        (ImageRow(9000001, 4, 3, path="x/VG_100K_2/9000001.jpg"), "vg/VG_100K_2/9000001.jpg", (4, 3), None),
        (ImageRow(9000001, 4, 3, url="https://x/VG_100K_2/9000001.jpg"), "vg/VG_100K_2/9000001.jpg", (4, 3), None),
        (ImageRow(9000001, 4, 3, path="9000001.jpg"), "vg/VG_100K/9000001.jpg", (4, 3), "image-folder-guessed"),
        (ImageRow(9000001), "", None, "image-unknown"),
        (ImageRow(2**64 - 1), "", None, "image-unknown"),
        (ImageRow(-(2**63)), "", None, "image-unknown"),
    ],
)  # fmt: skip
def test_a_row_tells_its_image(row: ImageRow, path: str, size_wh: Any, code: str | None) -> None:
    assert folder_of(9000001) is None
    found = resolve_row(row)
    assert (found.path, found.size_wh, [f.code for f in found.findings]) == (path, size_wh, [code] if code else [])


def write(path: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([qa(5)]), path)
    return Path(path)


def task_of(given: Any, task: str | None = None) -> str:
    tables = open_tables(given, task)
    assert tables is not None
    [table] = tables
    return table.task


@pytest.mark.parametrize(
    "path",
    [
        "referring.parquet", "referring_qa.parquet", "Referring-train.parquet", "referring/x.parquet",
        "detail/referring/train/0.parquet", "detail/referring-0.parquet", "data/referring/deep/er/0.parquet",
        "referring.parquet/part-0.parquet", "referring_qa.v2.parquet",
    ],
)  # fmt: skip
def test_the_task_is_in_the_nearest_name_that_tells_one(path: str) -> None:
    assert task_of(write(path)) == task_of(path.split("/")[0]) == "referring_qa"


def test_a_task_of_two_words_may_be_written_with_a_hyphen() -> None:
    assert task_of(write("complex-reasoning/0.parquet")) == "complex_reasoning"
    assert task_of(write("complex_reasoning-00000-of-00001.parquet")) == "complex_reasoning"
    assert task_of(write("complex-reasoning-00000-of-00001.parquet")) == "complex_reasoning"


def test_the_configuration_tells_the_task_before_the_folder_and_what_is_given_before_both() -> None:
    info = datasets.DatasetInfo(config_name="referring", dataset_name="svit")
    table = datasets.Dataset(pa.Table.from_pylist([qa(5)]), info=info, split=datasets.Split.TRAIN)
    table.save_to_disk("detail")
    assert task_of(table) == task_of("detail") == "referring_qa"
    assert task_of("detail", "complex-reasoning") == task_of(table, "complex-reasoning") == "complex_reasoning"
    assert [t.name for t in open_tables(datasets.DatasetDict(a=table)) or ()] == ["svit/referring[train]"]


SIGNLESS: dict[str, Callable[[datasets.Dataset], Any]] = {
    "dataset/?": lambda table: table,
    "x.parquet": lambda table: table.to_parquet("x.parquet") and "x.parquet",
    "bare": lambda table: table.save_to_disk("bare") or "bare",
}


@pytest.mark.parametrize("name", SIGNLESS)
def test_without_any_sign_the_task_must_be_given(name: str) -> None:
    given = SIGNLESS[name](datasets.Dataset.from_list([qa(VG[0])]))
    with pytest.raises(UsageError, match=rf"^{re.escape(f'{name}: {NO_TASK}')}$"):
        to_llava(given, "out.json")
    riddle = NO_TASK.replace("nothing says the task", "no task is called 'riddle'")
    with pytest.raises(UsageError, match=rf"^{re.escape(f'{name}: {riddle}')}$"):
        to_llava(given, "out.json", task="riddle")
    if name != "dataset/?":
        assert call("to-llava", given, "-o", "out.json") == (UNUSABLE, b"", f"error: {name}: {NO_TASK}\n")
    assert not Path("out.json").exists()
    assert to_llava(given, "out.json", task="detail").outputs == {"out.json": 1}


@pytest.mark.parametrize("given", [None, 5, {"train": 1}, pa.table({"image_id": [1]})], ids=lambda g: type(g).__name__)
def test_what_is_no_input_is_refused(given: Any) -> None:
    message = f"inputs: expected paths, a Dataset or a DatasetDict, got {type(given).__name__}"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        to_llava([given], "out.json")


def test_shards_of_images_hold_no_text_and_links_are_followed(tmp_path: Path) -> None:
    write("hub/data/images/train-0.parquet")
    real = [write(f"real/{i}.parquet") for i in range(2)]
    for file in real:
        Path("hub/data/detail").mkdir(exist_ok=True)
        Path("hub/data/detail", file.name).symlink_to(tmp_path / file)
    assert [t.name for t in open_tables("hub") or ()] == ["hub/data/detail/0.parquet", "hub/data/detail/1.parquet"]
