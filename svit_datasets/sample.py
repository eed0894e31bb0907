"""The sample that ships inside the package: six photos and records of all four tasks, in SVIT's native layout."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from svit_datasets.errors import UsageError
from svit_datasets.writers import output_error


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
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: exists already and is not empty; name a new folder")
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with as_file(files("svit_datasets") / "sample") as source:
            shutil.copytree(source, part, dirs_exist_ok=True, copy_function=shutil.copyfile)
        if target.exists():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        raise output_error(str(target), error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sorted(p for p in target.rglob("*") if p.is_file())
