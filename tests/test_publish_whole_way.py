"""From the source to a stranger's ``load_dataset``: build, push, kill, push again, load from the Hub, compare all."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest
from build_sources import Source, make_source
from hub_rules import Fault, Rules
from hub_server import Asked, HubServer
from pushing import LOAD, PUSH, REPO, Client, shard_files

import svit_datasets
from svit_datasets.images import visual_genome

CONFIGS = ("conversation", "complex_reasoning", "referring", "detail")
_BLOCK = """
import importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "svit_datasets":
            raise ImportError("svit_datasets is not installed here")
sys.meta_path.insert(0, Refuse())
"""
CONVERT = PUSH.replace('"push", ', "")


def told(source: Source, config: str, split: str) -> list[object]:
    """Return what ``LOAD`` tells of a split, read from the source."""
    return [
        [
            r["image_id"],
            [[t["value"] for t in c["content"]] for c in r["conversations"]],
            hashlib.sha256(source.photos[r["image_id"]]).hexdigest(),
        ]
        for r in source.rows(config, split)
    ]


def kill_in_the_middle(hub: HubServer, client: Client, folder: Path, number: int) -> None:
    """Kill a push while its ``number``th shard travels."""
    digest = sorted(shard_files(folder))[number]
    hub.rules.faults = [Fault("PUT", digest, 1, "cut-request", after_bytes=100)]
    process = client.start(folder, "--repo-id", REPO, "--licence-ok")

    def kill(asked: Asked) -> None:
        if asked.method == "PUT" and digest in asked.path:
            process.send_signal(signal.SIGKILL)
            process.wait(60)

    hub.on_request = kill
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    hub.on_request, hub.rules = None, Rules()


def test_every_row_and_every_photo_arrives(hub: HubServer, client: Client, tmp_path: Path) -> None:
    source = make_source(tmp_path / "svit")
    folder = tmp_path / "out"
    built = client.run("build", source.root, "-o", folder, "--max-shard-size", "12kB", code=CONVERT)
    assert built.code == 0, built.err
    shards = shard_files(folder)
    assert len(shards) > 2 * len(CONFIGS)
    kill_in_the_middle(hub, client, folder, len(shards) // 2)
    before = hub.lfs_uploads()
    assert len(before) < len(shards)
    assert client.push(folder).code == 0
    assert hub.lfs_uploads() == dict.fromkeys(shards, 1)  # what was there was not sent again
    for config in CONFIGS:
        for streaming in ("no", "yes"):
            loaded = json.loads(client.run(REPO, config, streaming, "main", code=_BLOCK + LOAD).out)
            assert loaded == {split: told(source, config, split) for split in ("train", "test")}


def test_the_pushed_repository_gives_the_llava_records_of_the_source(client: Client, tmp_path: Path) -> None:
    others = [i for i in visual_genome.image_ids()[:200] if not visual_genome.is_held_out(i)][:7]
    source = make_source(tmp_path / "svit", image_ids=others)
    native = source.root / "data" / "referring_qa.json"
    records = sorted(json.loads(native.read_bytes()), key=lambda record: record["image_id"])
    native.write_text(json.dumps(records))
    ran = client.run(source.root, "--repo-id", REPO, "--licence-ok", "--max-shard-size", "12kB")
    assert ran.code == 0, ran.err
    svit_datasets.to_llava(native, tmp_path / "own.json", images=source.root)
    far = client.run("to-llava", f"hf://datasets/{REPO}/data/referring", "-o", tmp_path / "far.json", code=CONVERT)
    assert far.code == 0, far.err
    assert (tmp_path / "far.json").read_bytes() == (tmp_path / "own.json").read_bytes()
    assert not list((client.home / "hf" / "svit").iterdir())  # what was built for the push is gone


def test_files_are_pushed_in_one_go_and_gone_on_with(hub: HubServer, client: Client, tmp_path: Path) -> None:
    source = make_source(tmp_path / "svit")
    options = (source.root, "--repo-id", REPO, "--licence-ok", "--max-shard-size", "12kB")
    hub.rules.faults = [Fault("POST", "/commit/", 99, "status", status=500)]
    failed = client.run(*options)
    assert failed.code == 2
    kept = next((client.home / "hf" / "svit").iterdir())
    stamps = {p: p.stat().st_mtime_ns for p in kept.rglob("*.parquet")}
    hub.rules = Rules()
    photo = next(source.root.rglob("*.jpg"))
    done = client.run(*options)
    assert (done.code, bool(stamps)) == (0, True)
    assert "build: wrote" not in done.err  # it was not built again
    assert hub.lfs_uploads() == dict.fromkeys(hub.lfs_uploads(), 1)
    assert not kept.exists()
    photo.unlink()
    again = client.run(*options, "--on-missing-image", "null", "--overwrite")
    assert again.code == 0, again.err
    assert "\n1 image kept without its photo\n" in again.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "photos would be sent, and --licence-ok is not given: the photos are each under"),
        (["--licence-ok", "--max-shard-size", "x"], "'x' is no size; write it as 500MB or 1GiB"),
    ],
)
def test_what_is_wrong_is_said_before_the_build(
    hub: HubServer, client: Client, tmp_path: Path, more: list[str], message: str
) -> None:
    source = make_source(tmp_path / "svit")
    ran = client.run(source.root, "--repo-id", REPO, *more)
    assert (ran.code, hub.received) == (2, [])
    assert message in ran.last
    assert not (client.home / "hf" / "svit").exists() or not list((client.home / "hf" / "svit").iterdir())


def test_options_of_build_come_too_late_for_a_built_folder(hub: HubServer, client: Client, tmp_path: Path) -> None:
    source = make_source(tmp_path / "svit")
    folder = tmp_path / "out"
    svit_datasets.build(source.root, folder, configs="detail", images="none")
    ran = client.run(folder, "--repo-id", REPO, "--images", "embed")
    assert (ran.code, ran.last) == (
        2,
        f"error: {folder}: is built already, so --images comes too late; build it again with it",
    )
    ran = client.run(folder, "--repo-id", REPO, "-o", tmp_path / "elsewhere")
    assert "is built already, so there is nothing to build in" in ran.last
    assert hub.received == []
