"""Bad tables: each fault is named with file, row, id and path, obeys --on-error, and leaves nothing behind."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import svit_datasets
from svit_datasets import FindingsError, InputError, RecordError, SvitError, SvitWarning, compare, to_llava
from svit_datasets.builder import BuildRecordError
from tests.helpers_cli import (
    DONE,
    FAULTS,
    POLICIES,
    UNUSABLE,
    call,
    encode,
    record,
    run,
    run_policies,
    save_photo,
    tree,
)

FILE = "detail.parquet"
SHAPE = "expected a record that fits the schema; compare it with the schema: svit-convert schema native, llava-lenient or image_data [record-shape]"
EXTRA = "expected a JSON object from JSON paths to objects, as load_dataset writes it; set extra to null to convert without the record's further keys [extra-damaged]"
PARQUET = "expected a Parquet file; write it again [input-damaged]"
SAVED = "expected a folder written by save_to_disk; write it again [input-damaged]"
TURNS = [{"from": "user", "value": "Where is <st>it<ed> [0.1, 0.2, 0.3, 0.4]?"}, {"from": "gpt", "value": "There."}]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row(image_id: Any, /, **more: Any) -> dict[str, Any]:
    place = {"image_id": image_id, "conversation_index": 0, "topic": None, "content": TURNS}
    return {**place, "width": 640, "height": 480, "url": None, "extra": None, **more}


def write(*rows: dict[str, Any], path: str = FILE, **types: pa.DataType) -> str:
    """Write rows, of which one may spoil a column for all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    columns = {name: [r.get(name) for r in rows] for name in rows[0]}
    pq.write_table(pa.table({n: pa.array(v, types.get(n)) for n, v in columns.items()}), path)
    return path


def check_policies(path: str, message: str, *, kept: int) -> None:
    """Assert what each policy makes of one faulty row among good ones."""
    code = message[message.rindex("[") + 1 : -1]
    with pytest.raises(RecordError, match=f"^{re.escape(message)}$"):
        to_llava(path, "never.json", report="raise.json")
    with pytest.raises(
        FindingsError, match=f"^{re.escape(f'1 faults found and nothing written; the first: {message}')}$"
    ):
        to_llava(path, "never.json", on_error="collect")
    assert not Path("never.json").exists()
    assert [f["code"] for f in json.loads(Path("raise.json").read_bytes())["findings"]] == [code]
    made = to_llava(path, "skip.json", on_error="skip")
    assert ([str(f) for f in made.first], made.by_code, made.counts["records_skipped"]) == ([message], {code: 1}, 1)
    assert made.counts["records_read"] == kept + 1
    assert len(json.loads(Path("skip.json").read_bytes())) == kept


NULLS = {
    "$.image_id: found Expected `int`, got `null`": {"image_id": None},
    "id=2 $.conversation_index: found Expected `int`, got `null`": {"conversation_index": None},
    "id=2 $.content: found Expected `array`, got `null`": {"content": None},
    "id=2 $.content[0]: found Expected `object`, got `null`": {"content": [None, TURNS[1]]},
    "id=2 $.content[0].from: found Expected `str`, got `null`": {"content": [{"from": None, "value": "?"}, TURNS[1]]},
    "id=2 $.content[1].value: found Expected `str`, got `null`": {
        "content": [TURNS[0], {"from": "gpt", "value": None}]
    },
}


@pytest.mark.parametrize("found", NULLS)
def test_a_null_where_text_should_be(found: str) -> None:
    write(row(1), row(2, **NULLS[found]), row(3))
    check_policies(FILE, f"{FILE}:2 {found}; {SHAPE}", kept=2)


