"""Measure ``load_dataset("svit", "referring")`` against ``datasets``' own ``json`` loader on the same file.

    python benchmarks/load.py ROOT [--images none] [--num-proc 2] [--no-check] [--json]

prints one line: rows, seconds and peak memory of the whole process by the operating system's own account, bytes cached.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from measuring import measure

SVIT = """
import datasets, svit_datasets
options = dict(images={images!r}, check_images={check}, num_proc={jobs})
ds = datasets.load_dataset("svit", "referring", data_dir={root!r}, **options)
"""
JSON = """
import datasets
ds = datasets.load_dataset("json", data_files={file!r}, num_proc={jobs})
"""


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--images", default="path", show_default=True)
@click.option("--num-proc", type=int)
@click.option("--no-check", is_flag=True)
@click.option("--json", "is_json", is_flag=True)
def main(root: Path, images: str, num_proc: int | None, no_check: bool, is_json: bool) -> None:
    file = str(root / "data" / "referring_qa.json")
    code = (JSON if is_json else SVIT).format(
        root=str(root), file=file, images=images, check=not no_check, jobs=num_proc
    )
    code += "print(sum(len(split) for split in ds.values()))"
    with tempfile.TemporaryDirectory() as cache:
        took = measure([sys.executable, "-c", code], env={"HF_DATASETS_CACHE": cache, "HF_HUB_OFFLINE": "1"})
        size = sum(p.stat().st_size for p in Path(cache).rglob("*.arrow"))
    loader = "json" if is_json else f"svit images={images} check_images={not no_check}"
    print(
        f"{loader} num_proc={num_proc}: {took.out.strip()} rows, {took.wall_s:.1f} s ({took.cpu_s:.1f} CPU s), "
        f"peak {took.peak_bytes / 1e6:.0f} MB, cache {size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
