"""A copy may go to others: nothing in it tells where folders lie on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import DONE, call, make_zip, record, save_photo
from test_view_export import read

from svit_datasets.viewer.hiding import Hiding


def write_faulty(top: Path) -> tuple[list[Path], Path]:
    """Write records with every fault whose words name a place: photos missing, damaged, of another size; copies."""
    root = top / "private" / "raw"
    save_photo(root / "VG_100K" / "9000001.jpg", (40, 30))
    save_photo(root / "VG_100K" / "9000004.jpg", (40, 30))
    (root / "VG_100K" / "9000002.jpg").write_text("no photo")
    sizes = [{"image_id": 9000000 + n, "width": 80, "height": 60} for n in range(1, 5)]
    (root / "image_data.json").write_text(json.dumps(sizes))
    first, second = (top / "secret-files" / name / "referring_qa.json" for name in ("one", "two"))
    for path in (first, second):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps([record(9000000 + n) for n in range(1, 5)])[:-1] + ', {"image_id": "x"}, {]')
    rows = [{"id": "a", "image": "none/5.jpg", "conversations": [{"from": "human", "value": "Hi"}]}]
    (top / "secret-files" / "llava.json").write_text(json.dumps(rows))
    packed = top / "secret-files" / "packed.zip"
    members = {f"{name}.json": json.dumps([record(9000001)]).encode() for name in ("conversation", "referring_qa")}
    packed.write_bytes(make_zip(members))
    return [first, second, top / "secret-files" / "llava.json", packed], root


def shown(folder: Path) -> list[dict[str, Any]]:
    records = read(folder)["records"]
    assert isinstance(records, list)
    return [one["record"] for one in records]


@pytest.mark.parametrize("is_relative", [False, True])
def test_no_place_of_this_machine_is_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_relative: bool
) -> None:
    inputs, root = write_faulty(tmp_path)
    monkeypatch.chdir(tmp_path / "private")
    given = [Path("..") / path.relative_to(tmp_path) if is_relative else path for path in inputs]
    images = Path("../private/raw") if is_relative else root
    assert call("view", *given, "--images", images, "--decode-photos", "--export", tmp_path / "look").code == DONE
    places = [str(tmp_path).encode(), b"private", b"secret-files", b"../", b"/one", b"/two"]
    for path in (tmp_path / "look").rglob("*"):
        if path.is_file():
            assert [place for place in places if place in path.read_bytes()] == [], path


def test_what_is_wrong_is_told_all_the_same(tmp_path: Path) -> None:
    inputs, root = write_faulty(tmp_path)
    assert call("view", *inputs, "--images", root, "--export", tmp_path / "look").code == DONE
    records = shown(tmp_path / "look")
    found = {one["code"]: one["found"] for record_ in records for one in record_["findings"]}
    assert found["duplicate-record"].startswith("the same as referring_qa.json:")
    assert found["image-size-differs"] == "80 x 60 as told, 40 x 30 in raw"
    assert found["image-missing"] == "no none/5.jpg under raw"
    photos = {record_["photo"]["name"]: record_["photo"] for record_ in records if record_["photo"]["name"]}
    assert {photo["place"] for photo in photos.values()} == {""}
    assert photos["9000003.jpg"]["message"] == "There was no 9000003.jpg when this copy was made."
    assert photos["9000002.jpg"]["message"].startswith("It cannot be shown: ")
    assert {record_["file"] for record_ in records} >= {"referring_qa.json", "llava.json", "conversation.json"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no 5.jpg under /data/me/raw, /data/me/raw/more", "no 5.jpg under raw, more"),
        ("in /data/me/raw/VG_100K", "in raw/VG_100K"),
        ("as /data/me/data/a.json:3", "as a.json:3"),
        ("'pics/vg/5.jpg' of 'my-pics/vg/5.jpg'", "'vg/5.jpg' of 'my-pics/vg/5.jpg'"),
        ("a / b, or [.]", "a / b, or [.]"),
    ],
)
def test_places_in_words_give_way_to_their_last_name(text: str, expected: str) -> None:
    roots = ["/data/me/raw", "/data/me/raw/more", "pics/vg", ".", "/", "raw"]
    assert Hiding(roots, ["/data/me/data/a.json", "b.json"]).text(text) == expected


def test_without_places_nothing_changes() -> None:
    assert Hiding([], []).text("[/tmp]") == "[/tmp]"
