"""Files in stores are read and written by URL as files of this machine are, on a real S3-like server."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
from helpers_cli import DONE, SAMPLE, UNUSABLE, Ran, call, encode, make_zip, record, run
from s3_server import S3Server

from svit_datasets import read, to_llava
from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import decode_native
from svit_datasets.sharding.ranges import cut_ranges, read_range

LOCAL = SAMPLE / "data" / "referring_qa.json"
NATIVE = LOCAL.read_bytes()
RESTORED = "from-llava: 60 records: 60 restored; wrote s3://bucket/native/referring_qa.json (6)\n"
FAR = "s3://bucket/in/referring_qa.json"


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(autouse=True)
def s3(running: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    """Return the server with one bucket, which holds a native file."""
    with running.emptied(monkeypatch, tmp_path):
        running.make_bucket("bucket", {"in/referring_qa.json": NATIVE})
        yield running


@pytest.fixture
def local(tmp_path: Path) -> bytes:
    """Return what the conversion of the same file gives on this machine."""
    to_llava(LOCAL, tmp_path / "local.json", images=SAMPLE)
    return (tmp_path / "local.json").read_bytes()


def test_a_command_reads_and_writes_in_a_store_what_it_does_here(s3: S3Server, local: bytes) -> None:
    ran = run("to-llava", FAR, "-o", "s3://bucket/out/llava.json", "--images", SAMPLE, "--report", "s3://bucket/r.json")
    assert ran == Ran(DONE, b"", "to-llava: 60 records from 6 native records; wrote s3://bucket/out/llava.json (60)\n")
    assert s3.keys("bucket") == {"in/referring_qa.json", "out/llava.json", "r.json"}
    assert s3.get("bucket", "out/llava.json") == local
    told = json.loads(s3.get("bucket", "r.json"))
    assert (told["inputs"], told["outputs"]) == ([FAR], {"s3://bucket/out/llava.json": 60})
    assert s3.unfinished("bucket") == set()


@pytest.mark.parametrize("ending", [".json.gz", ".zip", ".jsonl"])
def test_packed_files_are_read_from_a_store(s3: S3Server, ending: str, local: bytes) -> None:
    lines = b"".join(encode(one) + b"\n" for one in json.loads(NATIVE))
    packed = {".json.gz": gzip.compress(NATIVE), ".zip": make_zip({"referring_qa.json": NATIVE}), ".jsonl": lines}
    s3.put("bucket", f"referring_qa{ending}", packed[ending])
    to_llava(f"s3://bucket/referring_qa{ending}", "s3://bucket/llava.json", images=SAMPLE)
    assert s3.get("bucket", "llava.json") == local


def test_there_and_back_in_a_store(s3: S3Server) -> None:
    to_llava(FAR, "s3://bucket/llava.json", images=SAMPLE)
    ran = run("from-llava", "s3://bucket/llava.json", "-o", "s3://bucket/native/", "--report", "s3://bucket/r.json")
    assert ran == Ran(
        DONE, b"", "from-llava: 60 records: 60 restored; wrote s3://bucket/native/referring_qa.json (6)\n"
    )
    assert json.loads(s3.get("bucket", "native/referring_qa.json")) == json.loads(NATIVE)
    assert s3.unfinished("bucket") == set()


def test_a_sidecar_in_a_store_is_written_and_found(s3: S3Server) -> None:
    ran = call("to-llava", FAR, "-o", "s3://bucket/llava.json", "--images", SAMPLE, "--provenance", "sidecar")
    assert ran.err.endswith("wrote s3://bucket/llava.json (60), s3://bucket/llava.json.svit.jsonl (60)\n")
    ran = call("from-llava", "s3://bucket/llava.json", "-o", "s3://bucket/native")
    assert ran.err == RESTORED
    assert json.loads(s3.get("bucket", "native/referring_qa.json")) == json.loads(NATIVE)


def test_sizes_are_read_from_a_store(s3: S3Server, local: bytes) -> None:
    s3.put("bucket", "image_data.json", next(SAMPLE.rglob("image_data.json")).read_bytes())
    to_llava(FAR, "s3://bucket/llava.json", images="s3://bucket/image_data.json")
    assert s3.get("bucket", "llava.json") == local


def test_ranges_of_a_file_in_a_store_hold_all_of_it(s3: S3Server) -> None:
    records = [record(i, "Why?" * 200, f"Because {i}.") for i in range(300)]
    s3.put("bucket", "many.json", encode(records))
    parts = cut_ranges("s3://bucket/many.json", most=4)
    assert len(parts) == 4
    found = [item for part in parts for item in read_range("s3://bucket/many.json", part, decode_native)]
    assert [item.record and item.record.image_id for item in found] == list(range(300))


@pytest.mark.parametrize("url", [FAR, "memory://two/referring_qa.json"])
def test_two_readers_of_one_file_do_not_meet(url: str) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(NATIVE)
    first = read(url)
    begun = [next(first).image_id]
    assert [one.image_id for one in read(url)] == begun + [one.image_id for one in first]


def test_readers_in_threads(s3: S3Server) -> None:
    s3.put("bucket", "many.json", encode([record(i, "Why?" * 500, f"Because {i}.") for i in range(2000)]))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(len([*read("s3://bucket/many.json")]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2000] * 3


def test_a_source_in_a_store_tells_its_size_and_moves() -> None:
    with open_source(FAR) as source:
        assert (source.name, source.total_bytes, source.text_bytes) == (FAR, len(NATIVE), len(NATIVE))
        assert source.seek is not None
        source.seek(100)
        assert source.read(50) == NATIVE[100:150]
        assert source.tell() == 150


LOGIN = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and what they are allowed to do"
READ = "expected a readable file"
MISSING = {
    "s3://bucket/no.json": f"found no such file; {READ}; check the address [input-missing]",
    "s3://nowhere/no.json": f"found no such bucket; {READ}; check the address, or make the bucket [input-missing]",
    "s3://bucket/in": f"found is a directory; {READ}; check the path [input-missing]",
    "s4://bucket/no.json": f"found no such file or directory; {READ}; "
    "fsspec knows no protocol s4://; did you mean s3://? [input-missing]",
    "s3:/bucket/no.json": f"found no such file or directory; {READ}; "
    "a Path takes a slash out of s3://; pass a str [input-missing]",
    "no-such-store:x.json": f"found no such file or directory; {READ}; check the path [input-missing]",
}


@pytest.mark.parametrize(("name", "told"), MISSING.items())
def test_a_missing_input_is_named(s3: S3Server, name: str, told: str) -> None:
    ran = call("to-llava", name, "-o", "s3://bucket/out.json", "--task", "referring_qa")
    assert ran == Ran(UNUSABLE, b"", f"error: {name}: {told}\n")
    assert s3.keys("bucket") == {"in/referring_qa.json"}


def test_refused_access_is_named(s3: S3Server, tmp_path: Path) -> None:
    with s3.refusing():
        read_it = run("to-llava", FAR, "-o", tmp_path / "out.json")
        write_it = run("to-llava", LOCAL, "-o", "s3://bucket/out.json")
    told = "found access was refused (Forbidden); expected a file that can be read to its end"
    assert read_it == Ran(UNUSABLE, b"", f"error: {FAR}: {told}; {LOGIN} [input-unreadable]\n")
    told = "access was refused (Forbidden); nothing was written under this name"
    assert write_it == Ran(UNUSABLE, b"", f"error: s3://bucket/out.json: {told}. C{LOGIN[1:]}\n")
    assert s3.keys("bucket") == {"in/referring_qa.json"}
    assert not (tmp_path / "out.json").exists()


def test_missing_credentials_are_named(s3: S3Server) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    bare |= {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
    ran = run("to-llava", FAR, "-o", "-", env=bare)
    told = "found access was refused (Unable to locate credentials); expected a file that can be read to its end"
    assert ran == Ran(UNUSABLE, b"", f"error: {FAR}: {told}; {LOGIN} [input-unreadable]\n")


NO_PACKAGE = "import sys; sys.modules['s3fs'] = None; from svit_datasets.cli import main; main()"


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    args = ("to-llava", FAR, "-o", tmp_path / "out.json")
    ran = subprocess.run([sys.executable, "-c", NO_PACKAGE, *args], capture_output=True, text=True, check=False)
    told = "found s3:// needs a package that is missing (Install s3fs to access S3); expected a file that can be read"
    assert (ran.returncode, ran.stdout) == (UNUSABLE, "")
    mend = "pip install 'svit-datasets[s3]' [input-unreadable]"
    assert ran.stderr == f"error: {FAR}: {told} to its end; {mend}\n"


class _Cut(BaseHTTPRequestHandler):
    """Gives a range of a file, but only half of its bytes."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(NATIVE)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(206)
        self.send_header("Content-Length", str(len(NATIVE)))
        self.send_header("Content-Range", f"bytes 0-{len(NATIVE) - 1}/{len(NATIVE)}")
        self.end_headers()
        self.wfile.write(NATIVE[: len(NATIVE) // 2])

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def cutting() -> Iterator[str]:
    """Return the address of a server that breaks off in the middle."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cut)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://user:pass@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_connection_that_breaks_is_named_without_secrets(cutting: str) -> None:
    ran = run("to-llava", f"{cutting}/referring_qa.json?X-Amz-Signature=5ec2e7", "-o", "-")
    assert ran.code == UNUSABLE
    shown = cutting.replace("user:pass@", "") + "/referring_qa.json?..."
    assert ran.err.startswith(f"error: {shown}: found the store failed (")
    assert ran.err.endswith(
        "check the network and the address of the store's server, then run this again [input-unreadable]\n"
    )
    assert "5ec2e7" not in ran.err
    assert "pass" not in ran.err


def test_other_commands_read_a_store_too() -> None:
    assert call("validate", FAR, "--images", SAMPLE).err == call("validate", LOCAL, "--images", SAMPLE).err
    assert call("stats", FAR).out == call("stats", LOCAL).out


def test_two_processes_read_and_write_in_a_store(s3: S3Server, local: bytes) -> None:
    ran = run("to-llava", FAR, "-o", "s3://bucket/llava.json", "--images", SAMPLE, "--jobs", "2")
    assert ran == Ran(DONE, b"", "to-llava: 60 records from 6 native records; wrote s3://bucket/llava.json (60)\n")
    assert s3.get("bucket", "llava.json") == local
    assert s3.keys("bucket") == {"in/referring_qa.json", "llava.json"}
    back = run("from-llava", "s3://bucket/llava.json", "-o", "s3://bucket/native", "--jobs", "2")
    assert back == Ran(DONE, b"", RESTORED)
    assert s3.keys("bucket") == {"in/referring_qa.json", "llava.json", "native/referring_qa.json"}
