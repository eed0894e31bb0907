"""``build`` gives the same bytes, findings and counts with the column kernels and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from build_sources import IMAGE_IDS, STEMS, Source, digests, make_photo, read_rows, write_source
from columns_made import PlainMaker, record
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import dumps

from svit_datasets import write_sample
from svit_datasets.errors import RecordError
from svit_datasets.kernels.columns import blocks as columns_blocks
from svit_datasets.publish.building.build import build
from svit_datasets.publish.building.shard_file import count
from svit_datasets.publish.building.shard_rows import make_rows
from svit_datasets.reading.readers import decode_native
from svit_datasets.tables.blocks import text_taker
from svit_datasets.tables.columns import columns_of
from svit_datasets.tables.parts import ImageRow
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS

pytest.importorskip("numba")
COLUMNS = columns_of("referring", "image", has_captions=True)


def is_good(raw: bytes) -> bool:
    try:
        decode_native(raw)
    except ValueError:
        return False
    return True


def source_of(root: Path, records: dict[str, list[Any]]) -> Source:
    """Write a source whose photos are there for all records' images."""
    source = write_source(root, {}, {i: make_photo(i) for i in IMAGE_IDS})
    for config, several in records.items():
        (root / "data" / f"{STEMS[config]}.json").write_text(dumps(several))
    return source


def mixed(records: int) -> list[Any]:
    """Return ordinary and odd records, images of both splits, some twice, in no order."""
    made = [{**record(n), "image_id": IMAGE_IDS[n * 7 % len(IMAGE_IDS)]} for n in range(records)]
    return [m for m in made if is_good(dumps(m).encode())]


def both(source: Source, tmp_path: Path, patch: pytest.MonkeyPatch, **options: Any) -> list[tuple[Any, ...]]:
    """Return what builds with kernels and without leave and tell."""
    found = []
    for said in ("1", "0"):
        patch.setenv("SVIT_KERNELS", said)
        built = build(source.root, tmp_path / said, report=tmp_path / f"{said}.json", **options)
        told = json.loads((tmp_path / f"{said}.json").read_text())
        found.append((digests(built.folder), built.release, told["counts"], told["findings"]))
    return found


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_rows_are_the_same_to_the_size_in_memory(seeds: list[int]) -> None:
    raws = [raw for raw in (dumps(record(seed)).encode() for seed in seeds) if is_good(raw)]
    if not raws:
        return
    images = [ImageRow(n, n or None, 5, captions=["a"] * (n % 3)) for n in range(len(raws))]
    take = text_taker(COLUMNS, "image", is_test=None, limit_bytes=1 << 20)
    fast, plain = (make_rows(raws, images, COLUMNS, way) for way in (take, None))
    fast.validate(full=True)
    assert fast.equals(plain)
    assert count(fast) == count(plain)
    assert all(len(column.chunks) == 1 for column in fast.columns)


def test_counts_are_those_of_the_records() -> None:
    raws = [raw for raw in (dumps(record(seed)).encode() for seed in range(40)) if is_good(raw)]
    records = [decode_native(raw) for raw in raws]
    counted = count(make_rows(raws, [ImageRow(1, data=b"JPEG")] * len(raws), COLUMNS, None))
    everything = [c for r in records for c in r.conversations]
    assert (counted.rows, counted.photos, counted.photo_bytes) == (len(records), len(records), 4 * len(records))
    assert counted.conversations == len(everything) > 20
    assert counted.pairs == sum(len(c.content) // 2 for c in everything)


@pytest.mark.parametrize("images", ["embed", "separate", "none"])
def test_a_build_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str) -> None:
    source = source_of(tmp_path / "svit", {config: mixed(60) for config in ("conversation", "referring")})
    fast, plain = both(source, tmp_path, monkeypatch, images=images, max_shard_size="20kB")
    assert fast == plain
    assert len(fast[0]) > 10


def test_faulty_records_are_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = mixed(30)
    source = source_of(tmp_path / "svit", {"referring": records})
    broken = [{**records[0], "image_id": "5"}, {**records[0], "conversations": 7}, {**records[0], "image_id": 10**30}]
    for place, one in zip((3, 9, 20), broken, strict=True):
        records.insert(place, one)
    (source.root / "data/referring_qa.json").write_text(dumps(records))
    fast, plain = both(source, tmp_path, monkeypatch, on_error="skip", images="none")
    assert fast == plain
    assert fast[2]["records_skipped"] == len(fast[3]) == 3
    assert [found["record"] for found in fast[3]] == [4, 10, 21]
    for said in ("1", "0"):
        monkeypatch.setenv("SVIT_KERNELS", said)
        with pytest.raises(
            RecordError, match=r"referring_qa\.json:4 id=5 \$\.image_id: found Expected `int`, got `str`"
        ):
            build(source.root, tmp_path / f"no{said}", images="none")


def test_answers_that_are_known_to_be_broken_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = sorted(KNOWN_BROKEN_IDS)[:4]
    texts = ["message is empty", "A street.", "Message is empty.", "A house."]
    made = [
        {
            "image_id": i,
            "conversations": [{"content": [{"from": "user", "value": "?"}, {"from": "gpt", "value": text}]}],
        }
        for i, text in zip(ids, texts, strict=True)
    ]
    source = source_of(tmp_path / "svit", {"detail": made})
    fast, plain = both(source, tmp_path, monkeypatch, images="none")
    assert fast == plain
    assert {i for shard in fast[1].shards for i in shard.broken} == {ids[0], ids[2]}


def test_ordinary_records_are_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [{**PlainMaker(n).record(), "image_id": IMAGE_IDS[n % len(IMAGE_IDS)]} for n in range(30)]
    source = source_of(
        tmp_path / "svit", {"referring": [{k: r[k] for k in ("image_id", "conversations")} for r in plain]}
    )
    taken: list[int] = []
    make = columns_blocks.block_taker

    def watched(**options: Any) -> Any:
        take = make(**options)

        def taking(*place: Any) -> Any:
            block = take(*place)
            taken.extend([block.count] if block else [])
            return block

        return taking

    monkeypatch.setattr(columns_blocks, "block_taker", watched)
    monkeypatch.setenv("SVIT_KERNELS", "1")
    built = build(source.root, tmp_path / "hub", images="none")
    train, test = (len(read_rows(built.folder, "referring", split)) for split in ("train", "test"))
    assert train + test == 30
    assert taken == [29, train, test]  # no comma follows the last record of the file


def test_the_card_is_the_same_where_an_odd_record_stands_among_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos are embedded, so that columns with nulls come from kernels and from Arrow in one row group."""
    write_sample(tmp_path / "svit")
    file = tmp_path / "svit" / "data" / "conversation.json"
    text = file.read_text()
    assert '"image_id": 9000002,' in text
    file.write_text(text.replace('"image_id": 9000002,', '"image_id": 9000002, "n": 1,', 1))
    cards = []
    for said in ("1", "0"):
        monkeypatch.setenv("SVIT_KERNELS", said)
        cards.append((build(tmp_path / "svit", tmp_path / said).folder / "README.md").read_text())
    assert cards[0] == cards[1]
