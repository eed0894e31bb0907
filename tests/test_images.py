"""Where images and sizes come from: every layout that --images takes, odd files, and the index of Visual Genome."""

from __future__ import annotations

import gzip
import json
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from svit_datasets import Images, InputError, RecordError
from svit_datasets.images.visual_genome import folder_of, image_ids, is_held_out, llava_path, parse_path
from tests.helpers_cli import (
    DONE,
    SAMPLE,
    damage,
    encode,
    encrypt_flag,
    jpeg_header,
    limit_file_size,
    make_zip,
    png_header,
    record,
    run,
    save_photo,
    tree,
)

ODD = Path(__file__).parent / "fixtures" / "odd_images"
SIZES = {1: (40, 30), 2: (20, 50)}  # image 1 lies in VG_100K_2, image 2 in VG_100K
PATHS = {1: "VG_100K_2/1.jpg", 2: "VG_100K/2.jpg"}
UNKNOWN_ID = 9_000_001


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, bytes]:
    """The two photos by their path below ``VG_100K`` and ``VG_100K_2``."""
    return {PATHS[i]: save_photo(tmp_path / f"made-{i}.jpg", SIZES[i]).read_bytes() for i in SIZES}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def image_data(sizes: dict[int, tuple[int, int]] = SIZES) -> bytes:
    return encode([{"image_id": i, "width": w, "height": h, "url": None} for i, (w, h) in sizes.items()])


def expect_all(*roots: Path) -> None:
    """Both images are found, with path and size, and nothing is said about them."""
    with Images(roots) as images:
        for image_id, size_wh in SIZES.items():
            assert images.resolve(image_id) == (f"vg/{PATHS[image_id]}", size_wh, ())


@pytest.mark.parametrize("base", ["", "vg", "raw", "raw/vg"])
def test_folders_are_found_below_a_root(root: Path, photos: dict[str, bytes], base: str) -> None:
    put(root / base, photos)
    expect_all(root)


@pytest.mark.parametrize("base", ["", "vg", "raw"])
def test_zips_are_found_below_a_root(root: Path, photos: dict[str, bytes], base: str) -> None:
    first, second = ({name: photos[name]} for name in (PATHS[2], PATHS[1]))
    put(root / base, {"images.zip": make_zip(first), "images2.zip": make_zip(second)})
    expect_all(root)


def test_one_zip_is_a_root(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {"mine.zip": make_zip(photos, zipfile.ZIP_STORED)})
    expect_all(root / "mine.zip")


def test_a_zip_may_be_flat(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {"mine.zip": make_zip({name.split("/")[1]: content for name, content in photos.items()})})
    expect_all(root / "mine.zip")


def test_a_folder_may_be_flat(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {name.split("/")[1]: content for name, content in photos.items()})
    expect_all(root)


def test_one_of_the_two_folders_is_enough_beside_another_root(root: Path, photos: dict[str, bytes]) -> None:
    put(root / "a", {PATHS[1]: photos[PATHS[1]]})
    put(root / "b", {PATHS[2]: photos[PATHS[2]]})
    expect_all(root / "a", root / "b")


def test_an_image_in_the_other_folder_is_found_and_named_where_the_trainer_looks(
    root: Path, photos: dict[str, bytes]
) -> None:
    put(root, {"VG_100K/1.jpg": photos[PATHS[1]], PATHS[2]: photos[PATHS[2]]})
    with Images([root]) as images:
        found = images.resolve(1)
    assert (found.path, [f.code for f in found.findings]) == ("vg/VG_100K_2/1.jpg", ["image-folder-differs"])


@pytest.mark.parametrize("name", ["image_data.json", "image_data.json.gz", "image_data.json.zip", "image_data.zip"])
def test_image_data_alone_is_a_root(root: Path, name: str) -> None:
    packed = {"gz": gzip.compress(image_data()), "zip": make_zip({"image_data.json": image_data()})}
    put(root, {name: packed.get(name.rpartition(".")[2], image_data())})
    expect_all(root / name)
    with Images([root / name]) as images:
        assert not images.has_files


