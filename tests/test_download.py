"""``download`` against the loopback Hub: what a configuration needs is fetched once, whole, checked against the Hub."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from downloads import IMAGES, REFERRING, SIZES, fetch, files, lay_native
from hub_client import Client
from hub_server import HubServer
from published import Published, publish

from svit_datasets.errors import InputError, UsageError
from svit_datasets.publish.fetching.digests import is_same_file
from svit_datasets.publish.fetching.wanted import RemoteFile, choose_files


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_native(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("shards"), images="separate")


@pytest.fixture
def hub(native: Path) -> Iterator[HubServer]:
    with HubServer(native) as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def test_what_a_configuration_needs_is_fetched_once(client: Client, hub: HubServer, native: Path) -> None:
    got = client.folder / "got"
    first = fetch(client, configs=["referring"], with_images=False)
    assert (first["fetched"], first["there"], first["retries"]) == (REFERRING, [], 0)
    hub.asked.clear()
    again = fetch(client, configs=["referring"], with_images=False)
    assert (again["fetched"], again["there"]) == ([], REFERRING)
    assert [a.path for a in hub.asked if "/resolve/" in a.path or "/cdn/" in a.path] == []
    rest = fetch(client)
    assert rest["there"] == REFERRING
    expected = {name: content for name, content in files(native).items() if not name.startswith("format/")}
    assert sorted([*rest["fetched"], *rest["there"]]) == sorted(expected)
    assert files(got) == expected  # nothing else is left there, and nothing is unpacked


def test_the_folder_loads_and_converts(client: Client) -> None:
    fetch(client, configs=["images", "referring"])
    load = "import svit_datasets\nt = svit_datasets.load_dataset('svit', 'referring', data_dir='got', split='train')\n"
    assert client(code=f"{load}print(len(t), t[0]['image'].size)").out.startswith("6 (")
    assert client("to-llava", "got/data/referring_qa.zip", "--images", "got/raw", "-o", "out.json").code == 0


def test_a_repository_of_shards_is_fetched_by_configuration(client: Client, hub: HubServer, shards: Published) -> None:
    hub.create("org/svit", files=files(shards.folder))
    at: dict[str, Any] = {"repo_id": "org/svit", "configs": "detail"}
    there = sorted(files(shards.folder))
    cards = ["README.md", "croissant.json"]
    text = [name for name in there if name.startswith("data/detail/")]
    photos = [name for name in there if name.startswith("data/images/")]
    assert sorted(fetch(client, **at, with_images=False)["fetched"]) == sorted([*cards, *text])
    assert sorted(fetch(client, **at)["fetched"]) == sorted(photos)
    fetch(client, repo_id="org/svit")
    assert files(client.folder / "got") == files(shards.folder)
    assert client("to-llava", "got", "-o", "a.json").code == client("to-llava", shards.folder, "-o", "b.json").code == 0
    assert (client.folder / "a.json").read_bytes() == (client.folder / "b.json").read_bytes()


def test_a_dry_run_fetches_nothing(client: Client, hub: HubServer) -> None:
    assert fetch(client, configs=["referring"], dry_run=True)["fetched"] == sorted([*REFERRING, *IMAGES])
    assert not (client.folder / "got").exists()
    assert hub.fetched()
    assert not [a for a in hub.asked if "/resolve/" in a.path]


def test_a_file_that_was_changed_is_named_and_fetched_again_when_asked(client: Client, native: Path) -> None:
    options = {"configs": ["referring"], "with_images": False}
    fetch(client, **options)
    changed, sizes = (client.folder / "got" / name for name in REFERRING)
    whole = changed.read_bytes()
    changed.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    sizes.write_bytes(b"[]")
    told = fetch(client, **options)
    assert told["kind"] == "UsageError"
    assert told["error"] == (
        f"got/data/referring_qa.zip (another digest than the Hub's), got/{SIZES} (2 bytes, the Hub's has "
        f"{(native / SIZES).stat().st_size:,}): changed, damaged or of another revision; pass --overwrite to fetch "
        f"again what is not as on the Hub, or name another folder"
    )
    assert sizes.read_bytes() == b"[]"
    assert fetch(client, **options, overwrite=True)["fetched"] == REFERRING
    assert changed.read_bytes() == whole


def test_what_a_repository_lacks_is_named() -> None:
    there = [RemoteFile(path, 1, "0") for path in ("data/conversation.zip", SIZES)]
    with pytest.raises(InputError, match=r"^me/mine: has no data/referring_qa.zip or data/referring_qa.json or data/"):
        choose_files(there, ["conversation", "referring"], with_images=False, repo_id="me/mine")
    with pytest.raises(InputError, match=r"has no raw/images.zip; no raw/images2.zip; expected "):
        choose_files(there, ["conversation"], with_images=True, repo_id="me/mine")
    none = r"^no configuration 'refering'; there are conversation, complex_reasoning, referring, detail, images; "
    with pytest.raises(UsageError, match=none + r"did you mean 'referring'\?$"):
        choose_files(there, ["refering"], with_images=True, repo_id="me/mine")
    built = [RemoteFile("data/detail/train-00000-of-00001.parquet", 1, "0")]
    with pytest.raises(InputError, match=r"^me/mine: has no referring; there are detail$"):
        choose_files(built, ["referring"], with_images=True, repo_id="me/mine")
    with pytest.raises(UsageError, match=r"^no configuration 'detial'; there are detail; did you mean 'detail'\?$"):
        choose_files(built, ["detial"], with_images=True, repo_id="me/mine")


def test_a_small_file_is_known_by_its_git_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]\n")
    digest = hashlib.sha1(b"blob 4\0[1]\n").hexdigest()
    assert is_same_file(path, RemoteFile("a.json", 4, digest))
    assert is_same_file(path, RemoteFile("a.json", 4, hashlib.sha256(b"[1]\n").hexdigest()))
    assert not is_same_file(path, RemoteFile("a.json", 4, digest[::-1]))
    assert not is_same_file(path, RemoteFile("a.json", 5, digest))
    assert not is_same_file(tmp_path, RemoteFile("a.json", 4, digest))
