"""Measure ``svit-convert validate`` on files of real size: seconds, MB/s and peak memory of the whole process.

    python benchmarks/validate.py FILE... [--sizes image_data.json] [--trainer]

prints one line a file, and beside it what reading and typed decoding of the same file alone takes: the floor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from measuring import SVIT_CONVERT, measure

FLOOR = "from svit_datasets.reading.entries import read_entries\nfor entry in read_entries({file!r}): pass"
EMPTY = "from svit_datasets.reading.entries import read_entries"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--sizes", type=click.Path(exists=True), help="image_data.json")
@click.option("--trainer", is_flag=True)
def main(files: tuple[str, ...], sizes: str | None, trainer: bool) -> None:
    program = [SVIT_CONVERT, "validate", "--fail-on", "never"]
    program += ["--images", sizes] if sizes else []
    program += ["--trainer", "llava"] if trainer else []
    start = measure([sys.executable, "-c", EMPTY])
    for file in files:
        size_mb = Path(file).stat().st_size / 1e6
        floor = measure([sys.executable, "-c", FLOOR.format(file=file)])
        took = measure([*program, file])
        print(
            f"{Path(file).name}: {size_mb:.0f} MB, {took.cpu_s:.1f} CPU s, {size_mb / took.cpu_s:.0f} MB/s, "
            f"{took.peak_bytes / 1e6:.0f} MB peak (reading alone: {floor.cpu_s:.1f} CPU s; imports: "
            f"{start.cpu_s:.1f}); {took.out.strip().splitlines()[-1]}"
        )


if __name__ == "__main__":
    main()
