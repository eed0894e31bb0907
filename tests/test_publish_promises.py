"""What a review found broken: killed removals, a second build in a process, a folder that appears, paths in photos."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from build_sources import Source, digests, make_source
from helpers_cli import run

from svit_datasets.errors import InputError, OutputError, UsageError
from svit_datasets.publish.building import run as build_run
from svit_datasets.publish.building import staging
from svit_datasets.publish.building.build import build
from svit_datasets.publish.origin import changed_sources
from svit_datasets.publish.pushing.leaks import ByteSearch
from svit_datasets.publish.pushing.repository import Local
from svit_datasets.publish.pushing.sending import _addition


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "svit")


class Killed(BaseException):
    """Stands for the end of the process: no handler of ours takes it for a fault."""


def test_a_removal_that_was_killed_leaves_no_build_to_go_on_with(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(source.root, tmp_path / "whole", max_shard_size="8kB")
    target, calls = tmp_path / "hub", []
    real = build_run.BuildRun._finish

    def stop(*_: Any) -> Any:
        raise OutputError("no room")

    monkeypatch.setattr(build_run.BuildRun, "_finish", stop)
    with pytest.raises(OutputError, match="no room"):
        build(source.root, target, max_shard_size="8kB")
    monkeypatch.setattr(build_run.BuildRun, "_finish", real)

    def half(path: Path, **_: Any) -> None:
        calls.append(path)
        for name in ("referring-train.npy", "referring.raw"):
            (path / name).unlink(missing_ok=True)
        raise Killed

    monkeypatch.setattr(staging.shutil, "rmtree", half)
    with pytest.raises(Killed):
        build(source.root, target, max_shard_size="9kB")  # other options: what is there is removed
    assert calls
    monkeypatch.undo()
    build(source.root, target, max_shard_size="8kB")
    assert digests(target) == digests(tmp_path / "whole")


def test_a_second_build_in_one_process_reads_its_own_images(source: Source, tmp_path: Path) -> None:
    sizes = source.root / "raw" / "image_data.json"
    ids = sorted({r["image_id"] for r in source.records["detail"]})

    def write(coco: int) -> None:
        entries = [{"image_id": i, "width": 48, "height": 48, "coco_id": i + coco} for i in ids]
        sizes.write_text(json.dumps(entries))

    found = []
    for coco in (0, 1000):
        write(coco)
        built = build(source.root, tmp_path / "hub", configs="detail", images="none", overwrite=True)
        found.append(built.release.configs[0].example["coco_id"])
    assert found == [ids[0], ids[0] + 1000]


def test_a_zip_that_was_replaced_is_read_anew(source: Source, tmp_path: Path) -> None:
    raw = source.root / "raw"
    for folder in ("VG_100K", "VG_100K_2"):
        if (raw / folder).is_dir():
            name = "images" if folder == "VG_100K" else "images2"
            shutil.make_archive(str(tmp_path / name), "zip", raw, folder)
            shutil.rmtree(raw / folder)
            shutil.copy(tmp_path / f"{name}.zip", raw)
    build(source.root, tmp_path / "hub")
    archive = next(raw.glob("images*.zip"))
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    for photo in (tmp_path / "unpacked").rglob("*.jpg"):
        photo.write_bytes(photo.read_bytes() + b"more")
    shutil.make_archive(str(archive.with_suffix("")), "zip", tmp_path / "unpacked")
    again = build(source.root, tmp_path / "hub", overwrite=True)
    assert again.release.counts.photo_bytes > build_bytes(source)


def build_bytes(source: Source) -> int:
    return sum(len(source.photos[r["image_id"]]) for records in source.records.values() for r in records)


def test_a_folder_that_appears_meanwhile_stays(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, real = tmp_path / "hub", build_run.BuildRun._write

    def meanwhile(run: Any, *given: Any) -> None:
        real(run, *given)
        target.mkdir()
        (target / "thesis.txt").write_text("mine")

    monkeypatch.setattr(build_run.BuildRun, "_write", meanwhile)
    with pytest.raises(UsageError, match=r"hub: exists already; name another folder or pass --overwrite$"):
        build(source.root, target)
    assert (target / "thesis.txt").read_text() == "mine"


def test_a_photo_replaced_in_place_is_a_changed_source(source: Source, tmp_path: Path) -> None:
    build(source.root, tmp_path / "hub", configs="detail")
    assert changed_sources(tmp_path / "hub") == []
    photo = next(source.root.rglob("*.jpg"))
    data = bytearray(photo.read_bytes())
    data[-1] ^= 1
    photo.write_bytes(data)
    os.utime(photo, ns=(1, 1))
    assert changed_sources(tmp_path / "hub") == [str(photo.parent)]


@pytest.mark.parametrize(
    ("places", "data", "found"),
    [
        (("/den",), b"edited at /den/private/x.jpg\0", "/den"),
        (("/den",), b"\xff/den\0/den/\0 and /den/x", None),
        (("/Users/ann",), "C \u00e9 /Users/ann/x".encode("utf-16-le"), "/Users/ann"),
        (("/den",), "/den/x".encode("utf-16-le"), "/den"),
        (("/den",), "/dens/x".encode("utf-16-le"), None),
    ],
)
@pytest.mark.parametrize("each", [1, 3, 1000])
def test_paths_in_photos_are_found(places: tuple[str, ...], data: bytes, found: str | None, each: int) -> None:
    search = ByteSearch(places)
    for i in range(0, len(data), each):
        search.feed(data[i : i + each])
    assert search.close() == found


def test_a_missing_index_is_no_missing_configuration(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = build_run.BuildRun._write

    def lose(run: Any, *given: Any) -> None:
        run.recipe.index_of("referring", "train").unlink()
        real(run, *given)

    monkeypatch.setattr(build_run.BuildRun, "_write", lose)
    with pytest.raises((OutputError, InputError), match="no such file"):
        build(source.root, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_a_shard_that_changes_between_the_look_and_the_sending_is_not_sent(tmp_path: Path) -> None:
    shard = tmp_path / "train-00000-of-00001.parquet"
    shard.write_bytes(b"another content")
    told = "changed since it was looked through; build the folder again; nothing was sent"
    with pytest.raises(InputError, match=f"^data/detail/{shard.name}: {told}$"):
        _addition(Local("data/detail/train-00000-of-00001.parquet", 15, "0" * 64, shard))


def test_the_card_tells_what_was_left_out(source: Source, tmp_path: Path) -> None:
    native = source.root / "data" / "detail_description.json"
    native.write_text(json.dumps([*json.loads(native.read_text()), {"image_id": "x", "conversations": []}]))
    next(source.root.rglob("*.jpg")).unlink()
    build(source.root, tmp_path / "hub", on_error="skip", on_missing_image="drop")
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert "\n* 1 record of the source could not be read and is left out.\n" in card
    assert "\n* 1 image is left out with all rows: the photo was missing or could not be decoded.\n" in card
    build(make_source(tmp_path / "whole").root, tmp_path / "other")
    assert "left out" not in (tmp_path / "other" / "README.md").read_text("utf-8")


def test_a_card_of_images_without_photos_claims_none(source: Source, tmp_path: Path) -> None:
    build(source.root, tmp_path / "hub", configs="images", images="none")
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert f"This repository holds the sizes, links and ids of {len(source.photos)} images, without text." in card
    assert "The images' sizes, links and ids, without text and photos." in card
    assert "holds the photos" not in card


def test_a_configuration_without_rows_is_told(source: Source, tmp_path: Path) -> None:
    (source.root / "data" / "detail_description.json").write_text("[]")
    ran = run("build", source.root, "-o", tmp_path / "hub")
    assert (ran.code, "\nno rows, so not written: detail\n" in f"\n{ran.err}") == (0, True)
    assert not (tmp_path / "hub" / "data" / "detail").exists()


@pytest.mark.parametrize("how", ["clear", "remove"])
def test_the_plan_goes_before_anything_it_stands_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Whatever order the disk lists a folder in: a plan without its records would pass for a build to go on with."""
    held = staging.Staging(tmp_path)
    held.records.mkdir()
    (tmp_path / "plan.json").write_text("{}")
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(sorted(real(folder), reverse=True)))

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(staging.shutil, "rmtree", killed)
    with pytest.raises(Killed):
        getattr(held, how)()
    assert not held.has_plan
