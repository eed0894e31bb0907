"""How ``build`` writes shards: the same images in each of every configuration, nothing lost, photos bit for bit."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from build_sources import STEMS, Source, make_photo, make_record, make_source, read_rows, spelled, write_source
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from svit_datasets.publish.building import parquet, shard_writer
from svit_datasets.publish.building.build import Built, build
from svit_datasets.publish.building.parquet import HAS_CHUNKING, open_shard
from svit_datasets.publish.layout import parse_shard

VIEWER_BYTES = 286 << 20
KNOWN_IDS = (2, 3, 4, 5, 6, 7, 8, 9, 30, 61, -5, (1 << 63) - 1, -(1 << 63))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("source") / "svit")


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(source.root, tmp_path_factory.mktemp("built") / "hub", max_shard_size="8kB", images="embed")


def files(folder: Path) -> list[tuple[Path, pq.ParquetFile]]:
    return [(path, pq.ParquetFile(path)) for path in sorted(folder.rglob("*.parquet"))]


def groups_of(path: Path) -> list[list[int]]:
    """Return the image ids of each row group."""
    file = pq.ParquetFile(path)
    return [file.read_row_group(i, ["image_id"])["image_id"].to_pylist() for i in range(file.num_row_groups)]


def test_shards_of_a_number_are_about_the_same_images(source: Source, built: Built) -> None:
    seen: dict[tuple[str, int], dict[str, list[int]]] = {}
    for path, file in files(built.folder):
        name = parse_shard(path.relative_to(built.folder).as_posix())
        assert name is not None
        ids = file.read(["image_id"])["image_id"].to_pylist()
        assert ids == sorted(ids)
        seen.setdefault((name.split, name.number), {})[name.config] = ids
    assert len(seen) >= 4
    for by_config in seen.values():
        assert set(by_config) == set(STEMS)
        ids = by_config["referring"]
        assert by_config["complex_reasoning"] == ids
        assert sorted(set(by_config["conversation"])) == ids
        assert by_config["detail"] == [i for i in ids if any(r["image_id"] == i for r in source.records["detail"])]
    ends = [(split, ids["referring"][0], ids["referring"][-1]) for (split, _), ids in sorted(seen.items())]
    assert all(a[2] < b[1] for a, b in pairwise(ends) if a[0] == b[0])


def test_row_groups_begin_at_the_same_images(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writer, "GROUP_BYTES", 10_000)
    made = build(source.root, tmp_path / "hub")
    borders = {
        config: groups_of(made.folder / "data" / config / "train-00000-of-00001.parquet")
        for config in ("referring", "complex_reasoning", "conversation")
    }
    assert len(borders["referring"]) >= 3
    assert borders["complex_reasoning"] == borders["referring"]
    assert [sorted(set(ids)) for ids in borders["conversation"]] == borders["referring"]


def test_row_groups_are_small(tmp_path: Path) -> None:
    """Of images at most a thousand, and not more rows either where many records are about one image."""
    records = {"detail": [make_record("detail", 2 + i) for i in range(1300)]}
    records["referring"] = [make_record("referring", 5, str(i)) for i in range(2100)]
    made = build(write_source(tmp_path / "svit", records, {}).root, tmp_path / "hub", images="none")
    most = 0
    for _, file in files(made.folder):
        for i in range(file.num_row_groups):
            group = file.metadata.row_group(i)
            most = max(most, group.num_rows)
            assert group.total_byte_size < VIEWER_BYTES
    assert most == 1000
    notes = [row["conversations"][0]["content"][1]["value"] for row in read_rows(made.folder, "referring", "train")]
    assert [note.split()[-1] for note in notes] == [str(i) for i in range(2100)]


def test_what_readers_and_the_hub_want_is_in_the_files(built: Built) -> None:
    for _, file in files(built.folder):
        for i in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(i)
            for j in range(group.num_columns):
                column = group.column(j)
                assert column.is_stats_set, column.path_in_schema
                assert column.has_offset_index
                assert column.has_column_index
                photo = column.path_in_schema == "image.bytes"
                assert column.compression == ("UNCOMPRESSED" if photo else "ZSTD")
                assert not photo or not column.has_dictionary_page
        features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        assert list(features) == file.schema_arrow.names


def test_chunks_are_cut_by_content_where_arrow_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is asked for it; what it does is seen by pages that begin at other rows than fixed ones would."""
    asked: list[Any] = []
    real = pq.ParquetWriter
    monkeypatch.setattr(pq, "ParquetWriter", lambda *a, **k: asked.append(k) or real(*a, **k))
    with (tmp_path / "a.parquet").open("wb") as file:
        open_shard(file, []).close()
    assert ("use_content_defined_chunking" in inspect.signature(real.__init__).parameters) == HAS_CHUNKING
    assert (int(pa.__version__.split(".")[0]) >= 21) == HAS_CHUNKING
    assert asked[0].get("use_content_defined_chunking") == (True if HAS_CHUNKING else None)
    assert asked[0]["write_page_index"]
    assert parquet.GROUP_BYTES < VIEWER_BYTES


