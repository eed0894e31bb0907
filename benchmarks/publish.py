"""Measure ``svit-convert build``: time, peak memory, bytes on disk, and what the Hub would keep of them.

    python benchmarks/make_photos.py FOLDER --images 2000
    python benchmarks/publish.py FOLDER [--jobs 2] [--max-shard-size 500MB]

prints a line for each of the three ways to store photos. What the Hub would keep is simulated: files are cut where a
rolling hash of the last 64 bytes says so, into chunks of 64 KB on average as Xet cuts them, and each chunk is counted
once. Peak memory is the operating system's account of the largest process.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import numpy as np
from measuring import SVIT_CONVERT, measure

TARGET_BYTES, SMALLEST, LARGEST = 1 << 16, 1 << 13, 1 << 17
GEAR = np.random.default_rng(0).integers(0, 1 << 63, 256, dtype=np.uint64)


def ends_of_chunks(data: bytes) -> list[int]:
    """Return where a gear hash cuts ``data``: h = (h << 1) + GEAR[byte], so that 64 bytes decide."""
    hashes = GEAR[np.frombuffer(data, np.uint8)]
    for width in (1, 2, 4, 8, 16, 32):
        before = np.zeros_like(hashes)
        before[width:] = hashes[:-width] << np.uint64(width)
        hashes = hashes + before
    mask = np.uint64((TARGET_BYTES - 1) << 40)
    ends, last = [], 0
    for place in [*np.flatnonzero(hashes & mask == 0).tolist(), len(data)]:
        while place - last > LARGEST:
            last += LARGEST
            ends.append(last)
        if place - last >= SMALLEST or place == len(data):
            ends.append(place)
            last = place
    return ends


def kept_bytes(folder: Path) -> tuple[int, int]:
    """Return the bytes of all shards, and of their different chunks."""
    seen: set[bytes] = set()
    total = kept = 0
    for path in sorted(folder.rglob("*.parquet")):
        data, begin = path.read_bytes(), 0
        total += len(data)
        for end in ends_of_chunks(data):
            digest = hashlib.blake2b(data[begin:end], digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                kept += end - begin
            begin = end
    return total, kept


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--jobs", default=1, show_default=True)
@click.option("--max-shard-size", default="500MB", show_default=True)
@click.option("--images", "modes", multiple=True, default=("embed", "separate", "none"))
def main(folder: Path, jobs: int, max_shard_size: str, modes: tuple[str, ...]) -> None:
    command = [SVIT_CONVERT, "build", str(folder), f"--jobs={jobs}"]
    for mode in modes:
        with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
            output = Path(parent) / "hub"
            options = [f"--images={mode}", f"--max-shard-size={max_shard_size}", "-o", str(output)]
            took = measure([*command, *options])
            # in a process of its own: what this one holds would count as the next command's
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                total, kept = pool.submit(kept_bytes, output).result()
            count = len(list(output.rglob("*.parquet")))
            print(
                f"{mode}: {took.wall_s:.1f} s ({took.cpu_s:.1f} CPU s), peak {took.peak_bytes / 1e6:.0f} MB, "
                f"all processes {took.peak_sum_bytes / 1e6:.0f} MB, {count} shards, "
                f"{total / 1e6:.1f} MB, the Hub would keep {kept / 1e6:.1f} MB ({kept / total:.2f})"
            )


if __name__ == "__main__":
    main()
