"""Where ``push`` puts a folder: a new branch, a pull request, over other content; what each replaces, deletes, says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hub_server import Fault, HubServer, Rules
from published import Published, publish
from pushing import LOAD, REPO, Client, writes

from svit_datasets.errors import UsageError
from svit_datasets.publish.pushing.command import closing_of
from svit_datasets.publish.pushing.pushed import Pushed
from svit_datasets.publish.pushing.refusals import check_revision
from svit_datasets.publish.pushing.repository import NEW, REPLACED, Item

CARD = b"---\nlicense: mit\n---\n# Ours, edited on its page\n"
OLD = "data/images/train-00000-of-00001.parquet"


@pytest.fixture
def made(tmp_path: Path) -> Published:
    return publish(tmp_path / "out", configs=["detail"])


def test_a_new_branch_of_what_main_has_is_made(hub: HubServer, client: Client, made: Published) -> None:
    assert client.push(made.folder).code == 0
    dry = client.push(made.folder, "--revision", "v1", "--dry-run")
    assert "would make the branch v1 from main\n" in dry.err
    assert list(hub.repository(REPO).branches) == ["main"]
    hub.received.clear()
    ran = client.push(made.folder, "--revision", "v1")
    assert (ran.code, hub.received) == (0, [])
    assert "made the branch v1 from main\nnothing to send: all 6 files are there\n" in ran.err
    assert hub.files(REPO, "v1") == hub.files(REPO)
    assert ran.last == 'load it: load_dataset("org/svit", "detail", revision="v1")'
    assert '"train"' in client.run(REPO, "detail", "no", "v1", code=LOAD).out


def test_a_new_branch_may_replace_what_main_keeps(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO, files={"README.md": CARD, OLD: b"PAR1", "notes.txt": b"mine"})
    before = hub.files(REPO)
    told = f"the branch v1, made from main, replaces README.md and deletes {OLD}; main stays as it is\n"
    dry = client.push(made.folder, "--revision", "v1", "--dry-run")
    assert (dry.code, told in dry.err, writes(hub)) == (0, True, [])
    assert re.search(f"{OLD} +- +deleted\n", dry.out)
    hub.rules.faults = [Fault("POST", "/commit/", 99, status=500)]
    assert client.push(made.folder, "--revision", "v1").code == 2
    hub.rules = Rules()
    ran = client.push(made.folder, "--revision", "v1")  # the branch is there by now, and has nothing of its own
    assert (ran.code, told in ran.err) == (0, True), ran.err
    assert hub.files(REPO) == before
    assert OLD not in hub.files(REPO, "v1")
    card = made.folder / "README.md"
    card.write_text(card.read_text("utf-8") + "More.\n", "utf-8")
    ran = client.push(made.folder, "--revision", "v1")
    assert (ran.code, ran.last) == (
        2,
        "error: org/svit: has other content: README.md; pass --overwrite to replace it and to delete shards that the "
        "new card does not load, or name a new branch with --revision, or another repository",
    )


def test_a_pull_request_may_replace_and_none_is_opened_for_nothing(
    hub: HubServer, client: Client, made: Published
) -> None:
    hub.create(REPO, files={"README.md": CARD, OLD: b"PAR1"})
    told = f"the pull request replaces README.md and deletes {OLD}; nothing changes before it is merged\n"
    dry = client.push(made.folder, "--create-pr", "--dry-run")
    assert (dry.code, told in dry.err, "would open a pull request\n" in dry.err) == (0, True, True)
    ran = client.push(made.folder, "--create-pr")
    assert (ran.code, told in ran.err) == (0, True), ran.err
    assert hub.files(REPO)["README.md"] == CARD
    assert OLD not in hub.files(REPO, "refs/pr/1")
    assert client.push(made.folder, "--overwrite").code == 0
    ran = client.push(made.folder, "--create-pr")
    assert ran.code == 0
    assert "nothing to send: all 6 files are there; no pull request was opened\n" in ran.err
    assert list(hub.repository(REPO).pulls) == ["refs/pr/1"]


def test_overwrite_deletes_every_shard_that_the_new_card_does_not_load(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    old = publish(tmp_path / "old", configs=["detail"], images="separate")
    assert client.push(old.folder).code == 0
    photos = sorted(path for path in hub.files(REPO) if path.startswith("data/images/"))
    new = publish(tmp_path / "new", configs=["detail"], images="none")
    dry = client.push(new.folder, "--overwrite", "--dry-run")
    assert photos
    assert [path for path in photos if not re.search(f"{path} +- +deleted\n", dry.out)] == []
    assert client.push(new.folder, "--overwrite").code == 0
    assert not [path for path in hub.files(REPO) if path.startswith("data/images/")]
    hub.put_file(REPO, OLD, b"PAR1")
    ran = client.push(new.folder)
    assert ran.code == 0
    assert f"shards that the new card does not load stay: {OLD}; --overwrite deletes them\n" in ran.err
    assert client.push(new.folder, "--overwrite").code == 0
    assert OLD not in hub.files(REPO)


def test_a_private_repository_stays_so_and_it_is_said_though_nothing_is_sent(client: Client, made: Published) -> None:
    assert client.push(made.folder).code == 0
    ran = client.push(made.folder, "--public")
    assert f"{REPO} is there already and stays private; its settings page makes it public\nnothing to send" in ran.err


def test_what_the_hub_had_is_not_counted_as_sent(hub: HubServer, client: Client, made: Published) -> None:
    hub.rules.faults = [Fault("POST", "/commit/", 99, status=500)]
    assert client.push(made.folder).code == 2
    hub.rules = Rules()
    ran = client.push(made.folder)
    assert ran.err.count("\nat the Hub: data/") == 4
    assert re.search(r"\npush: 2 files, [0-9.]+ kB; there already 4, [0-9.]+ kB\n", ran.err)


def test_by_xet_the_closing_line_claims_no_more_than_is_known() -> None:
    items = (Item("a", 1000, NEW), Item("b", 2000, REPLACED))
    pushed = Pushed("org/a", "U", "main", True, items, None, (), None, None, "L")
    first = "push: 2 files, 3 kB; there already 0 (by Xet, which leaves out what the Hub has of them)"
    assert next(closing_of(pushed)) == first
    assert next(closing_of(pushed._replace(found=("b",)))) == "push: 1 files, 1 kB; there already 1, 2 kB"


def test_a_pull_request_that_is_not_there_is_said_first(hub: HubServer, client: Client, made: Published) -> None:
    told = "error: org/svit: has no pull request refs/pr/77; name one that is open as refs/pr/N, or open one with "
    for _ in ("no repository", "no pull request"):
        ran = client.push(made.folder, "--revision", "refs/pr/77")
        assert (ran.code, ran.err) == (2, f"{told}--create-pr\n")
        hub.create(REPO)
    assert writes(hub) == []


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a..b", "-a", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{b", "@", "HEAD",
     "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a\n", "a\x7f"],
)  # fmt: skip
def test_names_that_git_allows_no_branch(name: str) -> None:
    told = f"--revision {name!r}: git allows no branch of this name; use letters, digits, '.', '-' and '_'"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        check_revision(name)


def test_names_of_branches_and_what_is_none() -> None:
    for name in ("main", "v1", "v1.0-rc_2", "feature/x", "a", "lock", "caf\u00e9", "a@b", "refs/pr/7"):
        check_revision(name)
    with pytest.raises(UsageError, match=r"^--revision 'refs/heads/v1': name a branch by its name alone, or a pull"):
        check_revision("refs/heads/v1")
    with pytest.raises(UsageError, match=r": is a commit, to which nothing can be added; name a branch$"):
        check_revision("0123456789abcdef0123456789abcdef01234567")
