"""SVIT laid out as it is published, and ``download`` called in a process of its own; for the tests of ``download``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from helpers_cli import SAMPLE, make_zip
from hub_client import Client

SIZES = "raw/annotations/vg/image_data.json"
IMAGES = ["raw/images.zip", "raw/images2.zip"]
REFERRING = ["data/referring_qa.zip", SIZES]
CALL = """
import json, sys
from svit_datasets.publish.fetching.download import download
from svit_datasets.errors import SvitError
lines, options = [], json.loads(sys.argv[1])
try:
    done = download("got", tell=lines.append, **options)
except SvitError as error:
    print(json.dumps({"error": str(error), "kind": type(error).__name__, "lines": lines}))
else:
    fetched, there = ([file.path for file in part] for part in (done.fetched, done.there))
    told = {"fetched": fetched, "there": there, "retries": done.retries, "commit": done.commit, "lines": lines}
    print(json.dumps(told))
"""


def lay_native(root: Path) -> Path:
    """Lay the package's sample out as SVIT is published: a zip, a plain file, and one with several tasks."""
    photos = sorted((SAMPLE / "raw/VG_100K").glob("*.jpg"))
    (root / SIZES).parent.mkdir(parents=True)
    for name, folder, part in (("images", "VG_100K", photos[:4]), ("images2", "VG_100K_2", photos[4:])):
        (root / f"raw/{name}.zip").write_bytes(make_zip({f"{folder}/{p.name}": p.read_bytes() for p in part}))
    (root / SIZES).write_bytes((SAMPLE / SIZES).read_bytes())
    (root / "data").mkdir()
    for file in sorted((SAMPLE / "data").glob("*.json")):
        (root / f"data/{file.stem}.zip").write_bytes(make_zip({file.name: file.read_bytes()}))
    (root / "data/detail_description.zip").rename(root / "data/svit.zip")
    (root / "data/complex_reasoning.zip").unlink()
    shutil.copy(SAMPLE / "data/complex_reasoning.json", root / "data")
    (root / "format").mkdir()
    (root / "format/other.json").write_text("[]")
    return root


def fetch(client: Client, **options: Any) -> dict[str, Any]:
    told = client(json.dumps(options), code=CALL)
    answer: dict[str, Any] = json.loads(told.out.splitlines()[-1])
    return answer


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
