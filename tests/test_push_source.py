"""``push`` of SVIT's own files: built once, used again, kept by a dry run; what is no folder to push is said first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from build_sources import Source, make_source
from hub_server import Fault, HubServer, Rules
from pushing import PUSH, REPO, Client

import svit_datasets

CONVERT = PUSH.replace('"push", ', "")
TEXT = ("--images", "none", "--config", "detail")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "svit")


def stamps(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in sorted(folder.rglob("*.parquet"))}


def test_a_folder_named_by_o_is_gone_on_with(hub: HubServer, client: Client, source: Source, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = (source.root, "--repo-id", REPO, "-o", out, *TEXT)
    first = client.run(*command, "--dry-run")
    assert first.code == 0, first.err
    assert "build: wrote 2 shards, " in first.err
    before = stamps(out)
    hub.rules.faults = [Fault("POST", "/commit/", 99, status=500)]
    assert client.run(*command).code == 2
    hub.rules = Rules()
    ran = client.run(*command)
    assert ran.code == 0, ran.err
    assert f"{out}: was built from {source.root} with these options before; used as it is\n" in ran.err
    assert (stamps(out), "build: wrote" in ran.err) == (before, False)
    refused = f"error: {out}: is there already, and {{}}; remove it, name another after -o, or push it itself"
    ran = client.run(*command, "--split", "test")
    assert (ran.code, ran.last) == (2, refused.format("was not built by this command with these options"))
    other = make_source(tmp_path / "other").root
    ran = client.run(other, *command[1:])
    assert ran.last == refused.format(f"was not built from {other}")
    text = source.root / "data" / "detail_description.json"
    text.write_bytes(text.read_bytes() + b"\n")
    assert client.run(*command).last == refused.format("its source changed since it was built")
    shutil.rmtree(out)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    told = f"error: {out}: is there already, and is no folder that `svit-convert build` made; name another after -o"
    assert client.run(*command).last == told
    assert [p.name for p in out.iterdir()] == ["mine.txt"]


def test_what_a_dry_run_builds_serves_the_push(hub: HubServer, client: Client, source: Source) -> None:
    command = (source.root, "--repo-id", REPO, *TEXT)
    dry = client.run(*command, "--dry-run")
    assert dry.code == 0, dry.err
    [kept] = (client.home / "hf" / "svit").iterdir()
    assert f"what was built is kept in {kept}, " in dry.err
    assert "; the push uses it, and removes it at its end\n" in dry.err
    hub.rules.faults = [Fault("POST", "/commit/", 99, status=500)]
    ran = client.run(*command)
    assert f"{kept}: was built from {source.root} with these options before; used as it is\n" in ran.err
    assert ran.err.splitlines()[-2].startswith(f"what was built is kept in {kept}, ")
    assert ran.err.splitlines()[-2].endswith("; the same command goes on with it")
    hub.rules = Rules()
    assert client.run(*command).code == 0
    assert not kept.exists()


def test_what_is_neither_built_nor_svits(hub: HubServer, client: Client, source: Source, tmp_path: Path) -> None:
    made = "name one that `svit-convert build` made, or one with SVIT's files"
    folder = tmp_path / "svit-hub"
    svit_datasets.build(source.root, folder, configs="detail")
    (tmp_path / "empty").mkdir()
    looked = "conversation, complex_reasoning, referring_qa or detail_description, there or under data/"
    part = "is a part of a built folder; push svit-hub"
    expected = {
        "nowhere": f"nowhere: is no folder; {made}",
        "empty": "empty: is no folder that `svit-convert build` made, and has none of SVIT's files "
        f"({looked}); name another folder",
        "svit-hub/data": f"svit-hub/data: {part}",
        "svit-hub/data/detail": f"svit-hub/data/detail: {part}",
    }
    for name, told in expected.items():
        ran = client.run(name, "--repo-id", REPO)
        assert (ran.code, ran.err) == (2, f"error: {told}\n")
    (folder / "croissant.json").unlink()
    lost = "svit-hub: looks like a built folder that has lost its croissant.json; build it again"
    assert client.run("svit-hub", "--repo-id", REPO).err == f"error: {lost}\n"
    (folder / "README.md").unlink()
    assert "has lost its README.md and croissant.json; build it again" in client.run("svit-hub", "--repo-id", REPO).err
    assert hub.asked == []


def test_a_source_that_is_gone_and_a_card_that_was_edited_are_said(
    hub: HubServer, client: Client, source: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "svit-hub"
    svit_datasets.build(source.root, folder, configs="detail", images="none")
    ran = client.run(folder, "--repo-id", REPO, "--dry-run")
    gone, edited = "its source is not here; not compared with it\n", "README.md was edited since it was built; "
    assert (ran.code, gone in ran.err, edited in ran.err) == (0, False, False)
    source.root.rename(tmp_path / "elsewhere")
    (folder / "README.md").write_text((folder / "README.md").read_text("utf-8") + "\nOurs.\n", "utf-8")
    ran = client.run(folder, "--repo-id", REPO)
    assert (ran.code, gone in ran.err, f"{edited}it is sent as it stands\n" in ran.err) == (0, True, True)
    assert hub.files(REPO)["README.md"].endswith(b"\nOurs.\n")
    shutil.rmtree(folder / ".cache")
    ran = client.run(folder, "--repo-id", REPO)
    assert (gone in ran.err, edited in ran.err) == (True, False)


def test_the_help_tells_which_options_are_of_the_build(client: Client) -> None:
    told = " ".join(client.run("push", "--help", code=CONVERT).out.split())
    for option in ("-o, --output FOLDER", "--jobs N", "--coco-captions FILE", "--no-check-images"):
        assert f"{option} Build: " in told
    assert "--revision R Branch to push to, made from main where it is not there" in told
    ran = client.run("build", "--help", code=CONVERT)
    assert "Build:" not in ran.out
