"""Made files, made once: a folder for each maker's source and number of images.

    python benchmarks/cached.py CACHE --images 100000 [--task referring_qa] [--photos]

prints the folder: ``data/TASK.json`` with ``image_data.json``, or what ``make_photos.py`` writes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import click
import make_native

from svit_datasets.records import TASKS

SOURCES = ("make_native.py", "made_texts.py", "make_photos.py")


def kept(cache: Path, kind: str, images: int, make: Callable[[Path], None]) -> Path:
    """Return a folder, made if it is not there; whole or not at all. Other source gives another folder."""
    digest = blake2b(digest_size=6)
    for name in SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    root = cache / f"{kind}-{images}-{digest.hexdigest()}"
    if root.exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=cache))
    try:
        make(growing)
        growing.rename(root)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return root


def make_files(folder: Path, images: int, tasks: tuple[str, ...]) -> None:
    ids = make_native.image_ids(images)
    (folder / "data").mkdir()
    for task in tasks:
        make_native.write_records(folder / "data" / f"{task}.json", ids, task)
    make_native.write_image_data(folder / "image_data.json", ids)


def make_photos(folder: Path, images: int) -> None:
    import make_photos as maker  # numpy, which the other files do not need

    maker.make_photos(folder, images)


@click.command()
@click.argument("cache", type=click.Path(path_type=Path))
@click.option("--images", default=make_native.IMAGES, show_default=True)
@click.option("--task", "tasks", type=click.Choice(list(TASKS)), multiple=True, help="All four by default.")
@click.option("--photos", is_flag=True)
def main(cache: Path, images: int, tasks: tuple[str, ...], photos: bool) -> None:
    chosen = tasks or tuple(TASKS)
    if photos:
        root = kept(cache, "photos", images, lambda folder: make_photos(folder, images))
    else:
        root = kept(cache, "-".join(tasks) or "all", images, lambda folder: make_files(folder, images, chosen))
    click.echo(root)


if __name__ == "__main__":
    main()
