"""``load_dataset("svit", ...)``: its names, the ways to call it, and the layouts of the folder that it reads.

``write_root`` and what is beside it make the folders for the other tests of loading too.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import pytest
from native_files import Maker, Number, dumps, loads
from PIL import Image

import svit_datasets
from svit_datasets.images import visual_genome

FILES = {
    "conversation": "conversation",
    "complex_reasoning": "complex_reasoning",
    "referring": "referring_qa",
    "detail": "detail_description",
}
CONFIGS = (*FILES, "images")
WAYS: dict[str, Callable[..., Any]] = {"datasets": datasets.load_dataset, "svit_datasets": svit_datasets.load_dataset}
_ALL = visual_genome.image_ids()
TRAIN = [i for i in _ALL[::997] if not visual_genome.is_held_out(i)]
TEST = [i for i in _ALL[::97] if visual_genome.is_held_out(i)]
IDS = [*TRAIN[:6], *TEST[:3], *TRAIN[6:9]]
datasets.disable_progress_bars()


@cache
def photo(image_id: int) -> bytes:
    """Return a small JPEG whose size and colours tell its id."""
    noise = Image.frombytes("L", (8, 8), bytes((image_id * 31 + i * i * 7) % 251 for i in range(64)))
    packed = io.BytesIO()
    noise.resize((24 + image_id % 7, 16 + image_id % 5)).convert("RGB").save(packed, "JPEG", quality=90)
    return packed.getvalue()


def entry(image_id: int) -> dict[str, Any]:
    """Return the image's entry in ``image_data.json``; a third of all images are not of COCO."""
    url = f"https://cs.stanford.edu/people/rak248/{visual_genome.folder_of(image_id)}/{image_id}.jpg"
    size = {"width": 24 + image_id % 7, "height": 16 + image_id % 5}
    coco_id = None if image_id % 3 == 0 else image_id + 7
    return {**size, "url": url, "image_id": image_id, "coco_id": coco_id, "flickr_id": image_id * 1000}


def odd_records(ids: Iterable[int], seed: int) -> list[Any]:
    """Return native records that are odd in every way that JSON and the markup allow."""
    return [{**Maker(seed * 1000 + n).record(), "image_id": Number(str(i))} for n, i in enumerate(ids)]


def write_root(folder: Path, texts: Mapping[str, str], ids: Iterable[int] = IDS) -> Path:
    """Write a folder as SVIT is published, unpacked: ``texts`` by file stem, photos and sizes of ``ids``."""
    for name, text in texts.items():
        write(folder / f"data/{name}.json", text.encode())
    for i in ids:
        write(folder / f"raw/{visual_genome.folder_of(i)}/{i}.jpg", photo(i))
    write(folder / "raw/annotations/vg/image_data.json", json.dumps([entry(i) for i in ids]).encode())
    return folder


