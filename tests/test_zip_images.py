"""``zip_images`` and ``stores``: images out of zips by a path, from any process, and every layout of folders."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pytest
from helpers_cli import encode, make_zip, save_photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from svit_datasets.errors import InputError
from svit_datasets.images.stores import FolderStore, Place, Places, ZipStore, find_places
from svit_datasets.images.visual_genome import FOLDERS

SIZES = {2: (8, 6), 1: (5, 7), 9000001: (4, 4)}
ODD_NAMES = (
    "a b",
    "caf\u00e9 \u4eba\U0001f600",
    "a#b",
    "a?b=c",
    "100%25",
    "x[1]*",
    "a&b;c",
    "k=v,{1}",
    "old.zip",
    "a::b",
    "~",
)


def jpeg(size_wh: tuple[int, int], seed: int = 0) -> bytes:
    """Return a JPEG of noise, so that no two are alike."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG")
    return packed.getvalue()


MEMBERS = {f"VG_100K/{i}.jpg": jpeg(size, i) for i, size in SIZES.items()}


def find(path: Path, image_id: int, folders: tuple[str, ...] = FOLDERS) -> Place | None:
    """Return a place whose zip is closed again; its ``uri`` is what a table keeps."""
    with ExitStack() as stack:
        return ZipStore(path, stack).find(image_id, folders)


def uri_of(path: Path, image_id: int) -> str:
    place = find(path, image_id)
    assert place is not None
    return place.uri


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    path.write_bytes(make_zip(MEMBERS, zipfile.ZIP_STORED))
    return path


def test_a_path_says_zip_and_member_and_opens_anywhere(packed: Path) -> None:
    uri = uri_of(packed, 2)
    assert uri == f"svit-zip://{packed}/VG_100K/2.jpg"
    for path in (uri, uri.replace("///", "//")):  # datasets takes one of three slashes away
        with fsspec.open(path) as file:
            assert file.read() == MEMBERS["VG_100K/2.jpg"]
    filesystem, path = fsspec.core.url_to_fs(uri)
    assert filesystem.exists(path)
    assert filesystem.isfile(path)
    assert filesystem.size(path) == len(MEMBERS["VG_100K/2.jpg"])
    assert filesystem.cat_file(path) == MEMBERS["VG_100K/2.jpg"]
    assert filesystem.cat_file(path, start=3, end=40) == MEMBERS["VG_100K/2.jpg"][3:40]
    assert not filesystem.exists(path.replace("/2.jpg", "/3.jpg"))
    assert not filesystem.exists(path.replace("images.zip", "images2.zip"))


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_folder_of_any_name_may_hold_the_zip(tmp_path: Path, name: str, compression: int) -> None:
    path = tmp_path / name / "images.zip"
    path.parent.mkdir()
    path.write_bytes(make_zip(MEMBERS, compression))
    rows = [{"path": uri_of(path, i), "bytes": None} for i in SIZES]
    feature = datasets.Image()
    assert [feature.decode_example(row).size for row in rows] == list(SIZES.values())
    embedded = feature.embed_storage(pa.array(rows, feature.pa_type)).to_pylist()
    assert embedded == [{"bytes": MEMBERS[f"VG_100K/{i}.jpg"], "path": f"{i}.jpg"} for i in SIZES]
    table = datasets.Dataset.from_dict({"image": [r["path"] for r in rows]}).cast_column("image", feature)
    assert [image.size for image in table["image"]] == list(SIZES.values())


