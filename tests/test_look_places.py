"""``validate`` and ``stats`` read files wherever they lie, in shards, and notice that one changes meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
from helpers_cli import DONE, SAMPLE, UNUSABLE, Ran, call, encode, make_zip, run, save_photo
from msgspec.structs import replace
from s3_server import S3Server
from shards_alike import llava, native, tiny_shards

from svit_datasets import InputError, to_llava
from svit_datasets.sharding.chain import run_in_order
from svit_datasets.sharding.entry_shards import Reading, plan_shards
from svit_datasets.statistics import gather
from svit_datasets.statistics.gather import stats
from svit_datasets.validation import shard_run
from svit_datasets.validation.validate import validate

CHANGED = "expected files that stay as they are while they are read; load again when nothing writes to them"
STAMP = f"found another size or time of change than at the start; {CHANGED} [input-changed]"
UNSEEN = f"found a photo that none of its records named when they were read first; {CHANGED} [input-changed]"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "referring_qa.json"
    path.write_bytes(encode([native(i, ["Why? ", f"So {i}."]) for i in range(100, 140)]))
    save_photo(tmp_path / "images" / "VG_100K" / "100.jpg", (64, 48))
    return path


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(running: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    with running.emptied(monkeypatch, tmp_path):
        running.make_bucket("bucket")
        yield running


@contextmanager
def changing(module: Any, change: Callable[[], object]) -> Iterator[None]:
    """Make a change when the first shard of what a module runs has been read."""

    def run_and_change(*args: Any, **given: Any) -> Iterator[Any]:
        for number, result in enumerate(run_in_order(*args, **given)):
            if not number:
                change()
            yield result

    with tiny_shards(300), pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_in_order", run_and_change)
        yield


def found_in(inputs: Any, **given: Any) -> list[Any]:
    with validate(inputs, **given) as results:
        return list(results)


def test_a_photo_that_appears_between_the_two_readings_is_a_changed_input(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = shard_run.look_beforehand

    def look_and_change(*args: Any) -> Any:
        shards = look(*args)
        file.write_bytes(file.read_bytes().replace(b'"image_id": 12', b'"image_id": 92'))
        return shards

    monkeypatch.setattr(shard_run, "look_beforehand", look_and_change)
    with tiny_shards(300), pytest.raises(InputError, match=rf"^{re.escape(f'{file}: {UNSEEN}')}"):
        validate(str(file), images=tmp_path / "images", jobs=2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_stats_notice_a_changed_input(file: Path, jobs: int) -> None:
    with (
        changing(gather, lambda: file.write_bytes(file.read_bytes() + b"\n")),
        pytest.raises(InputError, match=rf"^{re.escape(f'{file}: {STAMP}')}$"),
    ):
        stats(str(file), jobs=jobs)


@pytest.mark.parametrize("name", ["referring_qa.json", "image_data.json", "images.zip"])
def test_validate_notices_a_changed_file(tmp_path: Path, file: Path, name: str) -> None:
    """Sizes and zips of photos are watched as the inputs are."""
    (tmp_path / "image_data.json").write_bytes(encode([{"image_id": 100, "width": 64, "height": 48}]))
    photo = (tmp_path / "images" / "VG_100K" / "100.jpg").read_bytes()
    (tmp_path / "images.zip").write_bytes(make_zip({"VG_100K/100.jpg": photo}))
    changed = tmp_path / name
    content = changed.read_bytes()
    with (
        changing(shard_run, lambda: changed.write_bytes(content + b"\n")),
        pytest.raises(InputError, match=rf"^{re.escape(f'{changed}: {STAMP}')}$"),
    ):
        validate(str(file), images=tmp_path, jobs=2)


def test_a_changed_file_in_a_store_is_noticed(s3: S3Server, file: Path) -> None:
    s3.put("bucket", "referring_qa.json", file.read_bytes())
    url = "s3://bucket/referring_qa.json"
    with (
        changing(gather, lambda: s3.put("bucket", "referring_qa.json", file.read_bytes() + b"\n")),
        pytest.raises(InputError, match=rf"^{re.escape(f'{url}: {STAMP}')}$"),
    ):
        stats(url, jobs=2)


def test_a_pipe_is_not_watched(file: Path) -> None:
    ran = run("stats", "/dev/stdin", "--task", "referring_qa", stdin=file.read_bytes())
    assert (ran.code, ran.err) == (DONE, "stats: 40 records, 40 pairs\n")


def test_a_file_in_a_store_is_cut_as_one_of_this_machine_is(s3: S3Server, file: Path) -> None:
    s3.put("bucket", "referring_qa.json", file.read_bytes())
    url = "s3://bucket/referring_qa.json"
    with tiny_shards(900):
        here, there = (plan_shards(name, Reading()) for name in (str(file), url))
        assert len(there) > 3
        assert [(s.span, s.size_bytes, s.layout, s.task) for s in there] == [
            (s.span, s.size_bytes, s.layout, s.task) for s in here
        ]
        assert there[1].place == f"{url}, bytes {there[1].size_bytes:,} to {2 * there[1].size_bytes:,}"
        assert replace(stats(url, jobs=2).summary(), inputs=[]) == replace(stats(str(file)).summary(), inputs=[])
        found = [(f.record, f.code) for f in found_in(url, jobs=2)]
    assert found == [(f.record, f.code) for f in found_in(str(file))] != []


def test_a_file_whose_address_signs_it_is_cut_and_the_signature_hidden(file: Path) -> None:
    url = "memory://signed/referring_qa.json?Signature=5ec2e7"
    with fsspec.open(url, "wb") as target:
        target.write(file.read_bytes())
    with tiny_shards(900):
        assert len(plan_shards(url, Reading(task="referring_qa"))) > 3
        found = found_in(url, jobs=2)
    assert {f.file for f in found} == {"memory://signed/referring_qa.json?..."}
    assert [f.record for f in found] == [f.record for f in found_in(str(file))]


def test_a_store_that_refuses_to_tell_a_size_is_named(s3: S3Server) -> None:
    with s3.refusing():
        ran = run("stats", "s3://bucket/referring_qa.json")
    assert ran.code == UNUSABLE
    assert ran.err.startswith("error: s3://bucket/referring_qa.json: found access was refused (Forbidden); ")
    assert ran.err.count("\n") == 1


def told(*args: object) -> Ran:
    """Return what a command tells, ``file://`` taken off the names it was given."""
    ran = call(*args)
    return ran._replace(out=ran.out.replace(b"file://", b""), err=ran.err.replace("file://", ""))


