"""Outputs in a store appear whole, together, at the end; what fails or is stopped leaves nothing there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest
from helpers_cli import (
    DONE,
    FAULTS,
    INTERRUPTED,
    SAMPLE,
    UNUSABLE,
    Ran,
    call,
    encode,
    finish,
    record,
    run,
    start,
    wait_for,
)
from hub_server import HubServer
from real_clients import environment
from s3_server import S3Server

from svit_datasets import OutputError, SvitWarning, UsageError, to_llava
from svit_datasets.remote import uploads as remote_uploads
from svit_datasets.writing.writers import OutputSet, is_same, refuse_file

NATIVE = SAMPLE / "data" / "referring_qa.json"
OUT = "s3://bucket/out.json"
EXISTS = "exists already; name another output or pass --overwrite"


class StopError(Exception):
    """What the tests raise inside a block."""


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(autouse=True)
def s3(running: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    """Return the server with an empty bucket; uploads go in parts of the least size that S3 takes."""
    monkeypatch.setattr(remote_uploads, "PART_BYTES", 5 << 20)
    monkeypatch.chdir(tmp_path)
    with running.emptied(monkeypatch, tmp_path):
        running.make_bucket("bucket")
        yield running


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Return the store that is this process's memory, empty before and after."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


def write(data: dict[str, bytes], *, overwrite: bool = False, then: type[BaseException] | None = None) -> None:
    with OutputSet(overwrite=overwrite) as outputs:
        for name, content in data.items():
            outputs.open(name).write(content)
        if then is not None:
            raise then


@pytest.mark.parametrize("size", [0, 1, 5 << 20, (12 << 20) + 7])
def test_an_object_of_any_size_appears_at_the_end(s3: S3Server, size: int) -> None:
    content = bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)
    with OutputSet() as outputs:
        file = outputs.open(OUT)
        for start_at in range(0, size, 1 << 20):
            file.write(content[start_at : start_at + (1 << 20)])
        assert s3.keys("bucket") == set()
    assert s3.get("bucket", "out.json") == content
    assert s3.unfinished("bucket") == set()


@pytest.mark.parametrize("kind", [StopError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("size", [10, 11 << 20])
def test_nothing_stays_of_a_run_that_fails(s3: S3Server, kind: type[BaseException], size: int) -> None:
    with pytest.raises(kind):
        write({OUT: b"x" * size, "s3://bucket/report.json": b"{}"}, then=kind)
    assert (s3.keys("bucket"), s3.unfinished("bucket")) == (set(), set())


@pytest.mark.parametrize("order", [[OUT, "local.json"], ["local.json", OUT]])
def test_outputs_appear_together_wherever_they_are(
    s3: S3Server, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(OutputError, match=r"^local\.json: on purpose; nothing was written under this name\."):
            write(dict.fromkeys(order, b"[]"))
    assert (s3.keys("bucket"), s3.unfinished("bucket"), list(Path().iterdir())) == (set(), set(), [])


def fail(*_args: object) -> None:
    raise OSError(5, "On purpose")


def test_what_was_replaced_in_a_store_before_another_output_failed_is_said(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("bucket", "out.json", b"old")
    monkeypatch.setattr(Path, "replace", fail)
    told = r"^s3://bucket/out\.json: was replaced already, and what was there is gone$"
    with pytest.raises(OutputError, match="on purpose"), pytest.warns(SvitWarning, match=told):
        write({OUT: b"new", "local.json": b"[]"}, overwrite=True)
    assert s3.get("bucket", "out.json") == b"new"


def test_an_existing_object_is_replaced_when_asked_and_not_before_the_end(s3: S3Server) -> None:
    s3.put("bucket", "out.json", b"old")
    with pytest.raises(UsageError, match=rf"^{OUT}: {EXISTS}$"):
        write({OUT: b"new"})
    with pytest.raises(StopError):
        write({OUT: b"x" * (6 << 20)}, overwrite=True, then=StopError)
    assert (s3.get("bucket", "out.json"), s3.unfinished("bucket")) == (b"old", set())
    write({OUT: b"new"}, overwrite=True)
    assert s3.get("bucket", "out.json") == b"new"


REFUSED = {
    "s3://bucket/in/referring_qa.json": "is an input; inputs are never modified, so name another output",
    "s3a://bucket/in/referring_qa.json": "is an input; inputs are never modified, so name another output",
    "s3://bucket/in": "is a folder; name a file in it",
    "s3://bucket/new/": "is a folder; name a file in it",
    "s4://bucket/out.json": "fsspec knows no protocol s4://; did you mean s3://?",
    "s3:/bucket/out.json": "a Path takes a slash out of s3://; pass a str",
    "simplecache::s3://bucket/o.json": "is several protocols in one; name the store alone",
    "s3://nowhere/o.json": "no such bucket; nothing was written under this name. Check the address, or make the bucket",
}


@pytest.mark.parametrize(("name", "told"), REFUSED.items())
def test_what_cannot_be_an_output_is_refused(s3: S3Server, name: str, told: str) -> None:
    s3.put("bucket", "in/referring_qa.json", NATIVE.read_bytes())
    ran = call("to-llava", "s3://bucket/in/referring_qa.json", "-o", name, "--overwrite")
    assert ran == Ran(UNUSABLE, b"", f"error: {name}: {told}\n")
    assert (s3.keys("bucket"), list(Path().iterdir())) == ({"in/referring_qa.json"}, [])


def test_a_folder_that_is_an_object_is_refused(s3: S3Server) -> None:
    s3.put("bucket", "out.json", b"[]")
    with pytest.raises(UsageError, match=rf"^{OUT}: is a file; name a folder$"):
        refuse_file(OUT)
    refuse_file("s3://bucket/other")


def test_names_of_one_object_are_the_same() -> None:
    assert is_same("s3://bucket/a.json", "s3a://bucket/a.json")
    assert not is_same("s3://bucket/a.json", "bucket/a.json")
    assert is_same(f"file://{Path('a.json').absolute()}", "a.json")
    with pytest.raises(UsageError, match=r"^s3a://bucket/a\.json: is named for two outputs; name another$"):
        write({"s3://bucket/a.json": b"", "s3a://bucket/a.json": b""})


def test_a_very_large_object_goes_in_larger_parts(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_uploads, "LARGE_PART_BYTES", 7 << 20)
    monkeypatch.setattr(remote_uploads, "_SMALL_PARTS", 1)
    pieces = [bytes([i]) * (1 << 20) for i in range(22)]
    with OutputSet() as outputs:
        file = outputs.open(OUT)
        for piece in pieces:
            file.write(piece)
    assert s3.get("bucket", "out.json") == b"".join(pieces)
    assert s3.etag("bucket", "out.json").endswith("-4")


def begin(s3: S3Server, last: bytes = b"") -> subprocess.Popen[bytes]:
    """Start a run that has sent parts of its output and waits for the rest of its input."""
    process = start("to-llava", "-", "--task", "detail_description", "-o", OUT)
    assert process.stdin is not None
    lines = [encode(record(2, "What is there?", "A street. " * 5000)) + b"\n"] * 600
    process.stdin.write(b"".join(lines) + last)
    process.stdin.flush()
    wait_for(lambda: s3.unfinished("bucket") == {"out.json"}, process)
    return process


def test_a_killed_run_leaves_no_object(s3: S3Server) -> None:
    process = begin(s3)
    process.kill()
    process.communicate()
    assert s3.keys("bucket") == set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_no_object_and_no_parts(s3: S3Server, number: signal.Signals, code: int) -> None:
    process = begin(s3)
    process.send_signal(number)
    assert finish(process).code == code
    assert (s3.keys("bucket"), s3.unfinished("bucket")) == (set(), set())


def test_a_run_that_fails_at_a_record_leaves_no_object_and_no_parts(s3: S3Server) -> None:
    ran = finish(begin(s3, last=b"{}\n"))
    assert (ran.code, ran.err.split(" found ")[0]) == (FAULTS, "error: -:601:")
    assert (s3.keys("bucket"), s3.unfinished("bucket")) == (set(), set())


def test_a_store_that_fails_while_it_is_written_is_named(s3: S3Server) -> None:
    def send(outputs: OutputSet) -> None:
        file = outputs.open(OUT)
        file.write(b"x" * (6 << 20))
        wait_until_sent(s3)
        with s3.refusing():
            for _ in range(4):
                file.write(b"x" * (6 << 20))

    told = r"access was refused \(The AWS Access Key Id you provided does not exist in our records\.\)"
    nothing = "nothing was written under this name"
    with (
        pytest.raises(OutputError, match=rf"^{OUT}: {told}; {nothing}\. Check AWS_ACCESS_KEY_ID"),
        OutputSet() as outputs,
    ):
        send(outputs)
    assert (s3.keys("bucket"), s3.unfinished("bucket")) == (set(), set())


def test_what_cannot_be_thrown_away_is_said(s3: S3Server) -> None:
    told = rf"^{OUT}: what was sent could not be thrown away: access was refused \(.+\); look for unfinished uploads$"
    with pytest.raises(StopError), pytest.warns(SvitWarning, match=told), ExitStack() as stack:
        fail_unseen(s3, stack)
    assert (s3.keys("bucket"), s3.unfinished("bucket")) == (set(), {"out.json"})


def fail_unseen(s3: S3Server, stack: ExitStack) -> None:
    """Send a part, then fail while the store refuses everything."""
    stack.enter_context(refused := ExitStack())
    outputs = stack.enter_context(OutputSet())
    outputs.open(OUT).write(b"x" * (6 << 20))
    wait_until_sent(s3)
    refused.enter_context(s3.refusing())
    raise StopError


def wait_until_sent(s3: S3Server) -> None:
    while s3.unfinished("bucket") != {"out.json"}:
        pass


def test_other_stores_get_a_file_under_another_name_first(memory: fsspec.AbstractFileSystem) -> None:
    with OutputSet() as outputs:
        outputs.open("memory://made/here/out.json").write(b"[]")
        assert not memory.exists("/made/here/out.json")
    assert memory.cat("/made/here/out.json") == b"[]"
    assert memory.find("/") == ["/made/here/out.json"]
    with pytest.raises(StopError):
        write({"memory://made/here/two.json": b"[]"}, then=StopError)
    with pytest.raises(UsageError, match=rf"^memory://made/here/out\.json: {EXISTS}$"):
        write({"memory://made/here/out.json": b""})
    assert memory.find("/") == ["/made/here/out.json"]


def test_a_file_url_is_a_file_of_this_machine(tmp_path: Path) -> None:
    to_llava(f"file://{NATIVE}", f"file://{tmp_path}/a/llava.json", images=SAMPLE)
    to_llava(NATIVE, tmp_path / "llava.json", images=SAMPLE)
    assert (tmp_path / "a" / "llava.json").read_bytes() == (tmp_path / "llava.json").read_bytes()
    with pytest.raises(UsageError, match=EXISTS):
        to_llava(NATIVE, f"file://{tmp_path}/a/llava.json", images=SAMPLE)


def test_a_name_with_colons_is_a_file_of_this_machine() -> None:
    Path("odd:").mkdir()
    Path("odd:/referring_qa.json").write_bytes(NATIVE.read_bytes())
    to_llava("odd://referring_qa.json", "odd://a:b.json", images=SAMPLE)
    assert len(json.loads(Path("odd:/a:b.json").read_text())) == 60


HUB = "hf://datasets/org/svit/llava.json"
MAKE = "from huggingface_hub import HfApi; HfApi().create_repo('org/svit', repo_type='dataset')"


def test_the_hub_gets_a_file_at_the_end_and_gives_it_back(hub: HubServer, tmp_path: Path) -> None:
    env = environment(hub, tmp_path)
    missing = run("to-llava", NATIVE, "-o", HUB, "--images", SAMPLE, env=env)
    assert missing.err.startswith(
        f"error: {HUB}: no such file; nothing was written under this name. Check the address;"
    )
    subprocess.run([sys.executable, "-c", MAKE], env=env, check=True)
    there = run("to-llava", NATIVE, "-o", HUB, "--images", SAMPLE, env=env)
    assert there == Ran(DONE, b"", f"to-llava: 60 records from 6 native records; wrote {HUB} (60)\n")
    back = run("from-llava", HUB, "-o", "native", env=env)
    assert back == Ran(DONE, b"", "from-llava: 60 records: 60 restored; wrote native/referring_qa.json (6)\n")
    assert json.loads(Path("native/referring_qa.json").read_bytes()) == json.loads(NATIVE.read_bytes())


def test_a_read_only_store_is_refused_before_the_run() -> None:
    told = (
        r"^http://127\.0\.0\.1:9/out\.json: http:// cannot do this; nothing was written under this name\. Name another"
    )
    with pytest.raises(OutputError, match=told):
        write({"http://127.0.0.1:9/out.json": b""})