def test_a_relative_zip_is_told_by_an_absolute_path(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(packed.parent)
    uri = uri_of(Path("images.zip"), 2)
    monkeypatch.chdir("/")
    with fsspec.open(uri) as file:
        assert file.read() == MEMBERS["VG_100K/2.jpg"]


def test_what_is_not_there_is_named(packed: Path, tmp_path: Path) -> None:
    uri, before = uri_of(packed, 2), packed.read_bytes()
    with pytest.raises(FileNotFoundError) as caught:
        fsspec.open(uri.replace("2.jpg", "3.jpg")).open()
    assert str(caught.value) == f"VG_100K/3.jpg in {packed}"
    with pytest.raises(FileNotFoundError) as caught:
        fsspec.open(uri.replace("images.zip", "no.zip")).open()
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{tmp_path / 'no.zip'}'"
    for mode in ("wb", "ab", "w", "xb", "r+b"):
        with pytest.raises(NotImplementedError, match=r"^images in a zip are read only$"):
            fsspec.open(uri, mode).open()
    assert packed.read_bytes() == before


def test_a_zip_within_a_folder_that_is_called_like_one(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(make_zip({"old.zip/VG_100K/2.jpg": MEMBERS["VG_100K/2.jpg"]}))
    with fsspec.open(uri_of(path, 2)) as file:
        assert file.read() == MEMBERS["VG_100K/2.jpg"]


READERS = """
import multiprocessing, sys, threading
import fsspec
import svit_datasets

is_kept, *uris = sys.argv[1:]
kept = [fsspec.open(uri) for uri in uris]  # made before the fork, and handed on to the processes

def read(count, wrong):
    for i in range(count):
        for number, (uri, old) in enumerate(zip(uris, kept)):
            with (old if is_kept == "kept" else fsspec.open(uri)) as file:
                content = file.read(7) + file.read()
            if content != bytes([number + 1]) * 20000:
                wrong.append(uri)

def work(queue):
    wrong = []
    threads = [threading.Thread(target=read, args=(6, wrong)) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    queue.put(len(wrong))

read(1, [])
context = multiprocessing.get_context("fork")
queue = context.Queue()
processes = [context.Process(target=work, args=(queue,)) for _ in range(4)]
[p.start() for p in processes]
print([queue.get(timeout=60) for _ in processes])
[p.join() for p in processes]
"""


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("is_kept", ["kept", "new"])
def test_processes_and_threads_that_share_a_zip_never_mix_bytes_up(
    tmp_path: Path, compression: int, is_kept: str
) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(make_zip({f"VG_100K/{i}.jpg": bytes([i]) * 20000 for i in range(1, 21)}, compression))
    uris = [uri_of(path, i) for i in range(1, 21)]
    command = [sys.executable, "-W", "ignore", "-c", READERS, is_kept, *uris]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("[0, 0, 0, 0]", "")


def test_the_protocol_is_known_without_an_import_of_this_package(packed: Path) -> None:
    code = "import fsspec, sys; print(len(fsspec.open(sys.argv[1]).open().read()))"
    ran = subprocess.run([sys.executable, "-c", code, uri_of(packed, 2)], capture_output=True, text=True, check=False)
    assert ran.stdout == f"{len(MEMBERS['VG_100K/2.jpg'])}\n", ran.stderr


BASES = ("", "vg", "raw", "raw/vg")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_are_found_at_every_base(tmp_path: Path, base: str, folder: str) -> None:
    photo = save_photo(tmp_path / base / folder / "2.jpg", (8, 6))
    places = find_places(tmp_path)
    assert places == Places(bases=(tmp_path / base,))
    assert places.holders == (tmp_path / base,)
    store = FolderStore(places.bases[0])
    place = store.find(2, FOLDERS)
    assert place is not None
    assert place[:3] == (folder, str(tmp_path / base), str(photo))
    with place.open() as file:
        assert file.read() == photo.read_bytes()
    assert list(store.image_ids()) == [2]
    assert store.find(3, FOLDERS) is store.find(10**400, FOLDERS) is store.find(-2, FOLDERS) is None


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ["images.zip", "images2.zip"])
def test_zips_are_found_at_every_base(tmp_path: Path, base: str, name: str) -> None:
    path = tmp_path / base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_zip(MEMBERS))
    assert find_places(tmp_path) == find_places(path) == Places(zips=(path,))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ["image_data.json", "annotations/vg/image_data.json", "annotations/image_data.json"])
def test_sizes_are_found_at_every_base(tmp_path: Path, base: str, name: str) -> None:
    path = tmp_path / base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode([]))
    assert find_places(tmp_path) == find_places(path) == Places(image_data=(path,))