@pytest.mark.parametrize("command", [("validate", "--output", "json"), ("stats", "--output", "json")])
@pytest.mark.parametrize("kind", ["file", "folder", "llava", "parquet"])
def test_an_address_of_this_machine_is_a_path(tmp_path: Path, command: tuple[str, ...], kind: str) -> None:
    from datasets import Dataset

    rows = Dataset.from_list([native(2, ["Why? ", "So."])])
    rows.to_parquet(tmp_path / "referring.parquet")
    (tmp_path / "mix.json").write_bytes(encode([llava(2, ["<image>\nWhy? ", "So."]), {"id": 5}]))
    inputs = {
        "file": SAMPLE / "data" / "referring_qa.json",
        "folder": SAMPLE,
        "llava": tmp_path / "mix.json",
        "parquet": tmp_path / "referring.parquet",
    }
    trainer = ["--trainer", "llava"] if command[0] == "validate" else []
    path = told(*command, *trainer, inputs[kind], "--images", SAMPLE)
    assert path.out
    assert told(*command, *trainer, f"file://{inputs[kind]}", "--images", f"file://{SAMPLE}") == path


@pytest.mark.parametrize("layout", ["auto", "native"])
def test_a_table_is_not_cut_by_bytes(tmp_path: Path, layout: Any) -> None:
    from datasets import Dataset

    name = str(tmp_path / "referring.parquet")
    Dataset.from_list([native(i, ["Why?", f"So {i}."]) for i in range(99)]).to_parquet(name)
    with tiny_shards(300):
        assert [shard.span for shard in plan_shards(name, Reading(layout))] == [None]
        assert stats(name, layout=layout, jobs=2).summary().all.counts.records == 99


def test_images_by_an_address_of_this_machine(tmp_path: Path) -> None:
    native_file = SAMPLE / "data" / "referring_qa.json"
    for name, images in (("path.json", str(SAMPLE)), ("url.json", f"file://{SAMPLE}")):
        to_llava(native_file, tmp_path / name, images=images)
    assert (tmp_path / "url.json").read_bytes() == (tmp_path / "path.json").read_bytes()


@pytest.mark.parametrize("command", ["validate", "stats"])
def test_what_is_missing_is_named_as_it_was_given(tmp_path: Path, command: str) -> None:
    ran = call(command, f"file://{tmp_path}/no.json")
    assert ran.err.startswith(f"error: file://{tmp_path}/no.json: found no such file or directory; ")
    ran = call(command, SAMPLE / "data" / "referring_qa.json", "--images", f"file://{tmp_path}/no")
    assert ran.err.startswith(f"error: {tmp_path}/no: found no such file or folder; ")


def test_one_file_of_an_address_is_mended(tmp_path: Path, file: Path) -> None:
    ran = call("validate", f"file://{file}", "--fix", tmp_path / "fixed.json")
    assert (tmp_path / "fixed.json").stat().st_size < file.stat().st_size
    assert "error" not in ran.err
    ran = call("validate", f"file://{SAMPLE}", "--fix", tmp_path / "no.json")
    assert ran.err == f"error: {tmp_path}/no.json: mends one file at a time; file://{SAMPLE} holds several\n"
