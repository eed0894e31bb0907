"""COCO's captions, by COCO's image id."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from svit_datasets.findings import finding
from svit_datasets.reading.containers import input_error

_GZIP = b"\x1f\x8b"


def read_captions(paths: Iterable[str | Path]) -> dict[int, list[str]]:
    """Read COCO caption files with ``pycocotools``.

    Args:
        paths: Files such as ``captions_train2014.json``, plain or ``.gz``.

    Returns:
        The captions of each COCO image, in the order of the files; an image without captions is not there.

    Raises:
        InputError: A file is missing or is no COCO caption file.
    """
    captions: dict[int, list[str]] = {}
    for path in paths:
        for coco_id, texts in _read(str(path), str(Path(path).absolute()), _stamp(Path(path))).items():
            captions.setdefault(coco_id, []).extend(texts)
    return captions


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise input_error(finding("input-missing", reason, file=str(path))) from error
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _read(path: str, _absolute: str, _stamp: tuple[int, int]) -> dict[int, list[str]]:
    from pycocotools.coco import COCO

    coco = COCO()
    try:
        data = Path(path).read_bytes()
        coco.dataset = json.loads(gzip.decompress(data) if data.startswith(_GZIP) else data)
        del data
        if not coco.dataset["annotations"]:
            raise ValueError("no annotations")
        with contextlib.redirect_stdout(io.StringIO()):  # it tells of its progress on standard output
            coco.createIndex()
        captions = {i: [a["caption"] for a in found] for i, found in coco.imgToAnns.items()}
        _check_types(captions)
        return captions
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise input_error(finding("input-damaged", str(error), file=path)) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise input_error(finding("input-missing", reason, file=path)) from error
    except (ValueError, KeyError, TypeError) as error:
        expected = "COCO's caption format: images, and annotations with image_id and caption"
        mend = "pass captions_train2014.json and the like"
        found = f"{type(error).__name__}: {error}"
        raise input_error(finding("input-not-json", found, file=path, expected=expected, mend=mend)) from error


def _check_types(captions: dict[int, list[str]]) -> None:
    """Raise where an id or a caption is of another type: it would match no image, or be no text."""
    for image_id, texts in captions.items():
        if type(image_id) is not int:
            raise TypeError(f"image_id {image_id!r}, which is no integer")
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"a caption of image {image_id} that is no text")
