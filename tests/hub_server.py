"""A loopback Hub, so that the real ``huggingface_hub`` and ``datasets`` can create, push, list, load and download.

``HubServer(FOLDER)`` shows a folder as the dataset BAAI/SVIT, as it is now; ``HubServer()`` begins empty.
LFS objects go through another host name, ``localhost``, as the Hub's do. Run the clients with
``HF_ENDPOINT=hub.endpoint``, ``HF_HUB_DISABLE_XET=1`` and ``NO_PROXY=127.0.0.1,localhost``.

What it does not do as the Hub does:

- no TLS, no Xet, no compression; a request id, ``ETag``-conditioned answers and cookies are missing
- regular files are sent from the address that was asked, where the Hub first redirects to its resolve cache
- links to LFS objects are not signed, never expire, and open private and gated files to anyone
- every known token sees and may write all repositories alike, with no organisations, quotas or size limits; without
  ``Rules(tokens=...)`` any token may write, and a repository that is missing is 401 even with a token, not 404
- rate limits, outages and broken connections come only as ``Rules.faults`` says
- a tag is light; pull requests cannot be merged, closed or discussed; no history is squashed, nothing is collected
- the card's YAML is not read: only a missing one is warned of, and ``Rules.yaml_errors`` refuses; info has no cardData
- no repository without a namespace, no renames, no abbreviated commit ids, no LFS downloads through the batch address
- copies between repositories, ``.gitignore``, search, the viewer, its Parquet copies and Croissant are not there
- LFS or not is decided by suffix, size and a zero byte, not by the ``.gitattributes`` of the repository
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from hub_api import Api
from hub_exchange import to_handler
from hub_rules import Asked, Fault, Received, Rules
from hub_store import COMMIT, REPOSITORY, Commit, Repository, Store

__all__ = ["COMMIT", "REPOSITORY", "Asked", "Fault", "HubServer", "Received", "Rules"]


class HubServer:
    """A Hub while it is entered.

    Args:
        folder: What the repository BAAI/SVIT holds; None for no such repository.
        rules: How it answers.
        kind: What BAAI/SVIT is: "dataset" or "model".
        storage: Where LFS objects are kept; a folder of its own, removed at the end, if not given.

    Attributes:
        asked: Every request, in order.
        received: Everything that clients sent, in order.
        on_request: Called with each request before its body is read.
    """

    def __init__(
        self, folder: Path | None = None, rules: Rules | None = None, *, kind: str = "dataset",
        storage: Path | None = None,
    ) -> None:  # fmt: skip
        self.asked: list[Asked] = []
        self.on_request: Callable[[Asked], object] | None = None
        self.failures: list[BaseException] = []
        self.closing = threading.Event()
        self._own = None if storage else tempfile.mkdtemp(prefix="hub-")
        self.store = Store(storage or Path(str(self._own)))
        if folder:
            self.store.repositories[kind, REPOSITORY] = Repository(REPOSITORY, kind, live=folder)
        self._server = _Server(("127.0.0.1", 0), to_handler(self))
        self.port: int = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.api = Api(self.store, self.endpoint, f"http://localhost:{self.port}")
        self.rules = rules or Rules()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def rules(self) -> Rules:
        """How it answers from now on."""
        return self.api.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self.api.rules = rules

    @property
    def received(self) -> list[Received]:
        """What clients sent, in order; clear it to forget."""
        return self.api.received

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)
        if self.failures and error is None:
            raise self.failures[0]

    def fetched(self) -> list[str]:
        """Return the files whose bytes were sent, in order, and forget all requests."""
        asked, self.asked = self.asked, []
        head = r"^(/cdn/(sha256/[0-9a-f]{64}/)?|(/datasets)?/[^/]+/[^/]+/resolve/[^/]+/)"
        names = [unquote(re.sub(head, "", a.path)) for a in asked if a.method == "GET"]
        return list(dict.fromkeys(names))

    def lfs_uploads(self) -> Counter[str]:
        """Return how often each LFS object arrived whole, by its SHA-256."""
        return Counter(r.name for r in self.received if r.kind == "lfs")

    def create(
        self, repo_id: str, *, kind: str = "dataset", private: bool = False, files: Mapping[str, bytes] | None = None
    ) -> str:
        """Make a repository, with files if given; return its newest commit."""
        made = self.store.create(repo_id, kind=kind, private=private)
        if files:
            tree = {path: self.store.keep(made, content, path) for path, content in files.items()}
            made.add("main", {**made.find("main").tree, **tree}, "made by the test")  # type: ignore[union-attr]
        return made.branches["main"]

    def put_file(
        self, repo_id: str, path: str, content: bytes, *, revision: str = "main", kind: str = "dataset"
    ) -> str:
        """Commit a file, as somebody else would; return the commit."""
        with self.store.lock:
            repository = self.repository(repo_id, kind)
            tree = {**self.commit(repo_id, revision, kind).tree, path: self.store.keep(repository, content, path)}
            return repository.add(revision, tree, f"put {path}").id

    def repository(self, repo_id: str, kind: str = "dataset") -> Repository:
        """Return a repository."""
        return self.store.repositories[kind, repo_id]

    def commit(self, repo_id: str, revision: str = "main", kind: str = "dataset") -> Commit:
        """Return the commit that a revision names; KeyError if there is none."""
        found = self.repository(repo_id, kind).find(revision)
        if found is None:
            raise KeyError(revision)
        return found

    def files(self, repo_id: str, revision: str = "main", kind: str = "dataset") -> dict[str, bytes]:
        """Return the files of a revision, with the ``.gitattributes`` that the Hub makes."""
        return {path: blob.read() for path, blob in self.commit(repo_id, revision, kind).tree.items()}

    def commits(self, repo_id: str, revision: str = "main", kind: str = "dataset") -> list[Commit]:
        """Return the commits of a revision, newest first."""
        return self.repository(repo_id, kind).history(self.commit(repo_id, revision, kind))

    def take_fault(self, asked: Asked) -> Fault | None:
        """Return the fault that a request meets, and count it."""
        with self.store.lock:
            found = next((fault for fault in self.rules.faults if fault.meets(asked)), None)
            if found:
                found.times -= 1
            return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that goes away is no fault of the server
            super().handle_error(request, client_address)
