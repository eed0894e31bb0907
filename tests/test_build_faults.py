"""Faulty records, photos, outputs and disks: counted or refused with a reason; nothing half made, no input touched."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_sources import (
    IMAGE_IDS,
    STEMS,
    Source,
    digests,
    make_photo,
    make_record,
    make_source,
    read_rows,
    state_of,
    write_source,
)
from helpers_cli import run, tree

from svit_datasets.check import validator
from svit_datasets.errors import InputError, RecordError, UsageError
from svit_datasets.images import visual_genome
from svit_datasets.publish.building import run as build_run
from svit_datasets.publish.building.build import build
from svit_datasets.publish.origin import changed_sources

STAGING = ".hub.svit-build"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "svit")


def photo_of(source: Source, image_id: int) -> Path:
    return source.root / "raw" / str(visual_genome.folder_of(image_id)) / f"{image_id}.jpg"


def test_faulty_records_are_left_out_and_counted(source: Source, tmp_path: Path) -> None:
    path = source.root / "data" / "detail_description.json"
    good = len(source.records["detail"])
    odd = {"image_id": 10**30, "conversations": []}
    path.write_text(json.dumps([{"image_id": "x"}, *source.records["detail"], odd]))
    expected = f"{path}:1 .*expected"
    with pytest.raises(RecordError, match=expected):
        build(source.root, tmp_path / "hub")
    assert tree(tmp_path) == {"svit", *(f"svit/{name}" for name in tree(source.root))}
    made = build(source.root, tmp_path / "hub", on_error="skip", report=tmp_path / "report.json", images="none")
    assert made.report.counts["records_skipped"] == 2
    assert made.report.counts["records_read"] == sum(map(len, source.records.values())) + 2
    assert sum(c.counts.rows for c in made.release.configs if c.name == "detail") == good
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert not validator("report")(report)
    assert [(f["record"], f["code"]) for f in report["findings"]][1] == (good + 2, "image-id-range")
    assert report["outputs"] == {str(made.folder / s.path): s.counts.rows for s in made.release.shards}


def test_a_file_that_is_cut_short_is_refused_under_any_policy(source: Source, tmp_path: Path) -> None:
    path = source.root / "data" / "detail_description.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((InputError, RecordError), match=re.escape(str(path))):
        build(source.root, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()
    assert not (tmp_path / STAGING).exists()


@pytest.mark.parametrize("kind", ["missing", "undecodable"])
def test_a_photo_that_cannot_be_used(source: Source, tmp_path: Path, kind: str) -> None:
    bad = IMAGE_IDS[4]
    path = photo_of(source, bad)
    damage: dict[str, Callable[[], object]] = {
        "missing": path.unlink,
        "undecodable": lambda: path.write_bytes(path.read_bytes()[:400]),
    }
    damage[kind]()
    number = next(n for n, r in enumerate(source.records["conversation"], 1) if r["image_id"] == bad)
    place = f"{source.root}/data/conversation.json:{number} id={bad} $.image_id: found "
    with pytest.raises(RecordError, match=re.escape(place) + rf".*\[image-{kind}\]"):
        build(source.root, tmp_path / "hub")
    assert {p.name for p in tmp_path.iterdir()} == {"svit"}
    kept = build(source.root, tmp_path / "null", on_missing_image="null", jobs=2, max_shard_size="8kB")
    dropped = build(source.root, tmp_path / "drop", on_missing_image="drop")
    assert (kept.report.counts["images_null"], dropped.report.counts["images_dropped"]) == (1, 1)
    assert kept.report.by_code == dropped.report.by_code == {f"image-{kind}": 1}
    assert str(kept.report.first[0]).startswith(place)
    assert "its rows are kept without the photo; fetch the image and build again" in str(kept.report.first[0])
    for config in STEMS:
        rows = {r["image_id"]: r for s in ("train", "test") for r in read_rows(kept.folder, config, s)}
        assert {i for i, row in rows.items() if row["image"] is None} <= {bad}
        others = {r["image_id"] for s in ("train", "test") for r in read_rows(dropped.folder, config, s)}
        assert others == set(rows) - {bad}


def test_unchecked_photos_go_as_they_are(source: Source, tmp_path: Path) -> None:
    bad = IMAGE_IDS[4]
    photo_of(source, bad).write_bytes(b"no photo")
    made = build(source.root, tmp_path / "hub", check_images=False, configs="referring")
    rows = [r for s in ("train", "test") for r in read_rows(made.folder, "referring", s)]
    assert next(r["image"]["bytes"] for r in rows if r["image_id"] == bad) == b"no photo"
    assert not made.report.by_code


def test_all_photos_dropped_is_said(tmp_path: Path) -> None:
    photos = {2: b"none", 3: b"none"}
    records = {"detail": [make_record("detail", i) for i in photos]}
    (tmp_path / "svit" / "raw").mkdir(parents=True)
    for image_id in photos:
        path = tmp_path / "svit" / "raw" / "VG_100K" / f"{image_id}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"none")
    (tmp_path / "svit" / "detail_description.json").write_text(json.dumps(records["detail"]))
    with pytest.raises(
        InputError, match=r"svit: found no rows: every photo is missing or cannot be decoded; .*\[input-missing\]$"
    ):
        build(tmp_path / "svit", tmp_path / "hub", on_missing_image="drop")
    assert {p.name for p in tmp_path.iterdir()} == {"svit"}


def test_outputs_that_are_refused(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(source.root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(source.root)
    monkeypatch.chdir(tmp_path / "here")
    refused = {
        tmp_path / "full": "exists already; name another folder or pass --overwrite",
        tmp_path / "file": "is a file; name a folder",
        source.root: "holds the source; inputs are never modified, so name another folder",
        source.root / "hub": "inside the source; name a folder beside it",
        source.root / "raw" / "deep" / "hub": "inside the source; name a folder beside it",
        tmp_path / "link" / "hub": "inside the source; name a folder beside it",
        source.root.parent: "holds the source; inputs are never modified, so name another folder",
        Path("/proc"): "is a disk, which a finished folder cannot take the place of; name one in it",
        Path(): "is the folder you are in, which a finished folder cannot take the place of; name one in it",
    }
    for target, told in refused.items():
        with pytest.raises(UsageError, match=f"^{re.escape(str(target))}: {told}$"):
            build(source.root, target)
    with pytest.raises(UsageError, match="is not a folder that build made, so --overwrite leaves it alone; name anot"):
        build(source.root, tmp_path / "full", overwrite=True)
    assert state_of(source.root) == before
    assert tree(tmp_path / "full") == {"notes.txt"}
    assert {p.name for p in tmp_path.iterdir()} == {"svit", "full", "file", "here", "link"}


def test_an_earlier_build_is_replaced_whole(source: Source, tmp_path: Path) -> None:
    build(source.root, tmp_path / "hub", max_shard_size="8kB")
    with pytest.raises(UsageError, match="pass --overwrite"):
        build(source.root, tmp_path / "hub")
    (tmp_path / "link").symlink_to(tmp_path / "hub")
    build(source.root, tmp_path / "link", overwrite=True, images="none")
    build(source.root, tmp_path / "new", images="none")
    assert (tmp_path / "link").is_symlink()
    assert digests(tmp_path / "hub") == digests(tmp_path / "new")
    assert {p.name for p in tmp_path.iterdir()} == {"svit", "hub", "link", "new"}


@pytest.mark.parametrize("change", ["record", "photo"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_source_that_changes_meanwhile(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, jobs: int
) -> None:
    """Refused at the end, or at the photo; the next build begins anew and is right."""
    text, photo = source.root / "data" / "referring_qa.json", photo_of(source, IMAGE_IDS[8])
    real = build_run.BuildRun._write

    def change_and_write(*given: Any) -> None:
        if change == "photo":
            photo.write_bytes(make_photo(77, side=90))
        else:
            text.write_bytes(text.read_bytes() + b" ")
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(build_run.BuildRun, "_write", change_and_write)
        with pytest.raises(InputError, match=rf"^{re.escape(str(source.root))}: found .*\[input-changed\]$"):
            build(source.root, tmp_path / "hub", max_shard_size="8kB", jobs=jobs)
    assert {p.name for p in tmp_path.iterdir()} == {"svit"}
    made = build(source.root, tmp_path / "hub", max_shard_size="8kB", jobs=jobs)
    rows = [r for s in ("train", "test") for r in read_rows(made.folder, "referring", s)]
    assert {r["image_id"]: r["image"]["bytes"] for r in rows}[IMAGE_IDS[8]] == photo.read_bytes()
    assert changed_sources(made.folder) == []


def test_names_that_are_no_utf8(source: Source, tmp_path: Path) -> None:
    """The folders of source and output may have any name, in plans, journals and messages too."""
    root = tmp_path / os.fsdecode(b"s \xff\xc3\xbc")
    source.root.rename(root)
    next((root / "raw" / "VG_100K").glob("*.jpg")).unlink()
    target = tmp_path / os.fsdecode(b"o \xfe") / "hub"
    made = build(root, target, on_missing_image="null", max_shard_size="8kB")
    assert made.report.by_code == {"image-missing": 1}
    assert digests(target) == digests(
        build(root, tmp_path / "hub", on_missing_image="null", max_shard_size="8kB").folder
    )
    assert changed_sources(target) == []
    (root / "data" / "referring_qa.json").write_text("[]")
    assert changed_sources(target) == [str(root / "data" / "referring_qa.json")]
    ran = run("build", root, "-o", target, "--overwrite", "--on-missing-image", "drop")
    assert (ran.code, "\n1 image left out with all its rows\n" in ran.err) == (0, True)


def test_a_source_without_any_photo(tmp_path: Path) -> None:
    write_source(tmp_path / "svit", {"detail": [make_record("detail", 2)]}, {})
    with pytest.raises(InputError, match=r'found no images; .* pass images="none" for text alone'):
        build(tmp_path / "svit", tmp_path / "hub")
    made = build(tmp_path / "svit", tmp_path / "hub", images="none")
    assert [row["width"] for row in read_rows(made.folder, "detail", "train")] == [None]
