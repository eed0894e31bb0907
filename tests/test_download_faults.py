"""``download`` against a loopback Hub, a network and a disk that fail: nothing is lost, and what to do is said."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from downloads import CALL, IMAGES, REFERRING, SIZES, fetch, files, lay_native
from helpers_cli import limit_file_size
from hub_client import Client
from hub_server import Fault, HubServer, Rules

PADDING_BYTES = 30 << 20  # more than the client writes at once


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_native(tmp_path_factory.mktemp("native"))


@pytest.fixture
def hub(native: Path) -> Iterator[HubServer]:
    with HubServer(native) as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def test_what_arrives_damaged_is_not_kept(client: Client, hub: HubServer, native: Path) -> None:
    """The listing tells another digest than what is sent has: as where a proxy sends something else."""
    name, commit = REFERRING[0], hub.create("org/svit", files={n: (native / n).read_bytes() for n in REFERRING})
    blob = hub.commit("org/svit").tree[name]
    content = blob.read()
    wrong = bytes([content[0] ^ 1]) + content[1:]
    if isinstance(blob.content, Path):
        blob.content.write_bytes(wrong)
    told = fetch(client, repo_id="org/svit", configs=["referring"], with_images=False, revision=commit)
    assert told["error"] == (f"org/svit: {name} arrived damaged twice; nothing is kept of it, run this again later")
    assert told["lines"] == [f"{name}: arrived damaged; fetching it again"]
    assert name not in files(client.folder / "got")


@pytest.fixture
def large(native: Path) -> Iterator[str]:
    """Make one file large; return its path."""
    path = native / IMAGES[0]
    before = path.read_bytes()
    path.write_bytes(before + bytes(PADDING_BYTES))
    yield IMAGES[0]
    path.write_bytes(before)


def test_after_a_kill_it_goes_on_with_what_is_missing(client: Client, hub: HubServer, native: Path, large: str) -> None:
    hub.rules = Rules(faults=[Fault("GET", "^/cdn/raw/images2.zip", times=1, kind="hang", seconds=60)])
    process = client.start(json.dumps({"configs": ["images"]}), code=CALL)
    end = time.monotonic() + 60
    while not any(a.path == "/cdn/raw/images2.zip" for a in hub.asked):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    got = client.folder / "got"
    assert [n for n in files(got) if not n.startswith(".")] == [SIZES, large]
    hub.asked.clear()
    hub.rules = Rules()
    told = fetch(client, configs=["images"])
    assert (told["there"], told["fetched"]) == ([SIZES, large], [IMAGES[1]])
    assert [a.path for a in hub.asked if a.path.startswith("/cdn/") and a.method == "GET"] == ["/cdn/raw/images2.zip"]
    assert files(got) == {name: (native / name).read_bytes() for name in sorted([SIZES, *IMAGES])}


def test_a_connection_that_breaks_off_goes_on_where_it_was(client: Client, hub: HubServer, large: str) -> None:
    hub.rules = Rules(cuts={large: 1})
    assert fetch(client, configs=["images"])["fetched"] == [SIZES, *IMAGES]
    ranges = [a.range for a in hub.asked if a.path == f"/cdn/{large}" and a.method == "GET"]
    assert len(ranges) == 2
    assert ranges[0] is None
    assert int(str(ranges[1]).removeprefix("bytes=").rstrip("-")) > 0


@pytest.mark.parametrize("where", ["/api/datasets/", "/resolve/"])
@pytest.mark.parametrize("status", [429, 500])
def test_what_passes_is_asked_again_and_said(client: Client, hub: HubServer, where: str, status: int) -> None:
    hub.rules = Rules(faults=[Fault("*", where, times=2, status=status, retry_after="1")])
    told = fetch(client, configs=["referring"], with_images=False)
    assert told["fetched"] == REFERRING
    assert told["retries"] == len(told["lines"])
    if where == "/api/datasets/":  # what the client asks again by itself, it says itself
        assert told["lines"] == [f"BAAI/SVIT: the Hub answered {status}; again in {n} s ({n + 1} of 5)" for n in (1, 2)]


def test_what_does_not_pass_is_explained(client: Client, hub: HubServer) -> None:
    page = f"{hub.endpoint}/datasets/BAAI/SVIT"
    again = "then run this again"
    hub.rules = Rules(gate=True)
    assert fetch(client, token=False)["error"] == (
        f"BAAI/SVIT: access was not granted; accept the terms at {page} with the account that you log in with "
        f"(`hf auth login`, or the token in HF_TOKEN), {again}"
    )
    hub.rules = Rules(tokens={"hf_another": "read"})
    assert fetch(client)["error"] == (
        f"BAAI/SVIT: not found, or not for this token (401); log in with `hf auth login` after accepting the terms at "
        f"{page}, {again}"
    )
    hub.rules = Rules(faults=[Fault("*", "/", times=10**6, status=500)])
    told = fetch(client)
    assert told["error"] == f"BAAI/SVIT: the Hub answered 500; try again later, {again}"
    assert len(told["lines"]) == 4
    hub.rules = Rules()
    assert fetch(client, revision="v9")["error"] == "BAAI/SVIT: has no branch, tag or commit 'v9'; see its page"
    assert not (client.folder / "got").exists()


def test_without_a_network_it_says_so(client: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = client(json.dumps({}), code=CALL, env={"HF_ENDPOINT": endpoint})
    answer = json.loads(told.out)
    assert answer["error"].startswith(f"BAAI/SVIT: cannot be reached at {endpoint} (")
    assert answer["error"].endswith("); run this again: what was fetched whole stays")
    assert answer["lines"] == []  # nobody waits for a Hub that is not there
    told = client(json.dumps({}), code=CALL, env={"HF_ENDPOINT": "http://no.such.host.invalid"})
    answer = json.loads(told.out)
    assert answer["error"].startswith("BAAI/SVIT: cannot be reached at http://no.such.host.invalid (")
    assert answer["lines"] == []
    answer = json.loads(client(json.dumps({}), code=CALL, env={"HF_HUB_OFFLINE": "1"}).out)
    assert answer["error"].startswith(f"BAAI/SVIT: cannot be reached at {client.hub.endpoint} (")
    assert answer["error"].endswith("); HF_HUB_OFFLINE is set: unset it, then run this again")


def test_a_hub_that_goes_away_later_is_waited_for(client: Client, hub: HubServer) -> None:
    gone = """
