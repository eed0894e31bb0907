"""Run ``svit-convert`` against the loopback Hub: the real client in a process of its own, with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hub_server import HubServer

SECRET = "hf_aVerySecretTokenOfThisTest"
_HEAD = """
import sys, time
nap = time.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))  # nobody waits in a test before asking again
"""
_COMMAND = """
from svit_datasets.cli import cli, main
from svit_datasets.publish.fetching.command import download
cli.add_command(download)
main(sys.argv[1:])
"""


class Told(NamedTuple):
    """What a finished process said: exit status, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that takes ``endpoint`` for the Hub."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SVIT_", "XDG_", "HUGGING"))}
    return {
        **kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "HOME": str(home),
        "HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5",
        "HF_TOKEN": SECRET, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **more,
    }  # fmt: skip


class Client:
    """Runs processes in a folder; whatever they say, the token is not in it.

    Args:
        hub: The Hub.
        folder: Where they run; their home is in it.
    """

    def __init__(self, hub: HubServer, folder: Path) -> None:
        self.hub, self.folder, self.home = hub, folder, folder / "home"
        self.home.mkdir()

    def start(self, *args: object, code: str = _COMMAND, env: dict[str, str] | None = None, **given: Any) -> Any:
        """Start ``svit-convert``, or other code."""
        return subprocess.Popen(
            [sys.executable, "-c", _HEAD + code, *map(str, args)],
            env=environment(self.hub.endpoint, self.home, **(env or {})),
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **given,
        )  # fmt: skip

    def finish(self, process: Any) -> Told:
        """Wait for a process; no traceback is to be seen."""
        out, err = process.communicate(timeout=120)
        assert SECRET not in out + err
        assert not re.search("Traceback|Exception ignored", err), err[-3000:]
        return Told(process.returncode, out, err)

    def __call__(self, *args: object, **given: Any) -> Told:
        """Run to the end."""
        return self.finish(self.start(*args, **given))
