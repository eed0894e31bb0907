"""The real clients of the loopback Hub, each in a process of its own, and what the tests push."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hub_server import HubServer

HEAD = """
import io, json, os, sys, time
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))  # the client waits up to 8 s before it asks again
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_download
from huggingface_hub import snapshot_download
from huggingface_hub.utils import disable_progress_bars
disable_progress_bars()
api, at = HfApi(), {"repo_id": "org/d", "repo_type": "dataset"}
def said(do):
    try:
        return do()
    except Exception as error:
        answer = getattr(error, "response", None)
        return [type(error).__name__, getattr(answer, "status_code", None)]
"""
UPLOAD = "told = api.upload_folder(**at, folder_path=sys.argv[1]).oid"
TRY_UPLOAD = "told = said(lambda: api.upload_folder(**at, folder_path=sys.argv[1]).oid)"
BIG = bytes(range(256)) * 12000
BIG_ID = hashlib.sha256(BIG).hexdigest()
CARD = b"---\nlicense: cc-by-4.0\n---\n\n# A card\n"
SHARD = "data/referring/train-00000-of-00001.parquet"


def make_source(folder: Path) -> Path:
    """Write a folder as it is pushed: a card, a shard of 3 MB, a small file."""
    (folder / SHARD).parent.mkdir(parents=True)
    (folder / "README.md").write_bytes(CARD)
    (folder / SHARD).write_bytes(BIG)
    (folder / "croissant.json").write_text("{}")
    return folder


def environment(hub: HubServer, home: Path, token: str = "hf_good") -> dict[str, str]:
    """Return the environment of a client that knows no Hub but this one."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGING"))}
    return {
        **kept, "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5",
        "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
    }  # fmt: skip


def run_client(hub: HubServer, home: Path, code: str, *args: object, token: str = "hf_good") -> Any:
    """Run code in a new process and return what it leaves in ``told``; ``home`` keeps its cache."""
    home.mkdir(exist_ok=True)
    ran = subprocess.run(
        [sys.executable, "-c", f"{HEAD}{code}\nprint(json.dumps(told))", *map(str, args)],
        env=environment(hub, home, token), cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def ask(
    hub: HubServer, method: str, path: str, body: bytes = b"", timeout: float = 5, **headers: str
) -> tuple[int, bytes]:
    """Ask without a client of the Hub; return the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
