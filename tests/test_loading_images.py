"""The join of records and photos, and the policies: every photo or record at fault is counted and named, once."""

from __future__ import annotations

import io
import json
import re
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image
from test_loading import IDS, TEST, TRAIN, entry, packed, photo, rows, write, write_layout, write_root

import svit_datasets
from svit_datasets import SvitWarning
from svit_datasets.images import visual_genome

MISSING, EMPTY, TEXT, CUT = BROKEN = (TRAIN[1], TRAIN[2], TRAIN[4], TEST[1])
FOUND = {EMPTY: "cannot identify image file", TEXT: "cannot identify image file", CUT: "image file is truncated"}
MEND = 'expected the image; fetch the image, or pass on_missing_image="null" or "drop"'
MEND_LATER = "expected the image; fetch the image and load again"
GOOD = [i for i in IDS if i not in BROKEN]


def make_records(ids: list[int], padding: str = "") -> list[dict[str, Any]]:
    turns = [{"from": "user", "value": f"Why?{padding}"}, {"from": "gpt", "value": "So."}]
    return [{"image_id": i, "conversations": [{"content": turns * 2}]} for i in ids]


def write_records(folder: Path, records: list[Any], ids: list[int] = IDS) -> Path:
    return write_root(folder, {"detail_description": json.dumps(records)}, ids)


def path_of(root: Path, image_id: int) -> Path:
    return root / f"raw/{visual_genome.folder_of(image_id)}/{image_id}.jpg"


def load(root: Path, config: str = "detail", **options: Any) -> Any:
    return datasets.load_dataset(
        "svit", config, **{"data_dir": str(root), "cache_dir": str(root.parent / "cache"), **options}
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("images") / "SVIT", make_records(IDS))


