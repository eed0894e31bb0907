"""A published folder, here and on the Hub, gives the LLaVA records of the native files; only text is fetched."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import published
import pyarrow.parquet as pq
import pytest
from hub_client import Client
from hub_server import COMMIT, Fault, HubServer, Rules
from published import IMAGE_IDS, Published, publish, write_native

from svit_datasets.configs import CONFIGS, IMAGES_CONFIG, task_of_config
from svit_datasets.errors import InputError, UsageError
from svit_datasets.forward.files import to_llava
from svit_datasets.images import visual_genome
from svit_datasets.table_inputs.inputs import open_tables
from svit_datasets.table_inputs.remote import list_shards, parse_address

TEXT = tuple(name for name in CONFIGS if name != IMAGES_CONFIG)
HUB = "hf://datasets/BAAI/SVIT"
TRAIN = tuple(i for i in IMAGE_IDS if not visual_genome.is_held_out(i))
TAIL_BYTES = 65536  # what Arrow reads at once of a file's end
AGAIN = "then run this again"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Publish photos so large that fetching them could not be overlooked."""
    small = published.make_photo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "make_photo", lambda i: small(i) + bytes(os.urandom(200_000)))
        yield publish(tmp_path_factory.mktemp("repository"), has_card=False)


@pytest.fixture
def hub(made: Published) -> Iterator[HubServer]:
    with HubServer(made.folder) as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.chdir(tmp_path)
    return Client(hub, tmp_path)


def llava(given: Any, tmp_path: Path) -> bytes:
    """Return the file that a conversion in this process writes."""
    to_llava(given, tmp_path / "here.json", overwrite=True)
    return (tmp_path / "here.json").read_bytes()


@pytest.mark.parametrize("images", ["embed", "separate", "none"])
@pytest.mark.parametrize("config", TEXT)
def test_a_published_folder_gives_the_bytes_of_the_native_file(config: str, images: str, tmp_path: Path) -> None:
    one = publish(tmp_path / "one", configs=[config], images=images, image_ids=TRAIN, has_card=False)
    write_native(tmp_path / "native", one)
    native = tmp_path / f"native/data/{task_of_config(config)}.json"
    to_llava(native, tmp_path / "native.json", images=tmp_path / "native")
    expected = (tmp_path / "native.json").read_bytes()
    assert expected.count(b"\n") > len(TRAIN)
    assert llava(one.folder, tmp_path) == llava(one.folder / "data" / config, tmp_path) == expected


def test_train_stands_before_test_and_every_record_once(made: Published) -> None:
    tables = open_tables(made.folder / "data/referring") or []
    names = [Path(name).name for table in tables for name in table.names]
    assert names == [*(f"train-0000{i}-of-00003.parquet" for i in range(3)), "test-00000-of-00001.parquet"]
    ids = [row["image_id"] for row in made.records["referring"]]
    found = [item.record.image_id for table in tables for item in table.items() if item.record]
    assert found == [i for i in ids if i in TRAIN] + [i for i in ids if i not in TRAIN]
    assert [table.task for table in open_tables(made.folder) or []] == [
        stem for stem in ("complex_reasoning", "conversation", "detail_description", "referring_qa") for _ in range(2)
    ]