@pytest.mark.parametrize("granularity", ["image", "qa"])
def test_a_null_in_rows_of_the_other_granularities(granularity: str) -> None:
    if granularity == "image":
        good, bad = ({"conversations": [{"topic": t, "content": TURNS}] * 2} for t in ("a", "b"))
        bad["conversations"] = [
            good["conversations"][0],
            {"topic": None, "content": [TURNS[0], {"from": "gpt", "value": None}]},
        ]
        path = "$.conversations[1].content[1].value"
    else:
        good = {"conversation_index": 0, "pair_index": 0, "topic": None, "question": "?", "answer": "!"}
        bad, path = {**good, "answer": None}, "$.answer"
    sized = {"width": 640, "height": 480}
    write({"image_id": 1, **good, **sized}, {"image_id": 2, **bad, **sized}, {"image_id": 3, **good, **sized})
    with pytest.raises(
        RecordError, match=f"^{re.escape(f'{FILE}:2 id=2 {path}: found Expected `str`, got `null`; {SHAPE}')}$"
    ):
        to_llava(FILE)


@pytest.mark.parametrize(
    ("more", "path", "expected", "got"),
    [
        ({"image_id": "2"}, "image_id", "int", "str"),
        ({"image_id": True}, "image_id", "int", "bool"),
        ({"image_id": 2.5}, "image_id", "int", "float"),
        ({"conversation_index": "0"}, "conversation_index", "int", "str"),
        ({"topic": 5}, "topic", "str | null", "int"),
        ({"topic": b"x"}, "topic", "str | null", "bytes"),
        ({"content": "Why?"}, "content", "array", "str"),
        ({"content": [["user", "Why?"]]}, "content[0]", "object", "array"),
        ({"width": "640"}, "width", "int | null", "str"),
        ({"url": 5}, "url", "str | null", "int"),
        ({"extra": 5}, "extra", "str | null", "int"),
        ({"image": {"path": 5}}, "image.path", "str | null", "int"),
    ],
    ids=lambda case: str(case)[:40],
)  # fmt: skip
def test_a_column_of_another_type(more: dict[str, Any], path: str, expected: str, got: str) -> None:
    write(row(2, **more))
    place = f"id={more.get('image_id', 2)} $.{path}"
    with pytest.raises(
        RecordError, match=f"^{re.escape(f'{FILE}:1 {place}: found Expected `{expected}`, got `{got}`; {SHAPE}')}$"
    ):
        to_llava(FILE)


@pytest.mark.parametrize(
    "more", [{"conversation_index": -1}, {"conversation_index": 1 << 40}, {"width": -640}, {"height": -1}]
)
def test_a_number_out_of_its_range(more: dict[str, Any]) -> None:
    write(row(1), row(2, **more), row(3))
    [name] = more
    with pytest.raises(RecordError, match=rf"^{re.escape(FILE)}:2 id=2 \$\.{name}: found .*\[record-shape\]$"):
        to_llava(FILE)


def test_a_negative_pair() -> None:
    pair = {"image_id": 2, "conversation_index": 0, "pair_index": -1, "topic": None, "question": "?", "answer": "!"}
    write(pair)
    with pytest.raises(RecordError, match=rf"^{re.escape(FILE)}:1 id=2 \$\.pair_index: found .*\[record-shape\]$"):
        to_llava(FILE)


def test_a_conversation_index_that_repeats_is_told_and_both_are_kept() -> None:
    write(row(2), row(2), row(3))
    made = to_llava(FILE, "out.json")
    assert [str(f) for f in made.first] == [
        f"{FILE}:2 id=2 $.image_id: found image_id 2, seen 1 time before; expected one record per image and task; drop one if it is a copy; conversions keep both, under ids of their own [duplicate-id]"
    ]
    assert made.outputs == {"out.json": 3}


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ("{", "Input data was truncated"),
        ("\x00", "JSON is malformed: invalid character (byte 0)"),
        ('{"$": {"n": NaN}}', "JSON is malformed: invalid character (byte 12)"),
        ("null", "Expected `object`, got `null`"),
        ("[]", "Expected `object`, got `array`"),
        ('{"$": 1}', "Expected `object`, got `int` - at `$[...]`"),
    ],
)
def test_an_extra_that_is_no_object_of_objects(extra: str, found: str) -> None:
    write(row(1), row(2, extra=extra), row(3))
    check_policies(FILE, f"{FILE}:2 id=2 $.extra: found {found}; {EXTRA}", kept=2)