import huggingface_hub
from huggingface_hub import HfApi
list_tree, calls = HfApi.list_repo_tree, []
def first_refused(self, *args, **more):
    calls.append(1)
    if len(calls) == 1:
        raise ConnectionRefusedError("refused")
    return list_tree(self, *args, **more)
HfApi.list_repo_tree = first_refused
"""
    told = json.loads(client(json.dumps({"configs": ["referring"], "with_images": False}), code=gone + CALL).out)
    assert told["fetched"] == REFERRING
    assert told["lines"] == ["BAAI/SVIT: the connection failed (refused); again in 1 s (2 of 5)"]
    assert hub.asked


def test_a_full_disk_leaves_what_is_whole(client: Client, hub: HubServer, large: str) -> None:
    process = client.start(json.dumps({"configs": ["images"]}), code=CALL, preexec_fn=limit_file_size(8 << 20))
    told = json.loads(client.finish(process).out)
    assert told["kind"] == "OutputError"
    assert told["error"] == (
        "got: file too large; what was fetched whole stays. Make room or name another folder, then run this again"
    )
    assert [n for n in files(client.folder / "got") if not n.startswith(".")] == [SIZES]
    assert len([a for a in hub.asked if a.path == f"/cdn/{large}" and a.method == "GET"]) == 1
    assert fetch(client, configs=["images"])["there"] == [SIZES]
    assert not (client.folder / "got/.svit-download").exists()


def test_a_disk_that_is_too_small_is_told_before(client: Client) -> None:
    small = "import shutil\nshutil.disk_usage = lambda path: shutil._ntuple_diskusage(10, 9, 1)\n"
    told = json.loads(client(json.dumps({"configs": ["images"]}), code=small + CALL).out)
    assert re.fullmatch(
        r"got: [0-9]+ kB are to be fetched and 1 B are free; make room or name another folder", told["error"]
    )
    (client.folder / "got").write_text("mine")
    assert fetch(client)["error"] == "got: is a file; name a folder"
