"""``ranges``: a file's ranges, one after another, give the elements and faults that reading it whole gives."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import damage, make_zip, record
from hypothesis import example, given, settings
from hypothesis import strategies as st
from native_files import Maker, dumps

from svit_datasets.errors import InputError
from svit_datasets.reading import split, window
from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import DEFAULT_MAX_RECORD_MB, Item, decode_native, read_items
from svit_datasets.sharding import ranges
from svit_datasets.sharding.ranges import WHOLE, Range, count_before, cut_ranges, join_ranges, read_range

TOLD = (
    {"meta": {"image_id": 5, "conversations": []}},
    {"meta": ', {"image_id": 5, "conversations": []}, '},
    {"meta": ['{"image_id"', "}, {", ", {\n", "]", "\u4eba \U0001f600 \\"]},
    {"conversations2": [], ", {": {"image_id": {"image_id": []}}},
    {"a": [[], {}, [{}]], "n": 1.50, "z": None},
)
ENDS = ("\n", "\r\n", "\n\n", " \n\t\n")


@pytest.fixture(scope="module", autouse=True)
def small_ranges() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_SMALLEST_BYTES", 1)
        yield


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    folder = tmp_path_factory.mktemp("ranges")

    def save(content: bytes, *, is_zipped: bool = True) -> list[str]:
        (folder / "a.json").write_bytes(content)
        if not is_zipped:
            return [str(folder / "a.json")]
        (folder / "a.zip").write_bytes(make_zip({"a.json": content}))
        return [str(folder / "a.json"), str(folder / "a.zip")]

    return save


def told(item: Item[Any], before: int = 0) -> tuple[Any, ...]:
    """Return all that an element tells; its record is what the decoder makes of its bytes."""
    fault = item.fault
    raw = b"" if fault else bytes(item.raw)  # of a faulty record there may be the beginning alone
    return item.number + before, raw, type(item.record), fault and fault.code, fault and str(fault)


def read_whole(name: str, member: str | None = None, megabytes: int = DEFAULT_MAX_RECORD_MB) -> list[tuple[Any, ...]]:
    with open_source(name, member=member) as source:
        return [told(item) for item in read_items(source, decode_native, max_record_mb=megabytes)]


def read_parts(name: str, parts: list[Range], **given: Any) -> list[tuple[Any, ...]]:
    """Return the elements of ranges one after another, numbered on."""
    found: list[tuple[Any, ...]] = []
    before = 0
    for part in parts:
        items = [told(item, before) for item in read_range(name, part, decode_native, **given)]
        before = max((item[0] for item in items), default=before)
        found += items
    return found


def check(name: str, most: int) -> list[tuple[Any, ...]]:
    """Assert that ranges give what the whole file gives, joined or not; return that."""
    expected, parts = read_whole(name), cut_ranges(name, most=most)
    assert read_parts(name, parts) == expected
    assert read_parts(name, join_ranges(parts)) == expected
    assert read_parts(name, [*join_ranges(parts[:2]), *join_ranges(parts[2:])]) == expected
    return expected


def check_all(name: str) -> list[tuple[Any, ...]]:
    """Check a small file with every number of ranges up to one range for each third byte."""
    size = len(Path(name).read_bytes())
    found = [check(name, most) for most in range(1, min(size // 3, 60) + 3)]
    return found[0]


@st.composite
def native_text(draw: st.DrawFn) -> bytes:
    """Make a native file whose records all differ, spelt in every way that JSON allows."""
    maker = Maker(draw(st.integers(0, 10**9)))
    records = []
    for i in range(draw(st.integers(0, 6))):
        made = draw(st.sampled_from([maker.record, lambda: record(7), lambda: {"image_id": 7, "conversations": []}]))()
        records.append({**made, **draw(st.sampled_from([{}, *TOLD])), "number": i})
    is_ascii = draw(st.booleans())
    bom = draw(st.sampled_from(["", "", "\ufeff"]))
    if draw(st.booleans()):
        lines = [dumps(r, is_ascii=is_ascii) for r in records]
        return (bom + "".join(line + draw(st.sampled_from(ENDS)) for line in lines).rstrip("\n\t ")).encode()
    if draw(st.booleans()):
        return (bom + dumps(records, indent=1, is_ascii=is_ascii)).encode()
    between, edge = draw(st.sampled_from([",", ", ", " ,\r\n\t", ",\n" + " " * 40])), draw(st.sampled_from(["", "\n "]))
    return f"{bom}[{edge}{between.join(dumps(r, is_ascii=is_ascii) for r in records)}{edge}]\n".encode()


@settings(max_examples=150)
@given(text=native_text(), most=st.integers(1, 40))
def test_ranges_give_the_records_of_the_whole_file(save: Callable[..., list[str]], text: bytes, most: int) -> None:
    for name in save(text):
        assert [code for *_, code, _ in check(name, most) if code not in (None, "input-bom")] in ([], ["input-empty"])


def until_the_end(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return elements without what a message quotes, and without their number behind a fault that ends a file."""
    return [(*rest, re.sub(r"(at byte [0-9]+): .*; expected", r"\1; expected", text or "")) for *rest, text in found]


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10**9),
    form=st.sampled_from(["[{}]", "[\n{}\n]\n", "{}"]),
    most=st.integers(2, 20),
    at=st.integers(1, 10**6),
    count=st.sampled_from([0, 1, 1, 3]),
)
def test_ranges_give_the_faults_of_a_file_with_broken_bytes(
    save: Callable[..., list[str]], seed: int, form: str, most: int, at: int, count: int
) -> None:
    """Bytes turned over break a string, a number, a key, a bracket or a comma; none of them cuts the file short.

    What stands behind a fault that ends the file, and what a message quotes, are the matter of other tests.
    """
    maker = Maker(seed)
    made = [{"image_id": i, "conversations": maker.record()["conversations"]} for i in range(seed % 6 + 1)]
    lines = [dumps(r) for r in made]
    text = form.format((",\n " if "[" in form else "\n").join(lines)).encode()
    place = 1 + at % (len(text) - 1)
    name = save(damage(text, place, count) if count else text[:place], is_zipped=False)[0]
    expected = until_the_end(read_whole(name))
    found = until_the_end(read_parts(name, cut_ranges(name, most=most)))
    assert found[: len(expected)] == expected
    assert [code for *_, code, _ in found[len(expected) :]] == [None] * (len(found) - len(expected))


