"""What ``build`` writes: loaded by plain ``datasets`` it is the source, row by row and photo by photo."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from build_sources import IMAGE_IDS, STEMS, Source, digests, make_source, read_rows, spelled, state_of

from svit_datasets import to_llava
from svit_datasets.errors import InputError, UsageError
from svit_datasets.publish.building.build import Built, build

SPLITS = ("train", "test")
LOAD = """
import hashlib, importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "svit_datasets":
            raise ImportError("svit_datasets is not installed here")

sys.meta_path.insert(0, Refuse())
from datasets import Image, load_dataset

def told(row):
    photo = row.get("image")
    return {**row, "image": photo and hashlib.sha256(photo["bytes"]).hexdigest()}

def read(folder, config, streaming):
    loaded = load_dataset(folder, config, streaming=streaming)
    for split in loaded:
        if "image" in loaded[split].features:
            assert next(iter(loaded[split]))["image"].size > (0, 0)
            loaded[split] = loaded[split].cast_column("image", Image(decode=False))
    return {split: [told(row) for row in loaded[split]] for split in loaded}

folder, *configs = sys.argv[1:]
print(json.dumps({c: {str(s): read(folder, c, s) for s in (False, True)} for c in configs}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("source") / "svit")


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(source.root, tmp_path_factory.mktemp("built") / "hub", max_shard_size="8kB")


def load(folder: Path, *configs: str, cache: Path) -> Any:
    """Return what plain ``datasets`` reads, in a process that cannot import this package."""
    environment = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", LOAD, str(folder), *configs]
    ran = subprocess.run(command, capture_output=True, env=environment, cwd=cache, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    return json.loads(ran.stdout)


def test_plain_datasets_reads_every_record_and_every_photo(source: Source, built: Built, tmp_path: Path) -> None:
    loaded = load(built.folder, *STEMS, cache=tmp_path)
    for config in STEMS:
        for streaming in ("False", "True"):
            rows = loaded[config][streaming]
            assert list(rows) == list(SPLITS)
            for split in SPLITS:
                wanted = source.rows(config, split)
                assert [r["image_id"] for r in rows[split]] == [r["image_id"] for r in wanted]
                assert [r["conversations"] for r in rows[split]] == [spelled(r["conversations"]) for r in wanted]
                photos = [hashlib.sha256(source.photos[r["image_id"]]).hexdigest() for r in wanted]
                assert [r["image"] for r in rows[split]] == photos


def test_the_folder_has_the_hubs_layout(built: Built) -> None:
    made = digests(built.folder)
    assert {"README.md", "croissant.json"} <= set(made)
    shards = {path for path in made if path.startswith("data/")}
    assert set(made) - shards == {"README.md", "croissant.json"}
    count = len([s for s in shards if s.startswith("data/detail/train-")])
    assert count >= 3
    names = {f"data/{c}/train-{i:05d}-of-{count:05d}.parquet" for c in STEMS for i in range(count)}
    assert {s for s in shards if "train" in s} == names
    assert {s.sha256 for s in built.release.shards} == {made[s] for s in shards}
    assert built.report.outputs == {str(built.folder / s.path): s.counts.rows for s in built.release.shards}


@pytest.mark.parametrize("mode", ["embed", "separate", "none"])
def test_photos_go_where_they_are_asked_for(source: Source, tmp_path: Path, mode: Any) -> None:
    made = build(source.root, tmp_path / "hub", images=mode)
    names = {c.name: [column.name for column in c.columns] for c in made.release.configs}
    assert list(names) == [*STEMS, "images"] if mode == "separate" else list(STEMS)
    for name, columns in names.items():
        assert ("image" in columns) == (mode == "embed" or name == "images")
        for split in SPLITS:
            rows = read_rows(made.folder, name, split)
            assert all(list(row) == columns for row in rows)
            assert all(row["width"] and row["height"] for row in rows)
    if mode == "separate":
        rows = [row for split in SPLITS for row in read_rows(made.folder, "images", split)]
        assert {row["image_id"]: row["image"]["bytes"] for row in rows} == source.photos
        assert len(rows) == len(IMAGE_IDS)
    assert [c.name for c in made.release.configs if c.has_photos] == [n for n in names if "image" in names[n]]


@pytest.mark.parametrize("mode", ["embed", "separate", "none"])
def test_the_rows_suffice_for_llava(source: Source, tmp_path: Path, mode: Any) -> None:
    """Boxes are moved by the photo's size, so the rows of every mode tell it, without image_data.json too."""
    shutil.copytree(source.root, tmp_path / "svit")
    (tmp_path / "svit" / "raw" / "image_data.json").unlink()
    made = build(tmp_path / "svit", tmp_path / "hub", images=mode)
    native = to_llava(tmp_path / "svit" / "data" / "referring_qa.json", images=source.root / "raw")
    rows = [to_llava(made.folder / "data" / "referring" / f"{s}-00000-of-00001.parquet") for s in SPLITS]
    wanted = {record["id"]: {**record, "svit": None} for record in native}
    assert {record["id"]: {**record, "svit": None} for several in rows for record in several} == wanted
    assert len(rows[0]) + len(rows[1]) == len(native) == 2 * len(IMAGE_IDS)


def test_configurations_and_splits_are_chosen(source: Source, tmp_path: Path) -> None:
    made = build(source.root, tmp_path / "hub", configs=["detail", "complex-reasoning"], splits="test")
    assert [(c.name, list(c.splits)) for c in made.release.configs] == [
        ("complex_reasoning", ["test"]),
        ("detail", ["test"]),
    ]
    assert {p.parent.name for p in made.folder.rglob("*.parquet")} == {"complex_reasoning", "detail"}
    with pytest.raises(UsageError, match="BuilderConfig 'captions' not found"):
        build(source.root, tmp_path / "x", configs="captions")
    with pytest.raises(UsageError, match=r"^split='dev': expected one of train, test$"):
        build(source.root, tmp_path / "x", splits=["train", "dev"])
    with pytest.raises(UsageError, match=r"^images='all': expected one of embed, separate, none$"):
        build(source.root, tmp_path / "x", images="all")  # type: ignore[arg-type]
    (source.root / "only").mkdir()
    with pytest.raises(InputError, match=r"found no records; expected conversation, complex_reasoning"):
        build(source.root / "only", tmp_path / "x", images="none")
    (source.root / "only").rmdir()
    assert not (tmp_path / "x").exists()


def test_tasks_that_are_not_there_are_told(source: Source, tmp_path: Path) -> None:
    shutil.copytree(source.root, tmp_path / "svit")
    (tmp_path / "svit" / "data" / "referring_qa.json").unlink()
    made = build(tmp_path / "svit", tmp_path / "hub", images="none")
    assert made.absent == ("referring",)
    with pytest.raises(InputError, match="found no referring_qa"):
        build(tmp_path / "svit", tmp_path / "x", configs="referring")


def test_captions_are_joined(source: Source, tmp_path: Path) -> None:
    entries = [{"image_id": i, "id": i, "caption": f"A photo {i}."} for i in IMAGE_IDS]
    (tmp_path / "captions.json").write_text(json.dumps({"annotations": entries, "images": []}))
    made = build(source.root, tmp_path / "hub", images="none", coco_captions=tmp_path / "captions.json")
    for config in STEMS:
        for row in read_rows(made.folder, config, "train"):
            assert row["captions"] == ([f"A photo {row['image_id']}."] if row["image_id"] != IMAGE_IDS[-1] else None)


def test_two_builds_are_alike_and_the_input_stays(source: Source, built: Built, tmp_path: Path) -> None:
    before = state_of(source.root)
    made = digests(built.folder)
    for jobs in (1, 2, 3):
        again = build(source.root, tmp_path / f"other {jobs}" / "deep" / "name", max_shard_size=8_000, jobs=jobs)
        assert digests(again.folder) == made
    assert state_of(source.root) == before


def test_the_spelling_of_the_source_does_not_matter(source: Source, built: Built, tmp_path: Path) -> None:
    """Zipped photos, a zip, JSON lines and a .gz give the same bytes as a folder and JSON files."""
    root = tmp_path / "svit"
    (root / "data").mkdir(parents=True)
    (root / "raw").mkdir()
    shutil.copy(source.root / "raw" / "image_data.json", root / "raw")
    for name, folder in (("images.zip", "VG_100K"), ("images2.zip", "VG_100K_2")):
        with zipfile.ZipFile(root / "raw" / name, "w") as archive:
            for photo in sorted((source.root / "raw" / folder).glob("*.jpg")):
                archive.write(photo, f"{folder}/{photo.name}")
    texts = {stem: json.dumps(source.records[config]) for config, stem in STEMS.items()}
    with zipfile.ZipFile(root / "data" / "conversation.zip", "w") as archive:
        archive.writestr("conversation.json", texts["conversation"])
    lines = "".join(json.dumps(record) + "\n" for record in source.records["referring"])
    (root / "data" / "referring_qa.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (root / "data" / "complex_reasoning.json.gz").write_bytes(gzip.compress(texts["complex_reasoning"].encode()))
    (root / "data" / "detail_description.json").write_text(texts["detail_description"])
    assert digests(build(root, tmp_path / "hub", max_shard_size="8kB").folder) == digests(built.folder)


def test_photos_of_a_flat_folder_give_the_same_bytes(source: Source, built: Built, tmp_path: Path) -> None:
    root = tmp_path / "svit"
    root.mkdir()
    shutil.copytree(source.root / "data", root / "data")
    for image_id, photo in source.photos.items():
        (root / f"{image_id}.jpg").write_bytes(photo)
    shutil.copy(next(source.root.rglob("image_data.json")), root) if any(source.root.rglob("image_data.json")) else None
    made = build(root, tmp_path / "hub", max_shard_size="8kB")
    assert digests(made.folder) == digests(built.folder)
    rows = read_rows(made.folder, "detail", "train")
    assert all(row["image"]["bytes"] == source.photos[row["image_id"]] for row in rows)
    schema = pq.read_schema(next(made.folder.rglob("*.parquet")))
    assert list(schema.metadata) == [b"huggingface"]
