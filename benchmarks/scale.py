"""Measure what converting, validating and building cost per million pairs and per GB of photos, at several sizes.

    python benchmarks/scale.py CACHE [--images 25000 --images 50000 ...] [--photos 500 ...] [--jobs 1] [--repeat 1]

prints a table of the text commands on referring files, and one of ``build`` with photos in every configuration. The
cost of what was added since the size before leaves the start of the program out, so it tells how the cost grows.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from cases import HERE
from measuring import SVIT_CONVERT, Measured, machine, markdown, measure

PAIRS_PER_IMAGE = 10
SIZES, PHOTO_SETS = (25_000, 50_000, 100_000, 400_000), (500, 1_000, 2_000, 4_000)
TOOK = ("s", "CPU s", "CPU s a {0}", "CPU s a further {0}", "largest process", "all processes")
TEXTS = {
    "to-llava": ("to-llava", "NATIVE", "--images", "SIZES", "-o", "OUT"),
    "validate": ("validate", "NATIVE", "--images", "SIZES", "--fail-on", "never"),
    "build, text alone": ("build", "ROOT", "--config", "referring", "--images", "none", "-o", "OUT"),
}


class Point(NamedTuple):
    """A command measured on one size of input: what it read in words, how much of it, what each run took."""

    told: tuple[str, ...]
    amount: float
    runs: list[Measured]

    @property
    def cpu_s(self) -> float:
        """Seconds of processors."""
        return median(run.cpu_s for run in self.runs)


@click.command()
@click.argument("cache", type=click.Path(path_type=Path))
@click.option("--images", "sizes", type=int, multiple=True, default=SIZES, show_default=True)
@click.option("--photos", "photo_sets", type=int, multiple=True, default=PHOTO_SETS, show_default=True)
@click.option("--jobs", default=1, show_default=True)
@click.option("--repeat", default=1, show_default=True)
def main(cache: Path, sizes: tuple[int, ...], photo_sets: tuple[int, ...], jobs: int, repeat: int) -> None:
    click.echo(f"{machine()}; {jobs} job{'s' * (jobs > 1)}, median of {repeat}\n")
    points = {name: [texts(cache, size, command, jobs, repeat) for size in sizes] for name, command in TEXTS.items()}
    click.echo(table(("images", "pairs", "MB"), "million pairs", points) + "\n")
    built = [photos(cache, count, jobs, repeat) for count in photo_sets]
    click.echo(table(("photos", "MB"), "GB of photos", {"build": built}))


def texts(cache: Path, images: int, command: tuple[str, ...], jobs: int, repeat: int) -> Point:
    """Run a command on a referring file with so many images."""
    root = kept(cache, images, "--task", "referring_qa")
    native, pairs = root / "data" / "referring_qa.json", images * PAIRS_PER_IMAGE
    names = {"NATIVE": native, "SIZES": root / "image_data.json", "ROOT": root}
    runs = run_all(cache, [str(names.get(argument, argument)) for argument in command], jobs, repeat)
    return Point((f"{images:,}", f"{pairs:,}", f"{native.stat().st_size / 1e6:.0f}"), pairs / 1e6, runs)


def photos(cache: Path, count: int, jobs: int, repeat: int) -> Point:
    """Build all tasks with so many photos."""
    root = kept(cache, count, "--photos")
    size_gb = sum(path.stat().st_size for path in (root / "raw").rglob("*.jpg")) / 1e9
    runs = run_all(cache, ["build", str(root), "-o", "OUT"], jobs, repeat)
    return Point((f"{count:,}", f"{size_gb * 1000:.0f}"), size_gb, runs)


def kept(cache: Path, images: int, *options: str) -> Path:
    """Return a folder of made files, made in a process of its own."""
    command = [sys.executable, str(HERE / "cached.py"), str(cache), "--images", str(images), *options]
    return Path(measure(command).out.strip())


def run_all(cache: Path, command: Sequence[str], jobs: int, repeat: int) -> list[Measured]:
    """Run a command of ours several times; what it writes is removed."""
    runs = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(dir=cache, prefix=".out.") as folder:
            filled = [str(Path(folder) / "made") if argument == "OUT" else argument for argument in command]
            runs.append(measure([SVIT_CONVERT, *filled, *(("--jobs", str(jobs)) if jobs > 1 else ())]))
    return runs


def table(inputs: tuple[str, ...], unit: str, points: dict[str, list[Point]]) -> str:
    """Return the table of all commands and sizes."""
    head = ("command", *inputs, *(word.format(unit) for word in TOOK))
    return markdown(head, [line for name, some in points.items() for line in lines(name, some)])


def lines(name: str, points: list[Point]) -> list[list[str]]:
    """Return the lines of a command, from its least input on."""
    further = [(above.cpu_s - below.cpu_s) / (above.amount - below.amount) for below, above in pairwise(points)]
    return [
        [
            f"`{name}`",
            *point.told,
            f"{median(run.wall_s for run in point.runs):.1f}",
            f"{point.cpu_s:.1f}",
            f"{point.cpu_s / point.amount:.1f}",
            added,
            f"{median(run.peak_bytes for run in point.runs) / 1e6:.0f} MB",
            f"{median(run.peak_sum_bytes for run in point.runs) / 1e6:.0f} MB",
        ]
        for point, added in zip(points, ["", *(f"{cost:.1f}" for cost in further)], strict=True)
    ]


if __name__ == "__main__":
    main()
