"""Native records to rows and back: value for value, whatever they hold, however the rows are stored and cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from svit_datasets import Options, compare, from_llava, to_llava
from svit_datasets.reading.readers import decode_native
from svit_datasets.records import TASKS, NativeRecord, to_native
from svit_datasets.table_inputs.records import TableItem, read_rows, wanted_columns
from svit_datasets.tables.columns import columns_of, make_table
from svit_datasets.tables.parts import GRANULARITIES, Granularity, ImageRow, Part, parts_of
from svit_datasets.writing.writers import encode_ascii

from . import native_files as made

granularities = st.sampled_from(GRANULARITIES)
quiet = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")  # of odd boxes
Folder = Callable[[], Path]


def records_of(native: list[Any]) -> list[NativeRecord]:
    return [decode_native(made.dumps(record).encode()) for record in native]


def table_of(native: list[Any], granularity: Granularity, *, config: str = "referring") -> pa.Table:
    """Return the table that ``load_dataset`` makes of records."""
    parts: list[Part] = []
    for record in records_of(native):
        wh = made.SIZES.get(record.image_id, (None, None))
        for part in parts_of(ImageRow(record.image_id, *wh), record, granularity):
            assert isinstance(part, Part), part
            parts.append(part)
    return make_table(parts, columns_of(config, granularity, has_captions=False))


def read(table: pa.Table, granularity: Granularity) -> list[TableItem]:
    return list(read_rows(table.select(wanted_columns(table.column_names, granularity)).to_pylist(), granularity))


def natives_of(items: list[TableItem]) -> list[Any]:
    """Return the records as a native file holds them, numbers as spelt."""
    assert [item.fault for item in items if item.fault] == []
    return [made.loads(encode_ascii(to_native(item.record))) for item in items if item.record]


def turn(speaker: str, text: str, **extra: Any) -> dict[str, Any]:
    return {"from": speaker, "value": text, **extra}


PAIR = [turn("user", "?"), turn("gpt", "!")]
ODD: list[list[Any]] = [
    [{"image_id": made.Number("5"), "conversations": [{"content": PAIR}]}] * 3,
    [{"image_id": made.Number("5"), "conversations": [{"topic": t, "content": PAIR} for t in ("", None, "T", None)]}],
    [{"image_id": made.Number("-1"), "conversations": [{"content": PAIR}, {"topic": None, "content": PAIR}], "": {}}],
    [{"image_id": made.Number(str(2**63 - 1)), "conversations": [{"content": [turn("user", ""), turn("gpt", "\0")]}]}],
    [
        {
            "image_id": made.Number("7"), "$": made.Number("1.50"), "extra": None, "$.conversations[0]": {"a": "]"},
            "conversations": [
                {
                    "content": [turn("user", "\u2028", n=made.Number("1e3")), turn("gpt", "\ufeff", role=None)] * 2,
                    "n": [made.Number("-0.0"), made.Number("9" * 400), {}],
                }
            ],
        }
    ],
]  # fmt: skip


@settings(max_examples=150)
@given(native=made.natives, granularity=granularities)
@example({"detail_description": ODD[0]}, "qa")
@example({"detail_description": ODD[0]}, "conversation")
@example({"detail_description": ODD[1]}, "qa")
@example({"detail_description": ODD[2]}, "conversation")
@example({"detail_description": ODD[3]}, "qa")
@example({"detail_description": ODD[4]}, "qa")
@example({"detail_description": ODD[4]}, "conversation")
@example({"detail_description": ODD[4]}, "image")
def test_rows_give_the_records_again(native: dict[str, list[Any]], granularity: Granularity) -> None:
    records = list(chain.from_iterable(native.values()))
    items = read(table_of(records, granularity), granularity)
    assert natives_of(items) == made.as_spelt(records)
    rows = [1 if granularity == "image" else len(r["conversations"]) for r in records]
    if granularity == "qa":
        rows = [sum(len(c["content"]) // 2 for c in r["conversations"]) for r in records]
    assert [item.number for item in items] == [1 + sum(rows[:i]) for i in range(len(rows))]


def test_a_record_of_any_shape_fits_a_row_an_image() -> None:
    shapes = [[], [{"content": []}], [{"content": [turn("gpt", "a")]}], [{"content": [turn("x", "a")] * 3}]]
    records = [{"image_id": made.Number("5"), "conversations": shape, "n": True} for shape in shapes]
    assert natives_of(read(table_of(records, "image"), "image")) == made.as_spelt(records)


def write_shards(folder: Path, table: pa.Table, config: str, *cuts: int, row_group: int = 1000) -> Path:
    """Write a table as shards that end at some of its rows."""
    shards = folder / "data" / config
    shards.mkdir(parents=True)
    edges = [0, *sorted(min(cut, len(table)) for cut in cuts), len(table)]
    for i, (start, end) in enumerate(pairwise(edges)):
        file = shards / f"train-{i:05}-of-{len(edges) - 1:05}.parquet"
        pq.write_table(table.slice(start, end - start), file, row_group_size=row_group)
    return shards


@settings(max_examples=60)
@given(
    native=made.natives,
    granularity=granularities,
    provenance=st.sampled_from(["inline", "sidecar"]),
    row_group=st.sampled_from([1, 2, 1000]),
)
def test_through_parquet_the_same_bytes_and_the_native_files_again(
    folder: Folder, native: dict[str, list[Any]], granularity: Granularity, provenance: Any, row_group: int
) -> None:
    root, options = folder(), Options(provenance=provenance)
    files = made.write_natives(root / "native", native)
    to_llava(files, root / "want.json", images=made.write_sizes(root), options=options)
    shards = []
    for task, records in native.items():
        config = TASKS[task].config
        shards.append(write_shards(root, table_of(records, granularity, config=config), config, row_group=row_group))
    to_llava(shards, root / "out.json", options=options)
    assert (root / "out.json").read_bytes() == (root / "want.json").read_bytes()
    from_llava(root / "out.json", root / "back")
    assert made.read_natives(root / "back") == made.as_spelt(native)
    for file, shard in zip(files, shards, strict=True):
        assert list(compare(file, shard)) == list(compare(shard, file)) == []


@settings(max_examples=30)
@given(native=made.natives, granularity=granularities, cuts=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_shards_may_be_cut_inside_a_record(
    folder: Folder, native: dict[str, list[Any]], granularity: Granularity, cuts: list[int]
) -> None:
    """As ``push_to_hub`` and ``save_to_disk`` cut them."""
    root, (task, records) = folder(), next(iter(native.items()))
    table = table_of(records, granularity, config=TASKS[task].config)
    write_shards(root, table, TASKS[task].config, *cuts)
    to_llava(root, root / "out.json")
    from_llava(root / "out.json", root / "back")
    assert made.read_natives(root / "back") == {task: made.as_spelt(records)}


@quiet
@settings(max_examples=30)
@given(native=made.natives, granularity=granularities)
def test_through_objects_the_same_records(native: dict[str, list[Any]], granularity: Granularity) -> None:
    task, records = next(iter(native.items()))
    want = to_llava(datasets.Dataset(table_of(records, "image")), task=task)
    assert sum(len(r["conversations"]) for r in records) == len(want)
    table = datasets.Dataset(table_of(records, granularity))
    assert to_llava(table, task=task) == want
    assert to_llava(table.to_iterable_dataset(), task=task) == want
    assert to_llava(datasets.DatasetDict(a=table, b=table.select([])), task=task) == want


@settings(max_examples=60)
@given(native=made.natives, granularity=st.sampled_from(["conversation", "qa"]), data=st.data())
def test_shuffled_and_dropped_rows_keep_what_they_hold(
    native: dict[str, list[Any]], granularity: Granularity, data: st.DataObject
) -> None:
    """Each pair keeps its image, its topic and the unknown keys of its turns, conversation and record."""
    records = list(chain.from_iterable(native.values()))
    table = table_of(records, granularity)
    kept = data.draw(st.permutations(range(len(table))))[: (len(table) + 1) // 2]
    found = natives_of(read(table.take(kept), granularity))
    assert sorted(pairs_of(found)) == sorted(
        chain.from_iterable(pairs_of(natives_of(read(table.slice(i, 1), granularity))) for i in kept)
    )
    assert set(pairs_of(found)) <= set(pairs_of(made.as_spelt(records)))


def pairs_of(native: list[Any]) -> Iterator[str]:
    for record in native:
        rest = {k: v for k, v in record.items() if k != "conversations"}
        for conversation in record["conversations"]:
            turns = conversation["content"]
            more = {**conversation, "content": None}
            for question, answer in zip(turns[::2], turns[1::2], strict=True):
                yield json.dumps([rest, more, question, answer], sort_keys=True)


def recast(kind: pa.DataType, *, text: pa.DataType, whole: pa.DataType, is_large: bool) -> pa.DataType:
    """Return a type with other strings, numbers and lists in it."""
    again = {"text": text, "whole": whole, "is_large": is_large}
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, recast(field.type, **again)) for field in kind])
    if pa.types.is_list(kind):
        return (pa.large_list if is_large else pa.list_)(recast(kind.value_type, **again))
    if pa.types.is_string(kind):
        return text
    return whole if pa.types.is_integer(kind) else kind


WHOLE = [pa.int32(), pa.uint32(), pa.uint64(), pa.int64()]
PYARROW = tuple(int(n) for n in pa.__version__.split(".")[:1])
TEXT = [pa.large_string(), pa.string(), *([pa.string_view()] if PYARROW >= (18,) else [])]  # older ones cannot cast it


@quiet
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("text", TEXT, ids=str)
@pytest.mark.parametrize("whole", WHOLE, ids=str)
def test_tables_of_other_tools_are_read(tmp_path: Path, granularity: Granularity, text: Any, whole: Any) -> None:
    records = made.Maker(11).native().popitem()[1] + made.Maker(12).native().popitem()[1]
    table = table_of(records, granularity).drop_columns(["objects"])
    fields = [(f.name, recast(f.type, text=text, whole=whole, is_large=whole == pa.int32())) for f in table.schema]
    other = pa.Table.from_pylist(table.to_pylist(), pa.schema(fields))
    if granularity != "image":
        topics = other.column("topic").cast(pa.string()).dictionary_encode()
        other = other.set_column(other.column_names.index("topic"), "topic", topics)
    assert natives_of(read(other, granularity)) == made.as_spelt(records)
    if text not in TEXT[:2]:
        return  # not every pyarrow writes it as Parquet
    pq.write_table(other, tmp_path / "detail.parquet")
    assert to_llava(tmp_path / "detail.parquet") == to_llava(datasets.Dataset(table), task="detail")


@quiet
def test_numbers_that_pandas_made_floating_are_whole_still(tmp_path: Path) -> None:
    """As it does with every whole column that has a null."""
    records = [{"image_id": made.Number(str(i)), "conversations": [{"content": PAIR}]} for i in made.IMAGE_IDS]
    table = table_of(records, "qa")
    width = table.column("width").to_pylist()
    nulls = table.set_column(2, "width", pa.array([None, *width[1:]], pa.int32()))
    nulls.to_pandas().to_parquet(tmp_path / "detail.parquet")
    assert pq.read_schema(tmp_path / "detail.parquet").field("width").type == pa.float64()
    assert to_llava(tmp_path / "detail.parquet") == to_llava(datasets.Dataset(nulls), task="detail")


def test_an_extra_that_was_printed_anew_fits_a_line_of_the_sidecar(tmp_path: Path) -> None:
    records = [{"image_id": made.Number("2"), "conversations": [{"content": PAIR}], "n": [True, {"a": "\n"}]}]
    table = table_of(records, "image")
    pretty = json.dumps(json.loads(table.column("extra")[0].as_py()), indent=2)
    table = table.set_column(table.column_names.index("extra"), "extra", pa.array([pretty]))
    pq.write_table(table, tmp_path / "detail.parquet")
    to_llava(tmp_path / "detail.parquet", tmp_path / "out.json", options=Options(provenance="sidecar"))
    from_llava(tmp_path / "out.json", tmp_path / "back")
    assert made.read_natives(tmp_path / "back") == {"detail_description": made.as_spelt(records)}
