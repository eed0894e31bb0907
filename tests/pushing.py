"""Run ``svit-convert push`` against the loopback Hub: the real client in a process of its own, with an empty home."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hub_server import HubServer

REPO = "org/svit"
TOKEN = "hf_aVerySecretTokenOfThisTest"
_HEAD = """
import sys, time
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))  # nobody waits in a test before asking again
"""
PUSH = """
from svit_datasets.cli import main
main(["push", *sys.argv[1:]])
"""
LOAD = """
import hashlib, json, datasets
datasets.disable_progress_bars()
repo, config, streaming, revision = sys.argv[1:]
table = datasets.load_dataset(repo, config, streaming=streaming == "yes", revision=revision)
told = {}
for split, part in table.items():
    part = part.cast_column("image", datasets.Image(decode=False)) if "image" in part.features else part
    for row in part:
        photo = hashlib.sha256(row["image"]["bytes"]).hexdigest() if row.get("image") else None
        turns = [[t["value"] for t in c["content"]] for c in row.get("conversations") or []]
        told.setdefault(split, []).append([row["image_id"], turns, photo])
print(json.dumps(told))
"""


class Ran(NamedTuple):
    """A finished process: exit status, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of standard error."""
        return self.err.strip().splitlines()[-1]


class Client:
    """Starts processes in a folder, with the Hub's address and a token in their environment.

    Args:
        hub: The Hub.
        folder: Where they run; their home is in it.
    """

    def __init__(self, hub: HubServer, folder: Path) -> None:
        self.hub, self.folder, self.home = hub, folder, folder / "home"
        self.home.mkdir()

    def start(self, *args: object, code: str = PUSH, **env: str) -> subprocess.Popen[str]:
        """Start ``svit-convert push``, or other code."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SVIT_", "XDG_", "HUGGING"))}
        settings = {
            "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"), "HF_ENDPOINT": self.hub.endpoint, "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": TOKEN, "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", _HEAD + code, *map(str, args)],
            env={**kept, **settings, **env}, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finish(self, process: subprocess.Popen[str]) -> Ran:
        """Wait for a process: no traceback, no token in what it says or leaves."""
        out, err = process.communicate(timeout=120)
        assert not re.search("Traceback|Exception ignored", err), err[-3000:]
        assert TOKEN not in out + err
        kept = [p for p in self.folder.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
        assert kept == []
        return Ran(process.returncode, out, err)

    def run(self, *args: object, code: str = PUSH, **env: str) -> Ran:
        """Run to the end."""
        return self.finish(self.start(*args, code=code, **env))

    def push(self, folder: Path, *options: object, **env: str) -> Ran:
        """Push a folder, photos allowed."""
        return self.run(folder, "--repo-id", REPO, "--licence-ok", *options, **env)


def writes(hub: HubServer) -> list[str]:
    """Return the requests that change something."""
    change = r"/api/repos/|/commit/|/branch/|/tag/|/lfs/|/objects/batch|/preupload/|/settings"
    return [f"{a.method} {a.path}" for a in hub.asked if a.method != "GET" and re.search(change, a.path)]


def shard_files(folder: Path) -> dict[str, Path]:
    """Return the shards of a folder by their SHA-256."""
    return {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in sorted((folder / "data").rglob("*.parquet"))}


def rows_of(records: list[dict[str, Any]], photos: dict[int, bytes]) -> list[list[Any]]:
    """Return what ``LOAD`` tells of native records."""
    return [
        [
            r["image_id"],
            [[t["value"] for t in c["content"]] for c in r["conversations"]],
            hashlib.sha256(photos[r["image_id"]]).hexdigest() if photos else None,
        ]
        for r in records
    ]
