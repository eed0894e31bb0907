"""What is wrong with a table's rows is said with their place; nothing is left out without being counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from svit_datasets import InputError, Options, OutputError, RecordError, SvitWarning, UsageError
from svit_datasets.pipelines.llava import LLAVA_SCHEMA, convert_table
from svit_datasets.pipelines.places import number_records
from svit_datasets.pipelines.writing import write_llava

COLUMNS = (
    "image_id and conversations, or image_id and conversation_index and topic and content, or image_id and "
    "conversation_index and pair_index and topic and question and answer"
)


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "user", "value": question}, {"from": "gpt", "value": answer}]


def native(*records: tuple[int, list[list[dict[str, str]]]], **columns: Any) -> pa.Table:
    rows = [{"image_id": i, "conversations": [{"content": c} for c in contents]} for i, contents in records]
    return pa.table({**{k: [row[k] for row in rows] for k in ("image_id", "conversations")}, **columns})


GOOD = turns("Who?", "A man.")
EMPTY = turns("Who?", "")
EMPTY_SAID = (
    "table:2 id=4 $.conversations[1].content[1].value: found ''; expected text; drop the pair: an empty value makes "
    "the whole conversation train on zero tokens [turn-empty]"
)


def raised(kind: type[Exception], table: Any, **given: Any) -> str:
    with pytest.raises(kind) as caught:
        convert_table(table, **{"task": "detail", **given})
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_faulty_conversation_is_named_by_its_row() -> None:
    table = native((2, [GOOD]), (4, [GOOD, EMPTY]), (5, [GOOD]))
    assert raised(RecordError, table) == EMPTY_SAID
    with pytest.warns(SvitWarning) as said:
        rows = convert_table(table, task="detail", on_error="skip")
    head = "convert_table (left out: 1 conversation): 1 turn-empty; the first:\n  "
    assert [str(w.message) for w in said] == [head + EMPTY_SAID]
    assert rows.column("id").to_pylist() == [f"detail_description-{i}-0" for i in (2, 4, 5)]
    assert said[0].filename == __file__


def test_a_row_of_another_shape_is_named_by_its_number_also_behind_others() -> None:
    table = native((2, [GOOD]), (4, [GOOD]), (5, [GOOD])).append_column("record_index", pa.array([3, 4, 5]))
    table = table.append_column("width", pa.array([1, 1, 0])).append_column("height", pa.array([1, 1, 1]))
    said = "table:3 id=5 $.width: found Expected `int` >= 1; expected "
    assert raised(RecordError, table).startswith(said)
    with pytest.warns(SvitWarning) as warned:
        rows = convert_table(table, task="detail", on_error="skip")
    text = str(warned[0].message)
    assert text.startswith(f"convert_table (left out: 1 row): 1 record-shape; the first:\n  {said}")
    assert rows.column("id").to_pylist() == ["detail_description-2-0", "detail_description-4-0"]


def test_an_unknown_image_and_a_record_of_nothing_are_left_out_as_said() -> None:
    table = native((2, []), (9000001, [GOOD, GOOD]), (4, [GOOD]))
    with pytest.warns(SvitWarning, match=r"^convert_table \(left out: 2 conversations and 1 row\): 1 no-conv") as said:
        rows = convert_table(table, task="detail", on_error="skip")
    assert len(said) == 1
    assert rows.num_rows == 1


def test_boxes_need_a_size_and_images_tell_it(tmp_path: Path) -> None:
    table = native((2, [turns("Who?", "The <st>man<ed> [0.25, 0, 0.5, 1].")]))
    assert raised(RecordError, table).startswith("table:1 id=2 $.image_id: found no size of image 2; expected ")
    sizes = tmp_path / "image_data.json"
    sizes.write_text(json.dumps([{"image_id": 2, "width": 640, "height": 480}, {"image_id": 3, "width": 0}]))
    for _ in range(2):
        assert f"{sizes}:2 id=3" in raised(RecordError, table, images=sizes)
    with pytest.warns(SvitWarning, match=r"^convert_table: 1 ") as said:
        rows = convert_table(table, task="detail", images=sizes, on_error="skip")
    assert f"{sizes}:2 id=3" in str(said[0].message)
    assert rows.column("conversations")[0][1]["value"].as_py() == "The man [0.25, 0.125, 0.5, 0.875]."
    assert convert_table(table, task="detail", images=sizes, on_error="skip").equals(rows)
    assert "no such file or folder" in raised(InputError, table, images=tmp_path / "none")


def test_a_second_record_of_an_image_without_numbers_is_said() -> None:
    table = native((2, [GOOD]), (4, [GOOD]), (2, [GOOD]))
    with pytest.warns(SvitWarning) as said:
        rows = convert_table(table, task="detail")
    assert str(said[0].message) == (
        "convert_table: 1 duplicate-id; the first:\n  table:3 id=2 $.image_id: found image_id 2, seen before; its ids "
        "are used again; expected one record per image and task; number_records tells them apart, from_llava refuses "
        "them as they are [duplicate-id]"
    )
    assert rows.column("id").to_pylist() == [f"detail_description-{i}-0" for i in (2, 4, 2)]
    with pytest.warns(SvitWarning, match=r"found image_id 2, seen 1 time before; expected"):
        numbered = convert_table(number_records(table), task="detail")
    assert numbered.column("id").to_pylist()[2] == "detail_description-2.1-0"


def test_a_part_that_begins_inside_a_conversation_is_said() -> None:
    place = {"image_id": [2], "conversation_index": [1], "pair_index": [3], "topic": pa.array([None], pa.string())}
    with pytest.warns(SvitWarning) as said:
        rows = convert_table(pa.table({**place, "question": ["Who?"], "answer": ["A man."]}), task="detail")
    assert str(said[0].message) == (
        "convert_table: the first row is pair 3 of conversation 1 of image_id 2; where the pairs before it are in "
        "another part, they make two records: keep the pairs of a conversation together"
    )
    assert rows.column("id").to_pylist() == ["detail_description-2-1"]


def test_options_and_columns_that_do_not_fit() -> None:
    table = native((2, [GOOD]))
    assert raised(UsageError, table, task="details") == (
        "convert_table: no task is called 'details'; pass it as task (--task): conversation, complex_reasoning, "
        "referring, detail"
    )
    sidecar = raised(UsageError, table, options=Options(provenance="sidecar"))
    assert sidecar == "provenance='sidecar': a table has no file to stand beside; pass 'inline' or 'none'"
    assert raised(UsageError, table, on_error="collect") == "on_error='collect': expected one of raise, skip"
    assert raised(UsageError, {"image_id": [2]}) == (
        'convert_table: expected a pyarrow Table or RecordBatch, got dict; with_format("arrow") in datasets and '
        'batch_format="pyarrow" in ray.data give tables'
    )
    assert (
        raised(UsageError, table.select(["image_id"])) == f"convert_table: expected columns {COLUMNS}; it has image_id"
    )
    twice = table.append_column("image_id", table.column("image_id"))
    assert raised(UsageError, twice) == "convert_table: image_id stands twice among its columns; keep one"


@pytest.mark.parametrize("values", [[-1], [None], [1.5], ["a"], [10**18]], ids=str)
def test_numbers_that_number_records_does_not_give_are_refused(values: list[Any]) -> None:
    table = native((2, [GOOD])).append_column("record_index", pa.array(values))
    assert raised(UsageError, table) == (
        "convert_table: column record_index: expected whole numbers of 0 or more, as number_records gives them"
    )


def test_what_is_no_converted_table_is_not_written(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rows = convert_table(native((2, [GOOD]), (4, [GOOD])), task="detail")
    with pytest.raises(UsageError, match=r"^write_llava: no column svit; convert_table makes id, image, conv"):
        write_llava(rows.drop_columns(["svit"]), out)
    with pytest.raises(UsageError, match=r"^write_llava: expected pyarrow tables, got dict$"):
        write_llava([{"id": ["a"]}], out)  # type: ignore[list-item]
    bad = rows.set_column(3, "svit", pa.array(["{}", '{"at": '], pa.string()))
    with pytest.raises(RecordError, match=r"^table:1 id=detail_description-2-0 \$\.svit: found .* \[row-check\]$"):
        write_llava(bad, out)
    with pytest.raises(RecordError, match=r"^table:2 id=detail_description-4-0 \$\.svit: found .* \[prov"):
        write_llava([rows.slice(0, 1), bad.slice(1)], out)
    out.mkdir()
    with pytest.raises(UsageError, match=r"out\.json: is a folder; name a file in it$"):
        write_llava(rows, out)
    with pytest.raises(OutputError, match=r"nothing was written under this name"):
        write_llava(rows, Path("/dev/null/out.json"))
    assert list(tmp_path.iterdir()) == [out]
    assert write_llava([], tmp_path / "none.json") == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []
    assert write_llava(LLAVA_SCHEMA.empty_table(), tmp_path / "none.json", overwrite=True) == 0


def test_what_is_no_table_cannot_be_numbered() -> None:
    mend = 'with_format("arrow") in datasets and batch_format="pyarrow" in ray.data give tables'
    for given, kind in (([1], "list"), (None, "NoneType")):
        with pytest.raises(UsageError) as caught:
            number_records(given)
        assert str(caught.value) == f"number_records: expected a pyarrow Table or RecordBatch, got {kind}; {mend}"
    table = native((2, [GOOD]), (2, [GOOD]))
    assert number_records(table.to_batches()[0]).equals(number_records(table))
