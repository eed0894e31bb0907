"""A build that was killed, interrupted or run twice at once: what is finished stays, and the result is the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from build_held import AT_NOTE, PUBLISH, children_of, expect_ended, held
from build_sources import IMAGE_IDS, Source, digests, make_photo, make_source
from helpers_cli import INTERRUPTED, TERMINATED, damage, finish, run

from svit_datasets.publish.building.build import Built, build
from svit_datasets.publish.building.staging import Staging

LIMIT = "8kB"
STAGING = ".hub.svit-build"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("source") / "svit")


@pytest.fixture(scope="module")
def whole(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build that nothing disturbed."""
    return build(source.root, tmp_path_factory.mktemp("whole") / "hub", max_shard_size=LIMIT)


def command(root: Path, target: Path, jobs: int = 1) -> list[str]:
    return ["build", str(root), "-o", str(target), "--max-shard-size", LIMIT, "--jobs", str(jobs)]


def go_on(root: Path, target: Path, *, jobs: int = 1) -> list[str]:
    """Build with the same options in this process, and return what is said."""
    told: list[str] = []
    build(root, target, max_shard_size=LIMIT, jobs=jobs, tell=told.append)
    return told


def going_on(count: int) -> str:
    verb = "is" if count == 1 else "are"
    return f"going on: {count} of 6 parts, each a shard of every configuration, {verb} there already"


