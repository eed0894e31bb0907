"""``svit-convert build`` as a process: what it says, how it ends, what it costs, and what a full disk does to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from build_sources import IMAGE_IDS, STEMS, Source, digests, make_photo, make_record, make_source, write_source
from helpers_cli import call, limit_file_size, obey_modes, run

from svit_datasets import write_sample
from svit_datasets.check import validator
from svit_datasets.publish.building import parquet
from svit_datasets.publish.building.build import build

STAGING = ".hub.svit-build"
UNKNOWN = "BuilderConfig 'refering' not found. Available: conversation, complex_reasoning, referring, detail, images."
NO_LICENCE = "is no licence id of the Hub; pass one of https://huggingface.co/docs/hub/repositories-licenses, or other."
HIDDEN = r"title='a\x1b[31mb': has a character that is no text, '\x1b'; leave it out"
MB = 1 << 20
PEAK = """
import sys
from pathlib import Path
from svit_datasets.publish.building import parquet
from svit_datasets.publish.building.build import build

made = build(sys.argv[1], sys.argv[2], max_shard_size=sys.argv[3], images="embed")
status = Path("/proc/self/status").read_text().splitlines()
print(len(made.release.shards), next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "svit")


def test_the_sample_is_built_and_told(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample")
    (tmp_path / "sample" / "data" / "conversation.json").unlink()
    ran = run("build", "sample/", "-o", "out put/\u00fc", "--jobs", "2", "--max-shard-size", "100kB", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, b"")
    told = r"""sample/NOTICE: read it; its terms are not on the card
not in the source: conversation
complex_reasoning: train 6 rows, 90 pairs, \d+ kB
referring: train 6 rows, 60 pairs, \d+ kB
detail: train 6 rows, 6 pairs, \d+ kB
no image is Visual Genome's, and the card speaks of SVIT: --title NAME for a dataset that is not
build: wrote 18 shards, \d MB to out put/\u00fc; load_dataset\("out put/\u00fc", "complex_reasoning"\) reads it
"""
    lines = [line for line in ran.err.splitlines(keepends=True) if not line.startswith("pyarrow ")]
    assert re.fullmatch(told, "".join(lines)), ran.err
    made = digests(tmp_path / "out put" / "\u00fc")
    assert made == digests(build(tmp_path / "sample", tmp_path / "b", max_shard_size="100kB").folder)
    assert {p.name for p in tmp_path.iterdir()} == {"sample", "out put", "b"}


def test_what_is_left_out_is_counted_and_reported(source: Source, tmp_path: Path) -> None:
    path = source.root / "data" / "detail_description.json"
    path.write_text(json.dumps([{"image_id": 10**30, "conversations": []}, *source.records["detail"]]))
    bad = next((source.root / "raw").rglob(f"{IMAGE_IDS[2]}.jpg"))
    bad.write_bytes(b"none")
    given = ("build", source.root, "-o", tmp_path / "hub", "--config", "detail", "--report", tmp_path / "r.json")
    stopped = call(*given)
    assert (stopped.code, "[image-id-range]" in stopped.err) == (1, True)
    assert json.loads((tmp_path / "r.json").read_bytes())["outputs"] == {}
    ran = call(*given, "--overwrite", "--on-error", "skip", "--on-missing-image", "drop")
    lines = ran.err.splitlines()
    assert ran.code == 0
    assert lines[0].startswith(f"error: {path}:1 ")
    assert lines[1].startswith("warning: ")
    assert lines[1].endswith("its rows were left out; fetch the image and build again [image-undecodable]")
    assert lines[2:4] == ["1 faulty record left out", "1 image left out with all its rows"]
    report = json.loads((tmp_path / "r.json").read_bytes())
    assert not validator("report")(report)
    assert report["counts"]["images_dropped"] == report["counts"]["records_skipped"] == 1
    assert report["findings_by_code"] == {"image-id-range": 1, "image-undecodable": 1}
    assert report["options"]["max_shard_bytes"] == 500_000_000
    assert sum(report["outputs"].values()) == report["counts"]["rows_written"] == len(source.records["detail"]) - 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--config", "refering"], f"error: {UNKNOWN} Did you mean 'referring'?\n"),
        (["--licence", "cc-by-4"], f"error: licence='cc-by-4': {NO_LICENCE} Did you mean 'cc-by-4.0'?\n"),
        (["--title", " \n"], "error: title is empty; pass what the dataset is called\n"),
        (["--title", "a\x1b[31mb"], f"error: {HIDDEN}\n"),
        (["--split", "dev"], "'dev' is not one of"),
        (["--images", "all"], "'all' is not one of"),
        (["--jobs", "0"], "0 is not in the range x>=1"),
        (["--max-shard-size", "much"], "error: 'much' is no size; write it as 500MB or 1GiB\n"),
        (["--coco-captions", "no.json"], "no.json: found no such file or directory"),
    ],
)
def test_wrong_options_are_told_before_anything_is_made(
    source: Source, tmp_path: Path, more: list[str], told: str
) -> None:
    ran = call("build", source.root, "-o", tmp_path / "hub", *more)
    assert (ran.code, told in ran.err) == (2, True), ran.err
    assert {p.name for p in tmp_path.iterdir()} == {"svit"}