def write(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def make_texts(ids: Iterable[int] = IDS) -> dict[str, str]:
    """Return the JSON text of all four native files, spelt in different ways."""
    ids = list(ids)
    return {
        stem: dumps(odd_records(ids, seed), indent=seed % 2, is_ascii=seed > 1)
        for seed, stem in enumerate(FILES.values())
    }


def rows(dataset: Any) -> list[dict[str, Any]]:
    """Return all rows; images as they are stored."""
    if "image" in (dataset.features or {}):
        dataset = dataset.cast_column("image", datasets.Image(decode=False))
    return list(dataset)


def python(code: str, *args: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own that can reach no Hub and writes below ``cwd`` only."""
    own = {"HF_HOME": str(cwd / "hf"), "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": ""}
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, args)]
    known = {k: v for k, v in os.environ.items() if k not in ("SVIT_DATA_DIR", "HF_DATASETS_CACHE")}
    return subprocess.run(
        command, cwd=cwd, env={**known, **own, **environment}, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("loading") / "SVIT", make_texts())


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("config", CONFIGS)
def test_both_ways_give_the_same_rows(root: Path, caches: Path, config: str) -> None:
    given = {"data_dir": str(root), "cache_dir": str(caches / "a")}
    one = datasets.load_dataset("svit", config, **given)
    other = svit_datasets.load_dataset("svit", config, data_dir=root, cache_dir=caches / "b")
    streamed = {how: WAYS[how]("svit", config, streaming=True, **given) for how in WAYS}
    assert type(one) is type(other) is datasets.DatasetDict
    assert all(type(stream) is datasets.IterableDatasetDict for stream in streamed.values())
    assert [i for s in ("train", "test") for i in one[s]["image_id"]] == [
        i
        for s in (False, True)
        for i in (sorted(IDS) if config == "images" else IDS)
        if visual_genome.is_held_out(i) == s
    ]
    for split in ("train", "test"):
        assert one[split].features == other[split].features
        assert rows(one[split]) == rows(other[split])
        for stream in streamed.values():
            assert rows(stream[split]) == rows(one[split])
    assert {str(one[s].split) for s in one} == {"train", "test"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "config"),
    [("complex-reasoning", "complex_reasoning"), ("referring_qa", "referring"), ("detail-description", "detail")],
)
def test_other_spellings_of_a_name(root: Path, caches: Path, way: str, name: str, config: str) -> None:
    given = {"data_dir": str(root), "cache_dir": str(caches / "a"), "split": "train"}
    named, meant = (WAYS[way]("svit", n, **given) for n in (name, config))
    assert named.config_name == meant.config_name == config
    assert named.cache_files == meant.cache_files


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "Config name is missing: load_dataset('svit', CONFIG) with one of conversation, complex_reasoning, "
               "referring, detail, images"),
        ("refering", "BuilderConfig 'refering' not found. Available: conversation, complex_reasoning, referring, "
                     "detail, images. Did you mean 'referring'?"),
        ("Bilder", "BuilderConfig 'Bilder' not found. Available: conversation, complex_reasoning, referring, detail, "
                   "images."),
    ],
)  # fmt: skip
def test_a_name_that_is_none(root: Path, caches: Path, way: str, name: str | None, message: str) -> None:
    with pytest.raises(svit_datasets.UsageError) as caught:
        WAYS[way]("svit", name, data_dir=str(root), cache_dir=str(caches / "a"))
    assert str(caught.value) == message


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "jpg"}, "images='jpg': expected one of path, embed, none"),
        ({"granularity": "row"}, "granularity='row': expected one of image, conversation, qa"),
        ({"on_missing_image": "skip"}, "on_missing_image='skip': expected one of error, null, drop"),
        ({"on_error": "collect"}, "on_error='collect': expected one of raise, skip"),
        ({"columns": "image_id"}, "columns='image_id': expected a list of names"),
        ({"columns": []}, "columns=[]: expected a list of names"),
        ({"columns": ["objects"]}, "columns: no objects in 'detail'; there are image, image_id, width, height, url, "
                                   "coco_id, flickr_id, conversations, extra"),
        ({"data_files": "x.json"}, "data_files is not taken; name the folder with SVIT's files in data_dir"),
    ],
    ids=str,
)  # fmt: skip
def test_an_option_that_has_none_of_its_values(
    root: Path, caches: Path, way: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(svit_datasets.UsageError) as caught:
        WAYS[way]("svit", "detail", data_dir=str(root), cache_dir=str(caches / "a"), **options)
    assert str(caught.value) == message


def test_a_column_asked_for_twice_is_a_fault_of_the_options(root: Path, caches: Path) -> None:
    with pytest.raises(svit_datasets.UsageError, match=r"^columns.*image_id"):
        svit_datasets.load_dataset(
            "svit", "detail", data_dir=root, cache_dir=caches, images="none", columns=["image_id", "url", "image_id"]
        )


def test_an_option_that_is_not_there_is_refused(root: Path, caches: Path) -> None:
    with pytest.raises(
        svit_datasets.UsageError, match=r"^image_size: no such option; there are .*did you mean images\?$"
    ):
        datasets.load_dataset("svit", "detail", data_dir=str(root), cache_dir=str(caches), image_size=3)


def test_what_datasets_tells_of_svit(root: Path, caches: Path) -> None:
    given = {"data_dir": str(root), "cache_dir": str(caches / "a")}
    assert datasets.get_dataset_config_names("svit") == list(CONFIGS)
    for config in CONFIGS:
        assert datasets.get_dataset_split_names("svit", config, **given) == ["train", "test"]
    builder = datasets.load_dataset_builder("svit", "referring", **given)
    assert list(builder.info.features)[-3:] == ["conversations", "objects", "extra"]
    assert builder.info.license == "cc-by-4.0"
    assert "zhao2023svit" in builder.info.citation
    for name in builder.info.features:
        assert f"- `{name}`: " in builder.info.description
    builder.download_and_prepare()
    loaded = datasets.load_dataset("svit", "referring", **given)
    assert rows(builder.as_dataset("test")) == rows(loaded["test"])
    assert loaded["train"].features == builder.info.features


def test_ways_to_name_the_folder(root: Path, caches: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(root.parent)
    monkeypatch.setenv("HOME", str(root.parent))
    expected = rows(svit_datasets.load_dataset(name="detail", data_dir=root, cache_dir=caches / "a", split="train"))

    def load(given: object) -> Any:
        return WAYS["datasets"]("svit", "detail", data_dir=given, cache_dir=str(caches / "a"), split="train")

    for given in (root, str(root), f"{root}/", "SVIT", "./SVIT", Path("SVIT"), "~/SVIT", Path("~/SVIT")):
        loaded = load(given)
        assert rows(loaded) == expected, given
    monkeypatch.setenv("SVIT_DATA_DIR", "~/SVIT")
    assert rows(load(None)) == expected
    monkeypatch.setenv("SVIT_DATA_DIR", str(tmp_path / "elsewhere"))
    assert rows(load("SVIT")) == expected
    with pytest.raises(svit_datasets.InputError) as caught:
        load(None)
    assert str(caught.value) == (
        f"{tmp_path}/elsewhere: found no such folder; expected a folder with data/ and raw/, as SVIT's; "
        "check the path [input-missing]"
    )
    monkeypatch.chdir(tmp_path)
    assert loaded[0]["image"].size == (24 + IDS[0] % 7, 16 + IDS[0] % 5)
    assert Path(rows(loaded)[0]["image"]["path"]).is_absolute()


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of some files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return archive.getvalue()


def write_layout(kind: str, folder: Path, source: Path) -> Path:
    """Write the root ``source`` in one of the layouts in which people have SVIT."""
    natives = {p.name: p.read_bytes() for p in sorted((source / "data").iterdir())}
    photos = {f"{p.parent.name}/{p.name}": p.read_bytes() for p in sorted((source / "raw").glob("VG*/*.jpg"))}
    data, _, raw = kind.partition(" ")
    sizes = (source / "raw/annotations/vg/image_data.json").read_bytes()
    if data == "svit.zip":
        write(folder / "data/svit.zip", packed(natives))
    for name, content in natives.items():
        if data == "zips":
            write(folder / f"data/{Path(name).stem}.zip", packed({name: content}))
        elif data == "nested":
            write(folder / f"data/{Path(name).stem}.zip", packed({f"data/{name}": content, f"__MACOSX/._{name}": b"?"}))
        elif data == "gz":
            write(folder / f"data/{name}.gz", gzip.compress(content))
        elif data == "lines":
            lines = (dumps(record) for record in loads(content))
            write(folder / f"data/{Path(name).stem}.jsonl", "\n".join(lines).encode())
        elif data in ("data", "flat"):
            write(folder / ("data" if data == "data" else "") / name, content)
    if raw == "zips":
        for number, name in ("", "VG_100K"), ("2", "VG_100K_2"):
            members = {k: v for k, v in photos.items() if k.startswith(f"{name}/")}
            write(folder / f"raw/images{number}.zip", packed(members))
    for name, content in photos.items():
        if raw in ("raw", "top"):
            write(folder / ("raw" if raw == "raw" else "") / name, content)
        elif raw == "links":
            write(folder.with_name("disk") / name, content)
    if raw == "links":
        (folder / "raw").mkdir()
        for name in visual_genome.FOLDERS:
            (folder / "raw" / name).symlink_to(folder.with_name("disk") / name)
    write(folder / ("image_data.json" if raw == "top" else "raw/annotations/vg/image_data.json"), sizes)
    return folder


@pytest.mark.parametrize(
    "layout",
    ["zips zips", "svit.zip zips", "data zips", "nested raw", "gz raw", "lines links", "flat top", "svit.zip top"],
)
@pytest.mark.parametrize("name", ["SVIT", "a b#c%20d?e=\u00e9", "old.zip/x"])
def test_layouts_of_the_folder(root: Path, caches: Path, tmp_path: Path, layout: str, name: str) -> None:
    folder = write_layout(layout, tmp_path / name, root)
    configs = CONFIGS if name == "SVIT" else ("referring",)
    for config in configs:
        expected = datasets.load_dataset("svit", config, data_dir=str(root), cache_dir=str(caches / "a"))
        loaded = datasets.load_dataset("svit", config, data_dir=str(folder), cache_dir=str(tmp_path / "c"))
        for split in ("train", "test"):
            differs = {"image"} | ({"extra"} if "lines" in layout else set())  # which is spelt as in the file
            kept = [name for name in expected[split].features if name not in differs]
            assert rows(loaded[split].select_columns(kept)) == rows(expected[split].select_columns(kept))
        row = loaded["train"][-1]
        assert row["image"].tobytes() == Image.open(io.BytesIO(photo(row["image_id"]))).tobytes()
        streamed = datasets.load_dataset(
            "svit", config, data_dir=str(folder), cache_dir=str(tmp_path / "c"), split="test", streaming=True
        )
        row = next(iter(streamed))
        assert row["image"].tobytes() == Image.open(io.BytesIO(photo(row["image_id"]))).tobytes()
