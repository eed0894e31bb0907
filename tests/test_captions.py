"""``captions``: COCO's caption files, plain or packed, and what is said of files that are none."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import damage, encode
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets.errors import InputError
from svit_datasets.images.captions import read_captions

WRONG = (
    "; expected COCO's caption format: images, and annotations with image_id and caption; pass captions_train2014.json "
    "and the like [input-not-json]"
)
MISSING = "; expected a readable file; check the path [input-missing]"


def coco(*captions: tuple[int, str]) -> dict[str, Any]:
    """Return what a caption file holds, for (image id, caption) pairs."""
    return {
        "info": {"year": 2014},
        "licenses": [],
        "images": [{"id": i, "file_name": f"{i:012}.jpg", "width": 8, "height": 6} for i in {i for i, _ in captions}],
        "annotations": [{"id": n, "image_id": i, "caption": text} for n, (i, text) in enumerate(captions)],
    }


def save(path: Path, content: Any) -> Path:
    data = content if isinstance(content, bytes) else encode(content)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


TEXTS = ("A man. ", "", "caf\u00e9 \U0001f600", "line\nbreak")


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_captions_stand_in_the_order_of_the_file(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, coco((5, TEXTS[0]), (9, TEXTS[1]), (5, TEXTS[2]), (5, TEXTS[3])))
    assert read_captions([path]) == read_captions([str(path)]) == {5: [TEXTS[0], TEXTS[2], TEXTS[3]], 9: [""]}


def test_what_a_file_is_shows_in_its_bytes_and_not_in_its_name(tmp_path: Path) -> None:
    content = gzip.compress(encode(coco((5, "x"))))
    (tmp_path / "packed.json").write_bytes(content)
    (tmp_path / "plain.gz").write_bytes(encode(coco((5, "y"))))
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + encode(coco((5, "z"))))
    paths = [tmp_path / name for name in ("packed.json", "plain.gz", "bom.json")]
    assert read_captions(paths) == {5: ["x", "y", "z"]}


@given(files=st.lists(st.lists(st.tuples(st.integers(1, 4), st.text(max_size=5)), min_size=1, max_size=6), max_size=3))
def test_several_files_are_joined_in_order(folder: Any, files: list[list[tuple[int, str]]]) -> None:
    root, expected = folder(), {}
    for pairs in files:
        for image_id, text in pairs:
            expected.setdefault(image_id, []).append(text)
    paths = [save(root / f"{i}.json", coco(*pairs)) for i, pairs in enumerate(files)]
    assert read_captions(paths) == expected
    assert read_captions(paths) == expected  # what was read before was not added to


def test_captions_that_were_handed_out_may_be_changed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", coco((5, "x")))
    read_captions([path])[5].append("mine")
    assert read_captions([path]) == {5: ["x"]}


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", coco((5, "old")))
    assert read_captions([path]) == {5: ["old"]}
    save(path, coco((5, "newer")))
    os.utime(path, (10**9, 10**9))
    assert read_captions([path]) == {5: ["newer"]}


def test_the_same_name_in_another_folder_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "captions.json", coco((5, name)))
        monkeypatch.chdir(tmp_path / name)
        assert read_captions(["captions.json"]) == {5: [name]}


INSTANCES = {"images": [], "annotations": [{"id": 1, "image_id": 5, "category_id": 3, "bbox": [0, 0, 1, 1]}]}
KARPATHY = {"dataset": "coco", "images": [{"cocoid": 5, "sentences": [{"raw": "A man."}]}]}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (INSTANCES, "KeyError: 'caption'"),
        (KARPATHY, "KeyError: 'annotations'"),
        (coco(), "ValueError: no annotations"),
        ({"images": [], "annotations": [{"id": 1, "caption": "x"}]}, "KeyError: 'image_id'"),
        ([{"image_id": 5, "caption": "x"}], "TypeError: list indices must be integers or slices, not str"),
        ([], "TypeError: list indices must be integers or slices, not str"),
        (5, "TypeError: 'int' object is not subscriptable"),
        (None, "TypeError: 'NoneType' object is not subscriptable"),
        (b"", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        (b"image_id,caption\n", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        (b'{"annotations": [', "JSONDecodeError: Expecting value: line 1 column 18 (char 17)"),
        (b'{"a": "\xff"}', "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 7: "
         "invalid start byte"),
    ],
    ids=lambda case: str(case)[:30] if isinstance(case, str) else "",
)  # fmt: skip
def test_a_file_of_another_kind_is_named_with_what_was_wanted(tmp_path: Path, content: Any, found: str) -> None:
    good, bad = save(tmp_path / "good.json", coco((5, "x"))), save(tmp_path / "bad.json", content)
    with pytest.raises(InputError) as caught:
        read_captions([good, bad])
    assert str(caught.value) == f"{bad}: found {found}{WRONG}"


@pytest.mark.parametrize(
    ("key", "value"), [("caption", None), ("caption", 1.5), ("image_id", None), ("image_id", "5"), ("image_id", 1.5)]
)
def test_an_annotation_of_other_types_is_no_caption(tmp_path: Path, key: str, value: Any) -> None:
    """Null made into the caption "None", or an id "5" that no image has, would go unseen."""
    content = coco((5, "x"))
    content["annotations"][0][key] = value
    with pytest.raises(InputError, match=r"bad\.json: found .*expected COCO's caption format"):
        read_captions([save(tmp_path / "bad.json", content)])


@pytest.mark.parametrize("start", [10, 40, -6], ids=["deflate", "middle", "checksum"])
def test_a_damaged_gzip_is_said_to_be_damaged(tmp_path: Path, start: int) -> None:
    packed = gzip.compress(encode(coco(*[(i, f"caption {i * 7919}") for i in range(200)])), mtime=0)
    path = tmp_path / "a.json.gz"
    path.write_bytes(damage(packed, start % len(packed), 4))
    with pytest.raises(InputError) as caught:
        read_captions([path])
    assert str(caught.value).startswith(f"{path}: found ")
    assert "check the path" not in str(caught.value)  # the path is right


def test_a_gzip_cut_short_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(encode(coco((5, "x"))))[:-12])
    with pytest.raises(
        InputError, match=r"Compressed file ended before the end-of-stream marker was reached; .*damaged"
    ):
        read_captions([path])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "no.json", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(InputError) as caught:
            read_captions([path])
        assert str(caught.value) == f"{path}: found {found}{MISSING}"


def test_nothing_is_printed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", coco((5, "x")))
    code = "import sys; from svit_datasets.images.captions import read_captions; read_captions(sys.argv[1:])"
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_many_captions_are_what_json_reads(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json.gz", coco(*[(i * 37 % 997, f"caption {i}") for i in range(5000)]))
    expected: dict[int, list[str]] = {}
    for annotation in json.loads(gzip.decompress(path.read_bytes()))["annotations"]:
        expected.setdefault(annotation["image_id"], []).append(annotation["caption"])
    assert read_captions([path]) == expected
