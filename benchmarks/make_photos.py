"""Make a folder laid out as SVIT is published, with photos of ordinary size, the same in every run.

    python benchmarks/make_photos.py FOLDER --images 500

writes ``FOLDER/raw/VG_100K*/ID.jpg`` (noise over a gradient, about 70 KB each), ``image_data.json``, and the native
files of all tasks, for as many real Visual Genome ids, held-out ones among them.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
from make_native import Maker, url_of, write_records
from PIL import Image

from svit_datasets.images import visual_genome
from svit_datasets.records import TASKS


def make_photos(folder: Path, images: int) -> None:
    """Write the photos, their sizes and the native files of all tasks."""
    ids = visual_genome.image_ids()
    ids = ids[:: len(ids) // images][:images]
    sizes, noise = Maker(0), np.random.default_rng(0)
    entries = []
    for image_id in ids:
        width, height = sizes.size_wh()
        path = folder / "raw" / str(visual_genome.folder_of(image_id)) / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(width, height, noise).save(path, quality=75)
        entries.append({"width": width, "url": url_of(image_id), "height": height, "image_id": image_id})
    (folder / "data").mkdir(exist_ok=True)
    for task in TASKS:
        write_records(folder / "data" / f"{task}.json", ids, task)
    (folder / "raw" / "image_data.json").write_text(json.dumps(entries))


def photo(width: int, height: int, noise: np.random.Generator) -> Image.Image:
    """Return noise over a gradient."""
    ramp = np.linspace(0, 200, width)[None, :, None] * np.ones((height, 1, 3))
    return Image.fromarray(np.clip(ramp + noise.normal(30, 18, (height, width, 3)), 0, 255).astype(np.uint8))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--images", default=500, show_default=True)
def main(folder: Path, images: int) -> None:
    make_photos(folder, images)


if __name__ == "__main__":
    main()
