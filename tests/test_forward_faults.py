"""A conversion in shards reads its input twice; a reading that breaks off ends it, whichever of the two it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers_cli import DONE, SAMPLE, UNUSABLE, Ran, run

from svit_datasets import to_llava

LOCAL = SAMPLE / "data" / "referring_qa.json"
NATIVE = LOCAL.read_bytes()
MEND = "check the network and the address of the store's server, then run this again [input-unreadable]\n"


class Server(ThreadingHTTPServer):
    """Gives ranges of a file; of the one with the number ``broken``, half of the bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.broken: int | None = None
        self.given = 0

    @property
    def file(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.server_address[1]}/referring_qa.json"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(NATIVE)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def do_GET(self) -> None:
        first, last = map(int, re.findall(r"\d+", self.headers["Range"]))
        part = NATIVE[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(NATIVE)}")
        self.end_headers()
        half = self.server.given == self.server.broken
        self.server.given += 1
        self.wfile.write(part[: len(part) // 2] if half else part)
        self.close_connection = half

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def convert(server: Server, folder: Path) -> Ran:
    return run("to-llava", server.file, "-o", folder / "llava.json", "--images", SAMPLE, "--jobs", "2")


def test_a_reading_that_breaks_off_ends_the_run_whichever_it_is(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "llava.json"
    assert convert(server, tmp_path) == Ran(
        DONE, b"", f"to-llava: 60 records from 6 native records; wrote {output} (60)\n"
    )
    to_llava(LOCAL, tmp_path / "local.json", images=SAMPLE)
    assert output.read_bytes() == (tmp_path / "local.json").read_bytes()
    output.unlink()
    assert server.given >= 4, "both readings ask for more than one range"
    for number in range(server.given):
        server.given, server.broken = 0, number
        ran = convert(server, tmp_path)
        assert ran.code == UNUSABLE, (number, ran)
        assert ran.err.startswith(f"error: {server.file}: found the store failed (")
        assert ran.err.endswith(MEND)
        assert [p.name for p in tmp_path.iterdir()] == ["local.json"]