def odd_photos() -> dict[int, bytes]:
    """Return photos that another encoder would write otherwise: progressive, turned, grey, CMYK, with a tail."""
    exif = Image.Exif()
    exif[0x0112] = 6
    grey, cmyk = BytesIO(), BytesIO()
    Image.new("L", (33, 21), 90).save(grey, "JPEG", quality=30)
    Image.new("CMYK", (20, 40), (9, 8, 7, 6)).save(cmyk, "JPEG")
    tail = make_photo(5) + b"behind the end"
    turned, progressive = make_photo(3, exif=exif), make_photo(2, progressive=True)
    return {2: progressive, 3: turned, 4: grey.getvalue(), 5: cmyk.getvalue(), 6: tail}


def test_photos_are_the_files_bit_for_bit(tmp_path: Path) -> None:
    photos = odd_photos()
    records = {config: [make_record(config, i) for i in photos] for config in STEMS}
    made = build(write_source(tmp_path / "svit", records, photos).root, tmp_path / "hub")
    for config in STEMS:
        rows = read_rows(made.folder, config, "train")
        assert {row["image_id"]: row["image"]["bytes"] for row in rows} == photos
        sizes = {row["image_id"]: (row["width"], row["height"]) for row in rows}
        assert sizes == {i: Image.open(BytesIO(photo)).size for i, photo in photos.items()}
    assert made.report.by_code == {"image-turned": 1}
    for path, _ in files(made.folder):
        content = path.read_bytes()
        assert all(photo in content for photo in photos.values())


def test_a_photo_larger_than_a_shard_stands_alone(tmp_path: Path) -> None:
    photos = {2: make_photo(2), 3: make_photo(3, side=450), 4: make_photo(4)}
    records = {"detail": [make_record("detail", i) for i in photos]}
    made = build(write_source(tmp_path / "svit", records, photos).root, tmp_path / "hub", max_shard_size="20kB")
    assert len(photos[3]) > 100_000
    assert [shard.counts.rows for shard in made.release.shards] == [1, 1, 1]


@pytest.mark.parametrize(("limit", "count"), [("1B", 9), ("1GiB", 1)])
def test_the_size_of_a_shard_is_kept(source: Source, tmp_path: Path, limit: str, count: int) -> None:
    made = build(source.root, tmp_path / "hub", max_shard_size=limit, splits="train")
    assert [s.config for s in made.release.shards].count("referring") == count


def test_extra_keys_travel(tmp_path: Path) -> None:
    records = {"detail": [{**make_record("detail", 2), "image": "2.jpg", "n": 1.50}]}
    made = build(write_source(tmp_path / "svit", records, {}).root, tmp_path / "hub", images="none")
    assert json.loads(read_rows(made.folder, "detail", "train")[0]["extra"]) == {"$": {"image": "2.jpg", "n": 1.5}}


SEVERAL = st.lists(st.tuples(st.sampled_from(KNOWN_IDS), st.text(max_size=4)), max_size=9)


@given(
    records=st.fixed_dictionaries({}, optional=dict.fromkeys(STEMS, SEVERAL)),
    limit=st.integers(1, 4000),
    rows=st.integers(1, 5),
)
@settings(max_examples=25)
def test_every_record_is_there_once(
    folder: Callable[[], Path], records: dict[str, list[tuple[int, str]]], limit: int, rows: int
) -> None:
    """For any order, repetition and split of images, and any size of shards and row groups."""
    native = {c: [make_record(c, i, note) for i, note in several] for c, several in records.items() if several}
    if not native:
        return
    native |= {"detail": [*native.get("detail", []), {"image_id": 2, "conversations": []}]}
    root = folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_writer, "GROUP_ROWS", rows)
        made = build(write_source(root / "svit", native, {}).root, root / "hub", max_shard_size=limit, images="none")
    source = Source(root, native, {})
    for config in native:
        for split in ("train", "test"):
            found = [(r["image_id"], r["conversations"]) for r in read_rows(made.folder, config, split)]
            assert found == [(r["image_id"], spelled(r["conversations"])) for r in source.rows(config, split)]
    shards = Counter((s.config, s.split) for s in made.release.shards)
    by_split = {split: {n for (c, s), n in shards.items() if s == split} for split in ("train", "test")}
    assert all(len(counts) <= 1 for counts in by_split.values())