RECORDS = [record(i) for i in range(1, 7)]
LINES = "\n".join(map(json.dumps, RECORDS))
ARRAY, INDENTED = json.dumps(RECORDS), json.dumps(RECORDS, indent=2)
DUPLICATES = [record(1), record(2), record(1), record(1), record(1, **TOLD[0])]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (ARRAY[:-40], ["input-truncated"]),
        (ARRAY.replace('}, {"image_id": 3', '} {"image_id": 3'), ["input-syntax"]),
        (ARRAY.replace('"image_id": 4', '"image_id": 4 4'), ["record-syntax"]),
        (ARRAY.replace('"image_id": 4', '"image_id": NaN'), ["record-nan"]),
        (ARRAY.replace('"image_id": 4', '"image_id": "4"'), ["record-shape"]),
        (ARRAY.replace('"image_id": 4', '"image_id": 4, "image_id": 4'), ["record-duplicate-key"]),
        (ARRAY.replace('"image_id": 4', '"image_id": 4, "a": "\\ud800"'), ["record-surrogate"]),
        (INDENTED.replace("5,", "5 5,"), ["record-syntax"]),
        (LINES.replace('"image_id": 4', '"image_id": 4 4'), ["record-syntax"]),
        (LINES[:-9], ["record-syntax"]),
        (f"{ARRAY} x", ["input-syntax"]),
        (json.dumps([*RECORDS[:3], 5, None, [1, 2], "x", *RECORDS[3:]]), ["record-shape"] * 4),
        (json.dumps([1, *RECORDS]), ["record-shape"]),
        (json.dumps([{}, *RECORDS]), ["record-shape"]),
        ("", ["input-empty"]),
        (" \r\n", ["input-empty"]),
        ("\ufeff", ["input-bom", "input-empty"]),
        ("[]", []),
        (" [ \n ] ", []),
        ("id,text\n1,a\n", ["input-not-json"]),
    ],
    ids=lambda case: repr(case)[-30:] if isinstance(case, str) else "",
)
def test_faults_stand_where_they_stand_in_the_whole_file(
    save: Callable[..., list[str]], text: str, codes: list[str]
) -> None:
    found = check_all(save(text.encode(), is_zipped=False)[0])
    assert [code for *_, code, _ in found if code] == codes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n\n", "\r\n\r\n"], ids=repr)
