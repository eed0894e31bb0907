"""The command as a process: it tells its address, stops when asked, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers_cli import DONE, INTERRUPTED, SAMPLE, TERMINATED, UNUSABLE, call, finish, start, wait_for

from svit_datasets.cli import cli

INPUT = SAMPLE / "data" / "referring_qa.json"
HUNG_UP = 129


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the process a temporary folder of its own, to see what it leaves there."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@contextmanager
def viewing(*args: object) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the command and wait for the address that it prints; a test that fails leaves no server behind."""
    process = start("view", *args, "--no-open")
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().decode().strip()
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=20)


def test_it_prints_its_address_and_answers_there(temporary: Path) -> None:
    with viewing(INPUT, "--images", SAMPLE / "raw") as (process, url):
        with urllib.request.urlopen(f"{url}photo/1", timeout=20) as answer:
            assert answer.read() == (SAMPLE / "raw" / "VG_100K" / "9000001.jpg").read_bytes()
        assert [p.name[:10] for p in temporary.iterdir()] == ["svit-view-"]
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.code == DONE
    lines = ran.err.splitlines()
    assert (lines[0][:16], lines[1:]) == ("view: 6 records,", ["view: serving to this machine alone; Ctrl-C stops"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, DONE), (signal.SIGTERM, TERMINATED), (signal.SIGHUP, HUNG_UP)]
)
def test_each_signal_stops_it_and_nothing_is_left(temporary: Path, number: signal.Signals, code: int) -> None:
    with viewing(INPUT) as (process, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):  # a browser keeps its connection open
            process.send_signal(number)
            assert finish(process).code == code
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_it_stops_while_it_still_reads(temporary: Path, number: signal.Signals, code: int) -> None:
    process = start("view", "-", "--no-open")
    wait_for(lambda: any(temporary.rglob("index.sqlite")), process)
    process.send_signal(number)
    assert finish(process).code == code
    assert list(temporary.iterdir()) == []


def test_a_taken_port_is_said(temporary: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = call("view", INPUT, "--port", port, "--no-open")
    assert ran.code == UNUSABLE
    assert (
        ran.err.splitlines()[-1] == f"error: port {port}: address already in use; name another, or 0 for any free one"
    )
    assert list(temporary.iterdir()) == []


def test_filters_go_into_the_address() -> None:
    with viewing(INPUT, "--text", "red dog", "--only-task", "referring", "--code", "any") as (_, url):
        assert url.endswith("/?task=referring_qa&text=red+dog&code=any")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.json"], "error: none.json: found no such file or directory; expected a readable file; "),
        ([INPUT, "--images", "nowhere"], "error: nowhere: found no such file or folder; expected a readable file; "),
        ([INPUT, "--only-task", "chat"], "error: no task is called 'chat'; pass one of conversation, "),
        ([INPUT, "--id", "5"], "error: --id: only with --export DIR; the page itself has filters"),
        (
            [INPUT, "--limit", "5", "--overwrite"],
            "error: --limit and --overwrite: only with --export DIR; the page itself has filters",
        ),
    ],
)
def test_wrong_usage_is_said_and_serves_nothing(args: list[object], message: str) -> None:
    ran = call("view", *args, "--no-open")
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    assert ran.err.splitlines()[-1].startswith(message)


def test_no_option_names_another_host() -> None:
    names = {name for parameter in cli.commands["view"].params for name in parameter.opts}
    assert not {name for name in names if "host" in name or "bind" in name}


def test_help_loads_no_server() -> None:
    code = (
        "import sys, svit_datasets.cli; from svit_datasets.viewer.command import view\n"
        "view.main(['--help'], standalone_mode=False)\n"
        "print(sorted({'starlette', 'uvicorn', 'PIL', 'pyarrow', 'numpy', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_serve_runs_from_python_until_interrupted(temporary: Path) -> None:
    code = (
        "import sys; from svit_datasets import viewer\n"
        "viewer.serve(sys.argv[1], images=sys.argv[2], ready=lambda url: print(url, flush=True))\n"
        "print('stopped')"
    )
    command = [sys.executable, "-c", code, str(INPUT), str(SAMPLE / "raw")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(f"{url}api/records?text=dog", timeout=20) as answer:
            assert b'"total":1,' in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == (b"stopped\n", b"")
    assert list(temporary.iterdir()) == []
