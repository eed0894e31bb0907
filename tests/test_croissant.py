"""``croissant.json``: its own validator and reader take it, and what it says of the files is so."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from published import IMAGE_IDS, Published, publish

from svit_datasets.errors import InputError
from svit_datasets.images import visual_genome
from svit_datasets.publish.card.croissant import read_croissant, render_croissant

VALIDATE = [Path(sys.executable).parent / "mlcroissant", "validate", "--jsonld"]


@pytest.fixture(scope="module", params=["embed", "separate"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp(request.param), images=request.param, has_captions=True)


@pytest.fixture(scope="module")
def dataset(made: Published) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mlcroissant's own dependencies
        mlcroissant = pytest.importorskip("mlcroissant")
        return mlcroissant.Dataset(made.folder / "croissant.json")


def rows_of(dataset: Any, name: str, filters: dict[str, str] | None = None) -> dict[int, dict[str, Any]]:
    """Return a set of records by image id, plain and without its name in their keys."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [plain(row) for row in dataset.records(name, filters=filters)]
    return {row["image_id"]: row for row in rows}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.split("/")[-1]: plain(entry) for key, entry in value.items()}
    if isinstance(value, bytes):
        return value.decode()
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def test_the_validator_has_nothing_to_say(made: Published) -> None:
    pytest.importorskip("mlcroissant")
    done = subprocess.run([*VALIDATE, made.folder / "croissant.json"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert re.fullmatch(r"I[^\n]*\] Done\.\n", done.stderr), done.stderr


def test_the_validator_says_what_is_wrong(made: Published, tmp_path: Path) -> None:
    pytest.importorskip("mlcroissant")
    document = json.loads((made.folder / "croissant.json").read_bytes())
    del document["distribution"][0]["contentUrl"], document["license"]
    (tmp_path / "croissant.json").write_text(json.dumps(document))
    done = subprocess.run([*VALIDATE, tmp_path / "croissant.json"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "contentUrl" in done.stderr
    assert "license" in done.stderr


def test_every_row_is_read(made: Published, dataset: Any) -> None:
    for config, records in made.records.items():
        rows = rows_of(dataset, config)
        assert sorted(rows) == sorted(IMAGE_IDS)
        for record in records:
            row = rows[record["image_id"]]
            held_out = visual_genome.is_held_out(record["image_id"])
            assert row["split"] == ("test" if held_out else "train")
            assert (row["url"].split("/")[-1], row["coco_id"]) == (f"{record['image_id']}.jpg", None)
            assert (row["width"], row["captions"]) == (40 + record["image_id"] % 7, ["A caption."])
            contents = [c["content"] for c in record["conversations"]]
            assert [c["first_question"] for c in row["conversations"]] == [turns[0]["value"] for turns in contents]
            assert [c["first_answer"] for c in row["conversations"]] == [turns[1]["value"] for turns in contents]
            assert [c["topic"] for c in row["conversations"]] == [c.get("topic") for c in record["conversations"]]


def test_phrases_and_boxes_are_read(dataset: Any) -> None:
    phrases = rows_of(dataset, "referring")[1]["objects"]
    assert len(phrases) == 20
    assert phrases[1] == {
        "conversation": 0,
        "turn": 1,
        "start": 4,
        "end": 6,
        "phrase": "He",
        "boxes": [[0.1, 0.2, 0.25, 1.0], [0.0, 0.0, 1.0, 1.0]],
    }


def test_photos_are_read(made: Published, dataset: Any) -> None:
    (name, *_) = [config.name for config in made.release.configs if config.has_photos]
    rows = rows_of(dataset, name)
    for image_id, photo in made.photos.items():
        with Image.open(io.BytesIO(photo)) as picture:
            assert rows[image_id]["image"].tobytes() == picture.tobytes()


def test_one_split_alone_is_read(dataset: Any) -> None:
    rows = rows_of(dataset, "detail", {"detail/split": "test"})
    assert sorted(rows) == [i for i in IMAGE_IDS if visual_genome.is_held_out(i)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [plain(row) for row in dataset.records("splits")] == [{"name": "train"}, {"name": "test"}]


def test_every_shard_is_listed_with_its_size_and_digest(made: Published) -> None:
    listed = read_croissant((made.folder / "croissant.json").read_bytes())
    there = sorted(path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*.parquet"))
    assert sorted(path for path, _, _ in listed) == there
    for path, sha256, size_bytes in listed:
        data = (made.folder / path).read_bytes()
        assert (sha256, size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_version_follows_the_content_and_nothing_else(made: Published, tmp_path: Path) -> None:
    again = publish(tmp_path / "again", images="none", configs=["detail"])
    same = publish(tmp_path / "same", images="none", configs=["detail"])
    other = publish(tmp_path / "other", images="none", configs=["detail"], image_ids=[1, 2])
    assert render_croissant(again.release) == render_croissant(same.release)
    versions = {json.loads(render_croissant(m.release))["version"] for m in (made, again, same, other)}
    assert len(versions) == 3
    assert str(tmp_path) not in render_croissant(again.release).decode()


SHARD = "data/detail/train-00000-of-00001.parquet"
FILE = {"@type": "cr:FileObject", "contentUrl": SHARD, "contentSize": "5 B", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", r"Input data was truncated"),
        (b"\xff", r"JSON is malformed: invalid character \(byte 0\)"),
        ({}, r"Object missing required field `distribution`"),
        ({"distribution": []}, r"it lists no shards"),
        ({"distribution": [{"@type": "cr:FileSet"}]}, r"it lists no shards"),
        ({"distribution": [FILE | {"contentUrl": "../detail.parquet"}]}, r"'\.\./detail\.parquet' is no shard's path"),
        ({"distribution": [FILE | {"contentSize": "5 MB"}]}, rf"{SHARD} has no size and SHA-256"),
        ({"distribution": [FILE | {"sha256": "0" * 63}]}, rf"{SHARD} has no size and SHA-256"),
        (
            {"distribution": [FILE | {"sha256": None}]},
            r"Expected `str`, got `null` - at `\$\.distribution\[0\]\.sha256`",
        ),
        ({"distribution": [FILE, FILE]}, rf"{SHARD} stands in it twice"),
    ],
)
def test_what_is_not_ours_is_refused(document: Any, message: str) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(InputError, match=rf"^croissant\.json: {message}; build the folder again$"):
        read_croissant(data)


def test_what_is_ours_is_read_whatever_stands_beside_it() -> None:
    document = {"distribution": [FILE, {"@type": "cr:FileSet", "x": 1}], "name": "mine"}
    assert read_croissant(json.dumps(document).encode()) == [(SHARD, "0" * 64, 5)]
