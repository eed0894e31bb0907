"""The cache: nothing is built twice, nothing old or half is taken for what was asked for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from helpers_cli import limit_file_size
from test_loading import IDS, TEST, TRAIN, entry, make_texts, photo, python, rows, write, write_root

import svit_datasets
from svit_datasets.images import visual_genome

PAIR = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]


def text_of(count: int, ids: list[int] = IDS, answer: str = "") -> str:
    """Return the text of a native file of so many records."""
    content = [PAIR[0], {"from": "gpt", "value": f"So.{answer}"}]
    records = ({"image_id": ids[i % len(ids)], "n": i, "conversations": [{"content": content}]} for i in range(count))
    return json.dumps(list(records))


def load(root: Path, config: str = "detail", **options: Any) -> Any:
    given = {"data_dir": str(root), "cache_dir": str(root.parent / "cache"), **options}
    return datasets.load_dataset("svit", config, **given)


def built(root: Path) -> dict[str, int]:
    """Return the tables in the cache with the times at which they were written."""
    cache = root.parent / "cache"
    return {str(p.relative_to(cache)): p.stat().st_mtime_ns for p in cache.rglob("*.arrow")}


def tables(root: Path) -> set[str]:
    return {Path(name).parts[1] for name in built(root)}


def is_clean(cache: Path) -> bool:
    """Tell whether a cache holds whole tables and locks only."""
    return not [p for p in cache.rglob("*") if "incomplete" in p.name and not p.name.endswith(".lock")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "SVIT", make_texts(), IDS)


def test_a_second_load_builds_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    expected = {name: rows(split) for name, split in load(root).items()}
    before = built(root)
    assert len(before) >= 2
    for given in root, "SVIT", f"{root}/.", root / "data/..":
        for how in datasets.load_dataset, svit_datasets.load_dataset:
            for options in {}, {"num_proc": 2}, {"images": "path", "coco_captions": None}, {"on_error": "raise"}:
                again = how("svit", "detail", data_dir=given, cache_dir=str(root.parent / "cache"), **options)
                assert {name: rows(split) for name, split in again.items()} == expected
    assert built(root) == before
    load(root, download_mode="force_redownload")
    assert built(root).keys() == before.keys()
    assert built(root) != before


def test_what_has_nothing_to_do_with_a_table_does_not_make_it_anew(root: Path) -> None:
    load(root)
    load(root, "referring", images="none")
    before = built(root)
    write(root / "data/conversation.json", b"[]")
    write(root / "data/notes.txt", b"x")
    write(root / "data/svit.zip", b"not looked at, for the plain file stands beside it")
    write(root / "README.md", b"x")
    write(root / "raw/annotations/vg/objects.json", b"{}")
    load(root)
    write(root / f"raw/VG_100K/{TRAIN[-1]}.jpg", photo(TRAIN[-1]))
    write(root / "raw/images.zip", b"not looked at by text alone")
    load(root, "referring", images="none")
    assert built(root) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda root: write(root / "data/detail_description.json", text_of(7).encode()),
    "its time": lambda root: os.utime(root / "data/detail_description.json"),
    "sizes": lambda root: write(
        root / "raw/annotations/vg/image_data.json", json.dumps([entry(i) for i in IDS]).encode()
    ),
    "a photo taken away": lambda root: (root / f"raw/{visual_genome.folder_of(IDS[0])}/{IDS[0]}.jpg").unlink(),
    "a photo more": lambda root: write(root / f"raw/VG_100K/{TRAIN[-1]}.jpg", photo(TRAIN[-1])),
}


@pytest.mark.parametrize("change", ["the file", "its time", "sizes", "a photo taken away", "a photo more"])
def test_what_a_table_is_made_from_makes_it_anew(root: Path, change: str) -> None:
    given = {"on_missing_image": "drop"}
    load(root, **given)
    load(root, "images", **given)
    before = built(root)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        CHANGES[change](root)
        after = load(root, **given)
        fresh = load(root, cache_dir=str(root.parent / "fresh"), **given)
    assert {k: rows(v) for k, v in after.items()} == {k: rows(v) for k, v in fresh.items()}
    assert len(built(root)) > len(before)
    assert {k: v for k, v in built(root).items() if k in before} == before


def test_other_options_are_other_tables(root: Path) -> None:
    captions = write(
        root.parent / "c.json", b'{"images": [], "annotations": [{"image_id": 8, "id": 1, "caption": "a"}]}'
    )
    several: list[dict[str, Any]] = [
        {}, {"images": "none"}, {"images": "embed"}, {"granularity": "qa"}, {"granularity": "conversation"},
        {"on_missing_image": "null"}, {"on_missing_image": "drop"}, {"check_images": False}, {"on_error": "skip"},
        {"coco_captions": captions}, {"columns": ["image_id", "url"]}, {"columns": ["url", "image_id"]},
    ]  # fmt: skip
    seen = []
    for options in several:
        loaded = load(root, split="train", **options)
        seen.append(loaded)
        assert len(tables(root)) == len(seen), options
    assert seen[-1].column_names == ["url", "image_id"]
    assert len(seen[3]) > len(seen[4]) > len(seen[0])
    before = built(root)
    load(root, coco_captions=[str(captions)])
    load(root, columns=("image_id", "url"))
    assert built(root) == before


def test_captions_that_changed_are_read_anew(root: Path) -> None:
    one = next(i for i in TRAIN if entry(i)["coco_id"])
    for caption in "first", "second", "third one":
        annotations = [{"image_id": entry(one)["coco_id"], "id": 1, "caption": caption}]
        path = write(root.parent / "c.json", json.dumps({"images": [], "annotations": annotations}).encode())
        for streaming in (False, True):
            loaded = load(
                root, coco_captions=path, split="train", streaming=streaming, columns=["image_id", "captions"]
            )
            assert {row["image_id"]: row["captions"] for row in loaded}[one] == [caption]


def test_a_link_that_moves_on_leaves_no_table_behind_with_its_old_paths(tmp_path: Path) -> None:
    """A link ``current`` names one folder today and another tomorrow; each table is to hold its own folder's photos."""
    for name in "one", "two":
        write_root(tmp_path / name, {"detail_description": text_of(3)}, IDS)
    for photo_file in (tmp_path / "two/raw").glob("VG*/*.jpg"):
        photo_file.write_bytes(photo(5))
    (tmp_path / "current").symlink_to("one")
    load(tmp_path / "current")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("two")
    [first, *_] = load(tmp_path / "one", split="train")
    assert first["image"].size == (24 + IDS[0] % 7, 16 + IDS[0] % 5)
    with pytest.warns(svit_datasets.SvitWarning, match="image-size-differs"):  # image_data.json tells the old sizes
        [first, *_] = load(tmp_path / "current", split="train")
    assert first["image"].size == (24 + 5, 16)