@pytest.mark.parametrize("base", ["", "vg", "raw"])
@pytest.mark.parametrize("name", ["image_data.json", "annotations/vg/image_data.json", "annotations/image_data.json"])
def test_image_data_is_found_below_a_root(root: Path, base: str, name: str) -> None:
    put(root / base, {name: image_data()})
    expect_all(root)


def test_the_published_layout_is_a_root(root: Path, photos: dict[str, bytes]) -> None:
    files = {
        "images.zip": make_zip({PATHS[2]: photos[PATHS[2]]}),
        "images2.zip": make_zip({PATHS[1]: photos[PATHS[1]]}),
    }
    put(root, {"data/referring_qa.json": b"[]", **{f"raw/{name}": content for name, content in files.items()}})
    put(root, {"raw/annotations/vg/image_data.json": image_data()})
    expect_all(root)
    expect_all(root / "raw")


def test_the_sample_is_a_root() -> None:
    with Images([SAMPLE]) as images:
        for entry in json.loads((SAMPLE / "raw/annotations/vg/image_data.json").read_bytes()):
            path = f"vg/VG_100K/{entry['image_id']}.jpg"
            assert images.resolve(entry["image_id"]) == (path, (entry["width"], entry["height"]), ())


def test_sizes_come_from_image_data_first(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {**photos, "image_data.json": image_data({1: (80, 60), 2: SIZES[2]})})
    with Images([root]) as images:
        resolved = images.resolve(1)
        assert resolved.size_wh == (80, 60)
        assert [f.code for f in resolved.findings] == ["image-size-differs"]
        assert resolved.findings[0].found == f"80 x 60 in image_data.json, 40 x 30 in {root}"
        assert images.resolve(2).findings == ()


def test_sizes_come_from_the_header_where_image_data_is_silent(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {**photos, "image_data.json": image_data({2: SIZES[2]})})
    expect_all(root)


def test_an_id_beyond_the_index_is_where_its_file_lies(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {f"VG_100K_2/{UNKNOWN_ID}.jpg": photos[PATHS[1]]})
    with Images([root]) as images:
        assert images.resolve(UNKNOWN_ID) == (f"vg/VG_100K_2/{UNKNOWN_ID}.jpg", SIZES[1], ())


def test_the_url_in_image_data_tells_the_folder_of_an_id_beyond_the_index(root: Path) -> None:
    url = f"https://cs.stanford.edu/people/rak248/VG_100K_2/{UNKNOWN_ID}.jpg"
    put(root, {"image_data.json": encode([{"image_id": UNKNOWN_ID, "width": 4, "height": 5, "url": url}])})
    with Images([root]) as images:
        assert images.resolve(UNKNOWN_ID) == (f"vg/VG_100K_2/{UNKNOWN_ID}.jpg", (4, 5), ())


def test_an_id_that_nothing_knows_has_no_path(root: Path, photos: dict[str, bytes]) -> None:
    put(root, photos)
    with Images([root]) as images:
        path, size_wh, findings = images.resolve(UNKNOWN_ID)
    assert (path, size_wh, [f.code for f in findings]) == ("", None, ["image-unknown"])


def test_without_roots_the_index_tells_the_paths_alone() -> None:
    with Images() as images:
        assert images.resolve(1) == ("vg/VG_100K_2/1.jpg", None, ())
        assert images.resolve(2) == ("vg/VG_100K/2.jpg", None, ())


def test_an_image_opens_as_its_own_bytes(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {"images.zip": make_zip({PATHS[2]: photos[PATHS[2]]}), PATHS[1]: photos[PATHS[1]]})
    with Images([root]) as images:
        for image_id, name in PATHS.items():
            with images.open(image_id) as file:
                assert file.read() == photos[name]
        with pytest.raises(RecordError, match=r"^id=4: found no such image; .*\[image-missing\]$"):
            images.open(4)


# --- stored pixels


