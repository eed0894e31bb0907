"""``hub``: the real ``huggingface_hub`` client against a loopback server, each case in a process of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from helpers_cli import SAMPLE, make_zip
from hub_server import COMMIT, HubServer, Rules

SECRET = "hf_aVerySecretTokenOfThisTest"
DATA, SIZES = "data/referring_qa.zip", "raw/annotations/vg/image_data.json"
IMAGES = ["raw/images.zip", "raw/images2.zip"]
INSTEAD = (
    "pass data_dir=FOLDER with SVIT's files, or name it in SVIT_DATA_DIR; "
    "`svit-convert sample FOLDER` writes a small one"
)
LOAD = """
import json, sys, time
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))  # the client waits up to 8 s before it asks again
import svit_datasets, datasets
from svit_datasets.errors import InputError
datasets.disable_progress_bars()
way, options = sys.argv[1], json.loads(sys.argv[2])
load = datasets.load_dataset if way == "datasets" else svit_datasets.load_dataset
try:
    table = load("svit", **options)
except InputError as error:
    print(json.dumps({"error": str(error)}))
else:
    rows = [row for part in table.values() for row in part]
    for row in rows:
        if row.get("image") is not None:
            row["image"] = row["image"].size
    print(json.dumps({"rows": rows}))
"""
Load = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the package's sample out as SVIT is published."""
    root = tmp_path_factory.mktemp("repository")
    photos = sorted((SAMPLE / "raw/VG_100K").glob("*.jpg"))
    for name, folder, part in (("images", "VG_100K", photos[:4]), ("images2", "VG_100K_2", photos[4:])):
        (root / "raw").mkdir(exist_ok=True)
        (root / f"raw/{name}.zip").write_bytes(make_zip({f"{folder}/{p.name}": p.read_bytes() for p in part}))
    (root / SIZES).parent.mkdir(parents=True)
    (root / SIZES).write_bytes((SAMPLE / SIZES).read_bytes())
    (root / "data").mkdir()
    for stem in ("referring_qa", "conversation"):
        packed = make_zip({f"{stem}.json": (SAMPLE / f"data/{stem}.json").read_bytes()})
        (root / f"data/{stem}.zip").write_bytes(packed)
    (root / "data/complex_reasoning.json").write_bytes((SAMPLE / "data/complex_reasoning.json").read_bytes())
    return root


@pytest.fixture
def hub(repository: Path) -> Iterator[HubServer]:
    with HubServer(repository) as server:
        yield server