@pytest.mark.parametrize(
    "extra",
    [
        '{"$.conversatoins[0]": {"a": 1}}', '{"$.conversations[1]": {"a": 1}}', '{"$.conversations[0].content[2]": {"a": 1}}',
        '{"": {"a": 1}}', '{"$": {"image_id": 7}}', '{"$": {"conversations": []}}', '{"$.conversations[0]": {"topic": "T"}}',
        '{"$.conversations[0]": {"content": []}}', '{"$.conversations[0].content[0]": {"value": "X"}}',
        '{"$.conversations[0].content[0]": {"from": "gpt"}}', '{"$": {"a": 1, "a": 2}}',
    ],
)  # fmt: skip
def test_an_extra_whose_keys_have_no_place(extra: str) -> None:
    """A path that the row does not hold, a key that a column holds, a key that stands twice: nothing of it is dropped unsaid."""
    write(row(2, extra=extra))
    with pytest.raises(RecordError, match=rf"^{re.escape(FILE)}:1 id=2 \$\.extra: found .*\[extra-damaged\]$"):
        to_llava(FILE)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "[" * 99999 + "]" * 99999, '"\\ud800"'], ids=["digits", "nested", "surrogate"]
)
def test_an_extra_that_python_cannot_read(value: str) -> None:
    write(row(1), row(2, extra=f'{{"$":{{"n":{value}}}}}'), row(3))
    for output in (None, "never.json"):
        with pytest.raises(RecordError, match=rf"^{re.escape(FILE)}:2 id=2 \$\.extra: found .*; {re.escape(EXTRA)}$"):
            to_llava(FILE, output)


def test_text_that_is_no_utf8() -> None:
    """Arrow takes any bytes for text."""
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("2i", 0, 2)), pa.py_buffer(b"\xff\xfe"))
    table = pa.table({"image_id": [2], "conversation_index": [0], "topic": broken, "content": [TURNS]})
    pq.write_table(table, FILE)
    dataset = datasets.Dataset(table)
    for given, name in ((FILE, FILE), (dataset, "dataset/?")):
        with pytest.raises(SvitError, match=rf"^{re.escape(name)}.*: found .*\[(input-damaged|record-utf8)\]$"):
            to_llava(given, task="detail")


def test_two_columns_of_a_name() -> None:
    arrays = [pa.array([2]), pa.array([3]), pa.array([0]), pa.array(["x"]), pa.array([TURNS])]
    names = ["image_id", "image_id", "conversation_index", "topic", "content"]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), FILE)
    with pytest.raises(SvitError, match=rf"^{re.escape(FILE)}: "):
        to_llava(FILE)


