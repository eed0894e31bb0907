"""``svit-convert push`` before it sends: the folder is looked through, rights are shown, a dry run changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hub_server import HubServer
from published import Published, publish
from pushing import REPO, Client, writes

from svit_datasets import write_sample
from svit_datasets.errors import InputError, OutputError, UsageError
from svit_datasets.publish.building.build import build
from svit_datasets.publish.pushing.command import push as command
from svit_datasets.publish.pushing.folder import check_bytes, open_folder
from svit_datasets.publish.pushing.push import push

AGAIN = "build the folder again; nothing was sent"
SHARD = "data/detail/train-00001-of-00003.parquet"
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("built") / "out", configs=["detail"])


@pytest.fixture
def folder(built: Published, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.folder, tmp_path / "out"))


def edit(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, new, text, count=1), "utf-8")

    return change


def flip(folder: Path) -> None:
    content = bytearray((folder / SHARD).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / SHARD).write_bytes(content)


DAMAGES: dict[str, tuple[Change, str]] = {
    "missing": (lambda f: (f / SHARD).unlink(), rf"{SHARD}: is missing, and croissant.json names it; {AGAIN}"),
    "short": (
        lambda f: (f / SHARD).write_bytes(b"PAR1"),
        rf"{SHARD}: has 4 bytes, expected [0-9,]+; the shard is damaged: {AGAIN}",
    ),
    "flipped": (flip, rf"{SHARD}: its SHA-256 is not the one in croissant.json; the shard is damaged: {AGAIN}"),
    "further": (
        lambda f: shutil.copy(f / SHARD, f / "data/detail/train-extra.parquet"),
        "data/detail/train-extra.parquet: not of this build by croissant.json; take it away, or build again",
    ),
    "counts": (
        edit("README.md", r"num_examples: [0-9]+", "num_examples: 99"),
        "README.md: states 99 rows of detail/train, and its shards hold 9; mend its YAML, or build again",
    ),
    "globs": (
        edit("README.md", "data/detail/train-", "data/detail/other-"),
        r"README.md: detail/train names 'data/detail/other-\*', and no shard is called so; mend its YAML, or build",
    ),
    "split": (
        edit("README.md", r"(?m)^  - split: test\n    path: .*\n", ""),
        "README.md: its configs load no data/detail/test-00000-of-00001.parquet; mend its YAML, or build again",
    ),
    "yaml": (edit("README.md", "license: ", "license: ["), "README.md: its YAML cannot be read \\(.*\\); mend it, or"),
    "no yaml": (edit("README.md", "---\n", ""), "README.md: has no YAML between two lines ---; put it back, or"),
    "card tells": (
        edit("README.md", "## Use", "## Use\nBuilt in HERE."),
        r"README.md:[0-9]+: tells .*, a folder of this machine; take it out; nothing was sent",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_folder_that_is_not_as_it_was_built(folder: Path, name: str) -> None:
    change, told = DAMAGES[name]
    change(folder)
    card = folder / "README.md"
    card.write_text(card.read_text("utf-8").replace("HERE", str(folder)), "utf-8")
    with pytest.raises(InputError, match=told):
        push(folder, REPO, licence_ok=True)


def test_what_is_no_built_folder(tmp_path: Path, folder: Path) -> None:
    (folder / "croissant.json").unlink()
    made = "name one that `svit-convert build` made"
    with pytest.raises(UsageError, match=f"^{tmp_path}/nowhere: is no folder; {made}$"):
        push(tmp_path / "nowhere", REPO)
    lost = "looks like a built folder that has lost its croissant.json; build it again"
    with pytest.raises(UsageError, match=f"^{folder}: {lost}$"):
        push(folder, REPO)


def test_a_path_of_this_machine_in_a_shard_is_found_before_anything_is_sent(
    hub: HubServer, client: Client, folder: Path
) -> None:
    table = pq.read_table(folder / SHARD)
    photo, extra = (
        table.column("image").to_pylist(),
        pa.array([str(folder)] + [None] * (table.num_rows - 1), pa.string()),
    )
    place = table.schema.names.index("extra")
    replace(folder, table.set_column(place, "extra", extra))
    ran = client.push(folder)
    assert (ran.code, writes(hub), hub.received) == (2, [], [])
    assert re.search(
        rf"error: {SHARD}: row 0, column extra: tells /.+, a folder of this machine; take it out", ran.last
    )
    photo[2]["path"] = "/mnt/a.jpg"
    images = pa.array(photo, table.schema.field("image").type)
    replace(folder, table.set_column(table.schema.names.index("image"), "image", images))
    assert f"error: {SHARD}: row 2, column image.path: '/mnt/a.jpg' is absolute" in client.push(folder).last
    replace(folder, table.replace_schema_metadata({**table.schema.metadata, b"from": str(folder).encode()}))
    assert f"error: {SHARD}: metadata 'from' tells /" in client.push(folder).last
    photo[2].update(path="a.jpg", bytes=photo[2]["bytes"] + str(folder).encode())
    images = pa.array(photo, table.schema.field("image").type)
    replace(folder, table.set_column(table.schema.names.index("image"), "image", images), compression="none")
    assert f"error: {SHARD}: its bytes tell /" in client.push(folder).last
    assert (writes(hub), hub.received) == ([], [])


def replace(folder: Path, table: pa.Table, compression: str = "zstd") -> None:
    """Write a shard anew, and its size and digest in croissant.json."""
    old = next(f for f in open_folder(folder).shards if f.path == SHARD) if (folder / SHARD).exists() else None
    assert old is not None
    pq.write_table(table, folder / SHARD, compression=compression, write_statistics=False)
    content = (folder / SHARD).read_bytes()
    document = json.loads((folder / "croissant.json").read_bytes())
    for file in document["distribution"]:
        if file.get("contentUrl") == SHARD:
            file.update(contentSize=f"{len(content)} B", sha256=hashlib.sha256(content).hexdigest())
    (folder / "croissant.json").write_text(json.dumps(document), "utf-8")


def test_a_source_that_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    write_sample(tmp_path / "svit")
    build(tmp_path / "svit", tmp_path / "out", configs=["detail"], images="none")
    source = tmp_path / "svit/data/detail_description.json"
    source.write_bytes(source.read_bytes() + b"\n")
    folder = tmp_path / "out"
    told = (
        f"^{re.escape(str(folder))}: its source changed since it was built: {re.escape(str(source))}; build again, or "
        "pass --stale-ok to push it as it is$"
    )
    with pytest.raises(InputError, match=told):
        push(folder, REPO)
    said: list[str] = []
    with pytest.raises(UsageError, match=r"^svit: names no organisation or user; write it as org/name$"):
        push(folder, "svit", stale_ok=True)
    with pytest.raises(OutputError, match=r"^no token: log in"):
        push(folder, REPO, stale_ok=True, tell=said.append)
    assert f"its source changed since it was built: {source}; pushed as it is, by --stale-ok" in said


def test_rights_are_shown_and_photos_need_a_word(hub: HubServer, client: Client, folder: Path) -> None:
    ran = client.run(folder, "--repo-id", REPO)
    assert (ran.code, hub.received) == (2, [])
    assert "licence: cc-by-4.0\nRights and attribution: SVIT's own repository on the Hub, `BAAI/SVIT`, is" in ran.err
    assert ran.last == (
        f"error: {folder}: photos are in the shards, and --licence-ok is not given: the photos are each under their "
        "photographer's licence, and a private repository is a copy on the Hub too; pass --licence-ok if you may send "
        "them, or build with --images none"
    )


def test_a_dry_run_lists_all_and_changes_nothing(hub: HubServer, client: Client, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    ran = client.push(folder, "--dry-run")
    assert (ran.code, writes(hub), hub.received, hub.store.repositories) == (0, [], [], {})
    lines = ran.out.splitlines()
    assert [re.split(r"  +", line)[::2] for line in lines[:-2]] == [
        *([f"data/detail/train-0000{i}-of-00003.parquet", "new"] for i in range(3)),
        ["data/detail/test-00000-of-00001.parquet", "new"], ["croissant.json", "new"], ["README.md", "new"],
    ]  # fmt: skip
    assert re.fullmatch(rf"to send: 6 files, [0-9]+ kB, to {hub.endpoint}/datasets/{REPO} \(private\)", lines[-2])
    assert lines[-1] == "nothing was sent: --dry-run"
    assert "not sent, since the build did not make them: notes.txt" in ran.err
    hub.create(REPO, files={"data/detail/train-old.parquet": b"PAR1"})
    hub.asked.clear()
    ran = client.push(folder, "--dry-run", "--overwrite", "--public")
    assert (ran.code, writes(hub)) == (0, [])
    assert ran.out.splitlines()[-3:][0].split() == ["data/detail/train-old.parquet", "-", "deleted"]
    assert "(PUBLIC)" in ran.out


def test_a_card_that_was_edited_goes_as_it_stands(hub: HubServer, client: Client, folder: Path) -> None:
    edit("README.md", "## Use", "## Ours\nOur own words.\n\n## Use")(folder)
    assert client.push(folder).code == 0
    assert hub.files(REPO)["README.md"] == (folder / "README.md").read_bytes()
    edit("README.md", "Our own words", "Other words")(folder)
    ran = client.push(folder)
    assert ran.last.startswith("error: org/svit: has other content: README.md; pass --overwrite")
    hub.received.clear()
    assert client.push(folder, "--overwrite").code == 0
    assert [received.name for received in hub.received] == ["README.md"]


def test_the_rows_and_photos_of_shards_are_told(built: Published, tmp_path: Path) -> None:
    checked = check_bytes(open_folder(built.folder), ["/nowhere/at/all"])
    assert [shard.rows for shard in checked.shards] == [shard.counts.rows for shard in built.release.shards]
    assert checked.has_photos
    text = publish(tmp_path / "text", configs=["detail"], images="none")
    assert not check_bytes(open_folder(text.folder), []).has_photos
    both = publish(tmp_path / "both", configs=["detail"], images="separate")
    assert check_bytes(open_folder(both.folder), []).has_photos


def test_every_option_has_help() -> None:
    told = CliRunner().invoke(command, ["--help"]).output
    for option in ("--repo-id", "--revision", "--create-pr", "--public", "--licence-ok", "--dry-run", "--overwrite"):
        assert option in told


def test_help_of_build_options_goes_on_in_lower_case_but_for_capitals() -> None:
    told = {str(p.name): str(p.help) for p in command.params if isinstance(p, click.Option)}
    assert told["coco_captions"].startswith("Build: COCO caption file, ")
    assert told["splits"].startswith("Build: split to build; ")