@pytest.fixture
def load(tmp_path: Path, hub: HubServer) -> Load:
    """Return what loads in a new process, with an empty home; whatever it says, the token is not in it."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SVIT_", "XDG_", "HUGGING"))}
    no_proxy = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

    def load(way: str = "datasets", env: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        settings = {
            "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5",
            "HF_TOKEN": SECRET, "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        ran = subprocess.run(
            [sys.executable, "-c", LOAD, way, json.dumps(options)],
            env={**kept, **no_proxy, **settings, **(env or {})}, cwd=tmp_path, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert SECRET not in ran.stdout + ran.stderr
        assert ran.returncode == 0, ran.stderr[-2000:]
        return json.loads(ran.stdout.splitlines()[-1])

    return load


def native(stem: str) -> list[dict[str, Any]]:
    return json.loads((SAMPLE / f"data/{stem}.json").read_bytes())


def check_rows(answer: dict[str, Any], stem: str = "referring_qa", *, has_images: bool = True) -> None:
    sizes = {e["image_id"]: [e["width"], e["height"]] for e in json.loads((SAMPLE / SIZES).read_bytes())}
    rows = answer["rows"]
    assert [row["image_id"] for row in rows] == [record["image_id"] for record in native(stem)]
    assert [row["image"] for row in rows] == [sizes[row["image_id"]] if has_images else None for row in rows]
    assert [[row["width"], row["height"]] for row in rows] == [sizes[row["image_id"]] for row in rows]


def test_what_a_configuration_needs_is_fetched_once_and_nothing_else(load: Load, hub: HubServer) -> None:
    check_rows(load(name="referring", images="none"), has_images=False)
    assert sorted(hub.fetched()) == [DATA, SIZES]
    check_rows(load("svit", name="referring"))
    assert sorted(hub.fetched()) == IMAGES
    check_rows(load(name="referring"))
    assert hub.asked == []  # the table is there, whichever way it was made
    offline = {"HF_HUB_OFFLINE": "1"}
    assert len(load(env=offline, name="referring", granularity="qa")["rows"]) > len(native("referring_qa"))
    assert hub.asked == []  # another table, of files that are there


def test_images_alone_need_no_text(load: Load, hub: HubServer) -> None:
    rows = load("svit", name="images")["rows"]
    assert [row["image_id"] for row in rows] == list(range(9000001, 9000007))
    assert all(row["image"] == [row["width"], row["height"]] for row in rows)
    assert sorted(hub.fetched()) == [SIZES, *IMAGES]


def test_the_token_goes_to_the_hub_alone(load: Load, hub: HubServer, tmp_path: Path) -> None:
    check_rows(load(name="referring"))
    told = {("cdn" if a.path.startswith("/cdn/") else "hub", a.token) for a in hub.asked}
    assert told == {("hub", f"Bearer {SECRET}"), ("cdn", None)}
    holders = [p for p in (tmp_path / "home").rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holders == []
    assert not [p for p in tmp_path.iterdir() if p.name != "home"]


def test_a_token_that_is_passed_opens_the_gate(load: Load, hub: HubServer, tmp_path: Path) -> None:
    hub.rules.gate = True
    nobody = {"HF_TOKEN": ""}
    assert load("svit", nobody, name="referring")["error"] == gated(hub)
    check_rows(load("datasets", nobody, name="referring", token=SECRET))
    holders = [p for p in (tmp_path / "home").rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holders == []


def test_a_plain_file_serves_where_there_is_no_zip(load: Load, hub: HubServer) -> None:
    check_rows(load(name="complex_reasoning", images="none"), "complex_reasoning", has_images=False)
    assert sorted(hub.fetched()) == ["data/complex_reasoning.json", SIZES]
    offline = {"HF_HUB_OFFLINE": "1"}
    check_rows(load(env=offline, name="complex_reasoning", images="none"), "complex_reasoning", has_images=False)
    answer = load(env=offline, name="complex_reasoning", images="none", granularity="conversation")
    assert "error" not in answer, answer["error"]
    assert hub.asked == []


def test_streams_and_processes_fetch_too(load: Load, hub: HubServer) -> None:
    answer = load(name="referring", images="none", streaming=True)
    assert [row["image_id"] for row in answer["rows"]] == [record["image_id"] for record in native("referring_qa")]
    assert sorted(hub.fetched()) == [DATA, SIZES]
    check_rows(load(name="conversation", num_proc=2), "conversation")
    assert sorted(hub.fetched()) == ["data/conversation.zip", *IMAGES]


def test_a_revision_is_asked_for_by_its_name(load: Load, hub: HubServer) -> None:
    check_rows(load(name="referring", images="none", revision=COMMIT), has_images=False)
    assert {a.path.split("/resolve/")[1].split("/")[0] for a in hub.asked if "/resolve/" in a.path} == {COMMIT}
    message = load("svit", name="referring", revision="v9")["error"]
    assert message.startswith("BAAI/SVIT: ")
    assert "v9" in message  # not "try again later": no later has that revision


def gated(hub: HubServer) -> str:
    return (
        f"BAAI/SVIT: access was not granted; accept the terms at {hub.endpoint}/datasets/BAAI/SVIT with the account "
        f"that you log in with (`hf auth login`, or the token in HF_TOKEN), or {INSTEAD}"
    )


def refused(hub: HubServer, status: int) -> str:
    return (
        f"BAAI/SVIT: not found, or not for this token ({status}); log in with `hf auth login` after accepting the "
        f"terms at {hub.endpoint}/datasets/BAAI/SVIT, or {INSTEAD}"
    )


@pytest.mark.parametrize(
    ("way", "status", "code"),
    [
        ("datasets", 403, "GatedRepo"),
        ("svit", 401, "GatedRepo"),
        ("datasets", 401, None),
        ("svit", 401, "RepoNotFound"),
        ("svit", 403, None),
        ("datasets", 404, "RepoNotFound"),
        ("datasets", 500, None),
        ("svit", 429, None),
    ],
)
def test_a_refusal_says_what_to_do(load: Load, hub: HubServer, way: str, status: int, code: str | None) -> None:
    hub.rules.refusal = (status, code)
    later = f"BAAI/SVIT: the Hub answered {status}; try again later, or {INSTEAD}"
    expected = gated(hub) if code == "GatedRepo" else refused(hub, status) if status < 429 else later
    assert load(way, name="referring") == {"error": expected}
    assert {a.path for a in hub.asked} == {f"/datasets/BAAI/SVIT/resolve/main/{DATA}"}


def test_nothing_of_a_failure_is_kept(load: Load, hub: HubServer) -> None:
    hub.rules.refusal = (403, "GatedRepo")
    assert "error" in load(name="referring", images="none")
    hub.rules = Rules()
    check_rows(load(name="referring", images="none"), has_images=False)


def test_a_file_that_the_repository_lacks_is_named(load: Load) -> None:
    expected = f"BAAI/SVIT: has no data/detail_description.zip or data/detail_description.json; {INSTEAD}"
    assert load(name="detail") == load("svit", name="detail", images="none") == {"error": expected}


def test_another_repository_is_named_as_given(load: Load, hub: HubServer) -> None:
    message = load(name="referring", hub_repo_id="me/mine")["error"]
    assert message == refused(hub, 401).replace("BAAI/SVIT", "me/mine")


def test_without_a_network_it_says_so(load: Load, hub: HubServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        message = load("datasets", {"HF_ENDPOINT": endpoint}, name="referring")["error"]
    assert message.startswith(f"BAAI/SVIT: cannot be reached at {endpoint} (")
    assert "refused" in message
    assert message.endswith(f"); {INSTEAD}")
    message = load("svit", {"HF_HUB_OFFLINE": "1"}, name="referring")["error"]
    assert message.startswith(f"BAAI/SVIT: cannot be reached at {hub.endpoint} (")
    assert "offline" in message.lower()
    assert message.endswith(f"); {INSTEAD}")
    assert hub.asked == []


@pytest.fixture
def large(repository: Path) -> Iterator[int]:
    """Make a file larger than the 10 MB that the client writes at once; return its size."""
    path = repository / "raw/images.zip"
    before = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("padding.bin", bytes(30 << 20))
    yield path.stat().st_size
    path.write_bytes(before)


def test_a_download_that_breaks_off_goes_on_where_it_was(load: Load, hub: HubServer, large: int) -> None:
    hub.rules.cuts = {"raw/images.zip": 1}
    first = load(name="referring")
    if "error" in first:  # before huggingface_hub 1, a connection that is cut ends the call; the next goes on
        assert int(huggingface_hub.__version__.split(".")[0]) < 1
        assert first["error"].startswith(f"BAAI/SVIT: cannot be reached at {hub.endpoint} (")
        first = load(name="referring")
    check_rows(first)
    ranges = [a.range for a in hub.asked if a.path == "/cdn/raw/images.zip" and a.method == "GET"]
    assert len(ranges) == 2
    assert ranges[0] is None
    written = re.fullmatch(r"bytes=([0-9]+)-", str(ranges[1]))
    assert written is not None
    assert 0 < int(written[1]) <= large // 2


def test_a_download_that_never_ends_is_an_error_and_the_next_load_is_whole(
    load: Load, hub: HubServer, tmp_path: Path
) -> None:
    hub.rules.cuts = {"raw/images.zip": 10**6}
    message = load(name="referring")["error"]
    assert message.startswith(f"BAAI/SVIT: cannot be reached at {hub.endpoint} (")
    assert message.endswith(f"); {INSTEAD}")
    assert [p.name for p in (tmp_path / "home").rglob("images.zip")] == []
    hub.rules = Rules()
    check_rows(load(name="referring"))
