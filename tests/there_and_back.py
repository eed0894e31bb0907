"""Convert made native files and convert rows back, for tests that change rows in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import svit_datasets
from svit_datasets import Options

from . import native_files as made


def conversation(*texts: str) -> dict[str, Any]:
    roles = ("user", "gpt") * len(texts)
    return {"content": [{"from": role, "value": text} for role, text in zip(roles, texts, strict=False)]}


def record(image_id: int, *conversations: dict[str, Any]) -> dict[str, Any]:
    return {"image_id": image_id, "conversations": list(conversations)}


def convert(root: Path, native: dict[str, Any], options: Options) -> list[dict[str, Any]]:
    """Convert native files and return the rows."""
    paths = made.write_natives(root / "native", native)
    svit_datasets.to_llava(paths, root / "llava.json", images=made.write_sizes(root), options=options)
    return made.loads((root / "llava.json").read_bytes())


def restore(root: Path, rows: list[Any], options: Options | None = None, **given: Any):
    """Write rows, convert them back; return native files and report."""
    (root / "rows.json").write_text(made.dumps(rows))
    report = svit_datasets.from_llava(
        root / "rows.json",
        root / "back",
        images=root / "image_data.json",
        options=options,
        report=root / "report.json",
        **given,
    )
    return {p.stem: json.loads(p.read_text()) for p in (root / "back").glob("*.json")}, report


def values(native: dict[str, Any]) -> list[str]:
    return [
        t["value"]
        for task in made.TASKS
        for r in native.get(task, ())
        for c in r["conversations"]
        for t in c["content"]
    ]
