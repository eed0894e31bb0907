"""Where a built folder came from, kept beside it and never sent, so that a change of the source is noticed.

It stands in ``.cache/huggingface/``, which ``huggingface_hub`` never uploads: it holds paths of this machine.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from svit_datasets.publish.layout import README

ORIGIN = ".cache/huggingface/svit-build.json"


class Origin(msgspec.Struct, frozen=True):
    """What a folder was built from.

    Attributes:
        root: Folder with SVIT's files, absolute.
        files: Digest of each file's or image folder's content, by its path, absolute.
        card: Digest of the card as it was built; empty where an earlier version built it.
        asked: Digest of the options of the push that built it; empty where none did.
    """

    root: str
    files: dict[str, str]
    card: str = ""
    asked: str = ""


def digest_of(path: Path) -> str:
    """Return a digest of a file's content; of a folder, of the names, sizes and times of what is in it.

    Of a zip it is that of its own table, which holds a checksum of each file, so that it need not be read.
    """
    if path.is_dir():
        found = ((p.name, p.stat()) for p in path.iterdir() if p.is_file())
        entries = sorted(f"{name} {told.st_size} {told.st_mtime_ns}" for name, told in found)
        return hashlib.sha256("\n".join(entries).encode("utf-8", "surrogateescape")).hexdigest()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = [f"{m.filename} {m.file_size} {m.CRC}" for m in archive.infolist()]
        return hashlib.sha256("\n".join(entries).encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_origin(folder: Path, root: Path, files: Iterable[Path]) -> None:
    """Write down what ``folder`` was built from."""
    path = folder / ORIGIN
    path.parent.mkdir(parents=True, exist_ok=True)
    sources = {str(f.absolute()): digest_of(f) for f in files}
    path.write_text(_text_of(Origin(str(root.absolute()), sources, digest_of(folder / README))), "ascii")


def note_asked(folder: Path, asked: str) -> None:
    """Write down by which options of a push ``folder`` was built."""
    origin = read_origin(folder)
    if origin is None:
        return
    part = folder / f"{ORIGIN}.part"
    part.write_text(_text_of(msgspec.structs.replace(origin, asked=asked)), "ascii")
    part.replace(folder / ORIGIN)


def _text_of(origin: Origin) -> str:
    return json.dumps(msgspec.to_builtins(origin), indent=2) + "\n"


def read_origin(folder: Path) -> Origin | None:
    """Return what ``folder`` was built from; None where it does not tell, as on another machine."""
    try:
        return msgspec.convert(json.loads((folder / ORIGIN).read_bytes()), Origin)  # names may be no UTF-8
    except (OSError, ValueError):
        return None


def is_edited(folder: Path) -> bool:
    """Tell whether the card is another than the build wrote, where that is known."""
    origin = read_origin(folder)
    return origin is not None and origin.card not in ("", _digest_now(folder / README))


def has_source(folder: Path) -> bool:
    """Tell whether what ``folder`` was built from is known, and here."""
    origin = read_origin(folder)
    return origin is not None and Path(origin.root).is_dir()


def changed_sources(folder: Path) -> list[str]:
    """Return the files that ``folder`` was built from and that have another content now, or are gone.

    Args:
        folder: A built folder.

    Returns:
        Their paths; none where nothing changed, and where the source as a whole is not here.
    """
    origin = read_origin(folder)
    if origin is None or not Path(origin.root).is_dir():
        return []
    return [name for name, digest in origin.files.items() if _digest_now(Path(name)) != digest]


def _digest_now(path: Path) -> str:
    try:
        return digest_of(path)
    except (OSError, zipfile.BadZipFile):
        return ""
