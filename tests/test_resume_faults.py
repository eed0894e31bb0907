"""``resume`` where photos change, the disk is full, or an input cannot be read twice; what an ended run leaves."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from back_resumed import counted, starting_over
from fsspec.implementations.memory import MemoryFileSystem
from helpers_cli import SAMPLE, obey_modes, save_photo, tree

import svit_datasets
from svit_datasets import from_llava, to_llava
from svit_datasets.backward import shards as backward_shards
from svit_datasets.backward.work import Sorted
from svit_datasets.errors import InputError, OutputError, SvitWarning, UsageError
from svit_datasets.forward import shards as forward_shards
from svit_datasets.sharding import ranges
from svit_datasets.sharding.folder import Folder
from svit_datasets.sharding.manifest import open_manifest
from svit_datasets.sharding.stages import forget_parts, leave_parts

NATIVE = Path("native", "conversation.json")
STAGES = {"back": Path("made", ".svit-parts"), "forward": Path(".out.json.svit-parts")}
PHOTOS = Path("photos", "VG_100K_2")
TALK = {"content": [{"from": "user", "value": "Why is it there?"}, {"from": "gpt", "value": "It fell. " * 9}]}
FULL = r"no space left on device; nothing was written under this name\. Make room or name another place"


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write ``in.json`` and two folders of photos, one of them behind a link; shards are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ranges, "_SMALLEST_BYTES", 1)
    monkeypatch.setattr(backward_shards, "SHARD_BYTES", 1000)
    monkeypatch.setattr(forward_shards, "SHARD_BYTES", 1000)
    NATIVE.parent.mkdir()
    NATIVE.write_text(json.dumps([{"image_id": i, "conversations": [TALK] * 3} for i in range(1, 13)]))
    to_llava(NATIVE, "in.json")
    for folder, size_wh in (("first", (40, 30)), ("second", (30, 50))):
        for image_id in range(1, 13):
            save_photo(Path(folder, PHOTOS.name, f"{image_id}.jpg"), size_wh)
    Path("photos").symlink_to("first")


def run(way: str, **given: Any) -> Any:
    if way == "back":
        return from_llava("in.json", "made", resume=True, **given)
    return to_llava(NATIVE, "out.json", resume=True, **given)


def interrupt(way: str, monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
    """Run until two shards are done, and stop there."""
    with monkeypatch.context() as patch, counted(2):
        real = forward_shards.convert
        jobs: list[Any] = []

        def convert(job: Any) -> Any:
            jobs.append(job)
            if len(jobs) > 2:
                raise KeyboardInterrupt
            return real(job)

        patch.setattr(forward_shards, "convert", convert)
        with pytest.raises(KeyboardInterrupt), pytest.warns(SvitWarning, match="^2 finished parts are kept in "):
            run(way, **given)


def relink() -> None:
    Path("photos").unlink()
    Path("photos").symlink_to("second")


def relink_alike() -> None:
    """Point the link at a copy that has the same sizes and times."""
    shutil.copytree("first", "copy", symlinks=True)
    Path("photos").unlink()
    Path("photos").symlink_to("copy")


def change_size() -> None:
    times = (PHOTOS / "2.jpg").stat()
    with (PHOTOS / "2.jpg").open("ab") as photo:
        photo.write(b"more")
    os.utime(PHOTOS / "2.jpg", ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[], object], int]] = {
    "link": (relink, 0),
    "link to a copy": (relink_alike, 0),
    "size": (change_size, 0),
    "time": (lambda: os.utime(PHOTOS / "2.jpg", ns=(1, 1)), 0),
    "added": (lambda: shutil.copy2(PHOTOS / "2.jpg", PHOTOS / "13.jpg"), 0),
    "a file beside": (lambda: (PHOTOS / "out.json").write_text("[]"), 2),
}


@pytest.mark.parametrize("way", STAGES)
@pytest.mark.parametrize("change", CHANGES)
def test_other_photos_are_another_run(way: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (PHOTOS / "99.jpg").symlink_to("nothing.jpg")
    interrupt(way, monkeypatch, images="photos")
    act, there = CHANGES[change]
    act()
    with starting_over(STAGES[way], is_said=not there):
        assert run(way, images="photos").shards_there == there


def test_a_photo_that_changes_meanwhile_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward_shards.Shards, "_take", lambda *_: os.utime(PHOTOS / "2.jpg", ns=(1, 1)))
    told = rf"^{PHOTOS}: found another size or time of change than at the start; "
    with pytest.raises(InputError, match=told):
        from_llava("in.json", "made", images="photos", jobs=2)


@contextmanager
def full_disk(name: str) -> Iterator[None]:
    """Let there be no room for more than the beginning of a file."""
    real = Path.write_bytes

    def write_bytes(path: Path, data: bytes) -> int:
        if path.name != f"{name}.part":
            return real(path, data)
        real(path, data[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    with mock.patch.object(Path, "write_bytes", write_bytes):
        yield


def test_photos_that_may_not_be_listed_are_used() -> None:
    code = "import svit_datasets; svit_datasets.from_llava('in.json', 'made', images='photos', resume=True)"
    PHOTOS.chmod(0o311)
    given = {"preexec_fn": obey_modes, "capture_output": True, "text": True}
    ran = subprocess.run([sys.executable, "-c", code], check=False, **given)
    PHOTOS.chmod(0o755)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("way", STAGES)
def test_no_room_for_the_plan_is_told_with_its_place(way: str) -> None:
    told = f"^{re.escape(str(STAGES[way] / 'plan.json'))}: {FULL}$"
    with full_disk("plan.json"), pytest.raises(OutputError, match=told):
        run(way)
    assert not STAGES[way].exists()


@pytest.mark.parametrize("way", STAGES)
def test_no_room_for_an_entry_is_told_with_its_place(way: str) -> None:
    """The shard that found no room leaves nothing; those before it stay."""
    name = "00000002.done.json"
    with (
        full_disk(name),
        pytest.raises(OutputError, match=f"^{re.escape(str(STAGES[way] / name))}: {FULL}$"),
        pytest.warns(SvitWarning, match="^2 finished parts are kept in "),
    ):
        run(way)
    assert {kept.partition(".")[0] for kept in tree(STAGES[way])} == {"00000000", "00000001", "plan", "lock"}
    assert run(way).shards_there == 2


def test_a_store_that_refuses_is_told_with_its_place() -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not yours")

    folder, refused = Folder("memory://bucket/parts"), r"access was refused \(not yours\)"
    folder.write("00000000.rows", b"rows")
    told = rf"^memory://bucket/parts/plan\.json: {refused}; nothing was written under this name\. "
    with mock.patch.object(MemoryFileSystem, "pipe_file", refuse), pytest.raises(OutputError, match=told):
        folder.write("plan.json", b"{}")
    told = rf"^memory://bucket/parts/00000000\.rows: cannot be removed \({refused}\); remove it yourself, or name "
    with mock.patch.object(MemoryFileSystem, "rm_file", refuse), pytest.raises(OutputError, match=told):
        folder.clear()
    folder.clear()
    assert folder.names() == []


def test_what_cannot_be_removed_is_told_with_its_place() -> None:
    Path("parts", "00000000.rows").mkdir(parents=True)
    told = r"^parts/00000000\.rows: cannot be removed \(is a directory\); remove it yourself, or name another output$"
    with pytest.raises(OutputError, match=told):
        Folder("parts").clear()
    with pytest.warns(SvitWarning, match=r"^parts: left as it is \(Is a directory\); remove it, it is of no use$"):
        forget_parts("parts", "out")


def test_what_is_kept_is_counted_by_its_entries(tmp_path: Path) -> None:
    """Nothing is read again only to be counted; what is not finished goes."""
    kept = {"plan.json", "00000000.rows", "00000000.done.json", "00000001.done.json", "mine.rows", "lock"}
    with open_manifest("parts", "out", "key") as manifest:
        manifest.write_plan(3)
        for name in [*kept - {"plan.json", "lock"}, "00000002.rows", "00000003.done.json.part"]:
            Path("parts", name).write_text("{}")
        assert manifest.finished(Sorted) == {}
        told = "^2 finished parts are kept in parts; the same command with --resume goes on from there$"
        with pytest.warns(SvitWarning, match=told):
            leave_parts(manifest, KeyboardInterrupt(), resume=True)
        assert tree(tmp_path / "parts") == kept
        leave_parts(manifest, None, resume=True)
        assert tree(tmp_path / "parts") == {"mine.rows", "lock"}


@pytest.mark.parametrize("given", [{"jobs": 2}, {"resume": True}])
def test_what_is_read_once_names_both_options(given: dict[str, Any], tmp_path: Path) -> None:
    os.mkfifo("conversation.json")
    told = r"^conversation\.json: can be read once, by one process; name a file, or leave --jobs and --resume out$"
    with pytest.raises(UsageError, match=told):
        to_llava("conversation.json", "out.json", **given)
    with pytest.raises(UsageError, match=told):
        from_llava("conversation.json", "made", **given)
    assert tree(tmp_path / "made") == set()


@pytest.mark.parametrize("given", [{"jobs": 2}, {"resume": True}])
def test_an_object_in_memory_names_both_options(given: dict[str, Any]) -> None:
    held = svit_datasets.load_dataset("svit", "conversation", data_dir=SAMPLE, cache_dir="cache", split="train")
    told = "an object in memory is read by one process; save it, or leave jobs and resume out$"
    with pytest.raises(UsageError, match=told):
        to_llava(held, "out.json", **given)