@pytest.fixture(scope="module")
def zipped(root: Path) -> Path:
    return write_layout("data zips", root.parent / "zipped", root)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of which four photos are missing, empty, no photo, and cut short."""
    folder = write_records(tmp_path_factory.mktemp("broken") / "SVIT", make_records(IDS))
    path_of(folder, MISSING).unlink()
    path_of(folder, EMPTY).write_bytes(b"")
    path_of(folder, TEXT).write_bytes(b"<html>404</html>" * 40)
    path_of(folder, CUT).write_bytes(photo(CUT)[: -len(photo(CUT)) // 4])
    write_layout("data zips", folder.parent / "zipped", folder)
    return folder


def pixels(image_id: int) -> bytes:
    return Image.open(io.BytesIO(photo(image_id))).tobytes()


def check_pixels(row: dict[str, Any]) -> bool:
    return row["image"].tobytes() == pixels(row["image_id"])


@pytest.mark.parametrize("images", ["path", "embed"])
@pytest.mark.parametrize("kind", ["folders", "zips"])
@pytest.mark.parametrize("config", ["detail", "images"])
def test_every_row_has_its_own_photo(root: Path, zipped: Path, images: str, kind: str, config: str) -> None:
    source = root if kind == "folders" else zipped
    loaded = load(source, config, images=images)
    stream = load(source, config, images=images, streaming=True)
    several = load(source, config, images=images, num_proc=2, cache_dir=str(root.parent / "several"))
    assert sorted(i for split in loaded.values() for i in split["image_id"]) == sorted(IDS)
    for name, split in loaded.items():
        assert all(map(check_pixels, split))
        assert all(map(check_pixels, stream[name]))
        assert rows(stream[name]) == rows(split) == rows(several[name])
        for row in rows(split):
            folder = visual_genome.folder_of(row["image_id"])
            inside = f"{folder}/{row['image_id']}.jpg"
            if images == "embed":
                assert row["image"] == {"bytes": photo(row["image_id"]), "path": inside}
            elif kind == "folders":
                assert row["image"] == {"bytes": None, "path": f"{source}/raw/{inside}"}
            else:
                archive = "images.zip" if folder == "VG_100K" else "images2.zip"
                assert row["image"] == {"bytes": None, "path": f"svit-zip://{source}/raw/{archive}/{inside}"}


def test_photos_in_zips_are_read_by_processes_and_threads_at_once(zipped: Path) -> None:
    loaded = load(zipped, split="train")
    assert check_pixels(loaded[0])  # opens the zip before the processes part
    assert loaded.map(lambda row: {"is_own": check_pixels(row)}, num_proc=2)["is_own"][:] == [True] * len(loaded)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda i: check_pixels(loaded[i % len(loaded)]), range(200)))
    assert loaded.with_format("numpy")[1]["image"].tobytes() == pixels(loaded[1]["image_id"])
    with_bytes = loaded.to_iterable_dataset().cast_column("image", datasets.Image(decode=False))
    assert next(iter(with_bytes))["image"]["path"].startswith("svit-zip://")


def test_a_zip_that_was_fetched_again_is_read_as_it_is_now(root: Path, tmp_path: Path) -> None:
    folder = write_layout("data zips", tmp_path / "SVIT", root)
    assert all(map(check_pixels, load(folder, split="train")))
    for archive, name in ("images.zip", "VG_100K"), ("images2.zip", "VG_100K_2"):
        files = sorted((root / "raw" / name).iterdir(), reverse=True)  # another order, so other places in the zip
        write(folder / "raw" / archive, packed({f"{name}/{file.name}": file.read_bytes() for file in files}))
    assert all(map(check_pixels, load(folder, split="train", streaming=True)))
    assert all(map(check_pixels, load(folder, split="train")))


def test_zips_below_a_folder_whose_name_holds_colons(root: Path, tmp_path: Path) -> None:
    """``datasets`` takes ``::`` in a path for a chain of places."""
    folder = write_layout("data zips", tmp_path / "a::b", root)
    assert all(map(check_pixels, load(folder, split="train")))


def test_embedded_photos_need_no_folder_any_more(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "SVIT")
    loaded = load(tmp_path / "SVIT", images="embed", split="train")
    shutil.rmtree(tmp_path / "SVIT")
    assert all(map(check_pixels, loaded))
    loaded.save_to_disk(tmp_path / "saved")
    loaded.to_parquet(tmp_path / "x.parquet")
    for again in (
        datasets.load_from_disk(tmp_path / "saved"),
        datasets.Dataset.from_parquet(str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "c")),
    ):
        assert all(map(check_pixels, again))
        assert len(again) == len(loaded)


def test_features_given_by_the_user(root: Path, tmp_path: Path) -> None:
    features = load(root, split="train").features.copy()
    features["image"] = datasets.Image(decode=False)
    for load_dataset in datasets.load_dataset, svit_datasets.load_dataset:
        given = {"data_dir": str(root), "cache_dir": str(tmp_path), "split": "train", "features": features}
        loaded = load_dataset("svit", "detail", **given)
        assert loaded[0]["image"] == {"bytes": None, "path": str(path_of(root, loaded[0]["image_id"]))}
        assert next(iter(load_dataset("svit", "detail", streaming=True, **given)))["image"] == loaded[0]["image"]


def test_text_alone_needs_no_photos(tmp_path: Path) -> None:
    write(tmp_path / "S/detail_description.json", json.dumps(make_records(IDS)).encode())
    message = (
        f"{tmp_path}/S: found no images; expected VG_100K/ and VG_100K_2/, or images.zip and images2.zip, there or "
        'under raw/; put the images there, or pass images="none" for text alone [input-missing]'
    )
    with pytest.raises(svit_datasets.InputError) as caught:
        load(tmp_path / "S")
    assert str(caught.value) == message
    for options in {"images": "none"}, {"columns": ["image_id", "conversations"]}:
        assert load(tmp_path / "S", **options)["test"]["image_id"][:] == TEST[:3]
    [row, *_] = load(tmp_path / "S", images="none", split="train")
    assert {row[k] for k in ("image", "width", "height", "url", "coco_id", "flickr_id")} == {None}


def place(root: Path, number: int, image_id: int) -> str:
    return f"{root}/data/detail_description.json:{number} id={image_id} $.image_id: "


def describe(folder: Path, image_id: int, mend: str = MEND) -> str:
    """Return what is said of a broken photo, as a pattern."""
    if image_id == MISSING:
        where = f"{folder}/raw" if folder.name == "SVIT" else f"{folder}/raw/images.zip, {folder}/raw/images2.zip"
        return re.escape(f"found no {image_id}.jpg under {where}; {mend} [image-missing]")
    mend = mend.replace("the image;", "an image that decodes;", 1)
    return rf"found {FOUND[image_id]}[^;]*; {re.escape(mend)} \[image-undecodable\]"


@pytest.mark.parametrize("kind", ["SVIT", "zipped"])
@pytest.mark.parametrize("options", [{}, {"images": "embed"}, {"streaming": True}, {"num_proc": 2}], ids=str)
@pytest.mark.parametrize("image_id", BROKEN)
def test_a_photo_that_cannot_be_used_stops(
    broken: Path, tmp_path: Path, kind: str, options: dict[str, Any], image_id: int
) -> None:
    folder = tmp_path / kind
    shutil.copytree(broken.with_name(kind), folder)
    write_records(folder, make_records([*GOOD[:4], image_id, *GOOD[4:]]), [])
    (folder / "raw/annotations/vg/image_data.json").write_text(json.dumps([entry(i) for i in IDS]))
    with pytest.raises(svit_datasets.RecordError) as caught:
        assert [len(list(split)) for split in load(folder, **options).values()]
    assert re.fullmatch(re.escape(place(folder, 5, image_id)) + describe(folder, image_id), str(caught.value))


@pytest.mark.parametrize("kind", ["SVIT", "zipped"])
@pytest.mark.parametrize("options", [{}, {"images": "embed"}, {"streaming": True}], ids=str)
@pytest.mark.parametrize(("policy", "outcome"), [("null", "image set to null"), ("drop", "rows left out")])
@pytest.mark.parametrize("granularity", ["image", "qa"])
def test_photos_that_cannot_be_used_are_counted(
    broken: Path, tmp_path: Path, kind: str, options: dict[str, Any], policy: str, outcome: str, granularity: str
) -> None:
    folder = broken.with_name(kind)
    given = {"on_missing_image": policy, "granularity": granularity, "cache_dir": str(tmp_path)}
    with pytest.warns(SvitWarning) as told:
        loaded = {name: rows(split) for name, split in load(folder, **options, **given).items()}
    each = 1 if granularity == "image" else 2
    for name, is_test in ("train", False), ("test", True):
        kept = IDS if policy == "null" else GOOD
        found = [row["image_id"] for row in loaded[name]]
        assert found == [i for i in kept if visual_genome.is_held_out(i) == is_test for _ in range(each)]
        for row in loaded[name]:
            assert (row["image"] is None) == (row["image_id"] in BROKEN)
            assert (row["width"], row["url"]) == (entry(row["image_id"])["width"], entry(row["image_id"])["url"])
    assert len(told) == 2
    first, second = (str(warning.message).split("\n  ") for warning in told)
    assert first[0] == "svit/detail, train split:"
    patterns = [(1, "image-missing", MISSING), (2, "image-undecodable", EMPTY)]
    assert len(first) == 1 + len(patterns)
    for line, (count, code, image_id) in zip(first[1:], patterns, strict=True):
        start = f"{count} {code} ({outcome}), e.g. {place(folder, IDS.index(image_id) + 1, image_id)}"
        assert re.fullmatch(re.escape(start) + describe(folder, image_id, MEND_LATER), line)
    assert [second[0], len(second), second[1].split(",")[0]] == [
        "svit/detail, test split:", 2, f"1 image-undecodable ({outcome})"
    ]  # fmt: skip


def test_the_images_config_has_the_same_policies(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(svit_datasets.RecordError) as caught:
        load(broken, "images")
    message = f"{broken} id={MISSING} $.image_id: found no {MISSING}.jpg under {broken}/raw; {MEND} [image-missing]"
    assert str(caught.value) == message
    for policy, ids in ("null", IDS), ("drop", GOOD):
        with pytest.warns(SvitWarning) as told:
            loaded = load(broken, "images", on_missing_image=policy, cache_dir=str(tmp_path))
        assert sorted(i for split in loaded.values() for i in split["image_id"]) == sorted(ids)
        assert [str(w.message).split(" (")[0] for w in told] == [
            "svit/images, train split:\n  1 image-missing",
            "svit/images, test split:\n  1 image-undecodable",
        ]


def test_photos_are_not_looked_into_without_check_images(broken: Path, tmp_path: Path) -> None:
    with pytest.warns(SvitWarning) as told:
        loaded = load(broken, on_missing_image="drop", check_images=False, cache_dir=str(tmp_path))
    assert [i for split in loaded.values() for i in split["image_id"]] == sorted(
        (i for i in IDS if i != MISSING), key=visual_genome.is_held_out
    )
    assert [str(w.message).split(", e.g.")[0] for w in told] == [
        "svit/detail, train split:\n  1 image-missing (rows left out)"
    ]


def test_sizes_that_differ_and_turned_photos_are_told_and_kept(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "S", make_records(TRAIN[:4]), TRAIN[:4])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (24 + TRAIN[1] % 7, 16 + TRAIN[1] % 5)).save(path_of(folder, TRAIN[1]), exif=exif)
    Image.new("RGB", (3, 4)).save(path_of(folder, TRAIN[2]))
    with pytest.warns(SvitWarning) as told:
        loaded = load(folder, split="train")
    assert loaded["width"][:] == [entry(i)["width"] for i in TRAIN[:4]]
    assert [line.split(" (")[0] for line in str(told[0].message).split("\n  ")[1:]] == [
        "1 image-turned", "1 image-size-differs"
    ]  # fmt: skip
    known = entry(TRAIN[2])
    found = f"{known['width']} x {known['height']} in image_data.json, 3 x 4 in {folder}/raw"
    assert f"{place(folder, 3, TRAIN[2])}found {found};" in str(told[0].message)
    assert len(told) == 1


def test_without_image_data_the_photo_tells_its_size(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "S", make_records(IDS))
    (folder / "raw/annotations/vg/image_data.json").unlink()
    for options in {}, {"check_images": False}, {"images": "embed"}:
        for row in load(folder, split="train", **options):
            known = entry(row["image_id"])
            assert (row["width"], row["height"], row["url"]) == (known["width"], known["height"], None)
    loaded = load(folder, "images")
    assert sorted(i for split in loaded.values() for i in split["image_id"]) == sorted(IDS)


LATE = 380


@pytest.mark.parametrize("options", [{"num_proc": 2}, {"streaming": True}, {}], ids=str)
@pytest.mark.parametrize("fault", ["image", "record", "file"])
def test_the_place_of_a_fault_in_a_later_share(tmp_path: Path, options: dict[str, Any], fault: str) -> None:
    records = [make_records([GOOD[0]], padding=f"{i}{'x' * 500}")[0] for i in range(400)]
    records[LATE] = make_records([TRAIN[20]])[0]
    text = json.dumps(records)
    assert len(text) > 300 << 10
    if fault == "record":
        text = text.replace(
            f'"image_id": {TRAIN[20]}, "conversations": [', f'"image_id": {TRAIN[20]}, "conversations": [7, '
        )
    elif fault == "file":
        text = text[: text.index(f'"image_id": {TRAIN[20]}') + 60]
    folder = write_root(tmp_path / "SVIT", {"detail_description": text})
    (kind, expected) = {
        "image": (svit_datasets.RecordError, f"{place(folder, LATE + 1, TRAIN[20])}found no {TRAIN[20]}.jpg under "
                  f"{folder}/raw; {MEND} [image-missing]"),
        "record": (svit_datasets.RecordError, f"{folder}/data/detail_description.json:{LATE + 1} id={TRAIN[20]} "
                   "$.conversations[0]: found Expected `object`, got `int`; expected a record that fits the "
                   "schema; compare it with the schema: svit-convert schema native, llava-lenient or image_data "
                   "[record-shape]"),
        "file": (svit_datasets.InputError, f"{folder}/data/detail_description.json:{LATE + 1}: found the end "
                 "of the file inside the record"),
    }[fault]  # fmt: skip
    for load_dataset in datasets.load_dataset, svit_datasets.load_dataset:
        with pytest.raises(kind) as caught:
            list(
                load_dataset("svit", "detail", data_dir=str(folder), cache_dir=str(tmp_path), split="train", **options)
            )
        assert str(caught.value).startswith(expected)
        assert str(caught.value) == expected or fault == "file"
        assert caught.value.finding.record == LATE + 1


def faulty(root: Path) -> tuple[Path, list[int]]:
    """Write records of both splits with faults in between; return the folder and the ids that are left."""
    parts = [json.dumps(r) for r in make_records([TRAIN[0], TEST[0]])]
    parts += [f'{{"image_id": {TEST[1]}, "conversations": 5}}', f'{{"image_id": {TRAIN[1]}, "conversations": [}}']
    parts += ['{"image_id": "x"}', '{"image_id": 99999999999999999999, "conversations": []}', "7"]
    parts += [f'{{"image_id": {TEST[2]}, "conversations": [], "image_id": 3}}']
    parts += [json.dumps(r) for r in make_records([TEST[2], TRAIN[3]])]
    folder = write_root(root / "SVIT", {"detail_description": f"[{', '.join(parts)}]"})
    return folder, [TRAIN[0], TRAIN[3], TEST[0], TEST[2]]


@pytest.mark.parametrize("streaming", [False, True])
def test_each_fault_is_told_once_and_not_once_a_split(tmp_path: Path, streaming: bool) -> None:
    folder, left = faulty(tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loaded = load(folder, on_error="skip", streaming=streaming)
        assert [row["image_id"] for split in loaded.values() for row in rows(split)] == left
    messages = [str(w.message) for w in told if w.category is SvitWarning]
    assert [message.split("\n")[0] for message in messages] == ["svit/detail, train split:", "svit/detail, test split:"]
    counts = [re.findall(r"\n  ([0-9]+) (\S+) \(record left out\)", message) for message in messages]
    assert sum(int(n) for found in counts for n, _ in found) == 6
    assert sorted(code for found in counts for _, code in found) == [
        "image-id-range", "record-duplicate-key", "record-shape", "record-shape", "record-syntax",
    ]  # fmt: skip
    assert f"{folder}/data/detail_description.json:3 id={TEST[1]} $.conversations: found" in messages[1]
    assert "--on-error" not in "".join(messages)
    assert "detail_description.json:6 id=99999999999999999999 $.image_id: found" in messages[0]


@pytest.mark.parametrize("before", ["id", "source"])
@pytest.mark.parametrize(("own", "other"), [(TRAIN[0], TEST[0]), (TEST[0], TRAIN[0])])
def test_a_faulty_record_that_holds_another_id_too_is_not_lost(
    tmp_path: Path, before: str, own: int, other: int
) -> None:
    extra = {"id": other} if before == "id" else {"source": {"image_id": other}}
    records = [*make_records(IDS), {**extra, "image_id": own, "conversations": 5}]
    folder = write_records(tmp_path / "SVIT", records)
    with pytest.raises(svit_datasets.RecordError, match=r"\[record-shape\]$"):
        load(folder)
    with pytest.warns(SvitWarning, match="1 record-shape") as told:
        loaded = load(folder, on_error="skip")
    assert (len(told), sum(map(len, loaded.values()))) == (1, len(IDS))


def test_the_first_fault_stops_by_default(tmp_path: Path) -> None:
    folder, _ = faulty(tmp_path)
    message = f"{folder}/data/detail_description.json:3 id={TEST[1]} $.conversations: found Expected `array`, got `int`"
    with pytest.raises(svit_datasets.RecordError) as caught:
        list(load(folder, streaming=True, split="test"))
    assert str(caught.value).startswith(message)
    message = f"{folder}/data/detail_description.json:4 id={TRAIN[1]}: found "
    with pytest.raises(svit_datasets.RecordError) as caught:
        load(folder)
    assert str(caught.value).startswith(message)
    assert 'leave it out (on_error="skip" takes the rest) [record-syntax]' in str(caught.value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_file_cut_short_is_refused_by_a_stream_of_either_split(tmp_path: Path, split: str) -> None:
    text = json.dumps(make_records(IDS))
    folder = write_root(tmp_path / "SVIT", {"detail_description": text[: len(text) // 2]})
    with pytest.raises(svit_datasets.InputError, match=r"\[input-truncated\]$"):
        list(load(folder, streaming=True, split=split))


def test_faults_of_image_data_are_told_once(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "SVIT", make_records(IDS))
    file = folder / "raw/annotations/vg/image_data.json"
    file.write_text(json.dumps([{"image_id": 5, "width": 0, "height": 3}, *map(entry, IDS)]))
    start = f"{file}:1 id=5 $.width: found 0 x 3; expected {{image_id, width, height}} with positive whole numbers; "
    with pytest.raises(svit_datasets.RecordError, match=f"^{re.escape(start)}"):
        load(folder)
    with pytest.warns(SvitWarning) as told:
        loaded = load(folder, on_error="skip")
    assert len(told) == 1
    assert f"1 image-data-entry (entry left out), e.g. {start}" in str(told[0].message)
    assert sum(map(len, loaded.values())) == len(IDS)