def test_everything_at_once_is_found_and_a_flat_folder_only_where_nothing_else_is(tmp_path: Path) -> None:
    assert find_places(tmp_path) == find_places(tmp_path / "no") == Places()
    save_photo(tmp_path / "notes.jpg", (1, 1))
    assert find_places(tmp_path) == Places()
    save_photo(tmp_path / "2.jpg", (8, 6))
    assert find_places(tmp_path) == Places(flat=(tmp_path,))
    (tmp_path / "image_data.json").write_bytes(b"[]")
    assert find_places(tmp_path).holders == (tmp_path,)
    save_photo(tmp_path / "raw/VG_100K_2/1.jpg", (8, 6))
    (tmp_path / "raw/images.zip").write_bytes(make_zip(MEMBERS))
    (tmp_path / "images2.zip").mkdir()
    places = find_places(tmp_path)
    assert places.holders == (tmp_path / "raw", tmp_path / "raw/images.zip")
    assert places.image_data == (tmp_path / "image_data.json",)


def test_an_image_is_taken_from_the_folder_that_is_asked_for_first(tmp_path: Path) -> None:
    for folder in FOLDERS:
        save_photo(tmp_path / folder / "2.jpg", (8, 6))
    (tmp_path / "images.zip").write_bytes(make_zip({f"{f}/2.jpg": f.encode() for f in FOLDERS}))
    for folders in (FOLDERS, FOLDERS[::-1]):
        found = FolderStore(tmp_path).find(2, folders)
        assert found is not None
        assert found.folder == folders[0]
        assert uri_of(tmp_path / "images.zip", 2).endswith("VG_100K/2.jpg")
        in_zip = find(tmp_path / "images.zip", 2, folders)
        assert in_zip is not None
        assert in_zip.folder == folders[0]


def test_a_flat_folder_and_a_flat_zip_tell_no_folder(tmp_path: Path) -> None:
    save_photo(tmp_path / "2.jpg", (8, 6))
    (tmp_path / "a.zip").write_bytes(make_zip({"2.jpg": b"x", "__MACOSX/._2.jpg": b"y", "notes.txt": b"z"}))
    with ExitStack() as stack:
        for store in (FolderStore(tmp_path, is_flat=True), ZipStore(tmp_path / "a.zip", stack)):
            place = store.find(2, FOLDERS)
            assert place is not None
            assert place.folder == ""
            assert list(store.image_ids()) == [2]


DAMAGED = (
    "found File is not a zip file; expected an archive that unpacks; fetch the archive again and compare its checksum "
    "[input-damaged]"
)
NO_IMAGES = "found no images; expected a zip with .jpg files in it; check the path [input-missing]"
NAMES = st.sampled_from(["2", "1", "007", "000000000009", "cat", "2 (1)", "\u0663", "\u00b2", "-5", "._2", "9000001"])
UNDER = st.sampled_from(["", "VG_100K/", "VG_100K_2/", "images/VG_100K/", "photos/", "__MACOSX/VG_100K/"])


@given(members=st.lists(st.tuples(UNDER, NAMES), min_size=1, max_size=5, unique=True), is_zip=st.booleans())
def test_every_image_that_a_store_lists_it_also_finds(
    folder: Callable[[], Path], members: list[tuple[str, str]], is_zip: bool
) -> None:
    root = folder()
    names = [f"{under}{name}.jpg" for under, name in members]
    with ExitStack() as stack:
        if is_zip:
            (root / "images.zip").write_bytes(make_zip(dict.fromkeys(names, b"x")))
            store: FolderStore | ZipStore = ZipStore(root / "images.zip", stack)
        else:
            for name in names:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(b"x")
            places = find_places(root)
            store = FolderStore(root, is_flat=not places.bases)
        assert [i for i in store.image_ids() if store.find(i, FOLDERS) is None] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 cut", DAMAGED),
        (b"", DAMAGED),
        (make_zip({}), NO_IMAGES),
        (make_zip({"a.json": b"[]"}), NO_IMAGES),
    ],
    ids=["cut", "empty", "no members", "no images"],
)
def test_a_zip_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught, ExitStack() as stack:
        ZipStore(path, stack)
    assert str(caught.value) == f"{path}: {message}"