def test_lines_that_end_in_line_breaks_hold_no_empty_file(save: Callable[..., list[str]], end: str) -> None:
    found = check_all(save((end.join(map(json.dumps, RECORDS)) + end).encode(), is_zipped=False)[0])
    assert len(found) == len(RECORDS)


@pytest.mark.parametrize("bad", ["x", "\ufeff" + json.dumps(record(9)), "[1, 2]", "]", "5", "image_id,value"])
def test_a_line_that_is_no_record_is_one_faulty_record(save: Callable[..., list[str]], bad: str) -> None:
    """A range may begin with any line: that none begins a file must show."""
    lines = [json.dumps(r) for r in RECORDS]
    text = "\n".join([*lines[:2], bad, lines[2], bad, *lines[3:]])
    found = [(code or "").partition("-")[0] for *_, code, _ in check_all(save(text.encode(), is_zipped=False)[0])]
    assert found == ["", "", "record", "", "record", "", "", ""]


@pytest.mark.parametrize("head", ["x", ",", "]", "("])
def test_a_file_that_begins_with_something_else_holds_no_records(save: Callable[..., list[str]], head: str) -> None:
    found = check_all(save((head + ARRAY[1:]).encode(), is_zipped=False)[0])
    assert [code for *_, code, _ in found] == ["input-not-json"]


@pytest.mark.parametrize(
    "spell", [json.dumps, lambda r: json.dumps(r, indent=1), lambda r: "\n".join(map(json.dumps, r))]
)
def test_a_record_that_stands_several_times_is_read_as_often(
    save: Callable[..., list[str]], spell: Callable[[Any], str]
) -> None:
    assert len(check_all(save(spell(DUPLICATES).encode(), is_zipped=False)[0])) == len(DUPLICATES)


@pytest.mark.parametrize(
    "rest", [ARRAY, f"\n{ARRAY}\n", f",\n {ARRAY[1:]}"], ids=["array", "array on its own line", "records"]
)
def test_what_follows_the_closing_bracket_is_a_fault_of_the_range_that_holds_it(
    save: Callable[..., list[str]], rest: str
) -> None:
    """Two files put into one by ``cat``: the whole file stops at the first bracket; ranges behind it do not know."""
    name = save((ARRAY + rest).encode(), is_zipped=False)[0]
    whole = read_whole(name)
    assert [code for *_, code, _ in whole] == [None] * len(RECORDS) + ["input-syntax"]
    for most in range(1, 40):
        assert check_damaged(name, whole, most)


def check_damaged(name: str, whole: list[tuple[Any, ...]], most: int) -> bool:
    """Assert that ranges give all that the whole file gives up to where it ends, in order, and every fault."""
    found = read_parts(name, cut_ranges(name, most=most))
    return found[: len(whole)] == whole


def test_a_list_of_things_like_records_inside_a_record_is_not_cut(save: Callable[..., list[str]]) -> None:
    likes = [{"image_id": i, "conversations": []} for i in range(3)]
    records = [record(1, related=likes), record(2, related=[{"a": likes}]), record(3)]
    assert len(check_all(save(json.dumps(records).encode(), is_zipped=False)[0])) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"}]}]}, {"image_id": 3', '"}]}], }, {"image_id": 3'),
        ('"So."}]}]}, {"image_id": 3', '"So.}]}]}, {"image_id": 3'),
        ('"So."}]}]}, {"image_id": 3', '"So."}]]}, {"image_id": 3'),
    ],
)
def test_a_fault_at_the_end_of_a_record_is_quoted_as_it_stands(
    save: Callable[..., list[str]], old: str, new: str
) -> None:
    """A message quotes what is around the fault: across the border of two ranges too."""
    for text in (ARRAY.replace(old, new), ARRAY.replace(old, new).replace("}, {", "},\n  {")):
        found = check_all(save(text.encode(), is_zipped=False)[0])
        assert [code for *_, code, _ in found] == [None, "record-syntax", None, None, None, None]