def test_a_split_that_is_not_there_is_told(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample")
    ran = call("build", tmp_path / "sample", "-o", tmp_path / "hub", "--split", "test")
    told = "found no image of test; expected one at least; choose another split or configuration"
    assert (ran.code, ran.err) == (2, f"error: {tmp_path}/sample: {told} [input-missing]\n")
    path = tmp_path / "sample" / "data" / "detail_description.json"
    path.write_text('[{"image_id": "x"}]')
    ran = call("build", tmp_path / "sample", "-o", tmp_path / "hub", "--split", "test", "--on-error", "skip")
    told += "; --on-error raise tells of records left out"
    assert (ran.code, ran.err) == (2, f"error: {tmp_path}/sample: {told} [input-missing]\n")
    assert {p.name for p in tmp_path.iterdir()} == {"sample"}


def test_a_configuration_has_the_names_that_load_dataset_takes(source: Source, tmp_path: Path) -> None:
    names = ("referring_qa", "complex-reasoning", "referring")
    given = [word for name in names for word in ("--config", name)]
    ran = call("build", source.root, "-o", tmp_path / "hub", "--images", "none", *given)
    assert ran.code == 0, ran.err
    assert {p.name for p in (tmp_path / "hub" / "data").iterdir()} == {"referring", "complex_reasoning"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], object]] | None]:
    """A disk of 176 KiB, and what makes it larger; None where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    ran = subprocess.run([*mount, "size=176k", "tmpfs", folder], capture_output=True, check=False)
    grow = [*mount, "remount,size=9m", folder]
    yield (folder, lambda: subprocess.run(grow, check=True)) if ran.returncode == 0 else None
    if ran.returncode == 0:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk(source: Source, tmp_path: Path, small_disk: Any, jobs: int) -> None:
    """Named, with what is kept; once there is room, the same command goes on and ends with the same bytes."""
    if small_disk is None:
        pytest.skip("no disk can be mounted here")
    folder, grow = small_disk
    args = ("build", source.root, "-o", folder / "hub", "--max-shard-size", "8kB", "--jobs", jobs)
    ran = run(*map(str, args))
    assert ran.code == 2
    *kept, error = ran.err.splitlines()
    assert kept or jobs > 1  # of two processes, the first part's may be the one that finds no room
    parts = r"[1-9]\d* of \d+ parts, each a shard of every configuration, (is|are)"
    told = rf"{parts} kept in {folder}/{STAGING}; the same command goes on from there, and .*"
    assert all(re.fullmatch(told, line) for line in kept)
    assert re.fullmatch(r"error: .*: no space left on device; nothing was written under this name. Make room .*", error)
    assert {p.name for p in folder.iterdir()} == ({STAGING} if kept else set())
    grow()
    again = run(*map(str, args))
    assert (again.code, again.err.startswith("going on: ")) == (0, bool(kept))
    assert digests(folder / "hub") == digests(build(source.root, tmp_path / "whole", max_shard_size="8kB").folder)
    assert {p.name for p in folder.iterdir()} == {"hub"}


def test_a_file_that_may_not_grow(source: Source, tmp_path: Path) -> None:
    ran = run("build", source.root, "-o", tmp_path / "hub", preexec_fn=limit_file_size(12_000))
    assert ran.code == 2
    assert re.fullmatch(r"error: data/\S+parquet: file too large; nothing was written .*", ran.err.strip())
    assert {p.name for p in tmp_path.iterdir()} == {"svit"}


def test_a_folder_that_may_not_be_written(source: Source, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    ran = run("build", source.root, "-o", tmp_path / "locked" / "hub", preexec_fn=obey_modes)
    told = "permission denied; nothing was written under this name. Make room or name another place"
    assert (ran.code, ran.err) == (2, f"error: {tmp_path}/locked/hub: {told}\n")


def peak(root: Path, target: Path, limit: str) -> tuple[int, int]:
    """Return the number of shards of a build in a new process, and the most memory that it took, in bytes."""
    ran = subprocess.run([sys.executable, "-c", PEAK, root, target, limit], capture_output=True, check=True)
    shards, kib = ran.stdout.split()
    return int(shards), int(kib) << 10


def test_memory_is_bounded_whatever_the_number_of_shards(tmp_path: Path) -> None:
    """Of 160 MB of rows: 40 photos of 1 MB in four configurations."""
    photo = make_photo(1, side=100)
    photos = {2 + i: photo + bytes([i]) * MB for i in range(40)}
    records = {config: [make_record(config, i) for i in photos] for config in STEMS}
    root = write_source(tmp_path / "svit", records, photos).root
    few = peak(root, tmp_path / "few", "1GB")
    many = peak(root, tmp_path / "many", "1MB")
    assert few[0] <= 8
    assert many[0] >= 160
    assert max(few[1], many[1]) < 600 * MB
    assert many[1] - few[1] < 150 * MB  # more shards take no more


def test_memory_is_bounded_where_many_records_are_about_one_image(tmp_path: Path) -> None:
    photos = {2 + i: make_photo(i, side=100) + bytes([i]) * MB for i in range(12)}
    records = {"detail": [make_record("detail", i, str(n)) for i in photos for n in range(30)]}
    root = write_source(tmp_path / "svit", records, photos).root
    assert peak(root, tmp_path / "hub", "1GB")[1] < 600 * MB


@pytest.mark.parametrize("has_chunking", [parquet.HAS_CHUNKING, False], ids=["as it is", "without"])
def test_an_arrow_that_cuts_no_chunks_is_told(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_chunking: bool
) -> None:
    monkeypatch.setattr(parquet, "HAS_CHUNKING", has_chunking)
    ran = call("build", source.root, "-o", tmp_path / "hub", "--images", "none")
    told = f"pyarrow {pa.__version__} cuts no chunks by content, so the Hub keeps less of what repeats once; 21 does\n"
    assert (ran.code, told in ran.err) == (0, not has_chunking)


@pytest.mark.parametrize(
    ("root", "output", "told"),
    [
        ("s3://svit/", "hub", "s3://svit/: {}copy the files into a folder here, and name that"),
        ("svit", "s3://svit/hub", "s3://svit/hub: {}name a folder here, and copy it there when it is built"),
        ("hf://datasets/org/svit", "hub", "hf://datasets/org/svit: {}copy the files into a folder here, and name that"),
    ],
)
def test_a_store_is_refused(source: Source, tmp_path: Path, root: str, output: str, told: str) -> None:
    ran = run("build", root, "-o", output, cwd=tmp_path)
    told = told.format("build reads and writes folders of this machine; ")
    assert (ran.code, ran.err) == (2, f"error: {told}\n")
    assert list(tmp_path.iterdir()) == [source.root]


@pytest.mark.usefixtures("source")
def test_captions_in_a_store_are_refused(tmp_path: Path) -> None:
    ran = run("build", "svit", "-o", "hub", "--coco-captions", "s3://coco/a.json", cwd=tmp_path)
    told = "build reads and writes folders of this machine; copy the file here, and name the copy"
    assert (ran.code, ran.err) == (2, f"error: s3://coco/a.json: {told}\n")


def test_addresses_of_this_machine_are_paths(source: Source, tmp_path: Path) -> None:
    made = build(f"file://{source.root}", f"file://{tmp_path}/hub")
    assert made.folder == tmp_path / "hub"
    assert digests(made.folder) == digests(build(source.root, tmp_path / "two").folder)
