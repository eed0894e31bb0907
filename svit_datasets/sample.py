"""The sample that ships inside the package: six photos and records of all four tasks, in SVIT's native layout."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from svit_datasets.errors import UsageError
from svit_datasets.writing.writers import OutputSet, refuse_file


def write_sample(folder: str | Path) -> list[Path]:
    """Write a small SVIT: ``data/*.json``, ``raw/VG_100K/*.jpg``, ``raw/annotations/vg/image_data.json``, ``NOTICE``.

    The photos are public domain, the records were written while looking at them; ids lie outside Visual Genome's.

    Args:
        folder: Where to; it must not exist or be empty.

    Returns:
        The files written.

    Raises:
        UsageError: The folder holds something already.
        OutputError: It cannot be written.
    """
    target = Path(folder)
    refuse_file(target)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target}: exists already and is not empty; name a new folder")
    written = []
    with as_file(files("svit_datasets") / "sample") as source, OutputSet() as outputs:
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            written.append(target / path.relative_to(source))
            outputs.open(written[-1]).write(path.read_bytes())
    return written