def test_what_the_whole_file_loses_behind_a_fault_is_told(save: Callable[..., list[str]]) -> None:
    """Where nothing tells where the next record begins, the whole file ends; ranges behind may read on."""
    records = json.dumps([{"image_id": "x"}, *RECORDS]).replace('{"image_id": 1', "{'image_id': 1")
    for name in save(records.encode(), is_zipped=False):
        assert all(check_damaged(name, read_whole(name), most) for most in range(1, 40))
    mixed = [
        RECORDS[0],
        {"conversations": [], "image_id": 9},
        RECORDS[1],
        {"conversations": [], "image_id": 8},
        *RECORDS,
    ]
    for name in save(json.dumps(mixed).replace('"image_id": 2', '"image_id" 2', 1).encode(), is_zipped=False):
        assert all(check_damaged(name, read_whole(name), most) for most in range(1, 40))


@pytest.mark.parametrize(
    ("chunk", "space"),
    [(1, 1), (1, 4094), (1, 4096), *((chunk, n) for chunk in (7, 64, 5000) for n in (1, 4094, 4096, 4098, 9000))],
)
def test_any_white_space_may_stand_between_records(
    save: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, chunk: int, space: int
) -> None:
    monkeypatch.setattr(window, "CHUNK_BYTES", chunk)
    name = save(("[" + f",{' ' * space}".join(map(json.dumps, RECORDS[:3])) + "]").encode(), is_zipped=False)[0]
    assert len(check(name, 3)) == 3
    assert len(check(name, 8)) == 3


@example(4000, 3)
@given(size=st.integers(1, 60_000), most=st.integers(1, 9))
def test_ranges_are_even_follow_each_other_and_are_no_more_than_asked(tmp_path_factory, size: int, most: int) -> None:
    file = tmp_path_factory.getbasetemp() / "even.json"
    file.write_bytes(b" " * size)
    parts = cut_ranges(str(file), most=most)
    assert len(parts) == min(most, size)
    assert [p.start for p in parts] == [0, *[p.stop for p in parts[:-1]]]
    assert parts[-1].stop is None
    sizes = [(size if p.stop is None else p.stop) - p.start for p in parts]
    assert max(sizes) - min(sizes) <= 1
    assert join_ranges(parts) == [WHOLE]


def test_small_files_are_not_cut(monkeypatch: pytest.MonkeyPatch, save: Callable[..., list[str]]) -> None:
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 16 << 10)
    plain, packed = save(ARRAY.encode())
    assert cut_ranges(plain, most=16) == cut_ranges(packed, most=16) == [WHOLE]
    big = save(json.dumps([record(i, "x" * 9000, "y") for i in range(8)]).encode())
    assert [len(cut_ranges(name, most=16)) for name in big] == [4, 4]


def test_gzip_and_pipes_give_one_range(tmp_path: Path) -> None:
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(ARRAY.encode()))
    assert cut_ranges(str(packed), most=16) == [WHOLE]
    assert check(str(packed), 16) == read_whole(str(packed))
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"[]",))
    writer.start()
    assert cut_ranges(str(pipe), most=16) == [WHOLE]
    writer.join(10)


def test_a_zip_with_several_members_is_cut_by_the_one_that_is_named(tmp_path: Path) -> None:
    other = json.dumps([record(i, "Other?", "Yes. " * 30) for i in range(50, 90)])
    name = str(tmp_path / "svit.zip")
    Path(name).write_bytes(make_zip({"svit/other.json": other.encode(), "svit/a.json": ARRAY.encode()}))
    for member, count in (("a", len(RECORDS)), ("other", 40)):
        parts = cut_ranges(name, member=member, most=7)
        assert len(parts) == 7
        assert read_parts(name, parts, member=member) == read_whole(name, member)
        assert count_before(name, Range(10**9, None), member=member) == count
    with pytest.raises(InputError) as caught:
        cut_ranges(name, most=7)
    assert str(caught.value) == (
        f"{name}: found 2 (svit/other.json, svit/a.json); expected exactly one .json or .jsonl inside the zip; "
        "unpack it and pass the file that you mean [input-members]"
    )


