"""Tables of LLaVA's layout come back to native conversations, and what is not SVIT's or faulty is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import given

from svit_datasets import Options, RecordError, SvitWarning, UsageError, to_llava
from svit_datasets.pipelines.llava import convert_table
from svit_datasets.pipelines.native import NATIVE_SCHEMA, restore_table
from svit_datasets.pipelines.places import number_records

from . import native_files as made
from .test_table_round_trip import table_of

quiet = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")  # of odd boxes and second records
SAME = ["image_id", "conversation_index", "topic", "content", "extra"]


@quiet
@given(native=made.natives)
def test_what_was_converted_comes_back_value_for_value(folder: Callable[[], Path], native: dict[str, Any]) -> None:
    sizes = made.write_sizes(folder())
    for task, records in native.items():
        table = number_records(table_of(records, "conversation"))
        rows = convert_table(table, task=task)
        back = restore_table(rows, images=sizes)
        assert back.schema.equals(NATIVE_SCHEMA)
        assert back.select([*SAME, "record_index"]).to_pylist() == table.select([*SAME, "record_index"]).to_pylist()
        assert set(back.column("task").to_pylist()) == {task}
        assert set(back.column("outcome").to_pylist()) == {"restored"}
        numbered = back.append_column("record_copy", table.column("record_copy"))
        assert convert_table(numbered, task=task).equals(rows)
        parts = [restore_table(rows.slice(i, 2), images=sizes) for i in range(0, len(rows), 2)]
        assert pa.concat_tables(parts).equals(back)


def llava(image: str | None, *values: str, **more: Any) -> dict[str, Any]:
    roles = ("human", "gpt") * len(values)
    turns = [{"from": role, "value": value} for role, value in zip(roles, values, strict=False)]
    return {"image": image, "conversations": turns, "id": "a", **more}


WHY = "<image>\nWhy?"


def test_without_svit_rows_come_back_by_best_effort_or_are_counted(tmp_path: Path) -> None:
    man = llava("vg/VG_100K/2.jpg", "<image>\nWho?", "The man [0.25, 0.125, 0.5, 0.875].", id="referring_qa-2-3")
    rows = [man, llava("coco/train2017/9.jpg", WHY, "So."), llava(None, "Hi", "Hi")]
    sizes = tmp_path / "image_data.json"
    sizes.write_text(json.dumps([{"image_id": 2, "width": 640, "height": 480}]))
    with pytest.warns(SvitWarning) as said:
        back = restore_table(pa.Table.from_pylist(rows), images=sizes)
    assert [str(w.message) for w in said] == ["restore_table (left out: 2 not SVIT's, 0 faulty)"]
    row = back.to_pylist()[0]
    assert (row["task"], row["conversation_index"], row["outcome"]) == ("referring_qa", 3, "inferred")
    assert (row["width"], row["height"], row["record_index"], row["extra"]) == (640, 480, 0, None)
    assert row["content"][1] == {"from": "gpt", "value": "The <st>man<ed> [0.25, 0.0, 0.5, 1.0]."}
    again = convert_table(back, task="referring", options=Options(instruction=False, provenance="none"))
    assert again.column("conversations").to_pylist() == [man["conversations"]]


def test_faulty_rows_are_named_or_counted() -> None:
    good = convert_table(
        pa.table(
            {
                "image_id": [4],
                "conversations": [[{"content": [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]}]],
            }
        ),
        task="detail",
    )
    bad = llava("vg/VG_100K/4.jpg", WHY, "So.", svit='{"at": "x"')
    table = pa.concat_tables([good, pa.Table.from_pylist([bad]).select(good.column_names)])
    said = r"table:2 id=a \$\.svit: found .*; expected .* \[provenance-damaged\]$"
    with pytest.raises(RecordError, match=f"^{said}"):
        restore_table(table)
    with pytest.warns(SvitWarning, match=rf"^restore_table \(left out: 0 not SVIT's, 1 faulty\): 1 prov.*\n  {said}"):
        back = restore_table(table, on_error="skip")
    assert back.column("image_id").to_pylist() == [4]
    with pytest.raises(UsageError, match=r"^restore_table: no column conversations; it has id, image, svit$"):
        restore_table(table.drop_columns(["conversations"]))
    with pytest.raises(UsageError, match=r"^restore_table: expected a pyarrow Table or RecordBatch, got list; with_f"):
        restore_table([bad])
    assert restore_table(table.slice(0, 0)).equals(NATIVE_SCHEMA.empty_table())


@quiet
def test_rows_that_came_back_are_an_input_of_to_llava(tmp_path: Path) -> None:
    task, records = made.Maker(5).native().popitem()
    file = made.write_natives(tmp_path, {task: records})[0]
    want = to_llava(file, images=made.write_sizes(tmp_path))
    rows = convert_table(number_records(table_of(records, "qa")), task=task)
    back = restore_table(rows, images=tmp_path / "image_data.json")
    assert to_llava(datasets.Dataset(back), task=task) == want
