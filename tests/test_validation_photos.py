"""``validate --images``: what is told of photos, in folders, zips and LLaVA's image folder; each note once."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import damage, encode, encrypt_flag, jpeg_header, make_zip, obey_modes, png_header, record, run
from PIL import Image

from svit_datasets.findings import quote
from svit_datasets.validation.validate import Checks, validate

ODD = Path(__file__).parent / "data" / "odd_images"
MENDS = {
    "image-missing": "expected the image under --images; fetch the image, or leave its records out (--on-error skip takes the rest)",
    "image-undecodable": "expected an image that Pillow can open; fetch the image again",
    "image-too-large": "expected fewer pixels than Pillow's limit; no genuine photo is that large; replace the file",
    "image-size-differs": "expected the same size in image_data.json and in the file; check that the file is the original; what image_data.json or the table says counts",
    "image-turned": "expected an upright photo; boxes are in stored pixels, and datasets turns the photo when it is looked at: take its bytes with Image(decode=False), or store the photo upright",
    "image-grey": "expected a colour photo; nothing to do: trainers turn it to RGB; know that colour questions cannot be answered from it",
    "image-cmyk": "expected a photo in RGB; convert it to RGB: readers differ in how they show CMYK",
    "image-same-content": "expected one id for one photo; keep one of the two ids, or fetch the photo that belongs to the other",
    "image-path-unsafe": "expected a relative path below the image folder; make the path relative, without '..'",
}
BOMB = "image size (400000000 pixels) exceeds limit of 178956970 pixels"


def photo(
    mode: str = "RGB", size_wh: tuple[int, int] = (8, 6), kind: str = "JPEG", shade: int = 90, **options: Any
) -> bytes:
    packed = io.BytesIO()
    Image.new(mode, size_wh, *([] if mode == "P" else [tuple([shade] * n) if (n := len(Image.new(mode, (1, 1)).getbands())) > 1 else shade])).save(packed, kind, **options)  # fmt: skip
    return packed.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return photo(exif=exif, shade=orientation)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def native(folder: Path, *image_ids: int) -> Path:
    """Write a native file with two records for each image."""
    rows = [record(i, f"Why {n}?", "So.") for n in range(2) for i in image_ids]
    return write(folder / "mine.json", encode(rows))


def llava(folder: Path, *images: str) -> Path:
    """Write a LLaVA file with a record for each path."""
    rows = [{"id": str(n), "image": image, "conversations": [{"from": "human", "value": f"<image>\nWhy {n}?"}, {"from": "gpt", "value": "So."}]} for n, image in enumerate(images)]  # fmt: skip
    return write(folder / "mix.json", encode(rows))


def told(path: Path, *roots: Path, **options: Any) -> list[str]:
    """Return what is found of photos: place, what stands there, code."""
    results = validate(path, images=roots, checks=Checks(select=("images",), **options))
    lines = [str(fault).removeprefix(f"{path}:") for fault in results]
    results.close()
    return lines


def line(number: int, image_id: object, found: str, code: str, path: str = "$.image_id") -> str:
    return f"{number} id={image_id} {path}: found {found}; {MENDS[code]} [{code}]"


KINDS: dict[str, tuple[bytes | None, str, str]] = {
    "good": (photo(), "", ""),
    "missing": (None, "image-missing", "no 3.jpg under {root}"),
    "empty": (b"", "image-undecodable", "cannot identify image file"),
    "page": (b"<html>404</html>", "image-undecodable", "cannot identify image file"),
    "truncated": ((ODD / "truncated_jpeg.jpg").read_bytes(), "image-undecodable", "image file is truncated (8 bytes not processed)"),
    "bomb": (jpeg_header(20000, 20000), "image-too-large", BOMB),
    "large": (png_header(10000, 10000), "image-too-large", "10000 x 10000 pixels"),
    "grey": (photo("L"), "image-grey", "mode L"),
    "grey and alpha": (photo("LA", kind="PNG"), "image-grey", "mode LA"),
    "black and white": (photo("1", kind="PNG"), "image-grey", "mode 1"),
    "grey in 16 bits": (photo("I;16", kind="PNG"), "image-grey", "mode I;16"),
    "print": (photo("CMYK"), "image-cmyk", "mode CMYK"),
    "palette": (photo("P", kind="PNG"), "", ""),
    "alpha": (photo("RGBA", kind="PNG"), "", ""),
    "upright": (turned(1), "", ""),
    "mirrored": (turned(2), "image-turned", "EXIF orientation 2"),
    "turned": (turned(6), "image-turned", "EXIF orientation 6"),
    "no orientation": (turned(9), "", ""),
}  # fmt: skip


@pytest.mark.parametrize("is_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_photo(kind: str, is_zip: bool, tmp_path: Path) -> None:
    """An error is told for every record of the photo, the rest once."""
    content, code, found = KINDS[kind]
    photos = {"VG_100K/2.jpg": photo(shade=7)} | ({} if content is None else {"VG_100K/3.jpg": content})
    for name, data in photos.items():
        write(tmp_path / "photos" / name, data)
    if is_zip:
        write(tmp_path / "images.zip", make_zip(photos))
    root = tmp_path / ("images.zip" if is_zip else "photos")
    is_error = code in ("image-missing", "image-undecodable", "image-too-large")
    records = () if not code else (2, 4) if is_error else (2,)
    expected = [line(n, 3, found.format(root=root), code) for n in records]
    assert told(native(tmp_path, 2, 3), root) == expected
    seen_in_header = kind in ("missing", "empty", "page", "bomb", "large")
    assert told(tmp_path / "mine.json", root, look="header") == (expected if seen_in_header else [])


def test_the_odd_images_of_others(tmp_path: Path) -> None:
    names = sorted(p.name for p in ODD.glob("*.jpg"))
    for number, name in enumerate(names, 2):
        write(tmp_path / f"photos/VG_100K/{number}.jpg", (ODD / name).read_bytes())
        write(tmp_path / f"folder/coco/train2017/{name}", (ODD / name).read_bytes())
    codes = {"hopper_gray.jpg": ("mode L", "image-grey"), "hopper_orientation_6.jpg": ("EXIF orientation 6", "image-turned"), "pil_sample_cmyk.jpg": ("mode CMYK", "image-cmyk"), "truncated_jpeg.jpg": ("image file is truncated (8 bytes not processed)", "image-undecodable")}  # fmt: skip
    at = {name: names.index(name) for name in codes}
    mine = native(tmp_path, *range(2, 2 + len(names)))
    again = len(names) + at["truncated_jpeg.jpg"]
    assert told(mine, tmp_path / "photos") == [
        *(line(at[name] + 1, at[name] + 2, *codes[name]) for name in sorted(codes)),
        line(again + 1, at["truncated_jpeg.jpg"] + 2, *codes["truncated_jpeg.jpg"]),
    ]
    mix = llava(tmp_path, *(f"coco/train2017/{name}" for name in names))
    assert told(mix, tmp_path / "folder") == [line(at[name] + 1, at[name], *codes[name], "$.image") for name in sorted(codes)]  # fmt: skip
    assert told(mix, tmp_path / "folder", look="header") == told(mine, tmp_path / "photos", look="header") == []


def test_sizes_and_folders_that_differ(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name, size_wh in (
        ("VG_100K/2", (8, 6)),
        ("VG_100K/3", (6, 8)),
        ("VG_100K_2/4", (8, 7)),
        ("VG_100K/51", (8, 8)),
    ):
        write(root / f"{name}.jpg", photo(size_wh=size_wh))
    sizes = [{"image_id": i, "width": 8, "height": 6} for i in (2, 3, 4)] + [{"image_id": 5, "width": 0, "height": 6}]
    write(root / "image_data.json", encode(sizes))
    folder = "move the file: the trainer looks for it where the record says [image-folder-differs]"
    for look in ("decode", "header"):
        assert told(native(tmp_path, 2, 3, 4, 51), root, look=look) == [
            f"{root / 'image_data.json'}:4 id=5 $.width: found 0 x 6; expected {{image_id, width, height}} with positive whole numbers; correct the entry in image_data.json [image-data-entry]",
            line(2, 3, f"8 x 6 as told, 6 x 8 in {root}", "image-size-differs"),
            line(3, 4, f"8 x 6 as told, 8 x 7 in {root}", "image-size-differs"),
            f"3 id=4 $.image_id: found VG_100K_2/4.jpg in {root}; expected it in VG_100K; {folder}",
            f"4 id=51 $.image_id: found VG_100K/51.jpg in {root}; expected it in VG_100K_2; {folder}",
        ]
    assert [text.split(": found ")[1] for text in told(native(tmp_path, 2, 3, 4, 51, 9000001), root / "image_data.json")] == [
        "0 x 6; expected {image_id, width, height} with positive whole numbers; correct the entry in image_data.json [image-data-entry]",
        *["9000001; expected a Visual Genome id, or an image under --images; check image_id, or pass the folder that holds the image [image-unknown]"] * 2,
    ]  # fmt: skip


def test_the_same_bytes_under_several_ids(tmp_path: Path) -> None:
    root, mine = tmp_path / "flat", native(tmp_path, 2, 3, 4, 5)
    for number, shade in ((2, 1), (3, 2), (4, 1), (5, 1)):
        write(root / f"{number}.jpg", photo(shade=shade))
    same = [line(n, i, f"{i}: the same bytes as 2", "image-same-content") for n, i in ((3, 4), (4, 5))]
    assert told(mine, root) == same
    packed = make_zip({f"VG_100K/{p.name}": p.read_bytes() for p in root.iterdir()}, zipfile.ZIP_STORED)
    assert told(mine, write(tmp_path / "images.zip", packed)) == same
    assert told(mine, root, look="header") == []
    for name in ("coco/train2017/a.jpg", "coco/train2017/b.jpg", "vg/VG_100K/2.jpg"):
        write(tmp_path / "folder" / name, photo())
    mix = llava(tmp_path, "coco/train2017/a.jpg", "coco/train2017/a.jpg", "vg/VG_100K/2.jpg", "vg/VG_100K/2.jpg", "coco/train2017/b.jpg")  # fmt: skip
    assert told(mix, tmp_path / "folder") == [
        line(n, n - 1, f"{name}: the same bytes as coco/train2017/a.jpg", "image-same-content", "$.image")
        for n, name in ((3, "vg/VG_100K/2.jpg"), (5, "coco/train2017/b.jpg"))
    ]


def test_a_path_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    """What lies outside is not looked at: a note on the photo there would tell that it was."""
    root, outside = tmp_path / "folder", write(tmp_path / "outside.jpg", photo("L"))
    write(root / "coco/train2017/a.jpg", photo())
    (root / "coco/link.jpg").symlink_to(outside)
    (root / "coco/nowhere.jpg").symlink_to("gone.jpg")
    os.mkfifo(root / "coco/pipe.jpg")
    unsafe = [
        "../outside.jpg",
        str(outside),
        "coco/../../outside.jpg",
        "..\\outside.jpg",
        "C:\\outside.jpg",
        "a/\0.jpg",
    ]
    missing = ["coco", "coco/nowhere.jpg", "coco/pipe.jpg", "x" * 300, "coco/a.png"]
    mix = llava(tmp_path, *unsafe, *missing, "coco/train2017/a.jpg", "coco/link.jpg")
    lines = told(mix, root)
    assert lines == [
        *(line(n + 1, n, quote(path), "image-path-unsafe", "$.image") for n, path in enumerate(unsafe)),
        *(line(n + 1, n, f"no {path} under {root}", "image-missing", "$.image") for n, path in enumerate(missing, len(unsafe))),
        line(13, 12, "mode L", "image-grey", "$.image"),  # a link in the folder is the user's own
    ]  # fmt: skip


def test_a_record_that_names_the_wrong_folder_is_told(tmp_path: Path) -> None:
    """LLaVA's loader opens the path that the record tells, and no other."""
    root = tmp_path / "folder"
    write(root / "vg/VG_100K/2.jpg", photo())
    write(root / "vg/VG_100K_2/51.jpg", photo(shade=3))
    mix = llava(tmp_path, "vg/VG_100K/2.jpg", "vg/VG_100K_2/2.jpg", "vg/VG_100K/51.jpg", "vg/VG_100K_2/51.jpg")
    found = [text.split()[0] for text in told(mix, root)]
    assert found == ["2", "3"]