def test_a_new_version_of_the_package_builds_anew(root: Path) -> None:
    code = (
        "import sys, svit_datasets, svit_datasets.registration\n"
        "svit_datasets.VERSION = svit_datasets.registration.VERSION = '9.9.9'\n"
        "import datasets\nprint(len(datasets.load_dataset('svit', 'detail', data_dir=sys.argv[1], split='train', "
        "cache_dir='cache')))\n"
    )
    load(root)
    before = built(root)
    ran = python(code, root, cwd=root.parent)
    assert ran.stdout == f"{sum(not visual_genome.is_held_out(i) for i in IDS)}\n", ran.stderr
    assert len(tables(root)) == 2
    assert {k: v for k, v in built(root).items() if k in before} == before


def test_a_build_that_was_killed_is_not_taken_for_whole(tmp_path: Path) -> None:
    root = write_root(tmp_path / "SVIT", {"detail_description": text_of(20_000, answer="x" * 200)})
    code = (
        "import sys, svit_datasets, datasets\n"
        "datasets.load_dataset('svit', 'detail', data_dir=sys.argv[1], cache_dir=sys.argv[2], check_images=False)"
    )
    cache = tmp_path / "cache"
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root), str(cache)], env=environment, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while not [p for p in cache.rglob("*.arrow") if p.stat().st_size > 1000]:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert not list(cache.rglob("dataset_info.json"))
    expected = [IDS[i % len(IDS)] for i in range(20_000)]
    loaded = load(root, check_images=False)
    for name, is_test in ("train", False), ("test", True):
        assert loaded[name]["image_id"][:] == [i for i in expected if visual_genome.is_held_out(i) == is_test]
    assert is_clean(cache)


