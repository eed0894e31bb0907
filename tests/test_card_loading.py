"""The card's YAML and its examples, as somebody uses them who has ``datasets`` and not this package."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from published import IMAGE_IDS, Published, publish

from svit_datasets.publish.card.card import PLACEHOLDER


@pytest.fixture(scope="module", params=["embed", "separate", "none"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp(request.param), images=request.param, has_captions=True)


def python_blocks(text: str) -> Iterator[str]:
    return (match[1] for match in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S))


def run(code: str, folder: Path, hf_home: Path) -> str:
    """Run code in a process without this package, the repository's name standing for the folder."""
    env = {**os.environ, "HF_HOME": str(hf_home), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "error"}
    code = f"{code.replace(PLACEHOLDER, str(folder))}\nimport sys\nassert 'svit_datasets' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    return done.stdout


def test_the_examples_to_run_run(made: Published, tmp_path: Path) -> None:
    text = (made.folder / "README.md").read_text("utf-8")
    outputs = [run(code, made.folder, tmp_path) for code in python_blocks(text)]
    has_join = (made.folder / "data" / "images").exists()
    assert len(outputs) == 2 + has_join
    assert "'phrase': 'the \u4eba 0'" in outputs[0]
    assert "'phrase': 'the \u4eba 0'" in outputs[1]
    assert outputs[2:] == (["1 (41, 31)\n"] if has_join else [])
    command = re.search(r"^svit-convert .*$", text, re.M)
    assert command
    assert command[0] == f"svit-convert to-llava hf://datasets/{PLACEHOLDER}/data/referring -o llava.json"


LOAD = f"""
import hashlib, json
from datasets import Image, load_dataset
def plain(row):
    if "image" in row:
        row["image"] = hashlib.sha256(row["image"]["bytes"]).hexdigest()
    return row
def undecoded(dataset):
    return dataset.cast_column("image", Image(decode=False)) if "image" in dataset.features else dataset
found = {{}}
for name in NAMES:
    for split in ("train", "test"):
        normal = [plain(row) for row in undecoded(load_dataset("{PLACEHOLDER}", name, split=split))]
        stream = [plain(row) for row in undecoded(load_dataset("{PLACEHOLDER}", name, split=split, streaming=True))]
        assert normal == stream
        found[name] = [*found.get(name, ()), *normal]
print(json.dumps(found))
"""


def test_plain_datasets_loads_every_row(made: Published, tmp_path: Path) -> None:
    names = [config.name for config in made.release.configs]
    found = json.loads(run(f"NAMES = {names}\n{LOAD}", made.folder, tmp_path))
    digests = {image_id: hashlib.sha256(photo).hexdigest() for image_id, photo in made.photos.items()}
    for config in made.release.configs:
        rows = sorted(found[config.name], key=lambda row: row["image_id"])
        assert [row["image_id"] for row in rows] == sorted(IMAGE_IDS)
        if config.has_photos:
            assert {row["image_id"]: row["image"] for row in rows} == digests
        if config.name in made.records:
            texts = [[c["content"] for c in record["conversations"]] for record in made.records[config.name]]
            assert [[c["content"] for c in row["conversations"]] for row in rows] == texts
