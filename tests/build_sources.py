"""Small sources for the tests of ``build``, and what they hold, told by json and files alone; real photos by Pillow."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from PIL import Image

from svit_datasets.images import visual_genome

STEMS = {
    "conversation": "conversation",
    "complex_reasoning": "complex_reasoning",
    "referring": "referring_qa",
    "detail": "detail_description",
}
_HELD_OUT = [i for i in visual_genome.image_ids()[:400] if visual_genome.is_held_out(i)]
_OTHERS = [i for i in visual_genome.image_ids()[:400] if not visual_genome.is_held_out(i)]
IMAGE_IDS = tuple(sorted([*_OTHERS[:9], *_HELD_OUT[:3]]))
Records = Mapping[str, Sequence[Mapping[str, Any]]]


class Source(NamedTuple):
    """A folder in SVIT's layout.

    Attributes:
        root: The folder.
        records: What its native files hold, by configuration.
        photos: The files' bytes, by image id.
    """

    root: Path
    records: Records
    photos: dict[int, bytes]

    def rows(self, config: str, split: str) -> list[Mapping[str, Any]]:
        """Return the records of a split as ``build`` is to order them: by image id, else as in the source."""
        is_test = split == "test"
        kept = [r for r in self.records[config] if visual_genome.is_held_out(r["image_id"]) == is_test]
        return sorted(kept, key=lambda record: record["image_id"])


def make_photo(seed: int, *, side: int = 48, **options: Any) -> bytes:
    """Return a JPEG of noise, of a few kB with the default size."""
    noise, stream = random.Random(seed), BytesIO()
    Image.frombytes("RGB", (side + seed % 5, side), noise.randbytes((side + seed % 5) * side * 3)).save(
        stream, "JPEG", **options
    )
    return stream.getvalue()


def make_record(config: str, image_id: int, note: str = "") -> dict[str, Any]:
    """Return a native record with the shape of its task."""
    answer = (
        f"<st>caf\u00e9<ed> [0.1, 0.2, 0.{image_id % 8 + 1}5, 1] {note}" if config == "referring" else f"So. {note}"
    )
    turns = [{"from": "user", "value": f"Why {image_id}?"}, {"from": "gpt", "value": answer}]
    topic = {"topic": "Street"} if config == "conversation" else {}
    return {"image_id": image_id, "conversations": [{**topic, "content": turns}, {**topic, "content": turns}]}


def make_source(root: Path, *, image_ids: Iterable[int] = IMAGE_IDS, seed: int = 0, side: int = 48) -> Source:
    """Write a source: shuffled files, one image twice in ``conversation``, a third of the images not in ``detail``."""
    ids = sorted(image_ids)
    records = {config: [make_record(config, i) for i in ids] for config in STEMS}
    records["conversation"] += [make_record("conversation", ids[1], "again"), make_record("conversation", ids[1])]
    records["detail"] = [r for n, r in enumerate(records["detail"]) if n % 3]
    for several in records.values():
        random.Random(seed).shuffle(several)
    photos = {i: make_photo(i, side=side) for i in ids}
    return write_source(root, records, photos)


def write_source(root: Path, records: Records, photos: Mapping[int, bytes]) -> Source:
    """Write native files, photos in Visual Genome's folders, and ``image_data.json`` without the last image."""
    (root / "data").mkdir(parents=True)
    for config, several in records.items():
        (root / "data" / f"{STEMS[config]}.json").write_text(json.dumps(several))
    sizes = []
    for image_id, photo in photos.items():
        folder = str(visual_genome.folder_of(image_id) or "VG_100K")
        path = root / "raw" / folder / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo)
        with Image.open(BytesIO(photo)) as image:
            width, height = image.size
        sizes.append({"image_id": image_id, "width": width, "height": height, "coco_id": image_id, "flickr_id": None})
    if sizes:
        (root / "raw" / "image_data.json").write_text(json.dumps(sizes[:-1]))
    return Source(root, records, dict(photos))


def read_rows(folder: Path, config: str, split: str) -> list[dict[str, Any]]:
    """Return all rows of a split of a built folder, its shards in their order."""
    paths = sorted((folder / "data" / config).glob(f"{split}-*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def spelled(conversations: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return conversations as a row holds them: a topic always there."""
    return [{"topic": c.get("topic"), "content": list(c["content"])} for c in conversations]


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a built folder by its path, but for those that are never sent."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def state_of(root: Path) -> dict[str, tuple[int, str]]:
    """Return time of change and digest of everything below a folder, to see that nothing touched it."""
    return {
        str(p.relative_to(root)): (
            p.stat().st_mtime_ns,
            hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "",
        )
        for p in sorted([root, *root.rglob("*")])
    }
