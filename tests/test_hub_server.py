"""The loopback Hub with the real clients: they create, push, list, load and download."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, HubServer, Rules
from real_clients import BIG, BIG_ID, CARD, SHARD, UPLOAD, ask, make_source, run_client

Client = Callable[..., Any]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source")


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    """Return what runs code in a new process, which leaves its result in ``told``."""
    return partial(run_client, hub, tmp_path / "home")


def test_a_folder_is_pushed_and_pushed_again_without_a_byte(hub: HubServer, client: Client, source: Path) -> None:
    made = client("told = [str(api.create_repo('org/d', repo_type='dataset', private=True)), api.whoami()['name']]")
    assert made == [f"{hub.endpoint}/datasets/org/d", "tester"]
    assert hub.repository("org/d").private
    commit = client(UPLOAD, source)
    wanted = {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert {k: v for k, v in hub.files("org/d").items() if k != ".gitattributes"} == wanted
    sent = [("file", "README.md", len(CARD)), ("file", "croissant.json", 2), ("lfs", BIG_ID, len(BIG))]
    assert sorted(hub.received) == sent
    hub.received.clear()
    assert client(UPLOAD, source) == commit == hub.commits("org/d")[0].id
    assert hub.received == []
    assert [c.title for c in hub.commits("org/d")] == ["Upload folder using huggingface_hub", "initial commit"]


def test_what_is_there_is_listed_and_read_in_ranges(hub: HubServer, client: Client) -> None:
    hub.rules.page_size = 2  # the listing comes in pages
    commit = hub.create("org/d", files={"README.md": CARD, SHARD: BIG, "a b.json": b"{}"})
    code = f"""
files = [f for f in api.list_repo_tree(**at, recursive=True) if hasattr(f, "size")]
fs = HfFileSystem()
with fs.open("datasets/org/d/{SHARD}", block_size=1000) as file:
    file.seek(2_000_001)
    part = list(file.read(5))
folder = snapshot_download(**at)
told = {{
    "files": sorted([f.path, f.size, f.lfs and f.lfs.sha256] for f in files), "glob": fs.glob("datasets/org/d/**/*.json"),
    "there": [f.path for f in api.get_paths_info(**at, paths=["data", "no", "a b.json"])], "part": part,
    "sha": api.dataset_info("org/d").sha, "same": open(folder + "/{SHARD}", "rb").read() == fs.cat_file("datasets/org/d/{SHARD}"),
    "title": [c.title for c in api.list_repo_commits(**at)], "space": open(hf_hub_download(**at, filename="a b.json")).read(),
}}
"""  # noqa: E501
    told = client(code)
    assert told["files"] == [
        [".gitattributes", len(hub.files("org/d")[".gitattributes"]), None], ["README.md", len(CARD), None],
        ["a b.json", 2, None], [SHARD, len(BIG), BIG_ID],
    ]  # fmt: skip
    assert told["there"] == ["data", "a b.json"]
    assert (told["glob"], told["space"], told["same"]) == (["datasets/org/d/a b.json"], "{}", True)
    assert bytes(told["part"]) == BIG[2_000_001:2_000_006]
    assert (told["sha"], told["title"]) == (commit, ["made by the test", "initial commit"])
    assert [a.path for a in hub.asked if "cursor=" in a.path]
    storage = [a for a in hub.asked if a.path.startswith("/cdn/")]
    assert {a.token for a in storage} == {None}
    assert any(a.range == "bytes=2000000-2001000" or (a.range or "").startswith("bytes=2000001-") for a in storage)


def test_datasets_pushes_and_loads(hub: HubServer, client: Client) -> None:
    code = """
import datasets
datasets.disable_progress_bars()
made = datasets.Dataset.from_dict({"n": list(range(100)), "text": [f"line {n}" for n in range(100)]})
made.push_to_hub("org/d", "referring", split="train", num_shards=3)
loaded = datasets.load_dataset("org/d", "referring", split="train")
streamed = datasets.load_dataset("org/d", "referring", split="train", streaming=True)
made.push_to_hub("org/d", "referring", split="train", num_shards=3)
told = [loaded[:] == made[:], list(streamed) == list(made)]
"""
    assert client(code) == [True, True]
    shards = [name for name in hub.files("org/d") if name.endswith(".parquet")]
    assert shards == [f"referring/train-0000{n}-of-00003.parquet" for n in range(3)]
    assert sorted(hub.lfs_uploads().values()) == [1, 1, 1]


def test_a_revision_is_kept_as_it_was(hub: HubServer, client: Client) -> None:
    first = hub.create("org/d", files={"a.json": b"1", "old/b.json": b"2", "old/c.parquet": b"3"})
    code = """