@pytest.mark.parametrize("options", [{}, {"num_proc": 2}], ids=str)
def test_a_build_that_failed_is_not_taken_for_whole(tmp_path: Path, options: dict[str, Any]) -> None:
    """The fault is mended without a trace in size and time, so that the table has the name of the failed one."""
    good = text_of(2500)
    at = good.index('"n": 2400')
    bad = f"{good[:at]}'{good[at + 1 :]}"
    root = write_root(tmp_path / "SVIT", {"detail_description": bad})
    file = root / "data/detail_description.json"
    status = file.stat()
    with pytest.raises(svit_datasets.RecordError, match=r":2401 id=[0-9]+: found .*\[record-syntax\]$"):
        load(root, **options)
    file.write_text(good)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    loaded = load(root, **options)
    assert sum(map(len, loaded.values())) == 2500
    assert is_clean(root.parent / "cache")
    assert len(tables(root)) == 1


def change_later(root: Path) -> None:
    file = root / "data/detail_description.json"
    file.write_text(text_of(40, answer="changed"))


def test_an_input_that_changes_while_it_is_streamed_is_refused(tmp_path: Path) -> None:
    root = write_root(tmp_path / "SVIT", {"detail_description": text_of(3000, answer="x" * 100)})
    stream = iter(load(root, streaming=True, split="train"))
    next(stream)
    change_later(root)
    message = (
        f"{root}/data/detail_description.json: found another size or time of change than at the start; expected files "
        "that stay as they are while they are read; load again when nothing writes to them [input-changed]"
    )
    with pytest.raises(svit_datasets.InputError) as caught:
        list(stream)
    assert str(caught.value) == message


def change_at_the_end_of_train(root: Path) -> Callable[..., None]:
    """Return a taker of warnings that changes the file when the train split was read to its end."""

    def show(message: Any, *_: object, **__: object) -> None:
        if "train split" in str(message):
            change_later(root)

    return show


def test_an_input_that_changes_while_it_is_built_from_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning about a left out record is the moment at which the one split is read and the other is not."""
    bad = json.dumps({"image_id": TRAIN[0], "conversations": 5})
    text = text_of(2000, [*TRAIN[:3], *TEST[:3]])
    root = write_root(tmp_path / "SVIT", {"detail_description": f"{text[:-1]}, {bad}]"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", change_at_the_end_of_train(root))
        with pytest.raises(svit_datasets.InputError, match=r"\[input-changed\]$"):
            load(root, on_error="skip")
    assert sum(map(len, load(root).values())) == 40
    assert is_clean(root.parent / "cache")


def test_a_disk_that_is_full_is_an_error_and_the_next_load_is_right(tmp_path: Path) -> None:
    root = write_root(tmp_path / "SVIT", {"detail_description": text_of(4000, answer="x" * 200)})
    code = (
        "import sys, svit_datasets, datasets\ntry:\n"
        "    datasets.load_dataset('svit', 'detail', data_dir=sys.argv[1], cache_dir=sys.argv[2], check_images=False)\n"
        "except Exception as error:\n"
        "    while error is not None:\n        print(type(error).__name__, error)\n        error = error.__cause__\n"
        "    sys.exit(3)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(root), str(tmp_path / "cache")],
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        preexec_fn=limit_file_size(100_000), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 3, ran.stderr
    assert re.search("File too large", ran.stdout), ran.stdout
    assert not list((tmp_path / "cache").rglob("dataset_info.json"))
    loaded = load(root, check_images=False)
    assert sum(map(len, loaded.values())) == 4000
    assert is_clean(tmp_path / "cache")


def test_two_processes_that_load_at_once_both_get_all(tmp_path: Path) -> None:
    root = write_root(tmp_path / "SVIT", {"detail_description": text_of(3000)})
    code = (
        "import sys, svit_datasets, datasets\n"
        "ds = datasets.load_dataset('svit', 'detail', data_dir=sys.argv[1], cache_dir=sys.argv[2])\n"
        "print(sum(map(len, ds.values())), sum(len(s[-1]['extra']) > 0 for s in ds.values()))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, str(root), str(tmp_path / "cache")],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [process.communicate(timeout=60)[0] for process in both] == ["3000 2\n"] * 2
    assert len(tables(root)) == 1


def test_a_table_whose_file_was_taken_away_is_built_again(root: Path) -> None:
    load(root)
    shutil.rmtree(root.parent / "cache")
    assert len(load(root)["train"]) == sum(not visual_genome.is_held_out(i) for i in IDS)