def test_a_missing_shard_is_no_smaller_dataset(made: Published, tmp_path: Path) -> None:
    files = sorted((made.folder / "data/detail").iterdir())
    (tmp_path / "detail").mkdir()
    for file in files:
        if "train-00001" not in file.name:
            (tmp_path / "detail" / file.name).symlink_to(file)
    first = tmp_path / "detail/train-00000-of-00003.parquet"
    message = (
        f"{first}: found 2 of 3 shards, without number 00001; expected all shards of one writing; fetch or build the "
        f"folder again, whole, or name single shards [input-missing]"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        to_llava(tmp_path / "detail")
    assert len(to_llava(first)) == 4
    (tmp_path / "detail/train-00000-of-00001.parquet").symlink_to(files[1])
    with pytest.raises(InputError, match=r"found 3 of 1 or 3 shards, without number 00001"):
        to_llava(tmp_path / "detail")


def test_unfinished_downloads_are_no_shards(made: Published, tmp_path: Path) -> None:
    (tmp_path / "got/.svit-download/data").mkdir(parents=True)
    (tmp_path / "got/data").symlink_to(made.folder / "data")
    (tmp_path / "got/.svit-download/data/detail").symlink_to(made.folder / "data/detail")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/.cache").symlink_to(made.folder / "data/detail")
    assert open_tables(tmp_path / "deep") is None


def test_the_hub_gives_what_the_folder_gives_and_only_text_is_fetched(
    client: Client, made: Published, hub: HubServer, tmp_path: Path
) -> None:
    places = {"": "", "@main/data/referring": "data/referring", "/data/detail/": "data/detail"}
    shard = "data/referring/train-00001-of-00003.parquet"
    for at, here in {**places, f"@{COMMIT}/{shard}": shard}.items():
        hub.asked.clear()
        told = client("to-llava", HUB + at, "-o", "far.json", "--overwrite")
        assert (told.code, told.err.count("\n")) == (0, 1), told.err
        assert Path("far.json").read_bytes() == llava(made.folder / here, tmp_path)
    assert {a.path.split("/resolve/")[1].split("/")[0] for a in hub.asked if "/resolve/" in a.path} == {COMMIT}
    assert not [p for p in client.home.rglob("*") if p.is_file() and p.stat().st_size > 10_000]


def test_no_byte_of_a_photo_is_asked_for(client: Client, made: Published, hub: HubServer) -> None:
    assert client("to-llava", f"{HUB}/data/referring", "-o", "far.json").code == 0
    asked = [(a.path.removeprefix("/cdn/"), *map(int, re.findall("[0-9]+", a.range or ""))) for a in hub.asked
             if a.path.startswith("/cdn/")]  # fmt: skip
    assert len(asked) == 8  # of each shard its foot, and its text
    for path, first, last in asked:
        group = pq.read_metadata(made.folder / path).row_group(0)
        photos = group.column(0)
        start = photos.dictionary_page_offset if photos.has_dictionary_page else photos.data_page_offset
        end = start + photos.total_compressed_size
        size = (made.folder / path).stat().st_size
        assert photos.path_in_schema == "image.bytes"
        assert photos.total_compressed_size > 200_000
        assert first >= end or (first, last) == (size - TAIL_BYTES, size - 1)


def test_the_other_commands_read_the_hub_too(client: Client, made: Published) -> None:
    (Path("repo")).symlink_to(made.folder)
    for args in (("stats", "--output", "json"), ("validate", "--output", "json")):
        far, near = (client.start(args[0], place, *args[1:]) for place in (f"{HUB}/data/detail", "repo/data/detail"))
        told = client.finish(far), client.finish(near)
        assert told[0].code == told[1].code < 2
        assert told[0].out.replace(HUB, "repo") == told[1].out
        assert json.loads(told[0].out)
    assert client("view", f"{HUB}/data/detail", "--export", "page").code == 0
    assert Path("page/index.html").is_file()


@pytest.mark.parametrize("text", ["hf://models", "hf://org/svit", "hf://datasets/svit", "hf://datasets/a/@v", "hf://"])
def test_an_address_of_another_form_is_refused(text: str) -> None:
    message = f"{text}: names no dataset repository of the Hub; write hf://datasets/ORG/NAME[@REVISION][/FOLDER]"
    for call in (parse_address, list_shards, to_llava):
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            call(text)


def test_an_address_may_name_any_revision() -> None:
    for written in ("refs/pr/7", "refs%2Fpr%2F7"):
        assert parse_address(f"hf://datasets/a/b@{written}/data/") == ("a/b", "refs/pr/7", "data")
    assert parse_address(str(Path("hf://datasets/a/b@v1.0"))) == ("a/b", "v1.0", "")


def refused(client: Client, at: str = HUB, **given: Any) -> str:
    told = client("to-llava", at, "-o", "never.json", **given)
    assert (told.code, told.out, Path("never.json").exists()) == (2, "", False)
    assert told.last.startswith("error: ")
    return told.last.removeprefix("error: ")


def test_what_the_hub_does_not_give_is_explained(client: Client, hub: HubServer) -> None:
    page = f"{hub.endpoint}/datasets"
    assert refused(client, "hf://datasets/me/mine") == (
        f"me/mine: not found, or not for this token (401); log in with `hf auth login` after accepting the terms at "
        f"{page}/me/mine, {AGAIN}"
    )
    assert refused(client, f"{HUB}@v9") == "BAAI/SVIT: has no branch, tag or commit 'v9'; see its page"
    there = ", ".join(sorted(f"data/{name}" for name in TEXT))
    none = f"is not in the repository; there are {there}"
    assert refused(client, f"{HUB}/riddle") == f"{HUB}/riddle: {none}"
    for asked, meant in (("refering", "referring"), ("detail/test-1.parquet", "detail/test-00000-of-00001.parquet")):
        assert refused(client, f"{HUB}/data/{asked}") == f"{HUB}/data/{asked}: {none}; did you mean data/{meant}?"
    hub.rules = Rules(gate=True)
    assert refused(client, env={"HF_TOKEN": ""}) == (
        f"BAAI/SVIT: access was not granted; accept the terms at {page}/BAAI/SVIT with the account that you log in "
        f"with (`hf auth login`, or the token in HF_TOKEN), {AGAIN}"
    )
    hub.rules = Rules(tokens={"hf_another": "read"})
    assert re.match(r"BAAI/SVIT: not found, or not for this token \(401\); log in with", refused(client))


def test_a_repository_without_parquet_is_for_download(client: Client, hub: HubServer) -> None:
    hub.create("org/svit", files={"README.md": b"---\n---\n", "data/referring_qa.zip": b"PK"})
    assert refused(client, "hf://datasets/org/svit") == (
        "hf://datasets/org/svit: has no Parquet; for SVIT's own layout use svit-convert download"
    )


def test_without_a_network_it_says_so(client: Client, hub: HubServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        message = refused(client, env={"HF_ENDPOINT": endpoint})
        assert message.startswith(f"BAAI/SVIT: cannot be reached at {endpoint} (")
        assert message.endswith("; run this again when it can")
        told = client("to-llava", HUB, "-o", "never.json", env={"HF_ENDPOINT": endpoint})
        assert told.err.count("\n") == 1  # nobody waits for a Hub that is not there
    message = refused(client, env={"HF_HUB_OFFLINE": "1"})
    assert message.startswith(f"BAAI/SVIT: cannot be reached at {hub.endpoint} (")
    assert message.endswith("); HF_HUB_OFFLINE is set: unset it, then run this again")
    assert hub.asked == []


FAULTS = {
    "429": Fault("GET", "/(api/datasets|resolve)/", times=2, status=429, retry_after="1"),
    "500": Fault("GET", "/resolve/", times=2, status=500),
    "cut": Fault("GET", "^/cdn/.*parquet", times=2, kind="cut-response", after_bytes=700),
    "lost": Fault("GET", "/tree/", kind="lost-answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_passes_is_waited_for(client: Client, hub: HubServer, made: Published, tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    hub.rules = Rules(faults=[fault])
    told = client("to-llava", f"{HUB}/data/detail", "-o", "far.json")
    assert (told.code, fault.times) == (0, 0), told.err
    assert Path("far.json").read_bytes() == llava(made.folder / "data/detail", tmp_path)


def test_what_does_not_pass_ends_with_what_to_do(client: Client, hub: HubServer) -> None:
    hub.rules = Rules(faults=[Fault("GET", "^/cdn/", times=10**6, status=503)])
    assert refused(client) == f"BAAI/SVIT: the Hub answered 503; try again later, {AGAIN}"
    told = client("to-llava", HUB, "-o", "never.json")
    assert len(re.findall(r"again in [0-9]+ s \([2-5] of 5\)", told.err)) == 4


def test_a_damaged_shard_is_named(client: Client, hub: HubServer, made: Published) -> None:
    path = "data/detail/train-00000-of-00001.parquet"
    whole = (made.folder / "data/detail/train-00000-of-00003.parquet").read_bytes()
    for number, bad in enumerate((b"", whole[: len(whole) // 2], whole[:-12] + bytes(12))):
        hub.create(f"org/svit{number}", files={path: bad})
        message = refused(client, f"hf://datasets/org/svit{number}")
        assert message.startswith(f"hf://datasets/org/svit{number}/{path}: found ")
        assert message.endswith("; expected a Parquet file; write it again [input-damaged]")