def test_a_record_with_an_empty_path_names_no_file(tmp_path: Path) -> None:
    write(tmp_path / "folder/coco/a.jpg", photo())
    lines = told(llava(tmp_path, "", "coco/a.jpg"), tmp_path / "folder")
    assert lines == []  # the schema tells


def test_all_places_that_were_looked_at_are_named(tmp_path: Path) -> None:
    roots = [tmp_path / "pics", tmp_path / "pics.zip", tmp_path / "pics2"]
    for root in (roots[0], roots[2]):
        write(root / "VG_100K/2.jpg", photo())
    write(roots[1], make_zip({"VG_100K/2.jpg": photo()}))
    found = told(native(tmp_path, 2, 3), *roots)[0].split(" under ")[1].split("; ")[0]
    assert sorted(found.split(", ")) == sorted(map(str, roots))


def test_photos_in_damaged_zips(tmp_path: Path) -> None:
    mine, photos = native(tmp_path, 2, 3), {"VG_100K/2.jpg": photo(), "VG_100K/3.jpg": photo(shade=3)}
    packed = make_zip(photos, zipfile.ZIP_STORED)
    write(tmp_path / "images.zip", damage(packed, packed.index(photos["VG_100K/3.jpg"]) + 300, 9))
    found = "Bad CRC-32 for file 'VG_100K/3.jpg'"
    assert told(mine, tmp_path) == [line(n, 3, found, "image-undecodable") for n in (2, 4)]
    write(tmp_path / "images.zip", encrypt_flag(packed))
    lines = told(mine, tmp_path)
    assert [text.split(": found ")[0] for text in lines] == ["1 id=2 $.image_id", "3 id=2 $.image_id"]
    assert all("encrypted" in text for text in lines), lines
    write(tmp_path / "images.zip", packed[:-30])
    ran = run("validate", mine, "--images", tmp_path / "images.zip")
    assert ran == (2, b"", f"error: {tmp_path / 'images.zip'}: found File is not a zip file; expected an archive that unpacks; fetch the archive again and compare its checksum [input-damaged]\n")  # fmt: skip


def test_a_photo_that_may_not_be_read_and_a_root_that_is_not_there(tmp_path: Path) -> None:
    mine = native(tmp_path, 2, 3)
    for number in (2, 3):
        write(tmp_path / f"VG_100K/{number}.jpg", photo(shade=number)).chmod(0o000 if number == 3 else 0o644)
    ran = run("validate", mine, "--images", tmp_path, "--select", "image-un", preexec_fn=obey_modes)
    path = tmp_path / "VG_100K/3.jpg"
    place = (
        f"    {mine}:{{}} id=3 $.image_id: found [Errno 13] Permission denied: '{path}'; {MENDS['image-undecodable']}"
    )
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.decode().splitlines() == ["images", "  error: image-undecodable, 2 times", place.format(2), place.format(4), "validate: 4 records, 2 with findings: 2 errors"]  # fmt: skip
    ran = run("validate", mine, "--images", tmp_path / "no")
    assert ran == (2, b"", f"error: {tmp_path / 'no'}: found no such file or folder; expected a readable file; check the path [input-missing]\n")  # fmt: skip
