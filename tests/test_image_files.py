"""``image_files`` and ``joining``: what decodes and what does not, and the row that an image id is joined to."""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pytest
from helpers_cli import damage, encode, jpeg_header, make_zip, png_header, save_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from svit_datasets.errors import InputError, RecordError
from svit_datasets.findings import Finding
from svit_datasets.images.files import Picture, read_bytes, read_picture, read_size
from svit_datasets.images.joining import Joined, Joiner
from svit_datasets.tables.parts import ImageRow

ODD = Path(__file__).parent / "data" / "odd_images"
PICTURES = {
    "frozenpond.jpg": Picture((640, 480)),  # an MPO by another name: two frames
    "hopper_gray.jpg": Picture((128, 128), mode="L"),
    "hopper_orientation_6.jpg": Picture((128, 128), 6),
    "invalid-exif.jpg": Picture((200, 200)),
    "junk_jpeg_header.jpg": Picture((1024, 768)),
    "pil_sample_cmyk.jpg": Picture((100, 100), mode="CMYK"),
    "truncated_exif_dpi.jpg": Picture((480, 640)),
}
TRUNCATED = "truncated_jpeg.jpg"
SMALL = [n for n in (*PICTURES, TRUNCATED) if (ODD / n).stat().st_size < 20_000]
MEND = 'expected the image; fetch the image, or pass on_missing_image="null" or "drop"'
MEND_BROKEN = MEND.replace("the image;", "an image that decodes;", 1)


def look(content: bytes) -> Picture | Finding:
    return read_picture(partial(io.BytesIO, content))


def try_pillow(content: bytes) -> str | None:
    """Return why Pillow cannot decode all of an image, None if it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
    return None


def try_datasets(path: str | None, content: bytes | None) -> str | None:
    """Return why ``datasets`` cannot decode an image, None if it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            datasets.Image().decode_example({"path": path, "bytes": content}).load()
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
    return None


def test_the_fixtures_are_all_here() -> None:
    assert {p.name for p in ODD.iterdir()} == {*PICTURES, TRUNCATED, "LICENSE"}


@pytest.mark.parametrize("name", PICTURES)
def test_odd_images_decode(name: str) -> None:
    content = (ODD / name).read_bytes()
    assert look(content) == PICTURES[name]
    assert read_size(partial(io.BytesIO, content)) == PICTURES[name].size_wh
    assert try_pillow(content) is try_datasets(None, content) is try_datasets(str(ODD / name), None) is None


def test_a_truncated_image_is_refused_and_its_header_is_read() -> None:
    content = (ODD / TRUNCATED).read_bytes()
    found = look(content)
    assert isinstance(found, Finding)
    assert (found.code, found.found) == ("image-undecodable", "image file is truncated (8 bytes not processed)")
    assert try_pillow(content) == try_datasets(None, content) == "OSError"
    assert isinstance(read_size(partial(io.BytesIO, content)), tuple)


@settings(max_examples=250)
@given(
    name=st.sampled_from([*SMALL, *(f"made.{kind}" for kind in ("jpeg", "progressive", "png", "gif", "webp", "bmp"))]),
    at=st.floats(0, 1, exclude_max=True),
    count=st.sampled_from([0, 1, 1, 4, 40]),
)
def test_what_is_taken_datasets_decodes_and_what_is_refused_pillow_refuses(name: str, at: float, count: int) -> None:
    """Whatever is broken in an image: were it judged otherwise, a training run would stop at it or miss it."""
    content = made(name.partition(".")[2]) if name.startswith("made.") else (ODD / name).read_bytes()
    place = int(at * len(content))
    broken = damage(content, place, count) if count else content[:place]
    found = look(broken)
    if isinstance(found, Picture):
        assert (try_pillow(broken), try_datasets(None, broken)) == (None, None)
    else:
        assert found.code in ("image-undecodable", "image-too-large")
        assert found.code == "image-too-large" or try_pillow(broken)


def made(kind: str) -> bytes:
    """Return a small picture of a kind; its file may be called ``.jpg`` all the same."""
    packed = io.BytesIO()
    image = Image.linear_gradient("L").convert("P" if kind == "gif" else "RGB").resize((60, 40))
    options = {"progressive": True} if kind == "progressive" else {}
    image.save(packed, {"progressive": "JPEG"}.get(kind, kind.upper()), **options)
    return packed.getvalue()