def test_an_orientation_is_ignored(root: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    photo = save_photo(root / "VG_100K/2.jpg", (40, 30), exif=exif)
    with Image.open(photo) as opened:
        assert opened.getexif()[0x0112] == 6
    with Images([root]) as images:
        assert images.resolve(2) == ("vg/VG_100K/2.jpg", (40, 30), ())


def test_boxes_are_placed_on_stored_pixels(root: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    save_photo(root / "VG_100K/2.jpg", (640, 480), exif=exif)
    (root / "conversation.json").write_bytes(encode([record(2, "Who?", "The man [0.25, 0, 0.5, 1].")]))
    assert run("to-llava", "conversation.json", "--images", ".", "-o", "out.json", cwd=root).code == DONE
    [row] = json.loads((root / "out.json").read_bytes())
    assert row["conversations"][1]["value"] == "The man [0.25, 0.125, 0.5, 0.875]."


ODD_SIZES = {
    "hopper_gray.jpg": (128, 128),
    "hopper_orientation_6.jpg": (128, 128),
    "invalid-exif.jpg": (200, 200),
    "junk_jpeg_header.jpg": (1024, 768),
    "orientation_rectangle.jpg": (2, 1),
    "pil_sample_cmyk.jpg": (100, 100),
    "truncated_exif_dpi.jpg": (480, 640),
    "truncated_jpeg.jpg": (100, 100),
}


def test_every_odd_image_is_looked_at() -> None:
    assert {p.name for p in ODD.glob("*.jpg")} == set(ODD_SIZES)


@pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("name", "size_wh"), ODD_SIZES.items())
def test_an_odd_image_tells_its_stored_size(root: Path, name: str, size_wh: Any, is_packed: bool) -> None:
    content = (ODD / name).read_bytes()
    put(root, {"images.zip": make_zip({PATHS[2]: content})} if is_packed else {PATHS[2]: content})
    with Images([root]) as images:
        assert images.resolve(2) == ("vg/VG_100K/2.jpg", size_wh, ())


@pytest.mark.parametrize("size_wh", [(128, 128), (2, 1)], ids=["square", "rectangle"])
def test_an_odd_image_with_an_orientation_keeps_it_out_of_its_size(size_wh: Any) -> None:
    from PIL import Image

    name = {(128, 128): "hopper_orientation_6.jpg", (2, 1): "orientation_rectangle.jpg"}[size_wh]
    with Image.open(ODD / name) as opened:
        assert opened.getexif()[0x0112] > 1
        assert opened.size == size_wh


BROKEN = {
    "empty": (b"", "image-undecodable"),
    "text": (b"no image", "image-undecodable"),
    "html": (b"<html>404</html>", "image-undecodable"),
    "jpeg cut in its head": (b"\xff\xd8\xff\xe0\x00\x10JF", "image-undecodable"),
    "png cut in its head": (png_header(4, 4)[:20], "image-undecodable"),
    "a gif of nothing": (b"GIF89a", "image-undecodable"),
    "a large png": (png_header(60_000, 60_000), "image-too-large"),
    "a large jpeg": (jpeg_header(60_000, 60_000), "image-too-large"),
    "a jpeg over the limit by a little": (jpeg_header(13_380, 13_380), "image-too-large"),
}


@pytest.mark.parametrize("is_packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("content", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_image_is_named_also_where_its_size_is_known(
    root: Path, content: bytes, code: str, is_packed: bool
) -> None:
    put(root, {"images.zip": make_zip({PATHS[2]: content})} if is_packed else {PATHS[2]: content})
    put(root, {"image_data.json": image_data()})
    with Images([root]) as images:
        resolved = images.resolve(2)
    assert [(f.code, f.severity, f.path) for f in resolved.findings] == [(code, "error", "$.image_id")]


def test_a_png_under_the_name_of_a_jpeg_loads(root: Path) -> None:
    put(root, {PATHS[2]: png_header(40, 30)})
    with Images([root]) as images:
        assert images.resolve(2).size_wh == (40, 30)


# --- zips of images


def test_images_are_read_inside_their_zip(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = (SAMPLE / "raw/VG_100K/9000001.jpg").read_bytes()
    put(root, {"images.zip": make_zip({PATHS[2]: photo}, zipfile.ZIP_STORED), "temporary/x": b""})
    monkeypatch.setattr(tempfile, "tempdir", str(root / "temporary"))
    for name in ("extract", "extractall"):
        monkeypatch.delattr(zipfile.ZipFile, name)
    with Images([root]) as images:
        assert images.resolve(2).size_wh == (906, 600)
        with images.open(2) as file:
            assert file.read(1 << 20) == photo
        assert tree(root) == {"images.zip", "temporary", "temporary/x"}


def test_a_zip_of_images_is_never_unpacked_to_disk(root: Path) -> None:
    photo = (SAMPLE / "raw/VG_100K/9000001.jpg").read_bytes()
    put(root, {"images.zip": make_zip({PATHS[2]: photo}), "conversation.json": encode([record(2)])})
    arguments = ("conversation.json", "--images", "images.zip", "-o", "out.json")
    ran = run("to-llava", *arguments, cwd=root, preexec_fn=limit_file_size(8192))
    assert ran.code == DONE, ran.err
    assert len(photo) > 8192


def test_a_damaged_zip_of_images_is_named(root: Path, photos: dict[str, bytes]) -> None:
    put(root, {"images.zip": make_zip(photos)[:-30]})
    with pytest.raises(InputError, match=r"images\.zip: found File is not a zip file; .*\[input-damaged\]$"):
        Images([root])


def damaged_members(photos: dict[str, bytes]) -> dict[str, bytes]:
    noise = bytes(i * i * 31 % 251 for i in range(4000))
    content = {PATHS[2]: photos[PATHS[2]] + noise, PATHS[1]: photos[PATHS[1]]}
    made = {"encrypted": encrypt_flag(make_zip(content))}
    for name, method in (("stored", 0), ("deflated", 8), ("bzip2", 12), ("lzma", 14)):
        made[name] = damage(make_zip(content, method), 60, 400)
    packed = bytearray(make_zip(content))
    packed[packed.index(b"PK\x01\x02") + 10] = packed[8] = 99
    made["unknown method"] = bytes(packed)
    return made


@pytest.mark.parametrize("kind", ["encrypted", "stored", "deflated", "bzip2", "lzma", "unknown method"])
def test_a_damaged_image_in_a_zip_is_a_fault_of_its_record(root: Path, photos: dict[str, bytes], kind: str) -> None:
    put(root, {"images.zip": damaged_members(photos)[kind], "image_data.json": image_data()})
    with Images([root]) as images:
        assert [f.code for f in images.resolve(2).findings] == ["image-undecodable"]
        assert images.resolve(1).findings == ()


def test_a_zip_without_images_is_refused(root: Path) -> None:
    put(root, {"mine.zip": make_zip({"readme.txt": b"x"})})
    with pytest.raises(InputError, match=r"mine\.zip: found no images"):
        Images([root / "mine.zip"])


@pytest.mark.parametrize("name", ["9000001.jpg", "notes.txt"])
def test_a_file_that_is_no_source_of_images_is_refused(root: Path, name: str) -> None:
    put(root, {name: b"\xff\xd8\xff"})
    with pytest.raises(InputError, match=r"\[input-not-json\]$"):
        Images([root / name])


# --- the index


def test_the_index_holds_every_image() -> None:
    ids = image_ids()
    assert len(ids) == len(set(ids)) == 108_077
    assert ids == sorted(ids)
    assert sum(map(is_held_out, ids)) == 10_808
    assert set(Counter(map(folder_of, ids))) == {"VG_100K", "VG_100K_2"}


@pytest.mark.parametrize(
    ("image_id", "folder"), [(1, "VG_100K_2"), (2, "VG_100K"), (UNKNOWN_ID, None), (-1, None), (10**30, None)]
)
def test_the_index_tells_the_folder(image_id: int, folder: str | None) -> None:
    assert folder_of(image_id) == folder


def test_ids_that_are_not_visual_genomes_are_not_held_out() -> None:
    assert [is_held_out(i) for i in (UNKNOWN_ID, -1, 10**30)] == [False] * 3


def test_paths_and_ids_are_each_others_inverse() -> None:
    for image_id in image_ids()[::5000]:
        folder = folder_of(image_id)
        assert folder is not None
        assert parse_path(llava_path(image_id, folder)) == (folder, image_id)


@pytest.mark.parametrize(
    "path", ["VG_100K/2.png", "VG_100K/x.jpg", "VG_100K_3/2.jpg", "xVG_100K/2.jpg", "VG_100K/2.jpg/x", ""]
)
def test_what_is_no_visual_genome_path_has_no_id(path: str) -> None:
    assert parse_path(path) is None