def finished(staging: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of the shards that the journal names."""
    journal = staging / "done.jsonl"
    lines = [line for line in journal.read_text().splitlines() if line] if journal.exists() else []
    paths = [shard["path"] for line in lines for shard in json.loads(line)["done"]["shards"]]
    return {path: marks(staging / "folder" / path) for path in paths}


def marks(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


@pytest.mark.parametrize(
    ("place", "calls", "jobs", "parts"),
    [
        (f"{PUBLISH}building.survey:read_items", 2, 1, 0),
        (f"{PUBLISH}building.prepare:plan_spans", 1, 1, 0),
        (f"{PUBLISH}building.shard_file:ShardFile.close", 6, 1, 1),
        (AT_NOTE, 3, 1, 2),
        (AT_NOTE, 3, 2, 2),
        (f"{PUBLISH}building.run:release_of", 1, 1, 6),
        (f"{PUBLISH}building.run:write_origin", 1, 1, 6),
    ],
    ids=["while reading", "while planning", "in a shard", "between", "between, two jobs", "all written", "at the end"],
)
def test_a_killed_build_goes_on(
    source: Source, whole: Built, tmp_path: Path, place: str, calls: int, jobs: int, parts: int
) -> None:
    arguments = command(source.root, tmp_path / "hub", jobs)
    with held(place, calls, tmp_path / "flag", arguments) as process:
        children = children_of(process.pid)
        assert len(children) >= (jobs if jobs > 1 and place == AT_NOTE else 0)
        process.kill()
        expect_ended([process.pid, *children])
    assert not (tmp_path / "hub").exists()
    kept = finished(tmp_path / STAGING)
    assert len(kept) == 4 * parts
    told = go_on(source.root, tmp_path / "hub", jobs=jobs)
    assert told == [going_on(parts)] * bool(parts)
    assert digests(tmp_path / "hub") == digests(whole.folder)
    assert {path: marks(tmp_path / "hub" / path) for path in kept} == kept
    assert [p.name for p in tmp_path.iterdir()] == ["hub"]


def test_killed_while_an_earlier_build_is_replaced(source: Source, whole: Built, tmp_path: Path) -> None:
    """Between the two renames neither has the name; the next build, of whatever options, puts the earlier one back."""
    shutil.copytree(whole.folder, tmp_path / "hub")
    arguments = [*command(source.root, tmp_path / "hub"), "--overwrite", "--images", "none"]
    with held("pathlib:Path.replace", 3, tmp_path / "flag", arguments) as process:
        process.kill()
    assert not (tmp_path / "hub").exists()
    assert run("build", source.root, "-o", tmp_path / "hub", "--max-shard-size", "1MB").code == 2
    assert digests(tmp_path / "hub") == digests(whole.folder)
    again = run(*arguments)
    assert again.code == 0
    other = build(source.root, tmp_path / "other", images="none", max_shard_size=LIMIT)
    assert digests(tmp_path / "hub") == digests(other.folder)


@pytest.mark.parametrize(
    ("number", "code", "jobs"),
    [(signal.SIGINT, INTERRUPTED, 1), (signal.SIGINT, INTERRUPTED, 2), (signal.SIGTERM, TERMINATED, 2)],
)
def test_an_interrupted_build_says_what_is_kept(
    source: Source, whole: Built, tmp_path: Path, number: signal.Signals, code: int, jobs: int
) -> None:
    arguments = command(source.root, tmp_path / "hub", jobs)
    with held(AT_NOTE, 3, tmp_path / "flag", arguments) as process:
        children = children_of(process.pid)
        process.send_signal(number)
        ran = finish(process)
    assert ran.code == code
    kept = "2 of 6 parts, each a shard of every configuration, are kept in"
    kept = f"{kept} {tmp_path}/{STAGING}; the same command goes on from there, "
    assert ran.err.splitlines()[0] == f"{kept}and removing that folder forgets them"
    expect_ended(children)
    assert [p.name for p in tmp_path.iterdir()] == [STAGING]
    go_on(source.root, tmp_path / "hub")
    assert digests(tmp_path / "hub") == digests(whole.folder)


def interrupted(source: Source, folder: Path) -> None:
    """Leave a build with three of six parts finished."""
    with held(AT_NOTE, 4, folder / "flag", command(source.root, folder / "hub")) as process:
        process.kill()
    assert len(finished(folder / STAGING)) == 12


@pytest.fixture(scope="module")
def half(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``interrupted`` leaves."""
    folder = tmp_path_factory.mktemp("half")
    interrupted(source, folder)
    return folder / STAGING


@pytest.mark.parametrize("harm", ["damaged", "cut", "gone", "torn line", "no newline"])
def test_what_was_damaged_meanwhile_is_written_again(
    source: Source, whole: Built, half: Path, tmp_path: Path, harm: str
) -> None:
    shutil.copytree(half, tmp_path / STAGING)
    journal = tmp_path / STAGING / "done.jsonl"
    path = tmp_path / STAGING / "folder" / "data" / "detail" / "train-00001-of-00005.parquet"
    content = path.read_bytes()
    {
        "damaged": lambda: path.write_bytes(damage(content, 1000)),
        "cut": lambda: path.write_bytes(content[:-1]),
        "gone": path.unlink,
        "torn line": lambda: journal.write_bytes(journal.read_bytes()[:-50]),
        "no newline": lambda: journal.write_bytes(journal.read_bytes().rstrip(b"\n")),
    }[harm]()
    count = 3 if harm == "no newline" else 2
    with pytest.MonkeyPatch.context() as patch:
        real, left = Staging.note, [None]  # one part more is noted, behind what is torn

        def note_one(*given: Any) -> None:
            left.pop()
            real(*given)

        patch.setattr(Staging, "note", note_one)
        with pytest.raises(IndexError):
            go_on(source.root, tmp_path / "hub")
    assert go_on(source.root, tmp_path / "hub") == [going_on(count + 1)]
    assert digests(tmp_path / "hub") == digests(whole.folder)


@pytest.mark.parametrize("change", ["option", "plan"])
def test_another_build_starts_over(source: Source, half: Path, tmp_path: Path, change: str) -> None:
    shutil.copytree(half, tmp_path / STAGING)
    if change == "plan":
        (tmp_path / STAGING / "plan.json").write_bytes(b'{"key": ')
    told: list[str] = []
    options = {"images": "none"} if change == "option" else {}
    build(source.root, tmp_path / "hub", max_shard_size=LIMIT, tell=told.append, **options)  # type: ignore[arg-type]
    assert told == [f"{tmp_path}/{STAGING}: parts of another build, by its options or its source; starting over"]
    other = build(source.root, tmp_path / "other", max_shard_size=LIMIT, **options)  # type: ignore[arg-type]
    assert digests(tmp_path / "hub") == digests(other.folder)


def test_the_title_may_change_meanwhile(source: Source, half: Path, tmp_path: Path) -> None:
    """Title and licence are written last, so that a build under others goes on."""
    shutil.copytree(half, tmp_path / STAGING)
    told: list[str] = []
    build(source.root, tmp_path / "hub", max_shard_size=LIMIT, tell=told.append, title="Mine", licence="mit")
    assert told == [going_on(3)]
    other = build(source.root, tmp_path / "other", max_shard_size=LIMIT, title="Mine", licence="mit")
    assert digests(tmp_path / "hub") == digests(other.folder)


@pytest.mark.parametrize("change", ["text", "photo"])
def test_a_source_that_changed_meanwhile_starts_over(source: Source, tmp_path: Path, change: str) -> None:
    copy = Source(tmp_path / "svit", source.records, source.photos)
    shutil.copytree(source.root, copy.root)
    interrupted(copy, tmp_path)
    if change == "text":
        os.utime(copy.root / "data" / "referring_qa.json")
    else:
        photo = next((copy.root / "raw").rglob(f"{IMAGE_IDS[0]}.jpg"))
        photo.write_bytes(make_photo(99))
    told = [f"{tmp_path}/{STAGING}: parts of another build, by its options or its source; starting over"]
    assert go_on(copy.root, tmp_path / "hub") == told
    other = build(copy.root, tmp_path / "other", max_shard_size=LIMIT)
    assert digests(tmp_path / "hub") == digests(other.folder)


def test_one_build_of_a_folder_at_a_time(source: Source, whole: Built, tmp_path: Path) -> None:
    arguments = command(source.root, tmp_path / "hub")
    told = f"error: {tmp_path}/hub: another process builds it; wait for it, or name another folder\n"
    with held(AT_NOTE, 3, tmp_path / "flag", arguments) as process:
        second = run(*arguments)
        assert (second.code, second.err) == (2, told)
        process.kill()
    ran = run(*arguments)
    assert ran.err.startswith(f"{going_on(2)}\n")
    assert digests(tmp_path / "hub") == digests(whole.folder)
