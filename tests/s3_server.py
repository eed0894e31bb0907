"""A real S3-like server on loopback: moto's, in a process of its own, spoken to by the real ``s3fs`` and ``urllib``.

What it does not do as S3 does: no limits of rate, no delays, no lifecycle rules; all buckets are everybody's.
Missing and wrong credentials are told apart only while ``refusing`` is entered.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from s3fs import S3FileSystem

_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_LOGIN = {
    "AWS_ACCESS_KEY_ID": "AKIALOOPBACK",
    "AWS_SECRET_ACCESS_KEY": "loopback-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # asks no machine of a cloud for credentials
    "NO_PROXY": "127.0.0.1,localhost",
}
_SIGNED = "AWS4-HMAC-SHA256 Credential=AKIALOOPBACK/20260101/us-east-1/s3/aws4_request"  # as much as moto looks at


class S3Server:
    """The server while it is entered; it ends with the process that started it, whatever becomes of that."""

    def __enter__(self) -> S3Server:
        pipe = subprocess.PIPE
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVE],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=clean,
        )
        assert self._process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment, beside what is there."""
        return {**_LOGIN, "AWS_ENDPOINT_URL": self.endpoint}

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request; return the answer's body."""
        headers = {"Content-Type": "text/plain", "Authorization": _SIGNED}
        with urlopen(Request(f"{self.endpoint}/{path}", body or None, headers, method=method), timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def make_bucket(self, bucket: str, objects: Mapping[str, bytes] | None = None) -> None:
        """Make an empty bucket and put objects in it."""
        self.ask("PUT", bucket)
        for key, content in (objects or {}).items():
            self.put(bucket, key, content)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object."""
        self.ask("PUT", f"{bucket}/{quote(key)}", content)

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object's content."""
        return self.ask("GET", f"{bucket}/{quote(key)}")

    def etag(self, bucket: str, key: str) -> str:
        """Return an object's tag, which ends in its number of parts where it came in several."""
        (tag,) = self._texts(f"{bucket}?list-type=2&prefix={quote(key)}", "ETag")
        return tag.strip('"')

    def keys(self, bucket: str) -> set[str]:
        """Return the keys of the objects that can be seen."""
        return self._texts(f"{bucket}?list-type=2", "Key")

    def unfinished(self, bucket: str) -> set[str]:
        """Return the keys of the multipart uploads that are open."""
        return self._texts(f"{bucket}?uploads", "Key")

    def _texts(self, path: str, tag: str) -> set[str]:
        tree = ElementTree.fromstring(self.ask("GET", path))
        return {element.text or "" for element in tree.iter() if element.tag.rpartition("}")[2] == tag}

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse every request in the block: nobody's credentials are known."""
        self.ask("POST", "moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self.ask("POST", "moto-api/reset-auth", b"inf")

    @contextmanager
    def emptied(self, environ: pytest.MonkeyPatch, home: Path) -> Iterator[S3Server]:
        """Forget all buckets; in the block, this process and its children talk to this server and to no other."""
        for name, value in {**self.environment, "HOME": str(home)}.items():
            environ.setenv(name, value)
        self.ask("POST", "moto-api/reset")
        S3FileSystem.clear_instance_cache()
        yield self
        S3FileSystem.clear_instance_cache()