def spoilt(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "cut", content[: len(content) // 2]
    yield "cut at the end", content[:-1]
    yield "JSON", encode([record(2)])
    yield "without its foot", content[:-12] + b"\xff" * 8 + content[-4:]


@pytest.mark.parametrize("place", ["file", "shard"])
def test_a_damaged_parquet_file_is_named_as_such(place: str) -> None:
    path = {"file": FILE, "shard": "hub/data/detail/train-00001-of-00002.parquet"}[place]
    write(row(1), path="hub/data/detail/train-00000-of-00002.parquet")
    content = Path(write(row(1), path=path)).read_bytes()
    for kind, bad in spoilt(content):
        Path(path).write_bytes(bad)
        given = path if place == "file" else "hub"
        with pytest.raises(InputError, match=rf"^{re.escape(path)}: found .*; {re.escape(PARQUET)}$"):
            to_llava(given, "never.json", on_error="skip")
        ran = call("to-llava", given, "-o", "never.json", "--on-error", "collect")
        assert (ran.code, ran.err.startswith(f"error: {path}: found ")) == (UNUSABLE, True), kind
        with pytest.raises(InputError, match=rf"^{re.escape(path)}: found .*; {re.escape(PARQUET)}$"):
            list(compare(given, given))
    assert not Path("never.json").exists()


def test_a_parquet_file_that_is_damaged_inside_leaves_nothing_behind() -> None:
    """Its first row groups are read."""
    table = pa.Table.from_pylist([row(i + 1) for i in range(900)])
    pq.write_table(table, FILE, row_group_size=300)
    content = bytearray(Path(FILE).read_bytes())
    start = pq.ParquetFile(FILE).metadata.row_group(2).column(0).data_page_offset
    content[start : start + 40] = b"\xff" * 40
    Path(FILE).write_bytes(content)
    for policy, ran in run_policies("to-llava", Path(FILE).absolute(), cwd=Path.cwd(), output="x.json").items():
        assert (ran.code, ran.err.count("\n")) == (UNUSABLE, 1), policy
        assert re.fullmatch(
            rf"error: {re.escape(str(Path(FILE).absolute()))}: found .*; {re.escape(PARQUET)}\n", ran.err
        )
    assert not any(Path(policy, "made/x.json").exists() for policy in POLICIES)


def saved(folder: str = "detail") -> Path:
    datasets.Dataset.from_list([row(i + 1) for i in range(20)]).save_to_disk(folder)
    return Path(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("state.json", b""), ("state.json", b"{"), ("state.json", b"[]"), ("state.json", b"{}"), ("state.json", b"\xff"),
        ("state.json", b'{"_data_files": [5]}'), ("state.json", b'{"_data_files": [{"filename": "gone.arrow"}]}'),
        ("dataset_info.json", None), ("dataset_info.json", b"[]"), ("dataset_info.json", b"{"),
        ("dataset_info.json", b'{"features": {"a": {"_type": "Future"}}}'),
        ("data-00000-of-00001.arrow", None), ("data-00000-of-00001.arrow", b""), ("data-00000-of-00001.arrow", b"xxxxxxxxx"),
    ],
)  # fmt: skip
def test_a_damaged_saved_dataset_is_named_as_such(file: str, content: bytes | None) -> None:
    path = saved() / file
    assert path.is_file()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^detail: found .*; {re.escape(SAVED)}$"):
        to_llava("detail", "never.json", on_error="skip")
    assert call("to-llava", "detail", "-o", "never.json").code == UNUSABLE
    assert not Path("never.json").exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"splits": null}', b'{"splits": [5]}', b'{"splits": ["gone"]}']
)
def test_a_damaged_saved_dict_is_named_as_such(content: bytes) -> None:
    saved("detail/train")
    Path("detail/dataset_dict.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"^detail: found .*; {re.escape(SAVED)}$"):
        to_llava("detail", "never.json")


@pytest.mark.parametrize("kind", ["cut", "astray"])
def test_a_saved_dataset_that_is_damaged_inside_is_named_as_such(kind: str) -> None:
    """Arrow files are mapped into memory, and nothing checks what they point to: a process may end by a signal."""
    [file] = saved().glob("*.arrow")
    content = file.read_bytes()
    length = [len(turn["value"]) for turn in TURNS]
    offsets = struct.pack("4i", 0, length[0], sum(length), sum(length) + length[0])
    assert content.count(offsets) == 1
    astray = content.replace(offsets, struct.pack("4i", 0, 1 << 30, -5, 1 << 30))
    file.write_bytes(astray if kind == "astray" else content[: len(content) // 2])
    ran = run("to-llava", "detail", "-o", "never.json", env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": "home"})
    assert ran.code == UNUSABLE
    assert re.fullmatch(rf"error: detail: found .*; {re.escape(SAVED)}\n", ran.err)
    assert not Path("never.json").exists()


@pytest.mark.parametrize("more", [{}, {"detail.json": "[]"}], ids=["empty", "json"])
def test_a_folder_that_is_neither(more: dict[str, str]) -> None:
    Path("some").mkdir()
    for name, text in more.items():
        Path("some", name).write_text(text)
    message = "some: found is a directory; expected a readable file; check the path [input-missing]"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        to_llava("some", "never.json", task="detail")
    ran = call("to-llava", "some", "--task", "detail", "-o", "never.json")
    assert (ran.code, ran.err) == (UNUSABLE, f"error: {message}\n")
    assert tree(Path.cwd()) <= {"some", "some/detail.json"}


def test_an_image_of_unknown_size_or_place_is_told() -> None:
    write(row(1), row(2, width=None), row(9000001, width=None))
    made = to_llava(FILE, "out.json", on_error="skip")
    assert [str(f) for f in made.first] == [
        f"{FILE}:2 id=2 $.image_id: found no size of image 2; expected the image's size, to place its boxes; pass --images with the images or image_data.json [image-size-unknown]",
        f"{FILE}:3 id=9000001 $.image_id: found 9000001; expected a Visual Genome id, or an image under --images; check image_id, or pass the folder that holds the image [image-unknown]",
    ]
    ran = call("to-llava", FILE, "-o", "-", "--on-error", "collect")
    assert (ran.code, ran.out) == (FAULTS, b"")
    assert call("to-llava", FILE, "-o", "-", "--on-error", "skip").code == DONE


def test_compare_stops_at_a_faulty_row() -> None:
    write(row(1), row(2, content=None))
    Path("detail.json").write_bytes(encode([record(1)]))
    with pytest.raises(
        RecordError, match=rf"^{re.escape(f'{FILE}:2 id=2 $.content: found Expected `array`, got `null`; {SHAPE}')}$"
    ):
        list(compare(FILE, "detail.json"))


def load(root: Path, **options: Any) -> Any:
    """Load what ``root`` holds, built anew in a cache of its own."""
    given = {"data_dir": root, "cache_dir": root.parent / "cache", "split": "train", **options}
    return svit_datasets.load_dataset("svit", "detail", **given)


def make_root(tmp_path: Path, *records: dict[str, Any]) -> Path:
    root = tmp_path / "svit"
    (root / "data").mkdir(parents=True)
    (root / "data/detail_description.json").write_bytes(encode(list(records)))
    return root


@pytest.mark.parametrize("image_id", [1 << 63, -(1 << 63) - 1, 10**30])
def test_an_id_that_no_column_holds(tmp_path: Path, image_id: int) -> None:
    root = make_root(tmp_path, record(1), record(image_id), record(3))
    file = root / "data/detail_description.json"
    message = f"{file}:2 id={image_id} $.image_id: found {image_id}; expected an id of 64 bits; correct image_id: a table cannot hold it [image-id-range]"
    with pytest.raises(BuildRecordError, match=f"^{re.escape(message)}$"):
        load(root, images="none")
    told = f"svit/detail, train split:\n  1 image-id-range (record left out), e.g. {message}"
    with pytest.warns(SvitWarning, match=f"^{re.escape(told)}$"):
        table = load(root, images="none", on_error="skip")
    assert table["image_id"][:] == [1, 3]


def test_a_photo_that_is_turned_when_it_is_looked_at(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    root = make_root(tmp_path, record(1), record(3))
    save_photo(root / "raw/VG_100K_2/1.jpg", (8, 4), exif=exif)
    save_photo(root / "raw/VG_100K/3.jpg", (8, 4))
    message = f"{root}/data/detail_description.json:1 id=1 $.image_id: found EXIF orientation 6 in {root}/raw; expected an upright photo; boxes are in stored pixels, and datasets turns the photo when it is looked at: take its bytes with Image(decode=False), or store the photo upright [image-turned]"
    told = f"svit/detail, train split:\n  1 image-turned (kept), e.g. {message}"
    with pytest.warns(SvitWarning, match=f"^{re.escape(told)}$"):
        table = load(root)
    assert (table["width"][:], table["height"][:]) == ([8, 8], [4, 4])
    assert table[0]["image"].size == (4, 8)


def test_a_file_that_is_written_while_it_is_read(tmp_path: Path) -> None:
    root = make_root(tmp_path, *(record(2 * i + 3) for i in range(3)))
    file = root / "data/detail_description.json"
    stream = iter(load(root, streaming=True, images="none"))
    assert next(stream)["image_id"] == 3
    file.write_bytes(file.read_bytes() + b"\n")
    message = f"{file}: found another size or time of change than at the start; expected files that stay as they are while they are read; load again when nothing writes to them [input-changed]"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        list(stream)