def test_a_stored_zip_is_cut_as_any(tmp_path: Path) -> None:
    name = str(tmp_path / "a.zip")
    Path(name).write_bytes(make_zip({"a.json": json.dumps(RECORDS * 9).encode()}, zipfile.ZIP_STORED))
    text = json.dumps([{**r, "n": i} for i, r in enumerate(RECORDS * 9)]).encode()
    Path(name).write_bytes(make_zip({"a.json": text}, zipfile.ZIP_STORED))
    assert len(check(name, 9)) == 54


def test_every_range_of_a_damaged_zip_names_the_damage_and_none_makes_a_record_up(tmp_path: Path) -> None:
    made = [record(i, *Maker(i).native().keys(), "Why? " * 90, str(i)) for i in range(1200)]
    name = tmp_path / "a.zip"
    packed = make_zip({"a.json": json.dumps(made).encode()})
    name.write_bytes(damage(packed, len(packed) // 2))
    raws, faults = [], []
    for part in cut_ranges(str(name), most=4):
        try:
            for item in read_range(str(name), part, decode_native):
                faults += [str(item.fault)] if item.fault else []
                raws += [] if item.fault else [json.loads(bytes(item.raw))]
        except InputError as error:
            faults.append(str(error))
    assert raws == made[: len(raws)]
    mend = "expected an archive that unpacks; fetch the archive again and compare its checksum [input-damaged]"
    assert 3 <= len(faults) <= 4
    assert all(fault.startswith(f"{name}:") and fault.endswith(mend) for fault in faults), faults


def test_what_stands_before_a_range_is_counted(save: Callable[..., list[str]]) -> None:
    text = ARRAY.replace('"image_id": 2', '"image_id": 2 2').replace("}, {", "} {", 1)
    for name in save(text.encode()):
        parts = cut_ranges(name, most=9)
        own = [max((i.number for i in read_range(name, p, decode_native)), default=0) for p in parts]
        assert [count_before(name, p) for p in parts] == [sum(own[:i]) for i in range(len(own))]
        assert sum(own) == len(RECORDS)


def test_a_record_beyond_the_limit_is_named_by_the_range_it_begins_in(save: Callable[..., list[str]]) -> None:
    texts = [record(1), record(2, "x" * (1 << 20), "y"), *RECORDS[2:4], record(5, "x" * (1 << 20), "y"), record(6)]
    for text in (json.dumps(texts), "\n".join(map(json.dumps, texts))):
        for name in save(text.encode()):
            expected = read_whole(name, megabytes=1)
            assert [code for *_, code, _ in expected] == [
                None,
                "record-too-large",
                None,
                None,
                "record-too-large",
                None,
            ]
            for most in (2, 3, 5):
                assert read_parts(name, cut_ranges(name, most=most), max_record_mb=1) == expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for call in (lambda n: cut_ranges(n, most=2), lambda n: list(read_range(n, WHOLE, decode_native))):
        with pytest.raises(InputError) as caught:
            call(str(tmp_path / "no.json"))
        assert str(caught.value) == (
            f"{tmp_path / 'no.json'}: found no such file or directory; expected a readable file; check the path "
            "[input-missing]"
        )


@pytest.mark.parametrize("guess_bytes", [0, 8 << 20], ids=["passed over", "held"])
@pytest.mark.parametrize("most", [1, 2, 5, 13, 40])
def test_a_range_ends_behind_a_record_beyond_the_limit(
    save: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, most: int, guess_bytes: int
) -> None:
    """One whose end is not soon found is not held in memory; the range that it begins in ends where it does."""
    monkeypatch.setattr(split, "_GUESS_BYTES", guess_bytes)
    records = [record(1), record(2, padding="x" * 5_000_000), *(record(i) for i in range(3, 9))]
    [name] = save(json.dumps(records).encode(), is_zipped=False)
    whole = read_whole(name, megabytes=1)
    assert [code for *_, code, _ in whole].count("record-too-large") == 1
    assert read_parts(name, cut_ranges(name, most=most), max_record_mb=1) == whole
