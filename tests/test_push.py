"""``push`` to the loopback Hub with the real client: what is sent, what is not sent again, what loads from there."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest
from hub_server import Asked, Fault, HubServer, Rules
from published import Published, publish
from pushing import LOAD, REPO, TOKEN, Client, rows_of, shard_files, writes

from svit_datasets.images import visual_genome

CONFIGS = ("referring", "detail")


@pytest.fixture
def made(tmp_path: Path) -> Published:
    return publish(tmp_path / "out", configs=CONFIGS)


def check_there(hub: HubServer, made: Published, revision: str = "main") -> None:
    """The repository holds the folder, byte for byte, and nothing else."""
    files = hub.files(REPO, revision)
    del files[".gitattributes"]
    local = {p.relative_to(made.folder).as_posix(): p.read_bytes() for p in made.folder.rglob("*") if p.is_file()}
    assert files == local


def test_what_is_pushed_loads_row_for_row_and_byte_for_byte(hub: HubServer, client: Client, made: Published) -> None:
    hub.rules = Rules(tokens={TOKEN: "write"})
    ran = client.push(made.folder)
    assert ran.code == 0, ran.err
    check_there(hub, made)
    assert hub.repository(REPO).private
    assert hub.lfs_uploads() == dict.fromkeys(shard_files(made.folder), 1)
    assert [c.title for c in hub.commits(REPO)][1:] == ["initial commit"]
    commit = hub.commits(REPO)[0].id
    assert ran.err.splitlines()[-4:] == [
        f"push: 10 files, {ran.err.split('to send: 10 files, ')[1].split(';')[0]}; there already 0",
        f"commit: {hub.endpoint}/datasets/{REPO}/commit/{commit}",
        f"repository: {hub.endpoint}/datasets/{REPO} (private)",
        'load it: load_dataset("org/svit", "referring")',
    ]
    for streaming in ("no", "yes"):
        told = json.loads(client.run(REPO, "referring", streaming, "main", code=LOAD).out)
        expected = rows_of(made.records["referring"], made.photos)
        assert told == {
            "train": [row for row in expected if not visual_genome.is_held_out(row[0])],
            "test": [row for row in expected if visual_genome.is_held_out(row[0])],
        }


def test_a_second_push_sends_nothing(hub: HubServer, client: Client, made: Published) -> None:
    assert client.push(made.folder).code == 0
    hub.asked.clear()
    hub.received.clear()
    ran = client.push(made.folder)
    assert (ran.code, hub.received, writes(hub), len(hub.commits(REPO))) == (0, [], [], 2)
    assert "nothing to send: all 10 files are there" in ran.err


def kill_at(hub: HubServer, client: Client, made: Published, number: int, how: signal.Signals) -> str:
    """Kill a push while it sends its ``number``th shard; return what it said."""
    digest = made.release.shards[number - 1].sha256
    hub.rules.faults = [Fault("PUT", digest, 1, "cut-request", after_bytes=100)]
    process = client.start(made.folder, "--repo-id", REPO, "--licence-ok")

    def kill(asked: Asked) -> None:
        if asked.method == "PUT" and digest in asked.path:
            process.send_signal(how)
            process.wait(60)

    hub.on_request = kill
    _, said = process.communicate(timeout=60)
    end = time.monotonic() + 10
    while not any(r.kind == "broken" for r in hub.received) and time.monotonic() < end:
        time.sleep(0.02)
    hub.on_request, hub.rules = None, Rules()
    return str(said)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_after_a_kill_only_the_missing_shards_are_sent(
    hub: HubServer, client: Client, made: Published, how: signal.Signals
) -> None:
    said = kill_at(hub, client, made, 4, how)
    first = hub.lfs_uploads()
    assert sum(first.values()) == 3
    assert set(hub.files(REPO)) == {".gitattributes"}  # loads as before: nothing of it is there to load
    if how != signal.SIGKILL:
        told = "not finished: 3 of 10 files are there, the new card is not; run the same command again"
        assert told in said
    assert ("interrupted; run this again to go on" in said) == (how == signal.SIGINT)
    assert not re.search("Traceback|nothing was written", said)
    ran = client.push(made.folder)
    assert ran.code == 0, ran.err
    assert hub.lfs_uploads() == dict.fromkeys(shard_files(made.folder), 1)
    assert ran.err.count("\nat the Hub: data/") == 3
    assert ran.err.count("\nsent data/") == 5
    check_there(hub, made)


def test_a_kill_between_an_old_and_a_new_push_leaves_the_old(hub: HubServer, client: Client, tmp_path: Path) -> None:
    old = publish(tmp_path / "old", configs=CONFIGS, shard_rows=5)
    assert client.push(old.folder).code == 0
    new = publish(tmp_path / "new", configs=CONFIGS, shard_rows=3)
    process = client.start(new.folder, "--repo-id", REPO, "--licence-ok", "--overwrite")
    hub.on_request = lambda asked: process.kill() if "/commit/" in asked.path else None
    hub.rules.faults = [Fault("POST", "/commit/", 1, "cut-request", after_bytes=10)]
    process.communicate(timeout=60)
    end = time.monotonic() + 10
    while hub.rules.faults[0].times and time.monotonic() < end:
        time.sleep(0.02)
    hub.on_request = None
    check_there(hub, old)
    assert client.push(new.folder, "--overwrite").code == 0
    check_there(hub, new)


def test_stale_shards_go_in_the_same_commit(hub: HubServer, client: Client, tmp_path: Path) -> None:
    old = publish(tmp_path / "old", configs=CONFIGS, shard_rows=2)
    assert client.push(old.folder).code == 0
    hub.put_file(REPO, "notes.txt", b"mine")
    new = publish(tmp_path / "new", configs=["detail"], shard_rows=5)
    ran = client.push(new.folder)
    assert ran.code == 2
    assert "error: org/svit: has other content: croissant.json, README.md, data/detail/" in ran.last
    assert "pass --overwrite to replace it and to delete shards" in ran.last
    before = len(hub.commits(REPO))
    ran = client.push(new.folder, "--overwrite")
    assert ran.code == 0, ran.err
    assert len(hub.commits(REPO)) == before + 1
    kept = [path for path in hub.files(REPO) if path.startswith("data/detail/")]
    assert sorted(kept) == sorted(p.relative_to(new.folder).as_posix() for p in new.folder.rglob("*.parquet"))
    assert "--overwrite replaces croissant.json, README.md" in ran.err
    assert not [path for path in hub.files(REPO) if path.startswith("data/referring/")]  # no card loads them any more
    assert hub.files(REPO)["notes.txt"] == b"mine"
    assert "left alone there: notes.txt\n" in ran.err


def test_a_repository_with_other_content_is_left_alone(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO, files={"README.md": b"# Another dataset\n", "train.csv": b"a,b\n"})
    before = hub.files(REPO)
    ran = client.push(made.folder)
    assert (ran.code, hub.files(REPO), writes(hub)) == (2, before, [])
    assert ran.last == (
        "error: org/svit: has other content: README.md; pass --overwrite to replace it and to delete shards that the "
        "new card does not load, or open a pull request with --create-pr, or name a new branch with --revision, or "
        "another repository"
    )
    ran = client.push(made.folder, "--overwrite")
    assert ran.code == 0
    assert "left alone there: train.csv" in ran.err
    assert hub.files(REPO)["train.csv"] == b"a,b\n"


def test_a_pull_request_is_opened_and_gone_on_with(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO)
    ran = client.push(made.folder, "--create-pr")
    assert ran.code == 0, ran.err
    pull = f"{hub.endpoint}/datasets/{REPO}/discussions/1"
    assert f"pull request: {pull} (to go on in it: --revision refs/pr/1)" in ran.err
    assert ran.last == 'load it: load_dataset("org/svit", "referring", revision="refs/pr/1")'
    assert set(hub.files(REPO)) == {".gitattributes"}
    check_there(hub, made, "refs/pr/1")
    hub.received.clear()
    assert "nothing to send" in client.push(made.folder, "--revision", "refs/pr/1").err
    assert hub.received == []
    ran = client.push(made.folder, "--revision", "v1", "--create-pr")
    told = "--create-pr with --revision v1: a pull request starts from main; pass one of the two"
    assert (ran.code, ran.last) == (2, f"error: {told}")


def test_more_shards_than_a_commit_takes_go_in_several_with_the_card_last(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    made = publish(tmp_path / "out", configs=["detail"], image_ids=range(1, 62), images="none", shard_rows=1)
    ran = client.run(made.folder, "--repo-id", REPO, "--create-pr")  # text alone needs no --licence-ok
    assert ran.code == 0, ran.err
    steps = [set(commit.tree) for commit in hub.commits(REPO, "refs/pr/1")]
    assert [len(step) for step in steps] == [64, 51, 1]
    assert "README.md" not in steps[1]
    check_there(hub, made, "refs/pr/1")
    other = publish(tmp_path / "other", configs=["detail"], image_ids=range(1, 63), images="none", shard_rows=1)
    ran = client.run(other.folder, "--repo-id", REPO, "--revision", "refs/pr/1", "--overwrite")
    assert ran.code == 0, ran.err
    assert len(hub.commits(REPO, "refs/pr/1")) == 4  # what replaces and deletes is one commit: nobody sees half of it
    check_there(hub, other, "refs/pr/1")


def test_a_revision_is_a_branch_of_its_own(hub: HubServer, client: Client, made: Published) -> None:
    ran = client.push(made.folder, "--revision", "v1", "--public", "--commit-message", "First")
    assert ran.code == 0, ran.err
    assert f"NOTE: {REPO} is PUBLIC: anyone can read what is sent now" in ran.err
    assert not hub.repository(REPO).private
    assert set(hub.files(REPO)) == {".gitattributes"}
    assert hub.commits(REPO, "v1")[0].title == "First"
    check_there(hub, made, "v1")
    assert ran.last == 'load it: load_dataset("org/svit", "referring", revision="v1")'


def test_a_public_repository_is_said_and_a_private_one_stays(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO)
    assert "is PUBLIC: anyone can read" in client.push(made.folder).err
    hub.create("org/other", private=True)
    ran = client.run(made.folder, "--repo-id", "org/other", "--licence-ok", "--public")
    assert "org/other is there already and stays private" in ran.err
    assert hub.repository("org/other").private
    assert b'load_dataset("org/other", "referring"' in hub.files("org/other")["README.md"]
