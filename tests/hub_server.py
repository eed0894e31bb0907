"""A loopback server that answers what ``huggingface_hub`` asks when it downloads, so that the real client can run.

It speaks HEAD and GET of ``/datasets/{id}/resolve/{revision}/{path}`` with the headers that the client reads, sends
``.zip`` files through a redirect to another host name as the Hub does for large files, and serves byte ranges.

What it does not do as the Hub does: no TLS, no Xet, one revision (``main`` and its commit) of one repository, no
expiring links, no rate limits, no ``/api`` at all (404), and its gate looks at whether there is a token, not whose.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

REPOSITORY = "BAAI/SVIT"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CDN = "/cdn/"


class Asked(NamedTuple):
    """A request, and what it carried."""

    method: str
    path: str
    range: str | None
    token: str | None


@dataclass
class Rules:
    """How the server answers.

    Attributes:
        refusal: Status and ``X-Error-Code`` of every answer; None serves the files.
        gate: Whether a request without a token is refused as the Hub refuses a gated repository.
        cuts: How many further downloads of a file break off in the middle, by its name.
    """

    refusal: tuple[int, str | None] | None = None
    gate: bool = False
    cuts: dict[str, int] = field(default_factory=dict)


class HubServer:
    """Serves a folder as a dataset repository while it is entered.

    Args:
        folder: What the repository holds.
        rules: How it answers.
    """

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        self.asked: list[Asked] = []
        self.rules = rules or Rules()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fetched(self) -> list[str]:
        """Return the files whose bytes were sent, in order, and forget all requests."""
        asked, self.asked = self.asked, []
        head = f"/datasets/{REPOSITORY}/resolve/"
        names = [re.sub(rf"^({_CDN}|{head}[^/]+/)", "", a.path) for a in asked if a.method == "GET"]
        return list(dict.fromkeys(names))


def _handler(folder: Path, hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            del format, args

        def do_HEAD(self) -> None:
            self._answer(lambda _: None)

        def do_GET(self) -> None:
            self._answer(self.wfile.write)

        def _answer(self, send: Callable[[bytes], object]) -> None:
            token = self.headers["Authorization"]
            hub.asked.append(Asked(self.command, self.path, self.headers["Range"], token))
            refusal = hub.rules.refusal or ((401, "GatedRepo") if hub.rules.gate and not token else None)
            match = _RESOLVE.fullmatch(self.path)
            if self.path.startswith(_CDN):
                return self._send_file(self.path.removeprefix(_CDN), send)
            if refusal:
                return self._refuse(*refusal)
            if match is None:
                return self._refuse(404, None)
            if match[1] != REPOSITORY:
                return self._refuse(401, "RepoNotFound")
            if match[2] not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            if not (folder / match[3]).is_file():
                return self._refuse(404, "EntryNotFound")
            return self._redirect(match[3]) if match[3].endswith(".zip") else self._send_file(match[3], send)

        def _refuse(self, status: int, code: str | None) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _redirect(self, name: str) -> None:
            content = (folder / name).read_bytes()
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{hub.port}{_CDN}{name}")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-ETag", _etag(content))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send_file(self, name: str, send: Callable[[bytes], object]) -> None:
            content = (folder / name).read_bytes()
            wanted = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", self.headers["Range"] or "")
            first = int(wanted[1]) if wanted else 0
            end = int(wanted[2]) + 1 if wanted and wanted[2] else len(content)
            part = content[first:end]
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{len(content)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", _etag(content))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if self.command == "GET" and hub.rules.cuts.get(name, 0) > 0:
                hub.rules.cuts[name] -= 1
                part, self.close_connection = part[: len(part) // 2], True
            send(part)

    return Handler


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'
