"""The conversion of tables equals that of files, for every task and granularity, however a table is cut into parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets import Options, from_llava, to_llava
from svit_datasets.pipelines.llava import LLAVA_SCHEMA, convert_table
from svit_datasets.pipelines.places import number_records
from svit_datasets.pipelines.writing import write_llava
from svit_datasets.tables.parts import GRANULARITIES, Granularity

from . import native_files as made
from .test_table_round_trip import table_of

pytestmark = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")  # of odd boxes and second records
granularities = st.sampled_from(GRANULARITIES)
cuts = st.lists(st.integers(0, 40), max_size=4)
options = st.builds(
    Options,
    coordinates=st.sampled_from(["padded", "original"]),
    instruction=st.booleans(),
    provenance=st.sampled_from(["inline", "none"]),
)
Folder = Callable[[], Path]


def cut(table: pa.Table, ends: list[int]) -> list[pa.Table]:
    """Return a table in parts; pairs of a conversation stay together."""
    edges = sorted({0, len(table), *(end for end in ends if end < len(table) and not is_inside(table, end))})
    return [table.slice(start, end - start) for start, end in pairwise(edges)]


def is_inside(table: pa.Table, row: int) -> bool:
    return "pair_index" in table.column_names and bool(table.column("pair_index")[row].as_py())


def first_of_each_image(records: list[Any]) -> list[Any]:
    return list({record["image_id"]: record for record in reversed(records)}.values())


@given(native=made.natives, granularity=granularities, ends=cuts, options=options)
def test_numbered_parts_give_the_bytes_of_the_whole(
    folder: Folder, native: dict[str, list[Any]], granularity: Granularity, ends: list[int], options: Options
) -> None:
    root = folder()
    for file, (task, records) in zip(made.write_natives(root / "native", native), native.items(), strict=True):
        to_llava(file, root / "want.json", images=made.write_sizes(root), options=options, overwrite=True)
        parts = cut(number_records(table_of(records, granularity)), ends)
        converted = (convert_table(part, task=task, options=options) for part in parts)
        count = write_llava(converted, root / "out.json", overwrite=True)
        assert (root / "out.json").read_bytes() == (root / "want.json").read_bytes()
        assert count == sum(len(record["conversations"]) for record in records)


@given(native=made.natives, granularity=granularities, ends=cuts)
def test_parts_without_numbers_give_the_same_rows_and_the_records_again_by_image_id(
    folder: Folder, native: dict[str, list[Any]], granularity: Granularity, ends: list[int]
) -> None:
    root = folder()
    once = {task: first_of_each_image(records) for task, records in native.items()}
    whole = []
    for task, records in once.items():
        table = table_of(records, granularity)
        whole.append(convert_table(table, task=task))
        parts = [convert_table(part, task=task) for part in cut(table, ends)]
        assert pa.concat_tables([LLAVA_SCHEMA.empty_table(), *parts]).equals(whole[-1])
    write_llava(whole, root / "out.json")
    from_llava(root / "out.json", root / "back")
    by_id = {task: sorted(records, key=lambda r: int(r["image_id"])) for task, records in once.items()}
    assert made.read_natives(root / "back") == made.as_spelt(by_id)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_without_numbers_the_number_of_the_record_and_its_sum_alone_differ(granularity: Granularity) -> None:
    texts = ("Who?", "The <st>man<ed> [0.25, 0, 0.5, 1].")
    content = [{"from": role, "value": text} for role, text in zip(("user", "gpt"), texts, strict=True)]
    record = [{"image_id": made.Number(str(i)), "conversations": [{"content": content}] * 2} for i in made.IMAGE_IDS]
    table = table_of(record, granularity)
    plain, numbered = (convert_table(t, task="referring").to_pylist() for t in (table, number_records(table)))
    for row, whole in zip(plain, numbered, strict=True):
        mine, told = json.loads(row.pop("svit")), json.loads(whole.pop("svit"))
        letter, record_and_rest = told["at"][0], told["at"].split(".", 1)
        assert mine["at"] == f"{letter}0.{record_and_rest[1]}"
        assert mine["sum"][:6] + mine["sum"][10:] == told["sum"][:6] + told["sum"][10:]
        assert (row, mine["marks"]) == (whole, told["marks"])
    assert [json.loads(r["svit"])["at"] for r in convert_table(table, task="detail").to_pylist()][:2] == [
        f"d0.{i}.{made.IMAGE_IDS[0]}" for i in range(2)
    ]


@pytest.mark.parametrize("granularity", GRANULARITIES[1:])
def test_rows_that_were_left_out_change_no_other_row(granularity: Granularity) -> None:
    turns = [{"from": role, "value": role} for role in ("user", "gpt")]
    records = [{"image_id": made.Number("2"), "conversations": [{"topic": str(i), "content": turns} for i in range(5)]}]
    table = number_records(table_of(records, granularity))
    whole = convert_table(table, task="conversation")
    for kept in ([0, 1], [1, 2, 4], [4, 0], [3]):
        assert convert_table(table.take(kept), task="conversation").to_pylist() == whole.take(kept).to_pylist()


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_second_records_of_an_image_are_numbered_as_in_the_whole(granularity: Granularity) -> None:
    turns = [{"from": role, "value": role} for role in ("user", "gpt")]
    ids = ["2", "2", "1", "2"]
    records = [{"image_id": made.Number(i), "conversations": [{"content": turns}] * 2} for i in ids]
    numbered = number_records(table_of(records, granularity))
    each = 1 if granularity == "image" else 2
    assert numbered.column("record_index").to_pylist() == [i for i in range(4) for _ in range(each)]
    assert numbered.column("record_copy").to_pylist() == [i for i in (0, 1, 0, 2) for _ in range(each)]
    assert number_records(numbered).equals(numbered)
    found = convert_table(numbered.slice(len(numbered) - each), task="detail").column("id").to_pylist()
    assert found == ["detail_description-2.2-0", "detail_description-2.2-1"]


def test_a_table_of_native_records_and_its_batches_are_taken(tmp_path: Path) -> None:
    native = {"conversation": made.Maker(3).native().popitem()[1]}
    file = made.write_natives(tmp_path / "native", native)[0]
    plain = [{"image_id": r["image_id"], "conversations": r["conversations"]} for r in json.loads(file.read_text())]
    for record in plain:
        for conversation in record["conversations"]:
            turns = [{"from": t["from"], "value": t["value"]} for t in conversation["content"]]
            conversation.update(content=turns)
    table = pa.Table.from_pylist(plain).select(["image_id", "conversations"])
    images = made.write_sizes(tmp_path)
    rows = convert_table(table, task="conversation", images=images)
    (tmp_path / "conversation.json").write_text(json.dumps(table.to_pylist()))
    want = to_llava(tmp_path / "conversation.json", images=images)
    assert rows.select(["id", "image", "conversations"]).to_pylist() == [
        {key: row[key] for key in ("id", "image", "conversations")} for row in without_copies(want)
    ]
    batches = [convert_table(batch, task="conversation", images=[images]) for batch in table.to_batches(1)]
    assert pa.concat_tables(batches).equals(rows)


def without_copies(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "id": "-".join(part.split(".")[0] for part in row["id"].split("-"))} for row in rows]


def test_a_table_without_rows_gives_one_of_the_same_columns() -> None:
    turns = [{"from": role, "value": role} for role in ("user", "gpt")]
    empty = table_of([{"image_id": made.Number("2"), "conversations": [{"content": turns}]}], "qa").slice(0, 0)
    for table in (empty, empty.select([])):
        assert convert_table(table, task="detail").schema.equals(LLAVA_SCHEMA)
    numbered = number_records(empty)
    assert numbered.num_rows == 0
    assert numbered.column_names[-2:] == ["record_index", "record_copy"]
