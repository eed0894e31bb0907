"""A small published folder made by hand: shards by pyarrow, counts taken from the records; for tests of what reads one.

The records and photos are made up, the image ids are Visual Genome's, so that some are held out for testing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from svit_datasets.configs import CONFIGS, IMAGES_CONFIG, task_of_config
from svit_datasets.images import visual_genome
from svit_datasets.publish.building.shard_file import held_bytes
from svit_datasets.publish.card.features import features_json
from svit_datasets.publish.card.naming import Naming
from svit_datasets.publish.layout import CROISSANT, README, SPLITS, ShardName
from svit_datasets.publish.release import Config, Counts, Release, Shard, sum_splits
from svit_datasets.records import NativeRecord
from svit_datasets.tables.columns import Column, columns_of, make_table
from svit_datasets.tables.parts import ImageRow, Part
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS

TEXT_CONFIGS = tuple(name for name in CONFIGS if name != IMAGES_CONFIG)
IMAGE_IDS = (*visual_genome.image_ids()[:10], 30)  # 8 is held out for testing, 30 is one of the broken ones
SVIT = Naming()
ODD_TEXT = "<b>caf\u00e9</b> | {{ x }} {% raw %}\n```\n<!-- --> \u4eba\u7269 <img src=x>"


class Published(NamedTuple):
    """A folder, and what is known of it.

    Attributes:
        folder: Where it is.
        release: What the card and Croissant are made from.
        records: The native records as plain objects, by configuration, by image id.
        photos: The bytes of each photo.
    """

    folder: Path
    release: Release
    records: dict[str, list[dict[str, Any]]]
    photos: dict[int, bytes]


def publish(
    folder: Path,
    *,
    configs: Sequence[str] = TEXT_CONFIGS,
    images: str = "embed",
    image_ids: Sequence[int] = IMAGE_IDS,
    shard_rows: int = 4,
    has_captions: bool = False,
    has_card: bool = True,
    naming: Naming = SVIT,
) -> Published:
    """Write a published folder.

    Args:
        folder: Where to.
        configs: Its configurations with text; ``images`` is added where ``images`` is ``separate``.
        images: ``embed``, ``separate`` or ``none``.
        image_ids: Ids of its images.
        shard_rows: Images a shard.
        has_captions: Whether there is the column ``captions``.
        has_card: Whether the card and Croissant are written too.
        naming: What it is called, and its licence.

    Returns:
        What was made.
    """
    photos = {image_id: make_photo(image_id) for image_id in image_ids}
    records = {name: [make_record(name, image_id) for image_id in sorted(image_ids)] for name in configs}
    names = [*configs, *([IMAGES_CONFIG] if images == "separate" else [])]
    shards: list[Shard] = []
    made: list[Config] = []
    for name in names:
        has_photos = images == "embed" or name == IMAGES_CONFIG
        columns = [
            column
            for column in columns_of(name, "image", has_captions=has_captions)
            if has_photos or column.name != "image"
        ]
        rows = [Part(_image_row(i, photos[i]), _native(records, name, i)) for i in sorted(image_ids)]
        written = _write_shards(folder, name, columns, rows, shard_rows)
        shards += written
        made.append(Config(name, tuple(columns), sum_splits(written)[name], _example(rows[0], columns)))
    held_out = [visual_genome.is_held_out(i) for i in image_ids]
    counts = {"train": held_out.count(False), "test": held_out.count(True)}
    known = any(visual_genome.folder_of(i) for i in image_ids)
    release = Release(tuple(made), tuple(shards), {split: n for split, n in counts.items() if n}, naming, known)
    if has_card:
        write_card(folder, release)
    return Published(folder, release, records, photos)


def write_card(folder: Path, release: Release) -> None:
    """Write the card and Croissant of a release."""
    from svit_datasets.publish.card.card import render_card
    from svit_datasets.publish.card.croissant import render_croissant

    (folder / README).write_text(render_card(release), "utf-8")
    (folder / CROISSANT).write_bytes(render_croissant(release))


def write_native(root: Path, made: Published) -> None:
    """Write the same records and photos laid out as SVIT is published, below ``root``."""
    (root / "data").mkdir(parents=True)
    for name, records in made.records.items():
        (root / "data" / f"{task_of_config(name)}.json").write_text(json.dumps(records, ensure_ascii=False), "utf-8")
    for image_id, photo in made.photos.items():
        path = root / "raw" / str(visual_genome.folder_of(image_id)) / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo)


def make_photo(image_id: int) -> bytes:
    """Return a small JPEG, another one for each id."""
    stream = BytesIO()
    color = (image_id * 37 % 256, image_id * 91 % 256, image_id * 53 % 256)
    Image.new("RGB", (40 + image_id % 7, 30 + image_id % 5), color).save(stream, "JPEG")
    return stream.getvalue()


def make_record(config: str, image_id: int) -> dict[str, Any]:
    """Return a native record with the shape of its task, with odd text in it."""
    box = f"[0.1, 0.2, 0.{image_id % 9 + 1}5, 1]"
    texts = {
        "conversation": [[(f"Q{i}.{j} of {image_id}?", f"Because of {ODD_TEXT}") for j in range(5)] for i in range(3)],
        "complex_reasoning": [[(f"Why {i}?", f"Caf\u00e9 no. {image_id}.")] for i in range(15)],
        "referring": [
            [(f"Who is <st>the \u4eba {i}<ed> {box}?", f"<st>He<ed> {box}, [0, 0, 1, 1] and {ODD_TEXT}.")]
            for i in range(10)
        ],
        "detail": [
            [("Describe it.", "The message is empty." if image_id in KNOWN_BROKEN_IDS else f"Photo {image_id}.")]
        ],
    }
    blocks = [
        [turn for q, a in pairs for turn in ({"from": "user", "value": q}, {"from": "gpt", "value": a})]
        for pairs in texts[config]
    ]
    topics = [{"topic": f"topic {i}"} if config == TEXT_CONFIGS[0] else {} for i in range(len(blocks))]
    return {
        "image_id": image_id,
        "conversations": [{**topic, "content": block} for topic, block in zip(topics, blocks, strict=True)],
    }


def _native(records: dict[str, list[dict[str, Any]]], config: str, image_id: int) -> NativeRecord:
    found = next((r for r in records.get(config, ()) if r["image_id"] == image_id), {"image_id": image_id})
    return msgspec.convert({"conversations": [], **found}, NativeRecord)


def _image_row(image_id: int, photo: bytes) -> ImageRow:
    name = f"{image_id}.jpg"
    size = 40 + image_id % 7, 30 + image_id % 5
    url = f"https://cs.stanford.edu/people/rak248/{visual_genome.folder_of(image_id)}/{name}"
    return ImageRow(image_id, *size, url, None, 7, path=name, data=photo, captions=["A caption."])


def _write_shards(
    folder: Path, config: str, columns: Sequence[Column], rows: Sequence[Part], shard_rows: int
) -> list[Shard]:
    shards = []
    for split in SPLITS:
        of_split = [r for r in rows if visual_genome.is_held_out(r.image.image_id) == (split == SPLITS[1])]
        groups = [of_split[i : i + shard_rows] for i in range(0, len(of_split), shard_rows)]
        for number, group in enumerate(groups):
            path = folder / ShardName(config, split, number, len(groups)).path
            path.parent.mkdir(parents=True, exist_ok=True)
            table = make_table(group, columns).replace_schema_metadata({"huggingface": features_json(columns)})
            pq.write_table(table, path)
            shards.append(_shard(path, path.relative_to(folder).as_posix(), config, split, table, group))
    return shards


def _shard(path: Path, place: str, config: str, split: str, table: pa.Table, rows: Sequence[Part]) -> Shard:
    texts = [turn.value for part in rows for _, _, turn in part.turns()]
    photos = [part.image.data or b"" for part in rows] if "image" in table.column_names else []
    counts = Counts(
        rows=len(rows),
        photos=len(photos),
        conversations=sum(len(part.record.conversations) for part in rows),
        pairs=len(texts) // 2,
        phrases=sum(text.count("<st>") for text in texts),
        boxes=sum(len(re.findall(r"\[[0-9., ]+\]", text)) for text in texts),
        photo_bytes=sum(map(len, photos)),
        arrow_bytes=sum(held_bytes(column.combine_chunks()) for column in pq.read_table(path).columns),
        shard_bytes=path.stat().st_size,
    )
    ids = [part.image.image_id for part in rows if "message is empty" in str(texts)]
    broken = [image_id for image_id in ids if image_id in KNOWN_BROKEN_IDS]
    return Shard(place, config, split, hashlib.sha256(path.read_bytes()).hexdigest(), counts, tuple(broken))


def _example(row: Part, columns: Iterable[Column]) -> dict[str, object]:
    (example,) = make_table([row], columns).to_pylist()
    if "image" in example:
        example["image"] = {"path": example["image"]["path"], "bytes": len(example["image"]["bytes"])}
    return dict(example)