add = lambda name, content: CommitOperationAdd(name, io.BytesIO(content))
commit = lambda *changes, **more: api.create_commit(**at, operations=changes, commit_message="m", **more)
pull = commit(add("a.json", b"pull"), create_pr=True)
more = commit(add("d.json", b"4"), revision=pull.pr_revision)
main = commit(CommitOperationDelete("old/", is_folder=True), CommitOperationDelete("a.json"), parent_commit=sys.argv[1])
stale = said(lambda: commit(add("e.json", b"5"), parent_commit=sys.argv[1]))
api.create_branch(**at, branch="b/1", revision=sys.argv[1])
twice = said(lambda: api.create_branch(**at, branch="b/1"))
commit(add("branch.json", b"6"), revision="b/1")
api.create_tag(**at, tag="v1", revision=sys.argv[1])
refs = api.list_repo_refs(**at, include_pull_requests=True)
read = lambda revision: open(hf_hub_download(**at, filename="a.json", revision=revision)).read()
told = {
    "pull": [pull.pr_url, pull.pr_revision], "main": main.oid, "refs": [[r.name for r in refs.branches + refs.tags],
    [r.ref for r in refs.pull_requests]], "read": [read(r) for r in ("refs/pr/1", "b/1", "v1", sys.argv[1])],
    "none": said(lambda: read("v9")), "gone": said(lambda: read("main")), "stale": stale, "twice": twice,
}
"""
    told = client(code, first)
    assert told["pull"] == [f"{hub.endpoint}/datasets/org/d/discussions/1", "refs/pr/1"]
    assert told["refs"] == [["main", "b/1", "v1"], ["refs/pr/1"]]
    assert told["read"] == ["pull", "1", "1", "1"]
    assert told["none"] == ["RevisionNotFoundError", 404]
    assert told["gone"] in (["RemoteEntryNotFoundError", 404], ["EntryNotFoundError", 404])
    assert (told["stale"], told["twice"]) == (["HfHubHTTPError", 412], ["HfHubHTTPError", 409])
    assert told["main"] == hub.commits("org/d")[0].id
    assert list(hub.files("org/d")) == [".gitattributes"]
    assert {"a.json", "d.json", "old/b.json"} < set(hub.files("org/d", "refs/pr/1"))
    assert hub.files("org/d", first)["old/c.parquet"] == b"3"


TOKENS = {"hf_good": "write", "hf_read": "read"}
WAYS = """
told = [said(lambda: do() and "done") for do in (
    lambda: api.upload_file(**at, path_or_fileobj=b"x", path_in_repo="t.txt"), lambda: api.dataset_info("org/d"),
    lambda: api.dataset_info("org/none"), lambda: api.create_repo("org/new", repo_type="dataset", exist_ok=True),
    lambda: hf_hub_download(**at, filename="README.md"))]
"""
NONE, MISSING = ["RepositoryNotFoundError", 401], ["RepositoryNotFoundError", 404]
WRONG, WEAK = ["HfHubHTTPError", 401], ["HfHubHTTPError", 403]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("hf_good", ["done", "done", MISSING, "done", "done"]),
        ("hf_read", [WEAK, "done", MISSING, WEAK, "done"]),
        ("hf_wrong", [WRONG, WRONG, WRONG, WRONG, WRONG]),
        ("", [NONE, NONE, NONE, WRONG, NONE]),
    ],
)
def test_a_token_may_what_it_may(hub: HubServer, client: Client, token: str, expected: list[Any]) -> None:
    hub.rules.tokens = TOKENS
    hub.create("org/d", private=True, files={"README.md": CARD})
    told = client(WAYS, token=token)
    if token == "hf_wrong":
        assert told[4] in (WRONG, ["LocalEntryNotFoundError", None])  # huggingface_hub 0.24 gives no reason
        told[4] = WRONG
    if token == "":
        assert told[0][1] == 401
        told[0] = NONE  # which error it is depends on the version
    assert told == expected


def test_a_gate_lets_in_who_accepted(hub: HubServer, client: Client) -> None:
    hub.create("org/d", files={"README.md": CARD})
    hub.rules = Rules(gate=True, tokens=TOKENS, accepted=("hf_good",))
    code = "told = [api.dataset_info('org/d').gated, said(lambda: hf_hub_download(**at, filename='README.md') and 1)]"
    assert client(code, token="hf_read") == ["auto", ["GatedRepoError", 403]]
    assert client(code, token="") == ["auto", ["GatedRepoError", 401]]
    assert client(code) == ["auto", 1]


def test_a_large_object_arrives_in_parts(hub: HubServer, client: Client, source: Path) -> None:
    hub.rules.multipart_bytes = 1_000_000
    hub.create("org/d")
    client(UPLOAD, source)
    assert hub.files("org/d")[SHARD] == BIG
    sizes = [r.size_bytes for r in hub.received if r.kind == "part"]
    assert (sum(sizes), max(sizes), hub.lfs_uploads()) == (len(BIG), 1_000_000, {BIG_ID: 1})
    assert [p.name for p in hub.store.folder.iterdir()] == [BIG_ID]


def test_a_folder_is_shown_as_it_is_until_somebody_commits(source: Path, tmp_path: Path) -> None:
    with HubServer(source, storage=tmp_path / "objects") as hub:
        tree = "/api/datasets/BAAI/SVIT/tree/main?recursive=true"
        listed = json.loads(ask(hub, "GET", tree)[1])
        assert [(e["path"], e["lfs"]["oid"]) for e in listed if "lfs" in e] == [(SHARD, BIG_ID)]
        (source / "later.json").write_text("1")
        assert "later.json" in hub.files("BAAI/SVIT")
        made = hub.put_file("BAAI/SVIT", "theirs.parquet", b"2")
        (source / "never.json").write_text("1")
        assert [c.id for c in hub.commits("BAAI/SVIT")] == [made, COMMIT]
        assert {"later.json", "theirs.parquet", "README.md"} < set(hub.files("BAAI/SVIT"))
        assert "never.json" not in hub.files("BAAI/SVIT")
        assert len(list((tmp_path / "objects").iterdir())) == 1


def test_a_card_that_the_hub_refuses(hub: HubServer, client: Client) -> None:
    hub.create("org/d")
    hub.rules.yaml_errors = ('"license" must be one of [...]',)
    code = """
try:
    told = api.upload_file(**at, path_or_fileobj=b"---", path_in_repo="README.md")
except ValueError as error:
    told = str(error)
"""
    assert client(code) == 'Invalid metadata in README.md.\n- "license" must be one of [...]'
    assert hub.received == []
