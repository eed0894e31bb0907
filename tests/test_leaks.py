"""This machine's paths are found wherever they are told, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets.errors import InputError
from svit_datasets.publish.pushing.leak_scan import check_shard
from svit_datasets.publish.pushing.leaks import (
    ByteSearch,
    fault_of_image_path,
    find_place,
    machine_places,
    outermost,
    spellings,
)
from svit_datasets.tables.arrays import IMAGE_TYPE

PLACES = ("/Users/ann", "/den", "/srv/d t/\u00e9")
NAMES = st.text("abcXYZ0189_-. \u00e9\u4eba", min_size=1, max_size=8).filter(lambda name: name.strip(". "))


@given(
    st.lists(NAMES, min_size=2, max_size=4),
    st.text(max_size=9),
    st.sampled_from(["", " ", "'", '"', "(", "=", ":", "\n", "file://"]),
    st.sampled_from(["", "/", "/x.jpg", ".", ",", "\n", "'", ")"]),
)
def test_a_planted_path_is_found(names: list[str], text: str, before: str, after: str) -> None:
    place = "/" + "/".join(names)
    for form in spellings(place):
        told = f"{text} {before}{form}{after} {text}"
        assert find_place(told, [place]) == place, told
        search = ByteSearch([place])
        content = told.encode("utf-8", "surrogatepass")
        for start in range(0, len(content), 7):
            search.feed(content[start : start + 7])
        assert search.close() == place


@pytest.mark.parametrize(
    ("rest", "found"), [(b"a/x", None), (b".old", None), (b".", "/Users/ann"), (b"", "/Users/ann")]
)
def test_what_follows_in_the_next_piece_counts(rest: bytes, found: str | None) -> None:
    search = ByteSearch(PLACES)
    search.feed(b"\x09/Users/ann")
    search.feed(rest)
    assert search.close() == found


@given(st.text("/denUsrsa x.-_:\n\u00e9", max_size=40))
def test_only_a_whole_path_is_one(text: str) -> None:
    found = find_place(text, PLACES)
    assert found is None or found in text
    if found == "/den":
        assert "/den/" in text


@pytest.mark.parametrize(
    "text",
    [
        "garden/den vegetables", "the /den cause", "/den", "/den/", "/den / x", "/denless/x", "a/den/b", "",
        "/Users/anna", "/Users/ann-old", "/Users/ann.old/x", "data/Users/ann/x", "https://Users/ann/x",
        "http://x.org/Users/ann", "Users/ann", "/Users /ann",
    ],
)  # fmt: skip
def test_other_text_is_left_alone(text: str) -> None:
    assert find_place(text, PLACES) is None


@pytest.mark.parametrize(
    "text",
    [
        "/Users/ann", "(/Users/ann)", "in /Users/ann.", "file:///Users/ann/x", "a:/Users/ann:b", "//Users/ann/x",
        "/den/x",
        "'/den/.cache'", "/srv/d%20t/%C3%A9/x", '"/srv/d t/\\u00e9/x"', "\u4eba/Users/ann/x", "PATH=/den/bin",
    ],
)  # fmt: skip
def test_a_path_is_found_in_every_spelling(text: str) -> None:
    assert find_place(text, PLACES) is not None


@given(st.lists(st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names)), max_size=6))
def test_the_outermost_cover_all(places: list[str]) -> None:
    kept = outermost(places)
    for place in places:
        assert any(place == o or place.startswith(f"{o}/") for o in kept if o in places) or place in kept


def test_the_places_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/Users/ann")
    monkeypatch.chdir(tmp_path)
    places = machine_places(Path("/mnt/big/out"), ["/data/svit/SVIT", "/disk"])
    assert {"/Users/ann", "/mnt/big", "/data/svit", "/disk"} <= set(places)
    assert not {"/", "/Users", "/mnt", "/data"} & set(places)
    assert find_place(str(tmp_path / "x"), places)


@pytest.mark.parametrize("path", ["5.jpg", "VG_100K/5.jpg", "a..b/5.jpg", "\u4eba.jpg", "", "a b.jpg"])
def test_a_plain_path_of_a_photo_is_fine(path: str) -> None:
    assert fault_of_image_path(path) == ""


@given(st.sampled_from(["/", "\\", "C:\\", "c:/", "file:", "zip://", "../", "a/../", "~/", "a\\..\\", "x::"]), NAMES)
def test_any_other_is_a_fault(start: str, name: str) -> None:
    assert fault_of_image_path(start + name) != ""


def write(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path, row_group_size=2, **options)
    return path


def images(paths: Sequence[str | None], photo: bytes = b"JPEG") -> pa.Array:
    return pa.array([{"bytes": photo, "path": path} for path in paths], IMAGE_TYPE)


NESTED = pa.list_(pa.struct([("content", pa.list_(pa.struct([("value", pa.string())])))]))


def nested(text: str | None) -> list[dict[str, list[dict[str, str | None]]]]:
    return [{"content": [{"value": "fine"}, {"value": text}]}]


CLEAN = {
    "image": images(["1.jpg", None, "3.jpg"]),
    "conversations": pa.array([nested("the /den cause"), None, nested(None)], NESTED),
    "extra": pa.array([None, "x", None]),
}


PLAIN, OURS = "; expected a relative, plain path", "a folder of this machine"
DEEP = "conversations.list.element.content.list.element.value"


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("image", images(["1.jpg", "2.jpg", "/x/3.jpg"]), f"row 2, column image.path: '/x/3.jpg' is absolute{PLAIN}"),
        ("image", images(["1.jpg", "a/../2", "3"]), f"row 1, column image.path: 'a/../2' climbs with '..'{PLAIN}"),
        (
            "conversations",
            pa.array([None, None, nested("see /Users/ann/x.jpg")], NESTED),
            f"row 2, column {DEEP}: tells /Users/ann, {OURS}",
        ),
        ("extra", pa.array([None, '{"a": "/den/a.jpg"}', None]), f"row 1, column extra: tells /den, {OURS}"),
        (
            "extra",
            pa.array(["x", "/den/a", None]).dictionary_encode(),
            f"row 1, column extra: tells /den, {OURS}",
        ),
        (
            "image",
            images(["1.jpg"] * 3, b"JPEG by /Users/ann/paint " * 9),
            f"row 0, column image.bytes: tells /Users/ann, {OURS}",
        ),
    ],
    ids=["absolute", "climbs", "text", "extra", "dictionary", "photo"],
)
def test_a_shard_that_tells_a_path_is_refused(tmp_path: Path, column: str, values: pa.Array, told: str) -> None:
    file = write(tmp_path / "a.parquet", pa.table(CLEAN))
    check_shard(file, "data/a.parquet", PLACES)
    write(file, pa.table({**CLEAN, column: values}), compression="zstd")
    with pytest.raises(InputError, match=r"nothing was sent$") as caught:
        check_shard(file, "data/a.parquet", PLACES)
    assert str(caught.value) == f"data/a.parquet: {told}; take it out of the source and build again; nothing was sent"


def test_metadata_of_file_column_and_name(tmp_path: Path) -> None:
    plain = pa.table({"a": ["x"]})
    of_field = pa.schema([pa.field("a", pa.string(), metadata={"from": "/Users/ann/b"})])
    cases = {
        "metadata 'origin'": plain.replace_schema_metadata({"origin": '{"root": "/Users/ann/svit"}'}),
        "metadata 'from' of column a": pa.table({"a": ["x"]}, schema=of_field),
        "a column's name": pa.table({"/Users/ann/x": ["x"]}),
    }
    for where, table in cases.items():
        file = write(tmp_path / "a.parquet", table)
        with pytest.raises(InputError, match=f"^a: {where} tells /Users/ann, a folder of this machine; take it out"):
            check_shard(file, "a", PLACES)
