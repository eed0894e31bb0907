"""``svit-convert download`` as a process: what it lists, says and exits with."""

from __future__ import annotations

import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers_cli import SAMPLE, make_zip
from hub_client import Client
from hub_server import COMMIT, Fault, HubServer, Rules
from published import publish

SIZES = "raw/annotations/vg/image_data.json"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay one task of the package's sample out as SVIT is published."""
    root = tmp_path_factory.mktemp("native")
    (root / SIZES).parent.mkdir(parents=True)
    (root / SIZES).write_bytes((SAMPLE / SIZES).read_bytes())
    photos = sorted((SAMPLE / "raw/VG_100K").glob("*.jpg"))
    for name, folder, part in (("images", "VG_100K", photos[:4]), ("images2", "VG_100K_2", photos[4:])):
        (root / f"raw/{name}.zip").write_bytes(make_zip({f"{folder}/{p.name}": p.read_bytes() for p in part}))
    (root / "data").mkdir()
    text = make_zip({"referring_qa.json": (SAMPLE / "data/referring_qa.json").read_bytes()})
    (root / "data/referring_qa.zip").write_bytes(text)
    return root


@pytest.fixture
def hub(native: Path) -> Iterator[HubServer]:
    with HubServer(native) as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def test_it_lists_fetches_and_says_what_to_do_next(client: Client, native: Path) -> None:
    names = ("data/referring_qa.zip", SIZES, "raw/images.zip", "raw/images2.zip")
    told = client("download", "referring", "-o", "got", "--dry-run")
    assert told.out == "".join(f"{(native / name).stat().st_size:>15,}  {name}\n" for name in names)
    assert re.fullmatch(
        rf"download: would fetch 4 files \([0-9]+ kB\), 0 files \(0 B\) were there; BAAI/SVIT at {COMMIT[:12]}\n",
        told.err,
    )
    assert not (client.folder / "got").exists()
    for fetched, there in ((4, 0), (0, 4)):
        told = client("download", "referring", "-o", "got")
        assert (told.code, told.out) == (0, "")
        first, load, convert = told.err.splitlines()
        assert re.fullmatch(
            rf"download: fetched {fetched} files \(.*\), {there} files \(.*\) were there; BAAI/SVIT at {COMMIT[:12]} "
            rf"is in got",
            first,
        )
        assert load == 'next: svit_datasets.load_dataset("svit", "referring", data_dir="got")'
        assert convert == "next: svit-convert to-llava got/data/referring_qa.zip --images got/raw -o referring.json"
    program, *args = shlex.split(convert.removeprefix("next: "))
    assert program == "svit-convert"
    assert client(*args).code == 0
    code = f"import svit_datasets\nprint(len({load.removeprefix('next: ')}['train']))"
    assert client(code=code).out == "6\n"


def test_what_it_says_next_works_on_shards_too(client: Client, hub: HubServer, tmp_path: Path) -> None:
    made = publish(tmp_path / "built", configs=["detail"])
    content = {p.relative_to(made.folder).as_posix(): p.read_bytes() for p in made.folder.rglob("*") if p.is_file()}
    hub.create("org/svit", files=content)
    told = client("download", "--repo-id", "org/svit", "--revision", "main", "-o", "my svit")
    assert told.code == 0, told.err
    _, load, convert = told.err.splitlines()
    assert convert == "next: svit-convert to-llava 'my svit'/data/detail -o detail.json"
    assert client(*shlex.split(convert)[2:]).code == 0
    assert (
        client(code=f"import datasets\nprint(len({load.removeprefix('next: ')}['train']))").out == "9\n"
    )  # two are held out


def test_errors_are_one_line_and_exit_with_2(client: Client, hub: HubServer, native: Path) -> None:
    told = client("download", "riddle", "-o", "got")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.last == (
        "error: no configuration 'riddle'; there are conversation, complex_reasoning, referring, detail, images"
    )
    told = client("download", "detail", "-o", "got", "--no-images")
    assert told.last.startswith("error: BAAI/SVIT: has no data/detail_description.zip or data/detail_description.json")
    (client.folder / "got/raw").mkdir(parents=True)
    (client.folder / "got/raw/images2.zip").write_bytes(b"mine")
    told = client("download", "images", "-o", "got")
    assert told.code == 2
    size = (native / "raw/images2.zip").stat().st_size
    assert told.last.startswith(
        f"error: got/raw/images2.zip (4 bytes, the Hub's has {size:,}): changed, damaged or of "
    )
    assert (client.folder / "got/raw/images2.zip").read_bytes() == b"mine"
    assert client("download", "images", "-o", "got", "--overwrite").code == 0
    hub.rules = Rules(gate=True)
    told = client("download", "-o", "more", env={"HF_TOKEN": ""})
    assert told.code == 2  # the folder asked for lacks files; nothing was asked of the gate
    told = client("download", "images", "-o", "more", env={"HF_TOKEN": ""})
    assert "access was not granted; accept the terms at " in told.last
    assert "`hf auth login`" in told.last


def test_what_is_asked_again_is_said_and_counted(client: Client, hub: HubServer) -> None:
    hub.rules = Rules(faults=[Fault("GET", "/api/", status=429, retry_after="3")])
    told = client("download", "referring", "--no-images", "-o", "got")
    said, closing, *_ = told.err.splitlines()
    assert said == "BAAI/SVIT: the Hub answered 429; again in 3 s (2 of 5)"
    assert "; asked again 1 time; BAAI/SVIT at " in closing


def test_ctrl_c_says_how_to_go_on(client: Client, hub: HubServer) -> None:
    hub.rules = Rules(faults=[Fault("GET", "^/cdn/raw/images2.zip", kind="hang", seconds=60)])
    process = client.start("download", "images", "-o", "got")
    end = time.monotonic() + 60
    while not any(a.path == "/cdn/raw/images2.zip" and a.method == "GET" for a in hub.asked):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told = client.finish(process)
    assert (told.code, told.last) == (130, "interrupted; what was fetched whole is in got. Run this again to go on")
    hub.rules = Rules()
    told = client("download", "images", "-o", "got")
    assert re.match(r"download: fetched 1 file \(.*\), 2 files \(.*\) were there; ", told.err)
