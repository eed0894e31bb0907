"""Measure ``svit-convert validate`` on files of real size: seconds, MB/s and peak memory of the whole process.

    python benchmarks/validate.py FILE... [--sizes image_data.json] [--trainer]

prints one line a file, and beside it what reading and typed decoding of the same file alone takes: the floor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

FLOOR = "from svit_datasets.entries import read_entries\nfor entry in read_entries({file!r}): pass"
EMPTY = "from svit_datasets.entries import read_entries"


def measure(command: list[str]) -> tuple[float, int, str]:
    """Run a command; return its CPU seconds, its peak memory in MB, and the last line that it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    told = process.stdout.read().decode().strip().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10, told[-1] if told else ""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--sizes", type=click.Path(exists=True), help="image_data.json")
@click.option("--trainer", is_flag=True)
def main(files: tuple[str, ...], sizes: str | None, trainer: bool) -> None:
    program = [str(Path(sys.executable).with_name("svit-convert")), "validate", "--fail-on", "never"]
    program += ["--images", sizes] if sizes else []
    program += ["--trainer", "llava"] if trainer else []
    start, _, _ = measure([sys.executable, "-c", EMPTY])
    for file in files:
        size_mb = Path(file).stat().st_size / 1e6
        floor, _, _ = measure([sys.executable, "-c", FLOOR.format(file=file)])
        seconds, peak_mb, told = measure([*program, file])
        name = Path(file).name
        print(
            f"{name}: {size_mb:.0f} MB, {seconds:.1f} CPU s, {size_mb / seconds:.0f} MB/s, {peak_mb} MB peak "
            f"(reading alone: {floor:.1f} CPU s; imports: {start:.1f}); {told}"
        )


if __name__ == "__main__":
    main()
