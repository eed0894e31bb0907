"""Each fault that the loopback Hub can make, met by the real client or seen on the wire."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hub_server import Asked, Fault, HubServer, Received, Rules
from real_clients import BIG, BIG_ID, CARD, HEAD, SHARD, TRY_UPLOAD, UPLOAD, ask, environment, make_source, run_client

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


RETRIED = [
    Fault("PUT", "/lfs/", 2, status=500),
    Fault("PUT", "/lfs/", 1, status=429, retry_after="7"),
    Fault("POST", "/batch$", 1, status=503),
    Fault("PUT", "/lfs/", 1, "cut-request", after_bytes=1_000_000),
    Fault("PUT", "/lfs/", 1, "lost-answer"),
    Fault("PUT", "/lfs/", 1, "cut-response", after_bytes=0),
]


@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.path_regex}")
def test_the_client_gets_over_a_fault_of_the_storage(
    hub: HubServer, client: Client, source: Path, fault: Fault
) -> None:
    hub.create("org/d")
    hub.rules.faults = [fault]
    told = client(TRY_UPLOAD, source)
    if isinstance(told, list):  # before huggingface_hub 1, not every call is tried again
        assert hub.files("org/d").keys() == {".gitattributes"}
        client(UPLOAD, source)
    assert fault.times == 0
    assert hub.files("org/d")[SHARD] == BIG
    broken = [r for r in hub.received if r.kind == "broken"]
    assert broken == ([Received("broken", BIG_ID, 1_000_000)] if fault.kind == "cut-request" else [])
    assert not [p for p in hub.store.folder.iterdir() if p.name != BIG_ID]


def test_a_commit_that_took_effect_without_an_answer(hub: HubServer, client: Client, source: Path) -> None:
    hub.create("org/d")
    hub.rules.faults = [Fault("POST", "/commit/", 1, "lost-answer"), Fault("POST", "/commit/", 9, status=500)]
    told = client(TRY_UPLOAD, source)
    assert isinstance(told, list)
    assert hub.files("org/d")["README.md"] == CARD
    hub.rules = Rules()
    hub.received.clear()
    assert client(UPLOAD, source) == hub.commits("org/d")[0].id
    assert hub.received == []
    assert len(hub.commits("org/d")) == 2


def test_a_client_that_is_killed_while_it_sends_leaves_nothing(
    hub: HubServer, client: Client, source: Path, tmp_path: Path
) -> None:
    hub.create("org/d")
    hub.rules.faults = [Fault("PUT", "/lfs/", 1, "cut-request", after_bytes=500_000)]
    (tmp_path / "home").mkdir()
    env = environment(hub, tmp_path / "home")
    running = subprocess.Popen([sys.executable, "-c", HEAD + UPLOAD, source], env=env, stderr=subprocess.DEVNULL)
    hub.on_request = lambda asked: running.kill() if asked.method == "PUT" else None
    assert running.wait(60) == -signal.SIGKILL
    hub.on_request = None
    end = time.monotonic() + 10
    while not hub.received and time.monotonic() < end:
        time.sleep(0.02)
    (received,) = hub.received
    assert received[:2] == ("broken", BIG_ID)
    assert received.size_bytes <= 500_000  # the kill may come before the first byte
    client(UPLOAD, source)
    assert hub.lfs_uploads() == {BIG_ID: 1}
    assert [p.name for p in hub.store.folder.iterdir()] == [BIG_ID]


def test_faults_that_are_seen_on_the_wire(hub: HubServer) -> None:
    hub.create("org/d", files={"a.json": b"0123456789"})
    path = "/datasets/org/d/resolve/main/a.json"
    hub.rules.faults = [
        Fault("GET", "a[.]json", 1, "hang", seconds=60), Fault("GET", "a[.]json", 1, "cut-response", after_bytes=4),
        Fault("*", "a[.]json", 1, "cut-request"), Fault("GET", "other"), Fault("GET", "json", status=403, code="X"),
    ]  # fmt: skip
    with pytest.raises(TimeoutError, match="timed out"):
        ask(hub, "GET", path, timeout=0.2)
    with pytest.raises(http.client.IncompleteRead, match="4 bytes read, 6 more expected"):
        ask(hub, "GET", path)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError), match=r"closed|reset"):
        ask(hub, "GET", path)
    assert ask(hub, "GET", path) == (403, b'{"error": "refused with 403"}')
    assert ask(hub, "GET", path, Range="bytes=2-3") == (206, b"23")
    assert ask(hub, "GET", path, Range="bytes=-3") == (206, b"789")
    assert ask(hub, "GET", path, Range="bytes=10-") == (416, b"")
    assert [fault.times for fault in hub.rules.faults] == [0, 0, 0, 1, 0]
    with pytest.raises(ValueError, match="'explode' is none of status, cut-request, cut-response, hang, lost-answer"):
        Fault("GET", "", 1, "explode")


def test_bytes_that_are_not_what_they_say_are_refused(hub: HubServer) -> None:
    hub.create("org/d")
    assert ask(hub, "PUT", f"/lfs/datasets/org/d/{BIG_ID}", b"other") == (
        400, b'{"error": "the bytes are not those of the object"}',
    )  # fmt: skip
    pointer = {"key": "lfsFile", "value": {"path": "x.parquet", "oid": BIG_ID}}
    lines = "\n".join(json.dumps(line) for line in ({"key": "header", "value": {"summary": "m"}}, pointer)).encode()
    status, said = ask(hub, "POST", "/api/datasets/org/d/commit/main", lines, Authorization="Bearer x")
    assert (status, b"does not exist: x.parquet" in said, len(hub.commits("org/d"))) == (400, True, 1)


def test_an_error_of_a_hook_or_the_server_ends_the_test() -> None:
    def hook(asked: Asked) -> None:
        raise RuntimeError(asked.path)

    with pytest.raises(RuntimeError, match="/api/whoami-v2"), HubServer() as hub:  # noqa: PT012
        hub.on_request = hook
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError), match=r"closed|reset"):
            ask(hub, "GET", "/api/whoami-v2")