BOMB = "image size (400000000 pixels) exceeds limit of 178956970 pixels"


@pytest.mark.parametrize(
    ("content", "code", "found"),
    [
        (b"", "image-undecodable", "cannot identify image file"),
        (b"<html>404</html>", "image-undecodable", "cannot identify image file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "image-undecodable", "cannot identify image file"),
        (png_header(10000, 10000), "image-too-large", "10000 x 10000 pixels"),
        (jpeg_header(20000, 20000), "image-too-large", BOMB),
    ],
    ids=["empty", "html", "pointer", "large", "bomb"],
)  # fmt: skip
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, code: str, found: str) -> None:
    path = tmp_path / "5.jpg"
    path.write_bytes(content)
    for open_image in (partial(io.BytesIO, content), lambda: path.open("rb")):
        for read in (read_picture, read_size):
            fault = read(open_image)
            assert isinstance(fault, Finding)
            assert (fault.code, re.sub(r",? could be.*", "", fault.found)) == (code, found)


def test_bytes_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    fault = read_bytes(lambda: (tmp_path / "no.jpg").open("rb"))
    assert isinstance(fault, Finding)
    assert fault.found == f"[Errno 2] No such file or directory: '{tmp_path / 'no.jpg'}'"
    assert read_bytes(lambda: io.BytesIO(b"")) == b""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a folder with images, sizes that fit, that differ and that are not there, and a zip."""
    entries: list[dict[str, Any]] = [
        {"image_id": 2, "width": 8, "height": 6, "url": "https://x/VG_100K/2.jpg", "coco_id": 77, "flickr_id": 88},
        {"image_id": 3, "width": 9, "height": 6, "coco_id": None},
        {"image_id": 6, "width": 128, "height": 128, "coco_id": 78},
        {"image_id": 7, "width": 4, "height": 4},
        {"image_id": 8, "width": 3, "height": 3},
    ]
    (tmp_path / "image_data.json").write_bytes(encode(entries))
    for image_id in (2, 3, 5):
        save_photo(tmp_path / f"VG_100K/{image_id}.jpg", (8, 6))
    (tmp_path / "VG_100K_2").mkdir()
    (tmp_path / "VG_100K_2/6.jpg").write_bytes((ODD / "hopper_orientation_6.jpg").read_bytes())
    (tmp_path / "VG_100K/8.jpg").write_bytes((ODD / TRUNCATED).read_bytes())
    (tmp_path / "VG_100K/9.jpg").write_bytes(b"no image")
    return tmp_path


def messages(joined: Joined) -> list[str]:
    return [str(fault) for fault in joined.findings]


def test_a_path_is_absolute_and_bytes_are_those_of_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (root / "VG_100K/2.jpg").read_bytes()
    known = ImageRow(2, 8, 6, "https://x/VG_100K/2.jpg", 77, 88)
    monkeypatch.chdir(root)
    for folder in (root, Path()):
        assert Joiner((folder,), "path").join(2) == Joined(known._replace(path=str(root / "VG_100K/2.jpg")))
        assert Joiner((folder,), "embed").join(2) == Joined(known._replace(path="VG_100K/2.jpg", data=content))
        assert Joiner((folder,), "none").join(2) == Joined(known)


@pytest.mark.parametrize("name", PICTURES)
def test_embedded_bytes_are_the_files_bit_for_bit(tmp_path: Path, name: str) -> None:
    content = (ODD / name).read_bytes()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/5.jpg").write_bytes(content)
    (tmp_path / "images.zip").write_bytes(make_zip({"VG_100K/5.jpg": content}))
    for place, path in ((tmp_path / "flat", "VG_100K/5.jpg"), (tmp_path / "images.zip", "VG_100K/5.jpg")):
        row = Joiner((place,), "embed").join(5).row
        assert (row.data, row.path, (row.width, row.height)) == (content, path, PICTURES[name].size_wh)


def test_sizes_that_differ_and_turned_images_are_told_and_the_image_is_kept(root: Path) -> None:
    for mode, path in (("path", str(root / "VG_100K/3.jpg")), ("embed", "VG_100K/3.jpg")):
        joined = Joiner((root,), mode).join(3)
        assert (joined.row.path, joined.row.width) == (path, 9)
        assert messages(joined) == [
            f"$.image_id: found 9 x 6 in image_data.json, 8 x 6 in {root}; expected the same size in image_data.json "
            "and in the file; check that the file is the original; what image_data.json or the table says counts "
            "[image-size-differs]"
        ]
    joined = Joiner((root,), "path").join(6)
    assert joined.row.path == str(root / "VG_100K_2/6.jpg")
    assert messages(joined) == [
        f"$.image_id: found EXIF orientation 6 in {root}; expected an upright photo; boxes are in stored pixels, and "
        "datasets turns the photo when it is looked at: take its bytes with Image(decode=False), or store the photo "
        "upright [image-turned]"
    ]


def test_images_that_cannot_be_used_are_named_and_leave_a_row_without_them(root: Path) -> None:
    joiner = Joiner((root,), "path")
    expected = {
        7: f"found no 7.jpg under {root}; {MEND} [image-missing]",
        8: f"found image file is truncated (8 bytes not processed); {MEND_BROKEN} [image-undecodable]",
        9: f"found cannot identify image file; {MEND_BROKEN} [image-undecodable]",
        10: f"found no 10.jpg under {root}; {MEND} [image-missing]",
    }
    for image_id, message in expected.items():
        for joined in (joiner.join(image_id), Joiner((root,), "embed").join(image_id)):
            assert messages(joined) == [f"$.image_id: {message}"]
            assert joined.findings[0].severity == "error"
            assert (joined.row.image_id, joined.row.path, joined.row.data) == (image_id, None, None)
    assert joiner.join(7).row == ImageRow(7, 4, 4)


def test_without_files_nothing_is_looked_at(root: Path) -> None:
    joiner = Joiner((root,), "none")
    for image_id, size in ((3, (9, 6)), (7, (4, 4)), (8, (3, 3)), (9, (None, None)), (10, (None, None))):
        assert joiner.join(image_id) == Joined(ImageRow(image_id, *size))
    assert Joiner((root / "image_data.json",), "none").join(8) == Joined(ImageRow(8, 3, 3))
    assert Joiner((root / "image_data.json",), "none").image_ids() == joiner.image_ids() == [2, 3, 6, 7, 8]


@pytest.mark.parametrize("mode", ["path", "embed"])
def test_unchecked_images_are_taken_as_they_are_and_sizes_come_from_headers(root: Path, mode: Any) -> None:
    joiner = Joiner((root,), mode, is_checked=False)
    assert [messages(joiner.join(i)) for i in (2, 3, 6, 8)] == [[], [], [], []]
    broken = joiner.join(8).row
    assert (broken.width, broken.path is None) == (3, False)
    assert broken.data == ((root / "VG_100K/8.jpg").read_bytes() if mode == "embed" else None)
    assert (joiner.join(5).row.width, joiner.join(5).row.height) == (8, 6)
    told = f"$.image_id: found cannot identify image file; {MEND_BROKEN} [image-undecodable]"
    assert messages(joiner.join(9)) == [told]
    assert messages(joiner.join(7)) == [f"$.image_id: found no 7.jpg under {root}; {MEND} [image-missing]"]


def test_sizes_are_in_stored_pixels_where_only_the_file_tells(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save_photo(tmp_path / "VG_100K/5.jpg", (8, 6), exif=exif)
    for is_checked in (True, False):
        row = Joiner((tmp_path,), "path", is_checked=is_checked).join(5).row
        assert (row.width, row.height) == (8, 6)


@pytest.mark.parametrize("image_id", [1 << 63, -(1 << 63) - 1, 10**400], ids=["over", "under", "huge"])
@pytest.mark.parametrize("mode", ["path", "embed", "none"])
def test_an_id_that_no_column_holds_is_named(root: Path, image_id: int, mode: Any) -> None:
    joined = Joiner((root,), mode).join(image_id)
    expected = "an id of 64 bits; correct image_id: a table cannot hold it [image-id-range]"
    assert messages(joined) == [f"$.image_id: found {str(image_id)[:80]}; expected {expected}"]
    assert joined.row == ImageRow(image_id)
    for edge in ((1 << 63) - 1, -(1 << 63)):
        assert Joiner((root,), mode).join(edge).row.image_id == edge


def test_captions_are_joined_by_coco_id(root: Path) -> None:
    coco = {
        "images": [{"id": 77}],
        "annotations": [{"id": i, "image_id": 77, "caption": t} for i, t in enumerate("ab")],
    }
    (root / "captions.json").write_bytes(encode(coco))
    joiner = Joiner((root,), "none", coco_captions=(str(root / "captions.json"),))
    assert [joiner.join(i).row.captions for i in (2, 6, 3, 5)] == [["a", "b"], [], None, None]
    assert Joiner((root,), "none").join(2).row.captions is None


def test_damage_in_a_zip_is_found_wherever_datasets_would_stumble_over_it(tmp_path: Path) -> None:
    """``datasets`` reads a member to its end, checksum included: also behind where the picture ends."""
    content = made("jpeg") + bytes(300_000)
    packed = make_zip({"VG_100K/5.jpg": content}, zipfile.ZIP_STORED)
    path = tmp_path / "images.zip"
    path.write_bytes(damage(packed, packed.index(content) + len(content) - 9, 3))
    assert try_datasets(f"svit-zip://{path}/VG_100K/5.jpg", None) == "BadZipFile"
    for mode in ("embed", "path"):
        joined = Joiner((path,), mode).join(5)
        found = f"Bad CRC-32 for file 'VG_100K/5.jpg'; {MEND_BROKEN} [image-undecodable]"
        assert messages(joined) == [f"$.image_id: found {found}"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_picture_damaged_in_a_zip_is_named(tmp_path: Path, compression: int) -> None:
    packed = make_zip({"VG_100K/5.jpg": (ODD / "pil_sample_cmyk.jpg").read_bytes()}, compression)
    path = tmp_path / "images.zip"
    path.write_bytes(damage(packed, len(packed) // 2, 9))
    for mode in ("path", "embed"):
        joined = Joiner((path,), mode).join(5)
        assert [fault.code for fault in joined.findings] == ["image-undecodable"]
        assert joined.row == ImageRow(5)


def test_wrong_entries_of_image_data_stop_or_are_handed_on(root: Path) -> None:
    (root / "image_data.json").write_bytes(encode([{"image_id": 2, "width": 0, "height": 6}, {"image_id": 3}]))
    with pytest.raises(RecordError) as caught:
        Joiner((root,), "none")
    message = (
        f"{root / 'image_data.json'}:1 id=2 $.width: found 0 x 6; expected {{image_id, width, height}} with positive "
        "whole numbers; correct the entry in image_data.json [image-data-entry]"
    )
    assert str(caught.value) == message
    faults: list[Finding] = []
    joiner = Joiner((root,), "path", add=faults.append)
    assert [(str(f).split(":", 1)[1].split(" ")[0], f.code) for f in faults] == [
        ("1", "image-data-entry"),
        ("2", "record-shape"),
    ]
    assert joiner.join(2).row == ImageRow(2, 8, 6, path=str(root / "VG_100K/2.jpg"))


def test_a_root_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Joiner((tmp_path,), "path")
    assert str(caught.value) == (
        f"{tmp_path}: found no images and no sizes; expected VG_100K/, VG_100K_2/, images.zip, images2.zip or "
        "image_data.json (there, under vg/ or under raw/), or ID.jpg; check the path [input-missing]"
    )


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("nowhere")], ids=["fifo", "dir", "link"]
)
def test_what_is_no_file_is_missing(root: Path, make: Callable[[Path], object]) -> None:
    make(root / "VG_100K/7.jpg")
    joined: list[Joined] = []
    thread = threading.Thread(target=lambda: joined.append(Joiner((root,), "path").join(7)), daemon=True)
    thread.start()
    thread.join(20)
    assert [messages(j) for j in joined] == [[f"$.image_id: found no 7.jpg under {root}; {MEND} [image-missing]"]]
